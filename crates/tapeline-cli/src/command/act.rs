//! `tapeline recover`, `reconnect`, `rotate`, `fallback`, `pin`, `unpin`, `reset`, `sweep`, `reload`, `drain`: orders
//! to a running gateway.

use serde_json::{Value, json};

use super::config::load;
use crate::args::{Acted, Global};
use crate::exit::{Exit, Failed};
use crate::out::print;
use crate::remote::{Remote, token};

/// Gives the order called `name`.
pub(crate) async fn run(
    name: &str,
    (target, mode): (Option<&str>, Option<&str>),
    args: &Acted,
    global: &Global,
) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let token = token::find(args.token_file.as_deref(), || load(global))?;
    let mut order = json!({});
    if let Some(target) = target {
        order["target"] = target.into();
    }
    if let Some(mode) = mode {
        order["mode"] = mode.into();
    }
    let answer = remote.post(&format!("/api/v1/actions/{name}"), &order, &token).await?.granted(&remote)?;
    let text = if args.json { format!("{answer}\n") } else { told(name, target, &answer) };
    print(&text)?;
    let ok = answer.get("ok").and_then(Value::as_bool).unwrap_or(true);
    Ok(if ok { Exit::Done } else { Exit::Failure })
}

/// What happened, in a line, and what else the gateway says about it.
fn told(name: &str, target: Option<&str>, answer: &Value) -> String {
    let at = target.map(|target| format!(" {target}")).unwrap_or_default();
    let mut out = format!("{name}{at}: done\n");
    let answer = answer.get("result").filter(|result| result.is_object()).unwrap_or(answer);
    for (key, value) in answer.as_object().into_iter().flatten().filter(|(key, _)| *key != "ok") {
        let key = key.replace('_', " ");
        match value {
            Value::Null => {}
            Value::Array(items) if items.is_empty() => {}
            Value::Array(items) => {
                out.push_str(&format!("  {key}\n"));
                out.extend(items.iter().map(|item| format!("    {}\n", plain(item))));
            }
            value => out.push_str(&format!("  {key}: {}\n", plain(value))),
        }
    }
    out
}

fn plain(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_with_what_it_did() {
        let answer =
            json!({"ok": true, "swept": 3, "restart": ["gateway.listen"], "none": [], "nothing": null});
        assert_eq!(
            told("sweep", None, &answer),
            "sweep: done\\n  restart\\n    gateway.listen\\n  swept: 3\\n".replace("\\n", "\n")
        );
        assert_eq!(told("reconnect", Some("binance"), &json!({"ok": true})), "reconnect binance: done\n");
    }
}
