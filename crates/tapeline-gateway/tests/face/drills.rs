//! Drills that are played through the gateway.

use std::sync::Arc;
use std::sync::mpsc::channel;

use serde_json::{Value, json};
use tapeline_gateway::About;
use tapeline_gateway::about::Play;
use tokio::sync::Mutex;

use crate::bench::{Answer, Bench, TOKEN, about, ask, soon, usual};

async fn bench(play: Option<Play>) -> Bench {
    let drills = json!({"items": [{"name": "reset", "faults": ["FU1"]}], "faults": []});
    Bench::with(usual(), About { drills, play, ..about() }).await
}

async fn play(bench: &Bench, name: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {TOKEN}");
    ask(bench.address(), &format!("POST /api/v1/drills/{name}"), &[("authorization", &bearer)], body).await
}

async fn listed(bench: &Bench) -> Value {
    bench.get("/api/v1/drills").await.json()["items"][0].clone()
}

#[tokio::test]
async fn only_one_drill_is_played_at_a_time_and_its_verdict_is_listed() {
    let (tell, told) = channel();
    let (end, ended) = channel::<bool>();
    let ended = std::sync::Mutex::new(ended);
    let bench = Arc::new(
        bench(Some(Arc::new(move |name, seed| {
            tell.send((name.to_owned(), seed)).unwrap();
            let passed = ended.lock().unwrap().recv().unwrap();
            Ok(json!({"items": [{"name": name, "seed": seed, "passed": passed}], "summary": {"failed": u8::from(!passed)}}))
        })))
        .await,
    );
    assert_eq!(
        (&listed(&bench).await["level"], &listed(&bench).await["passed"]),
        (&json!("healthy"), &Value::Null)
    );
    let told = Arc::new(Mutex::new(told));
    for (body, seed, passed, level) in [(r#"{"seed":7}"#, 7, false, "unhealthy"), ("", 1, true, "healthy")] {
        let asked = Arc::clone(&bench);
        let first = tokio::spawn(async move { play(&asked, "reset", body).await });
        let begun = Arc::clone(&told).lock_owned().await;
        let begun = soon(tokio::task::spawn_blocking(move || begun.recv().unwrap())).await.unwrap();
        assert_eq!(begun, ("reset".to_owned(), seed));
        let second = soon(play(&bench, "reset", "")).await;
        assert_eq!((second.status, second.code().as_str()), (429, "limit"), "{second:?}");
        end.send(passed).unwrap();
        let first = soon(first).await.unwrap();
        assert_eq!((first.status, &first.json()["items"][0]["passed"]), (200, &json!(passed)), "{first:?}");
        let listed = listed(&bench).await;
        assert_eq!((&listed["level"], &listed["passed"]), (&json!(level), &json!(passed)), "{listed}");
    }
}

#[tokio::test]
async fn nobody_plays_what_is_not_known_or_without_the_token_and_one_that_breaks_off_says_so() {
    let bench = bench(Some(Arc::new(|_, _| panic!("a judge broke")))).await;
    let answer = ask(bench.address(), "POST /api/v1/drills/reset", &[], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
    for (name, body, status) in [
        ("rest", "", 404),
        ("reset", r#"{"sead":7}"#, 400),
        ("reset", "", 500),
        ("reset", r#"{"seed":1}"#, 500),
    ] {
        let answer = play(&bench, name, body).await;
        assert_eq!(answer.status, status, "{name} {body}: {answer:?}");
    }
    assert_eq!(listed(&bench).await["level"], "unhealthy");
    let bench = self::bench(None).await;
    assert_eq!(play(&bench, "reset", "").await.status, 501);
}
