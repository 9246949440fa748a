//! The face towards clients: what it may be told, and what it must be told before others are served.

use super::*;

const BOTH: &str = "insecure_plaintext = true\ninsecure_no_tokens = true\n";

#[test]
fn serving_others_takes_two_words_and_both_are_asked_for() {
    check(
        "[gateway]\nlisten = \"0.0.0.0:8480\"",
        "t.toml:2:10: gateway.listen: expected a loopback address, or `insecure_plaintext = true` in [gateway] \
         (connections are not encrypted yet), got \"0.0.0.0:8480\"\n\
         t.toml:2:10: gateway.listen: expected a loopback address, or `insecure_no_tokens = true` in [gateway] \
         (clients need no token yet), got \"0.0.0.0:8480\"",
    );
    for address in ["0.0.0.0:0", "[::]:8480", "192.168.1.2:80", "[2001:db8::1]:1", "[::ffff:10.0.0.1]:1"] {
        let listen = format!("[gateway]\nlisten = \"{address}\"\n");
        for missing in ["insecure_plaintext", "insecure_no_tokens"] {
            let told =
                read(&(listen.clone() + &BOTH.replace(missing, "#")), &[], &[]).unwrap_err().to_string();
            assert!(told.starts_with("t.toml:2:10: ") && told.contains(missing), "{told}");
            assert_eq!(told.lines().count(), 1, "{told}");
        }
        good(&(listen + BOTH), &[], &[]);
        let told = read("", &[("TAPELINE_GATEWAY__LISTEN", address)], &[]).unwrap_err().to_string();
        assert!(told.starts_with("environment TAPELINE_GATEWAY__LISTEN: expected a loopback"), "{told}");
    }
    for address in ["127.0.0.1:0", "127.8.9.1:1", "[::1]:8480", "[::ffff:127.0.0.1]:8480"] {
        good(&format!("[gateway]\nlisten = \"{address}\""), &[], &[]);
    }
}

#[test]
fn a_token_file_that_is_named_must_hold_one_token() {
    let file = std::env::temp_dir().join(format!("tapeline-token-{}", std::process::id()));
    let path = file.to_str().unwrap().to_owned();
    let variable = [("TAPELINE_GATEWAY__ADMIN_TOKEN_FILE", path.as_str())];
    let refused = |why: &str| {
        let told = read("", &variable, &[]).unwrap_err().to_string();
        assert!(
            told.starts_with("environment TAPELINE_GATEWAY__ADMIN_TOKEN_FILE: expected a readable file"),
            "{told}"
        );
        assert!(told.contains(why) && !told.contains("s3cr3t"), "{told}");
    };
    refused("No such file");
    for (text, why) in
        [("", "empty"), (" \n", "empty"), ("s3cr3t a\ns3cr3t b", "lines"), ("s3cr3t a", "blanks")]
    {
        write_private(&file, text);
        refused(why);
    }
    write_private(&file, "s3cr3t\n");
    let told = read("", &variable, &[]).unwrap_err().to_string();
    assert!(
        told.contains("expected a token of at least 12 characters") && !told.contains("s3cr3t"),
        "{told}"
    );
    write_private(&file, "s3cr3t-and-long\n");
    let settings = good("", &variable, &[]);
    assert_eq!(settings.gateway.admin_token_file.as_deref(), Some(file.as_path()));
    std::fs::remove_file(&file).unwrap();
}

#[test]
fn everything_about_clients_can_be_told() {
    let settings = good(
        "[gateway]\nallowed_origins = [\"https://app.example.com\", \"http://localhost:3000\"]\n\
         allowed_hosts = [\"feed.example.com\", \"feed:8480\"]\nshards = 2\nmessage_bytes = \"32KiB\"\ndrain_within = \"2s\"",
        &[("TAPELINE_GATEWAY__INSECURE_PLAINTEXT", "true")],
        &["gateway.connections=50"],
    );
    let gateway = &settings.gateway;
    assert!(gateway.insecure_plaintext && !gateway.insecure_no_tokens);
    assert_eq!((gateway.shards, gateway.message_bytes, gateway.drain_within.as_secs()), (2, 32 << 10, 2));
    // A default gives way: nobody can have more connections than there are.
    assert_eq!((gateway.connections, gateway.connections_per_ip), (50, 50));
    assert_eq!((gateway.allowed_origins.len(), gateway.allowed_hosts.len()), (2, 2));
    let again = good(&settings.to_toml(), &[], &[]);
    assert_eq!(again.gateway, settings.gateway);
}

