//! Properties: hundreds of broken configurations, each refused at a place, none survived in silence.

use proptest::prelude::*;

use super::super::keys::{KEYS, Key};
use super::super::unit::{format_duration, format_size};
use super::super::value::Kind;
use super::super::{Settings, Sources};
use super::read;

const WRONG_TOPICS: &[&str] = &[
    "\"binance:trade:BTCUSDT\"",
    "[1]",
    "[\"binance:trade\"]",
    "[\"binance:trade:*\"]",
    "[\"binance:nonsense:X\"]",
    "[\"binance-usdm:trade:X\"]",
];

const WRONG_PERIODS: &[&str] = &[
    "\"binance:trade:BTCUSDT 10s\"",
    "[1]",
    "[\"binance:trade:BTCUSDT\"]",
    "[\"binance:trade:BTCUSDT 10\"]",
    "[\"binance:trade:BTCUSDT 0s\"]",
    "[\"binance:trade:BTCUSDT 2d\"]",
    "[\"binance:trade:* 10s\"]",
    "[\"binance-usdm:trade:X 10s\"]",
];

/// Values of the wrong type or out of bounds for a kind, in TOML.
fn wrong_values(kind: Kind) -> Vec<String> {
    let mut wrong = vec!["true", "1979-05-27", "{ a = 1 }", "\"\"", "[[\"x\"]]"];
    wrong.extend(match kind {
        Kind::Duration(..) => {
            &["30", "\"30\"", "\"1.5s\"", "\"-1s\"", "\"1s1m\"", "\"1 s\"", "[\"1s\"]", "\"99999999d\""][..]
        }
        Kind::Count(..) => &["-1", "1.0", "\"1\"", "18446744073709551616", "[1]"],
        Kind::Size(..) => &["0", "-1", "\"64KB\"", "\"1.5KiB\"", "\"0B\"", "\"99999999GiB\"", "1.0"],
        Kind::Choice(..) => &["1", "\"nonsense\"", "[\"info\"]", "\"Info\"", "\"info \""],
        Kind::Switch => &["1", "\"true\"", "[true]", "0"],
        Kind::Pages => &["\"https://a\"", "[1]", "[\"a\"]", "[\"https://a/\"]", "[\"wss://a\"]", "[\"*\"]"],
        Kind::Hosts => {
            &["\"a\"", "[1]", "[\"a b\"]", "[\"http://a\"]", "[\"a/b\"]", "[\"*\"]", "[\"a\", \"a\"]"]
        }
        Kind::Share => &["-0.1", "1.1", "2", "nan", "inf", "\"0.5\""],
        Kind::Window => {
            &["2", "\"02:00\"", "\"2:00-4:00\"", "\"02:00-24:00\"", "\"02:00-02:00\"", "[\"02:00-04:00\"]"]
        }
        Kind::Address => {
            &["8480", "\"8480\"", "\"localhost:8480\"", "\"127.0.0.1\"", "\"127.0.0.1:65536\"", "\":1\""]
        }
        Kind::Path | Kind::Text | Kind::Secret => &["1", "1.0", "[\"x\"]"],
        Kind::Streams => &[
            "\"wss://a\"",
            "[1]",
            "[\"https://a\"]",
            "[\"ws://a\"]",
            "[\"wss://\"]",
            "[\"wss://a?b\"]",
            "[\"wss://a\", \"wss://a\"]",
        ],
        Kind::Rest => &[
            "\"https://a\"",
            "[1]",
            "[\"wss://a\"]",
            "[\"http://a\"]",
            "[\"https://a b\"]",
            "[\"https://a#b\"]",
        ],
        Kind::Proxy => &["1", "\"proxy:3128\"", "\"ftp://proxy\"", "\"http://proxy/x\"", "\"http://\""],
        Kind::Periods(..) => WRONG_PERIODS,
        Kind::Topics => WRONG_TOPICS,
    });
    let mut wrong: Vec<String> = wrong.into_iter().map(str::to_owned).collect();
    match kind {
        Kind::Duration(least, most) => {
            wrong.push(format!("\"{}\"", format_duration(most + std::time::Duration::from_micros(1))));
            if !least.is_zero() {
                wrong.push("\"0s\"".to_owned());
            }
        }
        Kind::Count(least, most) => {
            wrong.push((most + 1).to_string());
            wrong.extend(least.checked_sub(1).map(|less| less.to_string()));
        }
        Kind::Switch => wrong.retain(|value| value != "true"),
        Kind::Size(least, most) => {
            wrong.push(format!("\"{}\"", format_size(most + 1)));
            wrong.push((least - 1).to_string());
        }
        _ => {}
    }
    wrong
}

fn header(key: &Key) -> String {
    if key.section == "venues" { "venues.binance".to_owned() } else { key.section.to_owned() }
}

