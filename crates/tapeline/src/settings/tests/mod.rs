//! Tests of the configuration: exact messages, precedence, and what is shown.

mod gateway;
mod mutants;

use std::ffi::OsString;
use std::time::Duration;

use super::*;

fn sources(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Sources {
    Sources {
        file: Some(("t.toml".to_owned(), file.as_bytes().to_vec())),
        environment: environment
            .iter()
            .map(|(name, text)| (OsString::from(name), OsString::from(text)))
            .collect(),
        flags: flags.iter().map(|&flag| flag.to_owned()).collect(),
    }
}

fn read(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Settings, Problems> {
    Settings::read(&sources(file, environment, flags))
}

#[track_caller]
fn good(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Settings {
    read(file, environment, flags).unwrap()
}

/// All messages of a file, one per line.
#[track_caller]
fn check(file: &str, expected: &str) {
    assert_eq!(read(file, &[], &[]).unwrap_err().to_string(), expected, "in {file:?}");
}

/// The message of one variable.
#[track_caller]
fn check_variable(name: &str, text: &str, expected: &str) {
    let message = read("", &[(name, text)], &[]).unwrap_err().to_string();
    assert_eq!(message, format!("environment {name}: {expected}"));
}

/// Writes a file that only its owner may read.
pub(super) fn write_private(file: &Path, text: &str) {
    std::fs::write(file, text).unwrap();
    #[cfg(unix)]
    set_mode(file, 0o600);
}

#[cfg(unix)]
pub(super) fn set_mode(file: &Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn nothing_at_all_is_a_configuration() {
    let settings = good("", &[], &[]);
    assert_eq!(settings.timing, Timing::default());
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.gateway.listen.to_string(), "127.0.0.1:8480");
    assert!(settings.venues.contains_key("binance") && settings.venues.contains_key("binance-usdm"));
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let file = "[timing]\nlinger = \"1m\"\nsweep = \"2m\"\nping_every = \"3m\"";
    let environment = [("TAPELINE_TIMING__SWEEP", "4m"), ("TAPELINE_TIMING__PING_EVERY", "5m")];
    let settings = good(file, &environment, &["timing.ping_every=6m"]);
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert_eq!(settings.timing.linger, minutes(1));
    assert_eq!(settings.timing.sweep, minutes(4));
    assert_eq!(settings.timing.ping_every, minutes(6));
    assert_eq!(settings.origin("timing.linger").to_string(), "t.toml:2:10");
    assert_eq!(settings.origin("timing.sweep").to_string(), "environment TAPELINE_TIMING__SWEEP");
    assert_eq!(settings.origin("timing.ping_every").to_string(), "--set timing.ping_every");
    assert_eq!(settings.origin("timing.throttle"), Origin::Default);
}

#[test]
fn a_venue_is_configured_by_file_and_by_environment() {
    let file =
        "[venues.binance]\nrest = [\"http://127.0.0.1:1\"]\nlines = 2\nwarm = [\"binance:book:BTCUSDT\"]";
    let settings = good(file, &[("TAPELINE_VENUES__BINANCE_USDM__STREAMS", "['ws://localhost:2/x']")], &[]);
    let feed = settings.feed("binance").unwrap();
    assert_eq!(feed.rest, ["http://127.0.0.1:1"]);
    assert_eq!(feed.warm, [Topic::parse("binance:book:BTCUSDT").unwrap()]);
    assert_eq!(settings.venues["binance"].lines, 2);
    assert_eq!(settings.feed("binance-usdm").unwrap().streams, ["ws://localhost:2/x"]);
    assert!(settings.venues["binance-usdm"].configured);
    assert!(settings.feed("nasdaq").is_none());
}

#[test]
fn messages_name_place_key_expectation_and_what_is_there() {
    check(
        "[timing]\nlinger = 30",
        "t.toml:2:10: timing.linger: expected a duration from \"0s\" to \"30d\", for example \"30s\" or \"23h50m\", got the number 30",
    );
    check(
        "[timing]\nlingr = \"5m\"",
        "t.toml:2:1: timing.lingr: expected a key of [timing], got an unknown one; did you mean `linger`?",
    );
    check(
        "[timming]",
        "t.toml:1:2: timming: expected one of the sections gateway, log, state, venues, limits, timing, got an unknown name; did you mean `timing`?",
    );
    check(
        "[limits]\nlinger = \"1m\"",
        "t.toml:2:1: limits.linger: expected a key of [limits], got an unknown one; `linger` belongs into [timing]",
    );
    check(
        "listen = 1",
        "t.toml:1:1: listen: expected one of the sections gateway, log, state, venues, limits, timing, got an unknown name; `listen` belongs into [gateway]",
    );
    check("timing = 3", "t.toml:1:10: timing: expected a table [timing], got a value");
    check(
        "[venues.binanse]",
        "t.toml:1:9: venues.binanse: expected one of the venues binance, binance-usdm, got an unknown venue; did you mean `binance`?",
    );
    check(
        "[limits]\ntopics = 0",
        "t.toml:2:10: limits.topics: expected a whole number from 1 to 1000000, got the number 0",
    );
    check(
        "[venues.binance]\nlines = 3",
        "t.toml:2:9: venues.binance.lines: expected a whole number from 1 to 2, got the number 3",
    );
    check(
        "[venues.binance]\nstreams = [\"wss://a\", \"ws://b\"]",
        "t.toml:2:23: venues.binance.streams: expected wss:// (unencrypted ws:// is allowed for loopback hosts only), got \"ws://b\"",
    );
    check(
        "[venues.binance]\nrest = [\"https://a\",\n  \"https://a\"]",
        "t.toml:3:3: venues.binance.rest: expected each entry once, got \"https://a\"",
    );
    check(
        "[venues.binance]\nwarm = [\"binance-usdm:trade:BTCUSDT\"]",
        "t.toml:2:8: venues.binance.warm: expected topics of binance, got \"binance-usdm:trade:BTCUSDT\"",
    );
    check(
        "[gateway]\nlisten = \"localhost\"",
        "t.toml:2:10: gateway.listen: expected an IP address with a port, for example \"127.0.0.1:8480\", got \"localhost\"",
    );
    check(
        "[timing]\nthrottle = \"2s\"",
        "t.toml:2:12: timing.throttle: expected a duration from \"0s\" to \"1s\", for example \"30s\" or \"23h50m\", got \"2s\"",
    );
    check(
        "[limits]\nlog_bytes = \"64KB\"",
        "t.toml:2:13: limits.log_bytes: expected a size from \"4KiB\" to \"1GiB\", for example \"64KiB\", got \"64KB\"",
    );
}

#[test]
fn of_a_list_everything_that_is_wrong_is_told() {
    check(
        "[venues.binance]\nstreams = [\"http://a\", 5, \"wss://ok\", \"wss://\"]\nwarm = [\"binance:trade\",\n \"nope:a:b\"]",
        "t.toml:2:12: venues.binance.streams: expected a wss:// URL without query, for example \"wss://stream.example.com:9443\", got \"http://a\"\n\
         t.toml:2:24: venues.binance.streams: expected a list of wss:// origins, for example [\"wss://stream.example.com:9443\"], got the number 5\n\
         t.toml:2:39: venues.binance.streams: expected a wss:// URL without query, for example \"wss://stream.example.com:9443\", got \"wss://\"\n\
         t.toml:3:9: venues.binance.warm: expected a topic (topic `binance:trade` is not of the form venue:channel:symbol, for example binance:trade:BTCUSDT), got \"binance:trade\"\n\
         t.toml:4:2: venues.binance.warm: expected a topic (unknown channel `a` in `nope:a:b`), got \"nope:a:b\"",
    );
    let told = read("", &[("TAPELINE_VENUES__BINANCE__REST", "['ftp://a', 'ftp://b']")], &[]);
    assert_eq!(told.unwrap_err().0.len(), 2);
}

#[test]
fn a_key_that_is_there_twice_is_named_with_its_section() {
    let twice = "[gateway]\nlisten = \"127.0.0.1:1\" # [log]\nallowed_hosts = [\n]\nlisten = \"127.0.0.1:2\"";
    check(twice, "t.toml:5:1: gateway.listen: expected each key once, got it again");
    check(
        "[venues.binance] # the house\nlines = 1\nlines = 2",
        "t.toml:3:1: venues.binance.lines: expected each key once, got it again",
    );
    check("[log]\n[timing]\n[log]", "t.toml:3:2: log: expected each key once, got it again");
}

#[test]
fn how_often_a_topic_is_expected_is_read_with_the_topic_and_told_when_it_is_wrong() {
    let file = |list: &str| format!("[venues.binance]\nexpect_every = {list}");
    let right = file("[\"binance:trade:BTCUSDT 10s\", \"binance:kline_1m:btcusdt 1m30s\"]");
    let settings = good(&right, &[], &[]);
    let every = settings.feed("binance").unwrap().expect_every;
    let topic = Topic::parse("binance:trade:BTCUSDT").unwrap();
    assert_eq!((every.len(), every.get(&topic)), (2, Some(&Duration::from_secs(10))));
    for (list, told) in [
        ("[\"binance:trade:BTCUSDT\"]", "expected a topic and, after a space, how often it comes, got "),
        ("[\"binance:trade:BTCUSDT soon\"]", "expected a duration from \"100ms\" to \"1d\""),
        ("[\"binance:trade:BTCUSDT 10ms\"]", "expected a duration from \"100ms\" to \"1d\""),
        ("[\"binance:trade 1s\"]", "expected a topic (topic `binance:trade` is not of the form"),
        ("[\"binance:trade:A 1s\", \"binance:trade:A 2s\"]", "expected each topic once"),
        ("[\"binance-usdm:trade:A 1s\"]", "expected topics of binance, got \"binance-usdm:trade:A\""),
        ("[\"binance:liquidation:BTCUSDT 1s\"]", "expected topics that binance offers, got "),
    ] {
        let error = read(&file(list), &[], &[]).unwrap_err().to_string();
        assert!(error.contains("venues.binance.expect_every: ") && error.contains(told), "{list}: {error}");
    }
}

#[test]
fn warm_topics_must_be_offered_by_the_venue() {
    let told =
        read("[venues.binance]\nwarm = [\"binance:liquidation:BTCUSDT\"]", &[], &[]).unwrap_err().to_string();
    assert!(
        told.starts_with("t.toml:2:8: venues.binance.warm: expected topics that binance offers, got "),
        "{told}"
    );
    good("[venues.binance]\nwarm = [\"binance:bookTicker:btcusdt\"]", &[], &[]);
}

#[test]
fn contradictions_name_both_places() {
    check(
        "[timing]\nsilent_min = \"9s\"\nsilent_max = \"3s\"",
        "t.toml:2:14: timing.silent_min: expected at most timing.silent_max, which is \"3s\" (t.toml:3:14), got \"9s\"",
    );
    let message = read("[timing]\nbackoff_max = \"1s\"", &[("TAPELINE_TIMING__BACKOFF_FIRST", "2s")], &[]);
    assert_eq!(
        message.unwrap_err().to_string(),
        "environment TAPELINE_TIMING__BACKOFF_FIRST: expected at most timing.backoff_max, which is \"1s\" (t.toml:2:15), got \"2s\"",
    );
}

#[test]
fn a_default_gives_way_to_a_given_bound() {
    let settings =
        good("[timing]\nsilent_max = \"500ms\"\nbackoff_max = \"50ms\"\n[limits]\ntopics = 10", &[], &[]);
    assert_eq!(settings.timing.silent_min, Duration::from_millis(500));
    assert_eq!(settings.timing.backoff_first, Duration::from_millis(50));
    assert_eq!(settings.timing.backoff_min, Duration::from_millis(50));
    assert_eq!(settings.limits.topics_per_client, 10);
    assert_eq!(settings.origin("timing.silent_min").to_string(), "default, follows silent_max");
    let raised = good("[timing]\nbackoff_min = \"1m\"", &[], &[]).timing;
    assert_eq!(
        (raised.backoff_first, raised.backoff_max),
        (Duration::from_secs(60), Duration::from_secs(60))
    );
}

#[test]
fn all_problems_come_at_once_in_the_order_of_their_places() {
    let file = "[timing]\nlinger = 1\nsweep = \"x\"\n[nowhere]\n[limits]\ntopics = -1\n";
    let message =
        read(file, &[("TAPELINE_LIMITS__EVENTS", "many")], &["timing.linger=2"]).unwrap_err().to_string();
    let places: Vec<&str> = message.lines().map(|line| line.split(": ").next().unwrap()).collect();
    assert_eq!(
        places,
        [
            "t.toml:2:10",
            "t.toml:3:9",
            "t.toml:4:2",
            "t.toml:6:10",
            "environment TAPELINE_LIMITS__EVENTS",
            "--set timing.linger"
        ],
    );
}

#[test]
fn variables_are_told_by_their_name() {
    let topics = "TAPELINE_LIMITS__TOPICS";
    check_variable(topics, "many", "expected a whole number from 1 to 1000000, got \"many\"");
    check_variable(topics, "", "expected a whole number from 1 to 1000000, got an empty text");
    check_variable(
        "TAPELINE_LIMITS__TOPICSS",
        "1",
        "expected TAPELINE_SECTION__KEY of a known key, got an unknown one; did you mean `TAPELINE_LIMITS__TOPICS`?",
    );
    check_variable(
        "TAPELINE_TIMING_LINGER",
        "1s",
        "expected TAPELINE_SECTION__KEY of a known key, got an unknown one; did you mean `TAPELINE_TIMING__LINGER`?",
    );
    check_variable(
        "TAPELINE_VENUES__BINANCE_USD__REST",
        "[]",
        "expected one of the venues binance, binance-usdm, got an unknown venue; did you mean `binance-usdm`?",
    );
    check_variable(
        "TAPELINE_VENUES__BINANCE__STREAMS",
        "ws://127.0.0.1:1",
        "expected a list of wss:// origins, for example [\"wss://stream.example.com:9443\"], got \"ws://127.0.0.1:1\"",
    );
    check_variable(
        "TAPELINE_VENUES__BINANCE__STREAMS",
        "[\"ws://10.0.0.1\"]",
        "expected wss:// (unencrypted ws:// is allowed for loopback hosts only), got \"ws://10.0.0.1\"",
    );
}

#[test]
fn text_in_the_environment_needs_no_quotes_but_may_have_them() {
    let environment = [("TAPELINE_TIMING__SWEEP", "\"4m\""), ("TAPELINE_GATEWAY__LISTEN", "[::1]:0")];
    let settings = good("", &environment, &[]);
    assert_eq!(settings.timing.sweep, Duration::from_secs(240));
    assert_eq!(settings.gateway.listen.to_string(), "[::1]:0");
}

#[test]
fn the_variable_of_the_tests_and_those_of_others_are_left_alone() {
    let settings = good("", &[("TAPELINE_CAPTURES", "/x"), ("TAPELINE_BIN", "/y"), ("HOME", "/h")], &[]);
    assert_eq!(settings.warnings, ["environment TAPELINE_BIN: no setting of this name; ignored"]);
    assert_eq!(settings.state.dir.unwrap(), Path::new("/h/.local/state/tapeline"));
}

#[test]
fn secrets_are_read_but_never_told() {
    let file = std::env::temp_dir().join(format!("tapeline-secret-{}", std::process::id()));
    write_private(&file, "from-file\n");
    let path = file.to_str().unwrap();
    let settings = good("", &[("TAPELINE_VENUES__BINANCE__SECRET_FILE", path)], &[]);
    assert_eq!(settings.feed("binance").unwrap().keys.unwrap().secret, "from-file");
    assert!(settings.to_toml().contains(&format!("secret_file = \"{path}\"")));
    std::fs::remove_file(&file).unwrap();

    let key = "s3cr3t-value";
    let text = format!(
        "[venues.binance]\nkey_id = \"public\"\nsecret = \"{key}\"\nproxy = \"http://u:{key}@proxy:1\""
    );
    let settings = good(&text, &[], &[]);
    assert_eq!(settings.venues["binance"].secret.as_ref().unwrap().expose(), key);
    for told in [settings.to_toml(), format!("{settings:?}"), format!("{:?}", settings.feed("binance"))] {
        assert!(!told.contains(key), "{told}");
    }
    assert!(settings.to_toml().contains("# secret = hidden"));

    for wrong in [
        format!("[venues.binance]\nsecret = [\"{key}\"]"),
        format!("[venues.binance]\nsecret = \"{key}\"\nsecret_file = \"{path}\""),
        format!("[venues.binance]\nproxy = \"u:{key}@proxy:1\""),
        format!("[venues.binance]\nproxy = \"ftp://u:{key}@proxy:1\""),
        format!("[venues.binance]\nstreams = [\"ws://example.com/?key={key}\"]"),
    ] {
        let message = read(&wrong, &[], &[]).unwrap_err().to_string();
        assert!(message.starts_with("t.toml:") && !message.contains(key), "{message}");
    }
    let message = read("", &[], &["venues.binance.secret=s3cr3t-value"]).unwrap_err().to_string();
    assert_eq!(
        message,
        "--set venues.binance.secret: expected the secret in a file or in the environment, got it on the command line"
    );
}

#[test]
fn paths_in_a_file_are_relative_to_its_folder() {
    let file = Some(("etc/t.toml".to_owned(), b"[state]\ndir = \"data\"".to_vec()));
    let settings = Settings::read(&Sources { file, ..Sources::default() }).unwrap();
    assert_eq!(settings.state.dir.unwrap(), Path::new("etc/data"));
}

#[test]
fn files_that_are_no_text_or_too_large_are_refused_at_their_place() {
    let refuse = |bytes: Vec<u8>| {
        let file = Some(("t.toml".to_owned(), bytes));
        Settings::read(&Sources { file, ..Sources::default() }).unwrap_err().to_string()
    };
    assert_eq!(refuse(b"[timing]\nx\xFF = 1".to_vec()), "t.toml:2:2: expected UTF-8 text, got the byte 0xFF");
    assert_eq!(
        refuse(vec![b'\n'; 10 << 20]),
        "t.toml:1:1: expected a file of at most 1048576 bytes, got 10485760 bytes"
    );
}

#[test]
fn a_file_that_was_named_must_exist() {
    let error =
        Sources::of_process(Some(Path::new("no/such/file.toml")), Vec::new()).unwrap_err().to_string();
    assert!(error.starts_with("no/such/file.toml: expected a readable configuration file, got "), "{error}");
}

#[test]
fn certificates_must_be_there() {
    let message = read("[venues.binance]\nca_file = \"/no/such/ca.pem\"", &[], &[]).unwrap_err().to_string();
    assert!(
        message.starts_with("t.toml:2:11: venues.binance.ca_file: expected a readable PEM file"),
        "{message}"
    );
}

#[test]
fn every_field_of_the_core_has_a_key() {
    let fields = |debug: String| -> Vec<String> {
        let lines = debug.lines().filter_map(|line| line.strip_prefix("    ")?.split_once(':'));
        lines.map(|(name, _)| name.to_owned()).filter(|name| !name.starts_with(' ')).collect()
    };
    for (section, debug) in
        [("timing", format!("{:#?}", Timing::default())), ("limits", format!("{:#?}", Limits::default()))]
    {
        let mut expected = fields(debug);
        let mut held: Vec<String> = keys::names(section).map(str::to_owned).collect();
        expected.sort();
        held.sort();
        assert_eq!(held, expected, "[{section}]");
    }
}

#[test]
fn what_is_shown_reads_back_as_the_same() {
    let file = "[venues.binance]\nstreams = [\"wss://a\", \"ws://127.0.0.1:1/x\"]\nwarm = [\"binance:candle:BTCUSDT@1m\"]\n\
                proxy = \"socks5h://p:1\"\n[limits]\nlog_bytes = 70001\n[timing]\nbackoff_spread = 0.25\nlinger = \"1h1ms\"\n\
                [state]\ndir = 'a\"b'";
    let settings = good(file, &[], &[]);
    let shown = settings.to_toml();
    let again = good(&shown, &[], &[]);
    assert_eq!(again.venues, settings.venues, "{shown}");
    assert_eq!((&again.timing, &again.limits), (&settings.timing, &settings.limits));
    assert_eq!((&again.state, &again.gateway), (&settings.state, &settings.gateway));
    assert!(shown.contains("# t.toml:2:11"), "{shown}");
    assert!(shown.contains("\n# [venues.binance-usdm]\n"), "{shown}");
}

#[test]
fn the_schema_knows_every_key_and_every_default_fulfils_it() {
    let schema = schema();
    for key in KEYS {
        let pointer = match key.section {
            "venues" => format!("/properties/venues/properties/binance/properties/{}", key.name),
            section => format!("/properties/{section}/properties/{}", key.name),
        };
        let property = schema.pointer(&pointer).unwrap_or_else(|| panic!("{pointer} is missing"));
        assert_eq!(property["description"], key.doc);
        let default = (key.get)(&Settings::default(), "binance").and_then(|value| value.to_toml(key.kind));
        assert_eq!(property.get("default").is_some(), default.is_some(), "{pointer}");
    }
    assert_eq!(schema.pointer("/additionalProperties"), Some(&false.into()));
    assert_eq!(schema.pointer("/properties/timing/properties/linger/default"), Some(&"5m".into()));
}

#[test]
fn what_is_set_about_lines_and_repair_reaches_the_feed() {
    let file = "[venues.binance]\nlines = 2\n[limits]\nrepair = false\nrepair_bytes = \"1MiB\"\n[timing]\nrepair_after = \"1s\"\n\
                repair_within = \"7s\"\nrotate_between = \"22:30-01:00\"\n[state]\nevent_log = true";
    let settings = good(file, &[], &[]);
    let feed = settings.feed("binance").unwrap();
    assert_eq!((feed.lines, settings.feed("binance-usdm").unwrap().lines), (2, 1));
    assert_eq!((feed.limits.repair, feed.limits.repair_bytes), (false, 1 << 20));
    let seconds = Duration::from_secs;
    assert_eq!((feed.timing.repair_after, feed.timing.repair_within), (seconds(1), seconds(7)));
    let window = feed.timing.rotate_between.unwrap();
    assert_eq!((window.from, window.to), (seconds(81_000), seconds(3_600)));
    assert!(settings.state.event_log);
    check(
        "[timing]\nrotate_between = \"2-4\"",
        "t.toml:2:18: timing.rotate_between: expected a span of the day in UTC, for example \"02:00-04:00\", got \"2-4\"",
    );
}

#[test]
fn the_reference_page_is_up_to_date() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/configuration.md");
    let written = std::fs::read_to_string(page).unwrap_or_default();
    assert!(written == reference(), "run `tapeline config reference > docs/configuration.md`");
}
