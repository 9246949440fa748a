//! `tapeline serve`, and the commands that speak to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::Duration;

use crate::process::{Ended, Folder, Running, end, simulator, tapeline, watch};

/// A venue, a gateway that serves it, and its folder.
struct Served {
    venue: Running,
    gateway: Running,
    url: String,
    folder: Folder,
    venue_port: u16,
}

impl Served {
    fn new(name: &str, more: &str) -> Self {
        let (venue, venue_port) = simulator(&["--symbols", "BTCUSDT,ETHUSDT"]);
        let folder = Folder::new(name);
        write_settings(&folder, venue_port, "127.0.0.1:0", more);
        let (gateway, url) = serve(&folder);
        Self { venue, gateway, url, folder, venue_port }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = tapeline(arguments);
        command.args(["--gateway", &self.url]).current_dir(self.folder.path());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        end(&mut self.command(arguments))
    }
}

fn write_settings(folder: &Folder, venue: u16, listen: &str, more: &str) {
    folder.write(
        "tapeline.toml",
        &format!(
            "[gateway]\nlisten = \"{listen}\"\n[state]\ndir = \"state\"\n[venues.binance]\n\
             streams = [\"ws://127.0.0.1:{venue}\"]\nrest = [\"http://127.0.0.1:{venue}\"]\n{more}"
        ),
    );
}