#[test]
fn two_configurations_are_compared_key_by_key_and_shown_without_secrets() {
    let file =
        "[venues.binance]\nsecret = \"s3cr3t\"\nwarm = [\"binance:book:BTCUSDT\"]\n[log]\nlevel = \"debug\"";
    let (one, other) = (good(file, &[], &[]), good(file, &[], &["timing.linger=1s", "log.level=warn"]));
    assert_eq!(one.changes(&other), ["log.level", "timing.linger"]);
    assert!(one.changes(&one).is_empty());
    assert!(one.changes(&good("", &[], &[])).contains(&"venues.binance.warm".to_owned()));
    let shown = one.to_json();
    assert_eq!(shown["venues"]["binance"]["warm"][0], "binance:book:BTCUSDT");
    assert_eq!((&shown["timing"]["linger"], &shown["log"]["level"]), (&"5m".into(), &"debug".into()));
    assert!(
        shown["venues"].get("binance-usdm").is_none() && !shown.to_string().contains("s3cr3t"),
        "{shown}"
    );
}

#[test]
fn a_public_address_is_told_at_each_start() {
    let settings = good(&format!("[gateway]\nlisten = \"0.0.0.0:8480\"\n{BOTH}"), &[], &[]);
    assert_eq!(
        settings.warnings,
        [
            "gateway.listen: others can reach 0.0.0.0:8480, and connections are not encrypted yet (insecure_plaintext)",
            "gateway.listen: others can reach 0.0.0.0:8480, and clients need no token yet (insecure_no_tokens)",
        ]
    );
    assert!(
        good(&format!("[gateway]\n{BOTH}"), &[], &[]).warnings.is_empty(),
        "on loopback nobody needs them"
    );
}

#[cfg(unix)]
#[test]
fn a_file_with_a_secret_that_everybody_can_read_is_refused() {
    let folder = std::env::temp_dir().join(format!("tapeline-open-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let (secret, config) = (folder.join("secret"), folder.join("t.toml"));
    write_private(&secret, "s3cr3t-and-long");
    let path = secret.to_str().unwrap();
    let inline = "[venues.binance]\nsecret = \"s3cr3t-and-long\"\nproxy = \"http://u:s3cr3t@proxy:1\"\n";
    write_private(&config, inline);
    let with = |more: &str| {
        let file = Some((config.display().to_string(), format!("{inline}{more}").into_bytes()));
        Settings::read(&Sources { file, ..Sources::default() })
    };
    let variables =
        [("TAPELINE_GATEWAY__ADMIN_TOKEN_FILE", path), ("TAPELINE_VENUES__BINANCE__SECRET_FILE", path)];
    for mode in [0o644, 0o604, 0o602, 0o777] {
        set_mode(&secret, mode);
        set_mode(&config, mode);
        for variable in variables {
            let told = read("", &[variable], &[]).unwrap_err().to_string();
            let expected =
                format!("environment {}: expected a file that others have no access to", variable.0);
            assert!(told.starts_with(&expected) && told.contains(&format!("mode {mode:04o}")), "{told}");
        }
        let told = with("").unwrap_err().to_string();
        let places: Vec<&str> = told.lines().filter_map(|line| line.split(": ").nth(1)).collect();
        assert_eq!(places, ["venues.binance.secret", "venues.binance.proxy"], "{told}");
        assert!(!told.contains("s3cr3t"), "{told}");
        let warnings = with("[gateway]\ninsecure_secrets = true\n").unwrap().warnings;
        assert_eq!(warnings.len(), 2, "{warnings:?}");
    }
    for mode in [0o600, 0o400, 0o640] {
        set_mode(&secret, mode);
        set_mode(&config, mode);
        for variable in variables {
            assert!(good("", &[variable], &[]).warnings.is_empty());
        }
        with("").unwrap();
    }
    std::fs::remove_dir_all(&folder).unwrap();
}
