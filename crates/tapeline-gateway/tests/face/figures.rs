//! Figures: the names that are promised, both formats, and what Prometheus itself says of them.

use std::io::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::bench::{Bench, ask, soon};

/// The families of the outside face that have a source today.
const PROMISED: &[&str] = &[
    "line_phase",
    "line_frames_total",
    "line_bytes_total",
    "line_silence_seconds",
    "breaker_state",
    "budget_remaining",
    "gaps_total",
    "duplicates_total",
    "line_first_total",
    "rotations_total",
    "mismatches_total",
    "fallback_rung",
    "endpoint_score",
    "expected_total",
    "repaired_total",
    "lost",
    "notifications_total",
    "topics",
    "subscribers",
    "topic_level",
    "clients",
    "client_unsent_bytes",
    "client_merged_total",
    "client_dropped_total",
    "connections_refused_total",
    "stage_seconds_bucket",
    "stage_seconds_sum",
    "stage_seconds_count",
    "queue_high_water",
    "sweeps_total",
    "handler_panics_total",
    "build_info",
];

async fn running() -> Bench {
    let bench = Bench::new().await;
    let topics = ["binance:trade:BTCUSDT", "binance:book:BTCUSDT"];
    let mut reader = bench.hub.subscribe(topics).await.unwrap();
    for _ in 0..20 {
        soon(reader.next()).await.unwrap();
    }
    bench
}

#[tokio::test]
async fn every_promised_family_is_there_under_its_name() {
    let bench = running().await;
    let answer = bench.get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for name in PROMISED {
        let series = |line: &&str| {
            let rest = line.strip_prefix("tapeline_").and_then(|line| line.strip_prefix(name));
            rest.is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        assert!(answer.body.lines().any(|line| series(&line)), "{name} is missing:\n{}", answer.body);
    }
    let live = "tapeline_line_phase{venue=\"binance\",line=\"0\",phase=\"live\"} 1.0";
    assert!(answer.body.lines().any(|line| line == live), "{}", answer.body);
    assert!(answer.body.lines().any(|line| line == "tapeline_topics 2.0"), "{}", answer.body);
}

#[tokio::test]
async fn openmetrics_is_negotiated() {
    let bench = running().await;
    let answer = bench
        .ask("GET /metrics", &[("accept", "application/openmetrics-text;version=1.0.0,*/*;q=0.1")])
        .await;
    assert_eq!(
        answer.header("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(
        answer.body.ends_with("# EOF\n") && answer.body.contains("# TYPE tapeline_line_frames counter\n")
    );
}

#[tokio::test]
async fn the_path_of_a_predecessor_answers_in_its_shapes() {
    let bench = running().await;
    let json = bench.get("/api/ws/metrics").await.json();
    let metrics = &json["metrics"];
    assert_eq!((&metrics["activeConnections"], &metrics["retryCount"]), (&1.into(), &0.into()), "{json}");
    assert_eq!(metrics["implementation"], "tapeline");
    let answer = bench.get("/api/ws/metrics?format=prometheus").await;
    assert!(answer.body.contains("tapeline_build_info{"), "{answer:?}");
    assert_eq!(bench.ask("HEAD /api/ws/metrics", &[]).await.status, 200);
    assert_eq!(bench.get("/api/ws/metrics?format=xml").await.code(), "bad_request");
}

/// A program of Prometheus: that of the machine, or the one that `scripts/prepare` has unpacked beside the build.
fn tool(name: &str) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let unpacked = target.join("tools/usr/bin").join(name);
    Command::new(if unpacked.exists() { unpacked } else { name.into() })
}

#[tokio::test]
async fn promtool_finds_nothing_wrong() {
    let bench = running().await;
    let text = bench.get("/metrics").await.body;
    let promtool = tool("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else {
        println!(
            "SKIPPED: promtool is not installed (on Debian scripts/test fetches it, or apt-get install prometheus)"
        );
        return;
    };
    promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// A program that ends with the test.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn a_real_prometheus_scrapes_everything() {
    let bench = running().await;
    let folder = std::env::temp_dir().join(format!("tapeline-prometheus-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let job = format!("job_name: tapeline, static_configs: [{{targets: ['{}']}}]", bench.address());
    let config = format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{{{job}}}]\n");
    std::fs::write(folder.join("prometheus.yml"), config).unwrap();
    // It cannot say which port it was given, so it gets one that was free a moment ago.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let prometheus = tool("prometheus")
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let Ok(prometheus) = prometheus else {
        println!(
            "SKIPPED: prometheus is not installed (on Debian scripts/test fetches it, or apt-get install prometheus)"
        );
        return;
    };
    let prometheus = Ended(prometheus);
    let result = async |query: &str| {
        if tokio::net::TcpStream::connect(address).await.is_err() {
            return String::new();
        }
        let answer = ask(address, &format!("GET /api/v1/query?query={query}"), &[], "").await;
        // Before it is ready it answers without JSON.
        let json: serde_json::Value = serde_json::from_str(&answer.body).unwrap_or_default();
        json["data"]["result"][0]["value"][1].as_str().unwrap_or_default().to_owned()
    };
    let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
    soon(async {
        while result("up").await != "1" {
            pace.tick().await;
        }
    })
    .await;
    assert_eq!(result("tapeline_topics").await, "2");
    let written = bench.get("/metrics").await.body.lines().filter(|line| !line.starts_with('#')).count();
    let scraped: usize = result("scrape_samples_scraped").await.parse().unwrap();
    assert!(scraped.abs_diff(written) <= 10, "{scraped} of {written}");
    drop(prometheus);
    std::fs::remove_dir_all(folder).unwrap();
}
