//! The state folder belongs to one process, and is read as it was written.

use super::*;

fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("tapeline-state-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    folder
}

fn kept() -> Kept {
    Kept {
        at_ms: 1_700_000_000_000,
        dials_ms: vec![250_000, 3],
        weight: 7,
        weight_left_ms: 9,
        ..Kept::default()
    }
}

#[test]
fn one_process_at_a_time() {
    let folder = folder("lock");
    let first = StateDir::open(&folder, false).unwrap();
    let told = StateDir::open(&folder, false).unwrap_err().to_string();
    let (before, own) = ("is in use by another process", format!("(process {})", std::process::id()));
    assert!(told.contains(before) && told.contains(&own), "{told}");
    drop(first);
    StateDir::open(&folder, false).unwrap();
    fs::remove_dir_all(&folder).unwrap();
    fs::write(&folder, "a file").unwrap();
    assert!(matches!(StateDir::open(&folder, false), Err(StateError::Unusable { .. })));
    fs::remove_file(&folder).unwrap();
}

#[tokio::test]
async fn the_newest_is_kept_also_at_the_end() {
    let folder = folder("keeper");
    let state = StateDir::open(&folder, false).unwrap();
    let keeper = Arc::new(Keeper::new(Arc::clone(&state), "a/../venue"));
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&keeper).run(stop.clone()));
    keeper.keep(Kept::default());
    keeper.keep(kept());
    stop.cancel();
    task.await.unwrap();
    let path = folder.join("venues").join("a____venue.json");
    assert_eq!(serde_json::from_slice::<Kept>(&fs::read(&path).unwrap()).unwrap(), kept());
    fs::write(&path, "{").unwrap();
    // What cannot be read is told and does no harm.
    drop(keeper.memory());
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn what_is_not_written_yet_is_remembered_before_what_is() {
    let folder = folder("unwritten");
    let state = StateDir::open(&folder, false).unwrap();
    let remembered = |keeper: &Keeper| format!("{:?}", keeper.memory());
    let of = |kept: Kept| format!("{:?}", Memory::of_kept(kept));
    let keeper = Arc::new(Keeper::new(Arc::clone(&state), "venue"));
    state.write("venue", &kept()).unwrap();
    assert_eq!(remembered(&keeper), of(kept()), "of the process before");
    let newer = Kept { weight: 8, ..kept() };
    keeper.keep(newer.clone());
    assert_eq!(remembered(&keeper), of(newer.clone()), "nobody has written it");
    let stop = CancellationToken::new();
    stop.cancel();
    Arc::clone(&keeper).run(stop).await;
    // A disk that lost it has not made us forget.
    fs::remove_file(folder.join("venues").join("venue.json")).unwrap();
    assert_eq!(remembered(&keeper), of(newer));
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test]
async fn who_waits_for_a_write_finds_it_on_the_disk() {
    let folder = folder("written");
    let state = StateDir::open(&folder, false).unwrap();
    let keeper = Arc::new(Keeper::new(state, "venue"));
    let path = folder.join("venues").join("venue.json");
    keeper.written().await;
    assert!(!path.exists(), "nothing was to be kept");
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&keeper).run(stop.clone()));
    // Again and again at once: none of them may wait for a pause between two writes, and none may come too early.
    for weight in 1..=20 {
        keeper.keep(Kept { weight, ..kept() });
        keeper.written().await;
        let on_disk = serde_json::from_slice::<Kept>(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(on_disk.weight, weight);
    }
    stop.cancel();
    task.await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_does_not_write_holds_nothing_up_for_long() {
    let folder = folder("stuck");
    let keeper = Keeper::new(StateDir::open(&folder, false).unwrap(), "venue");
    keeper.keep(kept());
    // Nobody writes.
    let begun = tokio::time::Instant::now();
    keeper.written().await;
    assert_eq!(begun.elapsed(), WRITTEN_WITHIN);
    fs::remove_dir_all(&folder).unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_is_written_once_the_disk_is_well() {
    let folder = folder("recovers");
    let state = StateDir::open(&folder, false).unwrap();
    let keeper = Arc::new(Keeper::new(Arc::clone(&state), "venue"));
    let stop = CancellationToken::new();
    let task = tokio::spawn(Arc::clone(&keeper).run(stop.clone()));
    let (venues, away) = (folder.join("venues"), folder.join("away"));
    fs::rename(&venues, &away).unwrap();
    keeper.keep(kept());
    keeper.written().await;
    sleep(TRIED_AGAIN * 3).await;
    assert!(state.trouble().is_some_and(|words| words.starts_with("venue: ")), "{:?}", state.trouble());
    fs::rename(&away, &venues).unwrap();
    // Nothing changes meanwhile: a ban may be the last that did.
    sleep(TRIED_AGAIN * 2).await;
    assert_eq!(state.trouble(), None);
    let on_disk = fs::read(venues.join("venue.json")).unwrap();
    assert_eq!(serde_json::from_slice::<Kept>(&on_disk).unwrap(), kept());
    stop.cancel();
    task.await.unwrap();
    fs::remove_dir_all(&folder).unwrap();
}

#[cfg(unix)]
#[tokio::test]
async fn only_their_owner_can_read_the_folder_and_its_files() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = folder("modes");
    let state = StateDir::open(&folder, false).unwrap();
    state.write("venue", &kept()).unwrap();
    let mode = |name: &str| fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(""), mode("venues")), (0o700, 0o700));
    assert_eq!((mode("lock"), mode("venues/venue.json")), (0o600, 0o600));
    fs::remove_dir_all(&folder).unwrap();
}