#[test]
fn every_key_refuses_every_wrong_value_at_the_place_of_the_value() {
    let mut refused = 0;
    for key in KEYS {
        for value in wrong_values(key.kind) {
            let file = format!("\n[{}]\n  {} = {value}\n", header(key), key.name);
            let problems = read(&file, &[], &[]).map(|_| ()).expect_err(&file).0;
            let place = format!("t.toml:3:{}", 3 + key.name.len() + 3);
            let path = format!("{}.{}", header(key), key.name);
            for problem in &problems {
                let told = problem.to_string();
                // A part of a list is told at its own column.
                let at = if value.starts_with('[') { "t.toml:3:" } else { place.as_str() };
                assert!(
                    told.starts_with(at) && told.contains(&format!(": {path}: expected ")),
                    "{file} → {told}"
                );
            }
            refused += 1;
        }
    }
    assert!(refused >= 150, "only {refused} mutants");
}

#[test]
fn every_key_refuses_wrong_text_in_its_variable_by_name() {
    for key in KEYS.iter().filter(|key| !matches!(key.kind, Kind::Path | Kind::Text | Kind::Secret)) {
        for text in ["", "\u{1}", "[", "\"", "wss://a", "{}"] {
            let path = header(key).to_uppercase().replace('.', "__");
            let name = format!("TAPELINE_{path}__{}", key.name.to_uppercase());
            let told = read("", &[(&name, text)], &[]).map(|_| ()).expect_err(&name).to_string();
            assert!(told.starts_with(&format!("environment {name}: expected ")), "{name}={text:?} → {told}");
        }
    }
}

#[test]
fn every_key_that_is_misspelt_or_doubled_is_refused() {
    for key in KEYS {
        let header = header(key);
        for wrong in [format!("x{}", key.name), format!("{}s_", key.name), key.name.to_uppercase()] {
            let told = read(&format!("[{header}]\n{wrong} = 1"), &[], &[])
                .map(|_| ())
                .expect_err(&wrong)
                .to_string();
            assert!(
                told.starts_with(&format!("t.toml:2:1: {header}.{wrong}: expected a key of [{header}]")),
                "{told}"
            );
        }
        let twice = format!("[{header}]\n{0} = 1\n{0} = 1", key.name);
        let told = read(&twice, &[], &[]).map(|_| ()).expect_err(&twice).to_string();
        assert!(
            told.contains("t.toml:3:1: ") && told.contains("expected each key once, got it again"),
            "{told}"
        );
    }
}

#[test]
fn broken_toml_is_refused_at_the_broken_line() {
    for broken in [
        "linger",
        "linger =",
        "= \"5m\"",
        "linger = \"5m",
        "linger = 5m",
        "linger = '5m",
        "linger : \"5m\"",
        "linger = \"5m\" sweep = \"1m\"",
        "[timing",
        "]",
        "linger = [\"a\"",
        "linger = {a = 1",
        "\"linger = 1",
        "linger.x.y = ",
        "linger = 0x",
        "linger = 1__0",
        "linger = \"\\q\"",
        "{}",
        "linger == \"5m\"",
        "linger = \u{1}",
        "[timing]",
    ] {
        let told =
            read(&format!("[timing]\n{broken}\n"), &[], &[]).map(|_| ()).expect_err(broken).to_string();
        let line: usize =
            told.strip_prefix("t.toml:").and_then(|rest| rest.split(':').next()?.parse().ok()).unwrap();
        assert!((2..=3).contains(&line), "{broken:?} → {told}");
    }
}

fn survive(bytes: Vec<u8>) -> Result<Settings, super::Problems> {
    Settings::read(&Sources { file: Some(("t.toml".to_owned(), bytes)), ..Sources::default() })
}

#[test]
fn a_file_of_rubbish_is_refused_quickly_and_in_few_words() {
    for unit in ["[", "a\n", "\"", "[x]\n", "a.", "x=1\n", "\u{feff}", "[[a]]\n", "a=[", "é"] {
        let told = survive(unit.repeat((1 << 20) / unit.len()).into_bytes())
            .map(|_| ())
            .expect_err(unit)
            .to_string();
        assert!(told.starts_with("t.toml:") && told.lines().count() <= 51, "{unit:?} → {told:.200}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_any_problem_has_a_place(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(problems) = survive(bytes) {
            prop_assert!(problems.0.iter().all(|problem| problem.to_string().starts_with("t.toml:")));
        }
    }

    #[test]
    fn one_damaged_byte_never_panics(at in 0usize..400, byte: u8) {
        let mut bytes = b"[venues.binance]\nstreams = [\"wss://a:1/x\"]\nlines = 2\nwarm = [\"binance:book:BTCUSDT\"]\n\
            [limits]\ntopics = 20\nlog_bytes = \"1MiB\"\n[timing]\nlinger = \"5m\"\nsilent_min = \"1s\"\nsilent_max = \"2s\"\n".to_vec();
        let at = at % bytes.len();
        bytes[at] = byte;
        if let Err(problems) = survive(bytes) {
            prop_assert!(problems.0.iter().all(|problem| problem.to_string().starts_with("t.toml:")));
        }
    }
}
