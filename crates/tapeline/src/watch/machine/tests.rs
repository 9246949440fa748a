//! What is said of made-up machines.

use super::*;
use crate::spread::Spread;

/// A machine whose files say this: descriptors and their limit.
struct Made(PathBuf);

impl Made {
    fn new(name: &str, (used, most): (u64, u64)) -> Self {
        let folder = std::env::temp_dir().join(format!("tapeline-machine-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("fd")).unwrap();
        let write = |name: &str, text: String| fs::write(folder.join(name), text).unwrap();
        let head = "Limit                     Soft Limit           Hard Limit           Units     \n";
        write("limits", format!("{head}Max open files            {most}                 4096       files\n"));
        (0..used).for_each(|n| write(&format!("fd/{n}"), String::new()));
        Self(folder)
    }

    fn look(&self) -> Vec<(Rule, Level)> {
        let machine = Machine { process: self.0.clone(), folder: None, space };
        machine.look().into_iter().map(|strain| (strain.rule, strain.level)).collect()
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn descriptors_are_judged_by_their_limit() {
    for (used, expected) in
        [(69, None), (70, Some(Level::Warning)), (85, Some(Level::Degraded)), (95, Some(Level::Unhealthy))]
    {
        let made = Made::new(&format!("fd{used}"), (used, 100));
        let expected: Vec<_> = expected.into_iter().map(|level| (Rule::Descriptors, level)).collect();
        assert_eq!(made.look(), expected, "{used}");
    }
}

#[test]
fn where_the_system_tells_nothing_nothing_is_said() {
    let nowhere = PathBuf::from("/nowhere");
    let machine = Machine { process: nowhere.clone(), folder: Some(nowhere), space };
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
        let machine = Machine { process: nowhere.clone(), folder: Some(nowhere), space };
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
