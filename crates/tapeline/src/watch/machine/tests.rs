//! What is said of made-up machines.

use super::*;
use crate::spread::Spread;

#[test]
fn descriptors_are_judged_by_their_limit_and_are_used_up_when_the_last_are_kept() {
    let at = |used, most| descriptors(Some(Descriptors { used, most })).map(|strain| strain.level);
    let table = [(699, None), (700, Some(Level::Warning)), (850, Some(Level::Degraded))];
    let dear = [(950, Some(Level::Unhealthy)), (968, Some(Level::Unhealthy)), (969, Some(Level::Critical))];
    for (used, expected) in table.into_iter().chain(dear).chain([(1_000, Some(Level::Critical))]) {
        assert_eq!(at(used, 1_000), expected, "{used}");
    }
    assert_eq!((at(96, 128), at(97, 128)), (Some(Level::Warning), Some(Level::Critical)));
    assert_eq!(descriptors(None), None, "where the system tells nothing nothing is said");
}

#[test]
fn what_cannot_be_opened_for_want_of_a_descriptor_is_not_the_disks_fault() {
    for (number, rule) in [(24, Rule::Descriptors), (23, Rule::Descriptors), (28, Rule::Disk)] {
        let error = std::io::Error::from_raw_os_error(number).to_string();
        assert_eq!(disk("event log", &error).rule, rule, "{error}");
    }
}

#[test]
fn where_the_system_tells_nothing_nothing_is_said() {
    let nowhere = PathBuf::from("/nowhere");
    let machine = Machine { folder: Some(nowhere), space };
    assert_eq!(machine.look(), []);
}

#[test]
fn a_disk_that_fills_up_is_told_before_it_is_full() {
    // Of a disk of 10 GiB.
    fn disk(free: u64) -> Option<Space> {
        Some(Space { free, all: 10 << 30 })
    }
    let at = |space: fn(&Path) -> Option<Space>| {
        let nowhere = PathBuf::from("/nowhere");
        let machine = Machine { folder: Some(nowhere), space };
        machine.look().into_iter().map(|strain| (strain.rule, strain.level)).collect::<Vec<_>>()
    };
    assert_eq!(at(|_| disk(7 << 30)), []);
    assert_eq!(at(|_| disk(3 << 30)), [(Rule::Disk, Level::Warning)]);
    assert_eq!(at(|_| disk(3 << 29)), [(Rule::Disk, Level::Degraded)]);
    assert_eq!(at(|_| disk(1 << 28)), [(Rule::Disk, Level::Unhealthy)]);
    assert_eq!(at(|_| disk(0)), [(Rule::Disk, Level::Critical)]);
    let large = |_: &Path| Some(Space { free: 5 << 30, all: 1 << 40 });
    assert_eq!(at(large), [], "five gigabytes are enough for us, however large the disk is");
}

#[cfg(unix)]
#[test]
fn a_real_disk_tells_its_room() {
    let Space { free, all } = space(&std::env::temp_dir()).unwrap();
    assert!(all > 0 && free <= all, "{free} of {all}");
}

#[test]
fn lateness_is_judged_by_the_last_minute() {
    let (spread, mut delays) = (Spread::default(), Delays::default());
    let mut now = Mono::default();
    let mut pass = |seconds: u64, each: u64, slow: u64| {
        let mut last = None;
        for _ in 0..seconds / 5 {
            now += EVERY;
            (0..100 - slow).for_each(|_| spread.add(Duration::from_micros(20)));
            (0..slow).for_each(|_| spread.add(Duration::from_millis(each)));
            last = delays.look(now, spread.read());
        }
        last.map(|strain| strain.level)
    };
    assert_eq!(pass(60, 0, 0), None);
    assert_eq!(pass(120, 900, 1), None, "one in a hundred is borne");
    assert_eq!(pass(120, 400, 5), Some(Level::Warning));
    assert_eq!(pass(120, 2_000, 5), Some(Level::Degraded));
    assert_eq!(pass(120, 8_000, 5), Some(Level::Unhealthy));
    assert_eq!(pass(120, 0, 0), None, "what is past is past");
}
