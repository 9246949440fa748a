//! Every recorded session comes out whole: books equal to their checkpoints, events once and in order.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and tells what it counted"
)]

mod gaps;
mod offline;
mod recording;
mod socket;
mod verify;

use std::path::Path;

use recording::Recording;
use tapeline::FeedStatus;
use verify::Findings;

/// What must hold of every recording, however it was played.
fn check(dir: &Path, recording: &Recording, findings: &Findings, status: &FeedStatus) {
    let name = dir.file_name().unwrap().to_string_lossy().into_owned();
    let undecodable: u64 = status.decode_errors.values().sum();
    let spent: u64 = status.topics.iter().map(|topic| topic.counts.spent).sum();
    println!(
        "{name}: {} updates; books live {}, equal at {} checkpoints and {} quotes, {} changes beyond the horizon; \
         {} events once and in order, {spent} ids spent; {undecodable} undecodable, {} gaps, {} crossed",
        findings.updates,
        findings.synced,
        findings.checkpoints,
        findings.quotes_equal,
        findings.unverified,
        findings.events,
        findings.gaps,
        findings.crossed,
    );
    assert_eq!(findings.wrong(), 0, "{name}: {findings:?}");
    assert_eq!(undecodable, 0, "{name}: {:?} {:?}", status.decode_errors, status.samples);
    assert_eq!(spent, recording.spent.values().sum::<u64>(), "{name}");
    assert_eq!(status.gaps, 0, "{name}");
    if recording.has_snapshots() {
        assert_eq!(
            findings.synced as usize,
            recording.last_depth.len(),
            "{name}: every book becomes live once"
        );
        assert!(findings.checkpoints > 0, "{name}");
    } else {
        assert_eq!(findings.synced, 0, "{name}: a book without a snapshot is never live");
    }
}

fn check_offline(dir: &Path) {
    let recording = Recording::load(dir);
    let (findings, status) = offline::play(&recording);
    check(dir, &recording, &findings, &status);
}

fn check_socket(dir: &Path) {
    let recording = Recording::load(dir);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (findings, status) = runtime.block_on(socket::play(dir, &recording));
    check(dir, &recording, &findings, &status);
}

#[test]
fn a_feed_driven_by_hand_digests_every_capture() {
    let Some(dirs) = recording::shared() else {
        println!("SKIPPED: no recordings at ../shared/captures (set TAPELINE_CAPTURES)");
        return;
    };
    dirs.iter().for_each(|dir| check_offline(dir));
}

#[test]
fn every_capture_comes_whole_through_a_real_socket() {
    let Some(dirs) = recording::shared() else {
        println!("SKIPPED: no recordings at ../shared/captures (set TAPELINE_CAPTURES)");
        return;
    };
    dirs.iter().for_each(|dir| check_socket(dir));
}

#[test]
fn our_own_recordings_come_whole_through_a_real_socket() {
    let dirs = recording::committed();
    assert!(!dirs.is_empty(), "the recordings under fixtures/captures are committed");
    dirs.iter().for_each(|dir| check_socket(dir));
}

#[test]
fn a_feed_driven_by_hand_digests_our_own_recordings() {
    recording::committed().iter().for_each(|dir| check_offline(dir));
}

#[test]
fn lost_deltas_are_noticed_and_touch_nobody_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(gaps::lose_deltas());
}
