//! `tapeline backoff`: what delays follow after failures.

use serde_json::json;
use tapeline_core::policy::backoff::{self, Backoff, Preview};

use super::config::load;
use crate::args::{BackoffAction, Global};
use crate::exit::{Exit, Failed};
use crate::out::print;

/// Runs the command.
pub(crate) fn run(action: BackoffAction, global: &Global) -> Result<Exit, Failed> {
    let BackoffAction::Preview { failures, json } = action;
    let settings = load(global)?;
    let policy = Backoff::from(&settings.timing);
    let rows: Vec<Preview> = backoff::preview(&policy, failures).collect();
    let text = if json { programs(&rows) } else { people(&policy, &rows) };
    print(&text)?;
    Ok(Exit::Done)
}

fn programs(rows: &[Preview]) -> String {
    let line = |(index, row): (usize, &Preview)| {
        let millis = |duration: std::time::Duration| duration.as_millis() as u64;
        let object = json!({
            "failures": index + 1,
            "nominal_ms": millis(row.nominal),
            "low_ms": millis(row.low),
            "high_ms": millis(row.high),
        });
        format!("{object}\n")
    };
    rows.iter().enumerate().map(line).collect()
}

fn people(policy: &Backoff, rows: &[Preview]) -> String {
    let mut out = String::from("FAILURES  NOMINAL       FROM         TO\n");
    for (index, row) in rows.iter().enumerate() {
        let seconds = |duration: std::time::Duration| format!("{:.3} s", duration.as_secs_f64());
        let nominal = format!("{} s", row.nominal.as_secs_f64());
        out.push_str(&format!(
            "{:>8}  {nominal:>7}  {:>9}  {:>9}\n",
            index + 1,
            seconds(row.low),
            seconds(row.high)
        ));
    }
    if !policy.fast_retry.is_zero() {
        out.push_str(&format!(
            "A line that was stable for {:?} and is cut is first redialled within {:?}.\n",
            policy.stable_after, policy.fast_retry
        ));
    }
    out.push_str(&format!(
        "One failure is forgiven per {:?} of proven service, all of them after {:?}.\n",
        policy.forgive_every, policy.stable_after
    ));
    out
}
