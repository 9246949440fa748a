//! The reference of all keys as a Markdown page, made from the table of keys.

use std::fmt::Write as _;

use super::keys::{KEYS, Key, ORDERED, SECTIONS};
use super::{Settings, Value};

const HEAD: &str = "\
# Configuration

This page is printed by `tapeline config reference`; a test keeps it in step with the program.

A TOML file (`-c FILE`, else `./tapeline.toml` if there is one), the environment over it, `--set \
SECTION.KEY=VALUE` over both. A variable is `TAPELINE_SECTION__KEY` in capitals, hyphens as `_`: \
`TAPELINE_TIMING__LINGER=30s`, `TAPELINE_VENUES__BINANCE_USDM__STREAMS='[\"wss://…\"]'`. Lists are written as \
in TOML, everything else as plain text. `TAPELINE_CAPTURES` is no setting: tests find recordings by it.

Durations are whole numbers with units, the longest first: `\"250ms\"`, `\"30s\"`, `\"23h50m\"` (d, h, m, s, ms, us). \
Sizes have binary units: `\"64KiB\"`. Paths in a file are relative to its folder. `ws://` and `http://` origins \
are accepted for loopback hosts only. Unknown keys are errors. `tapeline config check` tells every problem with \
its place; `tapeline config show` tells every value and where it came from; `tapeline config schema` prints a JSON \
Schema for editors.

A gateway reads its settings again on SIGHUP and on `tapeline reload`. At once change: `[log]`; `[gateway]` but for `listen` \
and `shards`, and the token in the file; `limits.topics_per_client`; `timing.throttle`; topics that are added to a `warm`. \
Connections keep the bounds of heads and messages that held when they were opened. The answer names what else \
has changed: that needs a restart. Settings that are wrong change nothing.
";

/// The page.
pub fn reference() -> String {
    let untouched = Settings::default();
    let mut out = HEAD.to_owned();
    for (section, doc) in SECTIONS {
        let name = if *section == "venues" { "venues.<id>" } else { section };
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n## `[{name}]`\n\n{doc}\n\n| key | default | expects | meaning |\n| --- | --- | --- | --- |\n"
        );
        for key in KEYS.iter().filter(|key| key.section == *section) {
            let default = default_of(key, &untouched);
            let _ = writeln!(out, "| `{}` | {default} | {} | {} |", key.name, key.kind.expected(), key.doc);
        }
    }
    out.push_str("\n## What must fit together\n\n");
    out.push_str("A default gives way where a given value would contradict it; two given values may not contradict.\n\n");
    for (low, high) in ORDERED {
        let _ = writeln!(out, "- `{low}` is at most `{high}`");
    }
    out
}

fn default_of(key: &Key, untouched: &Settings) -> String {
    // Those of a venue are its own, and no two venues have the same.
    match (key.section, (key.get)(untouched, "binance")) {
        ("venues", Some(Value::Texts(_))) => "the venue's own".to_owned(),
        (_, value) => value.and_then(|value| value.to_toml(key.kind)).map_or_else(
            || if key.name == "dir" { "`$XDG_STATE_HOME/tapeline`".to_owned() } else { "none".to_owned() },
            |text| format!("`{text}`"),
        ),
    }
}
