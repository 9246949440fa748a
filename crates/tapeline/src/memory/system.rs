//! What the system tells of this process's memory (Linux): how much is resident, and how much may be.

use std::fs;
use std::path::{Component, Path, PathBuf};

/// Where the system tells of memory, and what the settings allow.
#[derive(Debug)]
pub(super) struct System {
    root: PathBuf,
    allowed: u64,
    /// The machine's memory, where no file may be read that tells it.
    machine: fn() -> Option<u64>,
}

impl System {
    pub(super) fn own(allowed: usize) -> Self {
        Self { root: PathBuf::from("/"), allowed: allowed as u64, machine }
    }

    /// One whose files lie in this folder.
    #[cfg(test)]
    pub(super) fn made(root: &Path, allowed: u64, machine: fn() -> Option<u64>) -> Self {
        Self { root: root.to_owned(), allowed, machine }
    }

    /// What is resident, and what may be: the least of the settings, the machine, and the process's group.
    pub(super) fn read(&self) -> Option<(u64, u64)> {
        let resident = named(&self.root.join("proc/self/status"), "VmRSS:")?;
        // A sandbox may show a process nothing of /proc but itself.
        let machine = named(&self.root.join("proc/meminfo"), "MemTotal:").or_else(self.machine);
        let most = [machine, self.group()];
        Some((resident, most.into_iter().flatten().fold(self.allowed, u64::min)))
    }

    /// The least that the process's group and those around it allow, in either version of the groups.
    fn group(&self) -> Option<u64> {
        let told = fs::read_to_string(self.root.join("proc/self/cgroup")).unwrap_or_default();
        let groups = self.root.join("sys/fs/cgroup");
        let mut most = vec![limit(&groups.join("memory.max"))];
        for row in told.lines() {
            // Number, controllers, path: version 2 has the number 0 and names no controllers.
            let mut parts = row.splitn(3, ':');
            let (Some(number), Some(controllers), Some(path)) = (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            if number == "0" && controllers.is_empty() {
                most.push(least(&groups, path, "memory.max"));
            } else if controllers.split(',').any(|name| name == "memory") {
                most.push(least(&groups.join("memory"), path, "memory.limit_in_bytes"));
            }
        }
        most.into_iter().flatten().min()
    }
}

/// The least limit of a group and those around it. In a container the path may be one that is not to be seen from
/// within; then what is at the top is its own.
fn least(top: &Path, path: &str, file: &str) -> Option<u64> {
    let mut folder = top.to_owned();
    let mut most = limit(&folder.join(file));
    for part in Path::new(path).components() {
        match part {
            Component::RootDir => {}
            Component::Normal(name) => folder.push(name),
            _ => break,
        }
        most = [most, limit(&folder.join(file))].into_iter().flatten().min();
    }
    most
}

/// A limit; none if the file is not there, or says that there is none (`max`).
fn limit(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A figure of a file that tells sizes by name, in bytes.
fn named(path: &Path, name: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let row = text.lines().find_map(|line| line.strip_prefix(name))?;
    row.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1_024)
}

#[cfg(target_os = "linux")]
fn machine() -> Option<u64> {
    let told = rustix::system::sysinfo();
    #[allow(clippy::useless_conversion, reason = "its width depends on the machine")]
    u64::try_from(told.totalram).ok()?.checked_mul(u64::from(told.mem_unit))
}

#[cfg(not(target_os = "linux"))]
const fn machine() -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// What may be resident by files that say this; 720 MiB are.
    #[track_caller]
    fn most(name: &str, files: &[(&str, &str)]) -> u64 {
        let root = std::env::temp_dir().join(format!("tapeline-system-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&root);
        for (path, text) in [("proc/self/status", "Name:\ta\nVmRSS:\t  737280 kB\n")].iter().chain(files) {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let read = System::made(&root, 1 << 40, || Some(3_000 * MIB)).read();
        fs::remove_dir_all(&root).unwrap();
        let (resident, most) = read.unwrap();
        assert_eq!(resident, 720 * MIB);
        most / MIB
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:        2097152 kB\nMemFree: 1 kB\n");
    const GROUP: (&str, &str) = ("proc/self/cgroup", "0::/system.slice/tapeline.service\n");

    #[test]
    fn the_machine_is_asked_where_its_file_is_hidden() {
        assert_eq!(most("machine", &[MEMINFO]), 2_048);
        assert_eq!(most("hidden", &[]), 3_000);
    }

    #[test]
    fn the_least_of_its_group_and_those_around_it_counts() {
        let own = ("sys/fs/cgroup/system.slice/tapeline.service/memory.max", "1048576000\n");
        let slice = ("sys/fs/cgroup/system.slice/memory.max", "943718400\n");
        let open = ("sys/fs/cgroup/system.slice/memory.max", "max\n");
        assert_eq!(most("own", &[MEMINFO, GROUP, own, open]), 1_000);
        assert_eq!(most("slice", &[GROUP, own, slice]), 900);
        assert_eq!(most("unlimited", &[MEMINFO, GROUP, open]), 2_048);
    }

    #[test]
    fn in_a_container_the_top_is_its_own() {
        let top = ("sys/fs/cgroup/memory.max", "1048576000\n");
        assert_eq!(most("top", &[MEMINFO, ("proc/self/cgroup", "0::/\n"), top]), 1_000);
        assert_eq!(most("unseen", &[MEMINFO, ("proc/self/cgroup", "0::/../other\n"), top]), 1_000);
        assert_eq!(most("untold", &[MEMINFO, top]), 1_000);
    }

    #[test]
    fn the_first_version_of_the_groups_is_read_as_well() {
        let group = ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/abc\n0::/docker/abc\n");
        let own = ("sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes", "1048576000\n");
        let top = ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(most("first", &[MEMINFO, group, own, top]), 1_000);
        assert_eq!(most("first-top", &[MEMINFO, group, top]), 2_048);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_and_this_machine_are_read() {
        let (resident, most) = System::own(usize::MAX).read().unwrap();
        assert!(resident > 0 && resident < most && most < 1 << 50, "{resident} of {most}");
        assert!(machine().is_some_and(|all| all >= most), "{:?}", machine());
    }
}
