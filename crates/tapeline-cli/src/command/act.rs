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
    let what = if is_nothing(answer) { "nothing to do" } else { "done" };
    let mut out = format!("{name}{at}: {what}\n");
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

/// Whether an answer says that nothing was touched.
fn is_nothing(answer: &Value) -> bool {
    const TOUCHED: [&str; 6] = ["recovered", "reconnected", "rotated", "unpinned", "reset", "swept"];
    let none = TOUCHED.iter().any(|word| answer.get(word).and_then(Value::as_u64) == Some(0));
    none || answer.get("venues").and_then(Value::as_array).is_some_and(Vec::is_empty)
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
        let nothing = |name: &str, answer: Value| told(name, None, &answer).lines().next().map(str::to_owned);
        for (name, answer) in [
            ("reconnect", json!({"ok": true, "reconnected": 0})),
            ("recover", json!({"ok": true, "recovered": 0, "note": "manual tries nothing"})),
            ("pin", json!({"ok": true, "rung": "poll", "venues": []})),
        ] {
            assert_eq!(nothing(name, answer), Some(format!("{name}: nothing to do")));
        }
    }
}
