//! Claims about whole worlds, short enough for every run of the tests; the long ones are the program's.

use super::*;

#[test]
fn a_calm_world_brings_everything_and_nobody_objects() {
    let outcome = drill(Drill { calm: true, ..Drill::new(1, 120) });
    assert!(outcome.violation.is_none(), "{}", outcome.violation.unwrap());
    assert!(outcome.figures.frames > 50 * 110, "{:?}", outcome.figures);
    assert!(outcome.figures.updates > outcome.figures.frames, "{:?}", outcome.figures);
    assert!(outcome.struck.is_empty());
}

#[test]
fn one_seed_is_one_course_of_events() {
    let hash = |seed| drill(Drill::new(seed, 60)).hash;
    assert_eq!(hash(5), hash(5));
    assert_ne!(hash(5), hash(6));
}
