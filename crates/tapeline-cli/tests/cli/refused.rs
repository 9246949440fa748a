//! Hundreds of wrong configurations, made from the table of keys: `tapeline serve` refuses each of them with code 78
//! and a place, before it opens any socket.

use std::net::TcpListener;
use std::sync::Mutex;

use tapeline::settings::{KEYS, Key, Kind};

use crate::process::{Folder, end, tapeline};

/// One wrong configuration.
#[derive(Debug, Default)]
struct Wrong {
    file: String,
    variable: Option<(String, String)>,
    flag: Option<String>,
    /// What the first line of the message begins with, behind the folder.
    place: String,
}

/// Values that no key of a kind takes, in TOML; the last one also as plain text, where that is wrong too.
fn values(kind: Kind) -> (&'static [&'static str], Option<&'static str>) {
    match kind {
        Kind::Duration(..) => (&["30", "\"1.5s\"", "\"99999999d\"", "true"], Some("soon")),
        Kind::Count(..) => (&["-1", "\"7\"", "1.5", "99999999999"], Some("-1")),
        Kind::Size(..) => (&["0", "\"64KB\"", "[1]", "\"99999999GiB\""], Some("64KB")),
        Kind::Share => (&["1.1", "\"0.5\"", "nan"], Some("2")),
        Kind::Switch => (&["1", "\"true\""], Some("yes")),
        Kind::Choice(..) => (&["1", "\"nonsense\""], Some("nonsense")),
        Kind::Window => (&["1", "\"02:00\"", "\"25:00-26:00\""], Some("at night")),
        Kind::Address => (&["8480", "\"localhost:8480\"", "\"127.0.0.1:65536\""], Some("8480")),
        Kind::Path => (&["1", "\"\""], None),
        Kind::Streams => {
            (&["\"wss://a\"", "[\"ws://example.com\"]", "[\"wss://a?b\"]"], Some("[\"https://a\"]"))
        }
        Kind::Rest => {
            (&["\"https://a\"", "[\"http://example.com\"]", "[\"https://a#b\"]"], Some("[\"wss://a\"]"))
        }
        Kind::Pages => (&["\"https://a\"", "[\"https://a/\"]"], Some("[\"a\"]")),
        Kind::Hosts => (&["\"a\"", "[\"http://a\"]"], Some("[\"a/b\"]")),
        Kind::Proxy => (&["1", "\"ftp://proxy\""], Some("proxy")),
        Kind::Periods(..) => {
            (&["[\"binance:trade:A\"]", "[\"binance:trade:A 10\"]"], Some("[\"binance:trade:A soon\"]"))
        }
        Kind::Topics => (&["[\"binance:trade\"]", "[\"binance:nonsense:X\"]"], Some("[\"binance:trade:*\"]")),
        Kind::Text | Kind::Secret => (&["1", "\"\""], None),
    }
}

fn table(key: &Key) -> String {
    if key.section == "venues" { "venues.binance".to_owned() } else { key.section.to_owned() }
}

/// Every key with wrong values in the file, in the environment and as a flag, and with a slip in its name.
fn of_keys() -> Vec<Wrong> {
    let mut all = Vec::new();
    for key in KEYS {
        let (table, (in_toml, in_text)) = (table(key), values(key.kind));
        for value in in_toml {
            let file = format!("[{table}]\n{} = {value}\n", key.name);
            all.push(Wrong { file, place: "t.toml:2:".to_owned(), ..Wrong::default() });
        }
        if let Some(text) = in_text {
            let path = format!("{table}__{}", key.name).replace('.', "__").to_uppercase();
            let name = format!("TAPELINE_{path}");
            let place = format!("environment {name}: ");
            all.push(Wrong { variable: Some((name, text.to_owned())), place, ..Wrong::default() });
            let flag = format!("{table}.{}={text}", key.name);
            let place = format!("--set {table}.{}: ", key.name);
            all.push(Wrong { flag: Some(flag), place, ..Wrong::default() });
        }
        let slip = format!("{}x", key.name);
        let file = format!("[{table}]\n{slip} = 1\n");
        all.push(Wrong { file, place: format!("t.toml:2:1: {table}.{slip}: "), ..Wrong::default() });
    }
    all
}