/// A gateway with the configuration of a folder, and its address.
fn serve(folder: &Folder) -> (Running, String) {
    let gateway = Running::start(tapeline(&["serve", "--log", "json"]).current_dir(folder.path()));
    let first = gateway.line();
    let url = first.strip_prefix("listening on ").unwrap_or_else(|| panic!("the first line is {first:?}"));
    (gateway, url.to_owned())
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn a_gateway_serves_what_the_venue_tells_and_leaves_in_good_order() {
    let mut served = Served::new("serve", "");
    let topic = "binance:trade:BTCUSDT";
    let mut watch = Running::start(&mut served.command(&["watch", topic, "--json"]));
    let trade = json(&watch.line_where(|line| line.contains("\"type\":\"event\"")));
    assert_eq!((&trade["topic"], trade["data"]["price"].is_string()), (&topic.into(), true), "{trade}");
    let status = served.run(&["status"]);
    assert_eq!(status.code, Some(0), "{}", status.stderr);
    assert!(status.stdout.contains("binance/0") && status.stdout.contains(topic), "{}", status.stdout);
    let whole = json(&served.run(&["status", "--json"]).stdout);
    assert_eq!(whole["clients"], 1, "{whole}");
    watch.signal("TERM");
    assert_eq!(watch.code(), Some(0));
    served.gateway.signal("TERM");
    assert_eq!(served.gateway.code(), Some(0));
    assert!(TcpStream::connect(served.url.trim_start_matches("http://")).is_err());
}

#[test]
fn ctrl_c_ends_a_gateway_after_the_same_drain() {
    let mut served = Served::new("interrupt", "");
    served.gateway.signal("INT");
    assert_eq!(served.gateway.code(), Some(130));
    let left = served.gateway.told(|line| line.contains("left in good order"));
    assert_eq!(json(&left)["level"], "info");
}

#[test]
fn what_is_ordered_on_the_command_line_is_what_is_done() {
    let served = Served::new("ladder", "warm = [\"binance:book:BTCUSDT\"]\n");
    let until = |arguments: &[&str], is: &dyn Fn(&serde_json::Value) -> bool| {
        let told = || served.run(arguments).stdout;
        let told = (0..500).map(|_| told()).find(|told| !told.is_empty() && is(&json(told)));
        json(&told.unwrap_or_else(|| panic!("{arguments:?} does not tell it")))
    };
    let status =
        |is: &dyn Fn(&serde_json::Value) -> bool| until(&["status", "--json"], is)["items"][0].clone();
    until(&["fallback", "poll", "binance", "--json"], &|answer| answer["rung"] == "poll");
    let moved = status(&|status| status["items"][0]["fallback"]["rung"] == "poll");
    assert_eq!(moved["fallback"]["pinned"], false, "the rules decide again: {moved}");
    served.run(&["pin", "poll"]);
    status(&|status| status["items"][0]["fallback"]["pinned"] == true);
    served.run(&["unpin"]);
    status(&|status| status["items"][0]["fallback"]["pinned"] == false);
    assert_eq!(json(&served.run(&["sweep", "binance", "--json"]).stdout)["swept"], 0, "it is kept warm");
    assert_eq!(served.run(&["sweep", "nasdaq"]).code, Some(1), "no such venue");
    served.run(&["reset", "--mode", "open"]);
    let shown = served.run(&["status"]);
    assert!(shown.stdout.contains("forced open"), "{}", shown.stdout);
}

#[test]
fn orders_need_the_token_that_only_its_owner_can_read() {
    let mut served = Served::new("token", "");
    let file = served.folder.path().join("state/admin-token");
    let token = std::fs::read_to_string(&file).unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(token.trim().len(), 64);
    for order in ["sweep", "reset", "recover", "reconnect", "rotate", "unpin", "reload"] {
        let ended = served.run(&[order]);
        assert_eq!(ended.code, Some(0), "{order}: {}", ended.stderr);
        let told = ["done", "nothing to do"].map(|end| format!("{order}: {end}\n"));
        assert!(told.iter().any(|told| ended.stdout.starts_with(told)), "{}", ended.stdout);
        let ended = json(&served.run(&[order, "--json"]).stdout);
        assert_eq!(ended["ok"], true, "{ended}");
    }
    let ended = served.run(&["pin", "poll"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("rung: poll"), "{}{}", ended.stdout, ended.stderr);
    assert_eq!(served.run(&["recover", "--mode", "delayed"]).code, Some(0));
    for mode in ["open", "disabled", "closed"] {
        assert_eq!(served.run(&["reset", "--mode", mode]).code, Some(0), "{mode}");
    }
    let wrong_mode = &["reset", "--mode", "ajar"];
    for misuse in [&["pin"][..], &["fallback", "telepathy"], &["recover", "--mode", "soon"], wrong_mode] {
        assert_eq!(served.run(misuse).code, Some(2), "{misuse:?}");
    }
    let ended = served.run(&["ledger"]);
    assert!(ended.code == Some(0) && ended.stdout.contains("nothing has come"), "{}", ended.stdout);
    let ended = served.run(&["alerts"]);
    assert!(ended.code == Some(0) && !ended.stdout.is_empty(), "{}{}", ended.stdout, ended.stderr);
    assert!(json(&served.run(&["alerts", "--json"]).stdout)["items"].is_array());
    let ended = served.run(&["reliability", "--window", "1h"]);
    assert!(
        ended.code == Some(0) && ended.stdout.contains("of the latest 60m"),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(served.run(&["reliability", "--window", "soon"]).code, Some(1));
    let wrong = served.folder.write("wrong", "not-the-token");
    let ended = served.run(&["sweep", "--token-file", wrong.to_str().unwrap()]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("401") && ended.stderr.contains("--token-file"), "{}", ended.stderr);
    let ended = served.run(&["reconnect", "nasdaq"]);
    assert!(ended.code == Some(1) && ended.stderr.contains("nasdaq"), "{}", ended.stderr);
    let ended = served.run(&["drain"]);
    assert_eq!((ended.code, served.gateway.code()), (Some(0), Some(0)), "{}", ended.stderr);
    let told = served.gateway.told(|line| line.contains("left in good order"));
    assert!(!told.contains(token.trim()));
    // The next start keeps it.
    let (_gateway, _) = serve(&served.folder);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), token);
    drop(served.venue);
}

#[test]
fn a_drill_that_is_played_over_http_ends_as_on_the_command_line() {
    let served = Served::new("drills", "");
    let token = std::fs::read_to_string(served.folder.path().join("state/admin-token")).unwrap();
    let address = served.url.trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let body = r#"{"seed":3}"#;
    write!(
        stream,
        "POST /api/v1/drills/fin HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        token.trim(),
        body.len(),
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, verdict) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    let told = end(&mut tapeline(&["drill", "run", "fin", "--seed", "3", "--json"]));
    assert_eq!(json(verdict), json(&told.stdout));
    assert_eq!(json(verdict)["summary"]["passed"], 1, "{verdict}");
}

#[test]
fn health_is_an_exit_code() {
    let served = Served::new("health", "");
    // Nobody has asked for anything: nothing can be unwell, and the configured venue has no line yet.
    let ended = served.run(&["health"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let watch = Running::start(&mut served.command(&["watch", "binance:quote:BTCUSDT", "--json"]));
    watch.line_where(|line| line.contains("\"bid\""));
    let ended = served.run(&["health", "--ready"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let gone = end(&mut tapeline(&["health", "--gateway", "http://127.0.0.1:9"]));
    assert_eq!((gone.code, gone.stdout.as_str()), (Some(1), ""));
}

#[test]
fn who_finds_no_gateway_is_told_how_to_start_one() {
    let port = crate::process::dead_port();
    let url = format!("http://127.0.0.1:{port}");
    for command in [&["status"][..], &["health"], &["watch", "binance:trade:BTCUSDT", "--json"]] {
        let ended = end(tapeline(command).args(["--gateway", &url]));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{command:?}");
        let expected = format!("tapeline: no gateway answers at {url} (");
        assert!(ended.stderr.starts_with(&expected), "{}", ended.stderr);
        assert!(ended.stderr.contains("start one with `tapeline serve`"), "{}", ended.stderr);
    }
    let ended = end(&mut tapeline(&["status", "--gateway", "https://a"]));
    assert_eq!(ended.code, Some(2), "{}", ended.stderr);
}

#[test]
fn a_watch_outlives_its_gateway_and_tells_what_became_of_it() {
    let mut served = Served::new("outlive", "");
    let watch = Running::start(&mut served.command(&["watch", "binance:trade:BTCUSDT", "--json"]));
    let is_trade = |line: &str| line.contains("\"type\":\"event\"");
    let first = json(&watch.line_where(is_trade));
    let port: u16 = served.url.rsplit(':').next().unwrap().parse().unwrap();
    served.gateway.signal("TERM");
    assert_eq!(served.gateway.code(), Some(0));
    watch.told(|line| line.contains("is away"));
    write_settings(&served.folder, served.venue_port, &format!("127.0.0.1:{port}"), "");
    let (_again, _) = serve(&served.folder);
    let said = watch.told(|line| line.contains("the gateway is back"));
    // Another process has another epoch: what came meanwhile cannot be caught up, and that is said.
    assert!(said.contains("1 start anew"), "{said}");
    let epoch = first["epoch"].as_str().unwrap();
    watch.line_where(|line| is_trade(line) && !line.contains(epoch));
}

#[test]
fn a_watch_that_is_cut_goes_on_where_it_was() {
    let served = Served::new("resume", "");
    // A gateway behind a wire that we can cut.
    let upstream = served.url.trim_start_matches("http://").to_owned();
    let wire = crate::process::Wire::to(&upstream);
    let url = format!("http://{}", wire.address());
    let mut command = tapeline(&["watch", "binance:trade:BTCUSDT", "--json", "--gateway", &url]);
    let watch = Running::start(command.current_dir(served.folder.path()));
    let offset = |line: &str| json(line)["offset"].as_u64().unwrap();
    let is_trade = |line: &str| line.contains("\"type\":\"event\"");
    let mut last = offset(&watch.line_where(is_trade));
    wire.cut();
    let said = watch.told(|line| line.contains("the gateway is back"));
    assert!(said.contains("1 topics go on where they were, nothing is missing"), "{said}");
    for _ in 0..50 {
        let next = offset(&watch.line_where(is_trade));
        assert_eq!(next, last + 1, "no trade is missing and none comes twice");
        last = next;
    }
}

#[test]
fn a_reload_applies_what_it_can_and_names_the_rest() {
    let served = Served::new("reload", "");
    let port = served.venue_port;
    write_settings(
        &served.folder,
        port,
        "127.0.0.1:0",
        "warm = [\"binance:book:ETHUSDT\"]\n[log]\nlevel = \"debug\"\n[timing]\nlinger = \"1m\"\n",
    );
    served.gateway.signal("HUP");
    let told = json(&served.gateway.told(|line| line.contains("was read again")));
    assert!(told["applied"].as_str().unwrap().contains("log.level"), "{told}");
    assert!(told["needs_restart"].as_str().unwrap().contains("timing.linger"), "{told}");
    let answer = json(&served.run(&["reload", "--json"]).stdout);
    assert_eq!(answer["result"]["needs_restart"], serde_json::json!(["timing.linger"]), "{answer}");
    // The topic that is warm now runs, though nobody watches it.
    let watch = Running::start(&mut served.command(&["watch", "binance:book:*", "--json"]));
    watch.line_where(|line| line.contains("binance:book:ETHUSDT"));
    // What is wrong changes nothing and is told with its place.
    let in_force = get(&served, "/api/v1/config", "");
    served.folder.write("tapeline.toml", "[timing]\nlinger = 5\n");
    let ended = end(served.command(&["reload"]).args(["--token-file", "state/admin-token"]));
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.contains("tapeline.toml:2:10: timing.linger"), "{}", ended.stderr);
    // This one and that of the signal are told apart by their number only.
    served.gateway.told(|line| line.contains("cannot be used, the one before stays"));
    served.gateway.signal("HUP");
    served.gateway.told(|line| line.contains("cannot be used, the one before stays"));
    assert_eq!(get(&served, "/api/v1/config", "").1, in_force.1);
    let token = std::fs::read_to_string(served.folder.path().join("state/admin-token")).unwrap();
    let bearer = format!("Authorization: Bearer {}\r\n", token.trim());
    let (status, body) = ask(&served, "POST /api/v1/actions/reload", &bearer);
    assert_eq!((status, &json(&body)["error"]["code"]), (422, &"configuration".into()), "{body}");
    // Each attempt is an event, whoever made it.
    let events = json(&get(&served, "/api/v1/events", "").1);
    let of_settings: Vec<&str> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|item| item["entity"] == "configuration")
        .filter_map(|item| item["to"].as_str())
        .collect();
    assert_eq!(of_settings, ["reloaded", "reloaded", "refused", "refused", "refused"], "{events}");
}

/// The status and body of an answer of a gateway.
fn ask(served: &Served, line: &str, headers: &str) -> (u16, String) {
    let mut tcp = TcpStream::connect(served.url.trim_start_matches("http://")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let head = format!("{line} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n");
    tcp.write_all(format!("{head}{headers}\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn get(served: &Served, path: &str, headers: &str) -> (u16, String) {
    ask(served, &format!("GET {path}"), headers)
}

#[test]
fn tokens_origins_and_limits_change_without_a_restart() {
    let served = Served::new("reload-at-once", "");
    let origin = "Origin: https://desk.example\r\n";
    assert_eq!(get(&served, "/livez", origin).0, 403);
    served.folder.write("token", "a-token-of-the-test");
    served.folder.write(
        "tapeline.toml",
        &format!(
            "[gateway]\nlisten = \"127.0.0.1:1\"\nadmin_token_file = \"token\"\nshards = 3\n\
             allowed_origins = [\"https://desk.example\"]\n[state]\ndir = \"state\"\n\
             [limits]\ntopics_per_client = 1\n[venues.binance]\n\
             streams = [\"ws://127.0.0.1:{port}\"]\nrest = [\"http://127.0.0.1:{port}\"]\n",
            port = served.venue_port
        ),
    );
    let ended = served.run(&["reload", "--token-file", "state/admin-token", "--json"]);
    let answer = json(&ended.stdout);
    let applied = ["gateway.admin_token_file", "gateway.allowed_origins", "limits.topics_per_client"];
    assert_eq!(answer["result"]["applied"], serde_json::json!(applied), "{}", ended.stderr);
    let restart = ["gateway.listen", "gateway.shards"];
    assert_eq!(answer["result"]["needs_restart"], serde_json::json!(restart), "{answer}");
    assert_eq!(get(&served, "/livez", origin).0, 200);
    let (status, body) = get(&served, "/api/v1/sse?topics=binance:trade:A&topics=binance:trade:B", "");
    assert_eq!((status, &json(&body)["error"]["code"]), (400, &"limit".into()));
    let sweep = |token: &str| {
        let bearer = format!("Authorization: Bearer {token}\r\n");
        ask(&served, "POST /api/v1/actions/sweep", &bearer).0
    };
    let before = std::fs::read_to_string(served.folder.path().join("state/admin-token")).unwrap();
    assert_eq!((sweep(before.trim()), sweep("a-token-of-the-test")), (401, 200));
    let shown = json(&get(&served, "/api/v1/config", "").1);
    assert_eq!(shown["gateway"]["listen"], "127.0.0.1:0", "what needs a restart is not in force: {shown}");
    assert_eq!(shown["limits"]["topics_per_client"], 1, "{shown}");
    // The file holds another one: who reads the settings again is told.
    served.folder.write("token", "another-token");
    let ended = served.run(&[
        "reload",
        "--token-file",
        served.folder.write("old", "a-token-of-the-test").to_str().unwrap(),
        "--json",
    ]);
    assert_eq!(json(&ended.stdout)["result"]["applied"], serde_json::json!([applied[0]]), "{}", ended.stderr);
    assert_eq!((sweep("a-token-of-the-test"), sweep("another-token")), (401, 200));
    // A token that is named and cannot be read is a mistake like any other.
    std::fs::remove_file(served.folder.path().join("token")).unwrap();
    let bearer = "Authorization: Bearer another-token\r\n";
    assert_eq!(ask(&served, "POST /api/v1/actions/reload", bearer).0, 422);
    assert_eq!(sweep("another-token"), 200);
}

#[test]
fn the_doctor_takes_every_step_and_says_what_to_do() {
    let served = Served::new("doctor", "");
    let ended = served.run(&["doctor", "binance"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    for step in ["answers", "health", "name", "tcp", "upgrade", "subscribe", "first data", "clock"] {
        let found = ended.stdout.lines().any(|line| line.trim_start().starts_with(&format!("ok    {step}")));
        assert!(found, "{step}: {}", ended.stdout);
    }
    let dead = crate::process::dead_port();
    let streams = format!("venues.binance.streams=[\"ws://127.0.0.1:{dead}\"]");
    let ended = served.run(&["doctor", "binance", "--json", "--set", &streams]);
    assert_eq!(ended.code, Some(1));
    let failed = ended.stdout.lines().map(json).find(|step| step["step"] == "tcp").unwrap();
    assert_eq!(failed["ok"], false, "{failed}");
    assert!(failed["next"].as_str().unwrap().contains("nobody listens there"), "{failed}");
    let ended = served.run(&["doctor", "nasdaq"]);
    assert!(ended.code == Some(2) && ended.stderr.contains("binance-usdm"), "{}", ended.stderr);
}

#[test]
fn the_doctor_of_a_gateway_tries_what_that_gateway_uses() {
    let served = Served::new("doctor-of", "warm = [\"binance:quote:ETHUSDT\"]\n");
    // No configuration lies where it runs.
    let ended = end(&mut tapeline(&["doctor", "--gateway", &served.url]));
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let endpoint = format!("binance ws://127.0.0.1:{}", served.venue_port);
    assert!(ended.stdout.contains(&endpoint), "{}", ended.stdout);
    assert!(ended.stdout.contains("binance:quote:ETHUSDT"), "{}", ended.stdout);
    assert!(!ended.stdout.contains("binance-usdm"), "{}", ended.stdout);
}

#[test]
fn what_is_no_gateway_is_told_so() {
    let (_venue, port) = simulator(&[]);
    let url = format!("http://127.0.0.1:{port}");
    for command in ["status", "health"] {
        let ended = end(tapeline(&[command]).args(["--gateway", &url]));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{command}: {}", ended.stderr);
        assert!(ended.stderr.contains("this is no gateway"), "{command}: {}", ended.stderr);
    }
}

#[test]
fn who_cannot_reach_a_venue_is_told_of_a_gateway_that_runs() {
    let served = Served::new("hint", "");
    let mut command = watch(crate::process::dead_port(), &["binance:trade:BTCUSDT"]);
    command.env("TAPELINE_GATEWAY__LISTEN", served.url.trim_start_matches("http://"));
    let watch = Running::start(&mut command);
    let told = watch.told(|line| line.contains("a gateway answers at"));
    assert!(told.contains(&format!("{}; add --gateway", served.url)), "{told}");
}

#[test]
fn a_port_that_is_taken_is_told() {
    let served = Served::new("taken", "");
    let address = served.url.trim_start_matches("http://");
    let listen = format!("gateway.listen={address}");
    let arguments = ["serve", "--set", &listen, "--set", "state.dir=another"];
    let ended = end(tapeline(&arguments).current_dir(served.folder.path()));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("gateway.listen=127.0.0.1:0"), "{}", ended.stderr);
}

#[test]
fn two_gateways_do_not_share_a_state_folder() {
    let served = Served::new("shared", "");
    let ended = end(tapeline(&["serve"]).current_dir(served.folder.path()));
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{}", ended.stderr);
    assert!(ended.stderr.contains("in use") && ended.stderr.contains("state.dir"), "{}", ended.stderr);
}

#[test]
fn a_gateway_answers_plain_http_too() {
    let served = Served::new("http", "warm = [\"binance:book:BTCUSDT\"]\n");
    let mut tcp = TcpStream::connect(served.url.trim_start_matches("http://")).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    tcp.write_all(b"GET /api/v1/config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    tcp.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("binance:book:BTCUSDT"), "{answer}");
}

#[test]
fn faults_on_purpose_are_refused_where_others_can_connect() {
    let args = ["serve", "--enable-chaos", "--set", "gateway.listen=0.0.0.0:0"];
    let open = ["--set", "gateway.insecure_plaintext=true", "--set", "gateway.insecure_no_tokens=true"];
    let ended = end(&mut tapeline(&[&args[..], &open].concat()));
    assert_eq!(ended.code, Some(2), "{}{}", ended.stdout, ended.stderr);
    assert!(ended.stderr.contains("loopback") && ended.stdout.is_empty(), "{}", ended.stderr);
}
