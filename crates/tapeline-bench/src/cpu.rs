//! The CPU time this process has used, all its threads together.

use std::fs;
use std::io;

/// Nanoseconds on a CPU, user and kernel, summed over the threads that are alive.
///
/// # Errors
/// Where `/proc` keeps no `schedstat`.
pub fn used_ns() -> io::Result<u64> {
    // The kernel brings a running thread's account up to date when it yields, otherwise at the next tick.
    std::thread::yield_now();
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task")? {
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        sum += text.split(' ').next().and_then(|first| first.parse::<u64>().ok()).unwrap_or(0);
    }
    if sum == 0 { Err(io::Error::other("/proc/self/task/*/schedstat counts nothing")) } else { Ok(sum) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn work_is_counted() {
        let before = super::used_ns().expect("a schedstat");
        let mut state = 1u64;
        let mut rounds = 0;
        while super::used_ns().expect("a schedstat") < before + 2_000_000 {
            for _ in 0..10_000 {
                state = std::hint::black_box(state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
            }
            rounds += 1;
        }
        assert!(rounds > 0);
    }
}