/// What no single key is to blame for.
fn others() -> Vec<Wrong> {
    let files = [
        "[gateway\n",
        "gateway]\n",
        "[gateway]\nlisten = \"127.0.0.1:0\n",
        "[timing]\nlinger \"5m\"\n",
        "[timing]\nlinger = \"1m\"\nlinger = \"2m\"\n",
        "[timming]\n",
        "[venues.nasdaq]\n",
        "[venues]\nbinance = 1\n",
        "listen = \"127.0.0.1:0\"\n",
        "[gateway]\nadmin_token_file = \"no/such/token\"\n",
        "[venues.binance]\nsecret_file = \"no/such/secret\"\n",
        "[venues.binance]\nca_file = \"no/such/ca.pem\"\n",
        "[venues.binance]\nkey_id = \"k\"\n",
        "[venues.binance]\nwarm = [\"binance-usdm:trade:BTCUSDT\"]\n",
        "[timing]\nsilent_min = \"9s\"\nsilent_max = \"8s\"\n",
        "[limits]\ntopics = 5\ntopics_per_client = 6\n",
        "[gateway]\nconnections = 5\nconnections_per_ip = 6\n",
        "[gateway]\nmessage_bytes = \"64KiB\"\nunsent_bytes = \"32KiB\"\n",
    ];
    let wrong = |file: &str| Wrong { file: file.to_owned(), place: "t.toml:".to_owned(), ..Wrong::default() };
    files.into_iter().map(wrong).collect()
}

/// Every way to serve others without having said so.
fn insecure() -> Vec<Wrong> {
    let mut all = Vec::new();
    for address in ["0.0.0.0:0", "[::]:0", "192.168.1.2:8480", "[2001:db8::1]:8480", "[::ffff:10.0.0.1]:8480"]
    {
        for said in ["", "insecure_plaintext = true\n", "insecure_no_tokens = true\n"] {
            let file = format!("[gateway]\nlisten = \"{address}\"\n{said}");
            all.push(Wrong { file, place: "t.toml:2:10: gateway.listen: ".to_owned(), ..Wrong::default() });
        }
        let name = "TAPELINE_GATEWAY__LISTEN".to_owned();
        let place = format!("environment {name}: expected a loopback address");
        all.push(Wrong { variable: Some((name, address.to_owned())), place, ..Wrong::default() });
        let flag = Some(format!("gateway.listen={address}"));
        let place = "--set gateway.listen: expected a loopback address".to_owned();
        all.push(Wrong { flag, place, ..Wrong::default() });
    }
    all
}

/// Refuses all of them, several at a time.
fn refuse(name: &str, all: Vec<Wrong>) {
    // Whoever listened or dialled before the check would be seen: this is where nothing may come.
    let trap = TcpListener::bind("127.0.0.1:0").unwrap();
    trap.set_nonblocking(true).unwrap();
    let port = trap.local_addr().unwrap().port();
    let folder = Folder::new(name);
    let waiting = Mutex::new(all.into_iter().enumerate());
    let next = || waiting.lock().unwrap().next();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some((index, wrong)) = next() {
                    let own = folder.path().join(index.to_string());
                    std::fs::create_dir_all(&own).unwrap();
                    std::fs::write(own.join("t.toml"), &wrong.file).unwrap();
                    let mut command = tapeline(&["serve", "-c", "t.toml"]);
                    command.current_dir(&own);
                    let usual = |key: &str, text: String| (format!("TAPELINE_{key}"), text);
                    let mut variables = vec![
                        usual("VENUES__BINANCE_USDM__STREAMS", format!("[\"ws://127.0.0.1:{port}\"]")),
                        usual("VENUES__BINANCE_USDM__WARM", "[\"binance-usdm:trade:BTCUSDT\"]".to_owned()),
                    ];
                    variables.extend(wrong.variable.clone());
                    command.envs(variables);
                    if let Some(flag) = &wrong.flag {
                        command.args(["--set", flag]);
                    }
                    let ended = end(&mut command);
                    assert_eq!(
                        (ended.code, ended.stdout.as_str()),
                        (Some(78), ""),
                        "{wrong:?}: {}",
                        ended.stderr
                    );
                    assert!(ended.stderr.starts_with(&wrong.place), "{wrong:?}: {}", ended.stderr);
                    assert!(!own.join("state").exists());
                }
            });
        }
    });
    assert!(trap.accept().is_err(), "a socket was opened");
}

#[test]
fn every_wrong_configuration_is_refused_with_its_place_before_any_socket_opens() {
    let mut all = of_keys();
    all.extend(others());
    assert!(all.len() >= 150, "{}", all.len());
    refuse("refused", all);
}

#[test]
fn every_insecure_configuration_is_refused() {
    let all = insecure();
    assert!(all.len() >= 20, "{}", all.len());
    refuse("insecure", all);
}
