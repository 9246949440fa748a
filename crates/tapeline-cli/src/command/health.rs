//! `tapeline health`: whether a running gateway is well, as an exit code.

use serde_json::Value;

use crate::args::{Global, Health};
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
        print(&told(&answer.body, well))?;
    }
    Ok(if well { Exit::Done } else { Exit::Failure })
}

/// A word, and what the gateway says about it.
fn told(body: &Value, well: bool) -> String {
    let said = body.get("level").or_else(|| body.get("status")).and_then(Value::as_str);
    let mut out = format!("{}\n", said.unwrap_or(if well { "well" } else { "not well" }));
    let details = ["reasons", "waiting", "missing", "venues", "checks"];
    for item in details.iter().filter_map(|name| body.get(*name)).flat_map(items) {
        out.push_str(&format!("  {item}\n"));
    }
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
