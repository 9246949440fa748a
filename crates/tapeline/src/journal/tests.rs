//! The record of what changed: complete in its files, or it says what is missing.

use std::fs::OpenOptions;

use tapeline_core::policy::uptime::Transition;

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tapeline-journal-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

fn record(entity: &str) -> Record {
    Record {
        seq: 9,
        wall: Unix(5),
        at: Mono(7_000),
        kind: "service",
        entity: entity.into(),
        from: "full",
        to: "down",
        since: Some(Mono(6_000)),
        felt: None,
        cause: "\"quoted\"".into(),
    }
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn records_are_numbered_read_by_number_and_written_so_that_anybody_can_compute_with_them() {
    let folder = folder("order");
    let journal = Journal::new(Some(&folder));
    journal.note(Time::default(), "start", "program", "1.0");
    ["one:trade:A", "one:trade:B"].into_iter().for_each(|topic| journal.tell("one", &record(topic)));
    journal.flush();
    journal.tell("one", &record("one:trade:C"));
    journal.flush();
    journal.flush();
    let after = |seq, most| journal.after(seq, most).iter().map(|event| event.seq).collect::<Vec<_>>();
    assert_eq!(
        (after(0, 9), after(2, 1), after(4, 9), after(99, 9)),
        (vec![1, 2, 3, 4], vec![3], vec![], vec![])
    );
    let path = folder.join("events.jsonl");
    assert_eq!(
        lines(&path).iter().map(|line| line["seq"].as_u64().unwrap()).collect::<Vec<_>>(),
        [1, 2, 3, 4]
    );
    let text = std::fs::read_to_string(&path).unwrap();
    let transitions: Vec<_> = text.lines().filter_map(Transition::from_line).collect();
    assert_eq!(transitions.len(), 3);
    assert_eq!((transitions[0].at, transitions[0].since), (Mono(7_000), Mono(6_000)));
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_full_disk_did_not_take_is_written_later_whole_or_told_as_lost() {
    let folder = folder("full");
    let journal = Journal::new(Some(&folder));
    journal.tell("one", &record("first"));
    journal.flush();
    // The disk fails in the middle of a line.
    let path = folder.join("events.jsonl");
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":2,\"ha").unwrap();
    lock(&journal.files).as_mut().unwrap().file = None;
    journal.tell("one", &record("second"));
    journal.flush();
    let entities = |path: &Path| -> Vec<String> {
        lines(path).iter().map(|line| line["entity"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(entities(&path), ["first", "second"]);
    for _ in 0..KEPT + 5 {
        journal.tell("one", &record("flood"));
    }
    journal.flush();
    let all = lines(&path);
    assert_eq!(all.len(), 2 + 1 + KEPT);
    let told = ("lost", 7, "5 records were not written in time");
    let (kind, seq, cause) = (&all[2]["kind"], &all[2]["seq"], &all[2]["cause"]);
    assert_eq!((kind.as_str().unwrap(), seq.as_u64().unwrap(), cause.as_str().unwrap()), told);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn files_are_bounded_in_size_and_number() {
    let folder = folder("bound");
    for round in 0..12 {
        let journal = Journal::new(Some(&folder));
        journal.tell("one", &record("a"));
        journal.flush();
        lock(&journal.files).as_mut().unwrap().size = FILE_BYTES;
        journal.tell("one", &record("b"));
        journal.flush();
        let all = lines(&folder.join(NAME));
        assert_eq!((all.len(), &all[0]["entity"]), (1, &"b".into()), "round {round}");
    }
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1 + FILES as usize);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn who_starts_again_and_again_keeps_the_history_of_it() {
    let folder = folder("again");
    let path = folder.join(NAME);
    for _ in 0..40 {
        let journal = Journal::new(Some(&folder));
        journal.note(Time::default(), "start", "program", "1.0");
        journal.flush();
        // It is killed in the middle of a line.
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"seq\":2,\"ha").unwrap();
    }
    let journal = Journal::new(Some(&folder));
    journal.note(Time::default(), "start", "program", "1.0");
    journal.flush();
    let all = lines(&path);
    assert_eq!(all.len(), 41, "each start, and nothing torn");
    assert!(all.iter().all(|line| line["kind"] == "start" && line["seq"] == 1));
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    // What is nobody's log is put aside, not cut.
    let strange = vec![b'x'; 100_000];
    std::fs::write(&path, &strange).unwrap();
    let journal = Journal::new(Some(&folder));
    journal.tell("one", &record("a"));
    journal.flush();
    assert_eq!((lines(&path).len(), std::fs::read(folder.join("events.1.jsonl")).unwrap()), (1, strange));
    std::fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn only_their_owner_can_read_the_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("mode");
    let journal = Journal::new(Some(&folder));
    journal.tell("one", &record("a"));
    journal.flush();
    assert_eq!(std::fs::metadata(folder.join(NAME)).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_a_feed_could_not_keep_is_told_as_lost() {
    let journal = Journal::new(None);
    let numbered = |seq| Record { seq, ..record("one:trade:A") };
    let told = journal.follow("one", 3, [numbered(4), numbered(5)].iter());
    assert_eq!((told, journal.after(0, 9).len()), (5, 2));
    let told = journal.follow("one", told, [numbered(9)].iter());
    let all: Vec<_> = journal.after(2, 9).iter().map(|event| (event.kind, event.cause.to_string())).collect();
    let lost = "3 records came faster than they could be taken".to_owned();
    assert_eq!((told, &all[0], all[1].0, all.len()), (9, &("lost", lost), "service", 2));
}
