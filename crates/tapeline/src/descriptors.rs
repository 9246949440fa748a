//! The descriptors of this process: how many are open and may be. It is known, too, when none is left: the folder that
//! lists them is opened while there still are some, and stays open.

/// How many descriptors there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Descriptors {
    /// Open ones.
    pub used: u64,
    /// How many this process may open.
    pub most: u64,
}

impl Descriptors {
    /// So many are kept for lines, requests and files: while fewer are free, nobody new is to be taken in.
    pub const RESERVE: u64 = 32;

    /// Reads how many there are; `None` where the system does not tell. The first call opens what the later ones read.
    pub fn read() -> Option<Self> {
        system::read().map(|(used, most)| Self { used, most })
    }

    /// How many may still be opened.
    pub const fn free(self) -> u64 {
        self.most.saturating_sub(self.used)
    }

    /// Whether those that are left are kept for lines, requests and files.
    pub const fn are_short(self) -> bool {
        self.free() < Self::RESERVE
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::fs::File;
    use std::sync::{Mutex, PoisonError};

    use rustix::fs::Dir;
    use rustix::process::{Resource, getrlimit};

    /// The system's list of what is open.
    static LIST: Mutex<Option<Dir>> = Mutex::new(None);

    pub(super) fn read() -> Option<(u64, u64)> {
        // Without a bound none can be short.
        let most = getrlimit(Resource::Nofile).current?;
        let mut held = LIST.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = Dir::new(File::open("/proc/self/fd").ok()?).ok();
        }
        let list = held.as_mut()?;
        list.rewind();
        let mut used = 0;
        while let Some(entry) = list.read() {
            let name = entry.ok()?;
            used += u64::from(!name.file_name().to_bytes().starts_with(b"."));
        }
        Some((used, most))
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) const fn read() -> Option<(u64, u64)> {
        None
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_opened_is_counted() {
        let before = Descriptors::read().unwrap();
        assert!(before.used >= 3 && before.most > before.used, "{before:?}");
        let held: Vec<_> = (0..500).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let during = Descriptors::read().unwrap();
        // Other tests may run beside this one.
        assert!(during.used >= before.used + 450, "{before:?}, {during:?}");
        drop(held);
        assert!(Descriptors::read().unwrap().used + 450 <= during.used);
    }
}
