//! `tapeline health`: whether a running gateway is well, as an exit code.

use serde_json::Value;

use crate::args::{Global, Health};
use crate::command::status::HELD;
use crate::exit::{Exit, Failed};
use crate::out::print;
use crate::remote::Remote;

/// Runs the command.
pub(crate) async fn run(args: &Health, global: &Global) -> Result<Exit, Failed> {
    let remote = Remote::of(global)?;
    let path = if args.ready { "/readyz" } else { "/healthz" };
    let answer = remote.get(&format!("{path}?verbose")).await?;
    let well = answer.status.is_success();
    if !answer.body.is_object() {
        return Err(remote.is_none(&format!("it says {} to {path}", answer.status)));
    }
    if args.json {
        print(&format!("{}\n", answer.body))?;
    } else {
        print(&told(&answer.body, well, &remote.url()))?;
    }
    Ok(if well { Exit::Done } else { Exit::Failure })
}

/// A word, whose it is, and what the gateway says about it.
fn told(body: &Value, well: bool, url: &str) -> String {
    let said = body.get("level").or_else(|| body.get("status")).and_then(Value::as_str);
    let ready =
        body.get("ready").and_then(Value::as_bool).map(|ready| if ready { "ready" } else { "not ready" });
    let word = said.or(ready).unwrap_or(if well { "well" } else { "not well" });
    let mut out = format!("{word}: {url}\n");
    let mut why = Vec::new();
    let details = ["reasons", "waiting", "missing", "venues", "checks"];
    for item in details.iter().filter_map(|name| body.get(*name)).flat_map(items) {
        why.push(item);
    }
    if why.is_empty() && well && body.get("level").is_some_and(|level| level != "healthy") {
        why.push(HELD.to_owned());
    }
    why.iter().for_each(|item| out.push_str(&format!("  {item}\n")));
    out
}

/// What a list or an object says, one line each.
fn items(value: &Value) -> Vec<String> {
    let plain = |value: &Value| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        text.replace(char::is_control, " ")
    };
    match value {
        Value::Array(items) => items.iter().map(plain).collect(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| format!("{name}: {}", plain(value))).collect()
        }
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_level_comes_with_whose_it_is_and_why() {
        let check = |body: Value, well: bool, lines: &[&str]| {
            let told = told(&body, well, "http://a");
            assert_eq!(told.lines().collect::<Vec<_>>(), lines, "{body}");
        };
        let held = format!("  {HELD}");
        check(json!({"level": "healthy", "reasons": []}), true, &["healthy: http://a"]);
        check(json!({"level": "warning", "reasons": []}), true, &["warning: http://a", &held]);
        let reasons = json!({"level": "critical", "reasons": ["b: no line carries it"]});
        check(reasons, false, &["critical: http://a", "  b: no line carries it"]);
        check(json!({"ready": true, "reasons": []}), true, &["ready: http://a"]);
        check(
            json!({"ready": false, "reasons": ["it stops"]}),
            false,
            &["not ready: http://a", "  it stops"],
        );
    }
}
