//! Every target on its seeds and on thousands of mutations of them, the same ones in every run.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "the counts are part of the result")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use tapeline_fuzz::{TARGETS, Target};

/// Mutations of each target, unless `TAPELINE_FUZZ_RUNS` says otherwise.
const RUNS: u64 = 20_000;
/// The longest input made: beyond it targets repeat themselves.
const LONGEST: usize = 4_096;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder("corpus").join(target)).expect("every target has seeds");
    let mut paths: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
    paths.sort();
    let seeds: Vec<_> = paths.iter().map(|path| fs::read(path).expect("a seed")).collect();
    assert!(seeds.len() >= 3, "{target} has at least three seeds");
    seeds
}

/// SplitMix64: small, and every run draws the same numbers.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }
}

/// Pieces at which parsers stumble.
const WORDS: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b",",
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"18446744073709551616",
    b"9223372036854775808",
    b"0.00000000000000000000000000000000000000001",
    b"%",
    b"%0",
    b"@",
    b"*",
    b"=",
    b"\0",
    b"\xff\xfe",
    b"\xf0\x9f\x92\xb9",
    b"\r\n\r\n",
    b" ",
    b"\n",
    b"#",
    b"'''",
];

/// Changes `input` in one of the ways that find faults.
fn mutate(input: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(input.len() + 1);
    let length = dice.below(8) + 1;
    let end = (at + length).min(input.len());
    match dice.below(9) {
        0 if at < input.len() => input[at] ^= 1 << dice.below(8),
        1 if at < input.len() => input[at] = dice.next() as u8,
        2 => drop(input.drain(at..end)),
        3 => input.truncate(at),
        4 => drop(input.splice(at..at, WORDS[dice.below(WORDS.len())].iter().copied())),
        5 => {
            let from = dice.below(other.len() + 1);
            let piece = &other[from..(from + dice.below(64)).min(other.len())];
            input.splice(at..end, piece.iter().copied());
        }
        6 => {
            let piece = input[at..end].to_vec();
            input.splice(at..at, piece.iter().copied().cycle().take(piece.len() * length));
        }
        7 if at < input.len() => input[at] = input[at].wrapping_add(if length > 4 { 1 } else { 255 }),
        _ => input.extend((0..length).map(|_| dice.next() as u8)),
    }
    input.truncate(LONGEST);
}

fn try_out(name: &str, target: Target, input: &[u8]) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| target(input))) {
        eprintln!("{name} fails on b\"{}\"", input.escape_ascii());
        resume_unwind(panic);
    }
}

fn replay(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    let seeds = seeds(name);
    for seed in &seeds {
        try_out(name, *target, seed);
    }
    let runs = std::env::var("TAPELINE_FUZZ_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(RUNS);
    let mut dice =
        Dice(name.bytes().fold(0, |sum: u64, byte| sum.wrapping_mul(31).wrapping_add(byte.into())));
    for _ in 0..runs {
        let mut input = seeds[dice.below(seeds.len())].clone();
        let other = &seeds[dice.below(seeds.len())];
        for _ in 0..=dice.below(4) {
            mutate(&mut input, other, &mut dice);
        }
        try_out(name, *target, &input);
    }
    println!("{name}: {} seeds, {runs} mutations", seeds.len());
}

/// One test for each target, so that they run side by side and fail by name.
macro_rules! replays {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                replay(stringify!($name));
            }
        )*

        const REPLAYED: &[&str] = &[$(stringify!($name)),*];
    };
}

replays! {
    binance_fetch binance_spot binance_usdm book decimal feed scan sequence settings topic
    ws_client ws_handshake ws_server
}

#[test]
fn every_target_has_a_wrapper_seeds_and_a_replay() {
    let names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, REPLAYED);
    let listed = |folder_name: &str, suffix: &str| {
        let entries = fs::read_dir(folder(folder_name)).expect("a folder");
        let mut found: Vec<_> = entries
            .map(|entry| {
                entry.expect("an entry").file_name().to_string_lossy().trim_end_matches(suffix).to_owned()
            })
            .collect();
        found.sort();
        found
    };
    assert_eq!(listed("fuzz_targets", ".rs"), names, "fuzz_targets/ has one wrapper for each target");
    assert_eq!(listed("corpus", ""), names, "corpus/ has one folder for each target");
    let manifest = fs::read_to_string(folder("Cargo.toml")).expect("a manifest");
    for name in names {
        assert!(
            manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")),
            "{name}"
        );
    }
}
