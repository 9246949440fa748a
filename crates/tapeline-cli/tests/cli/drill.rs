//! Drills from the command line: the table, its twin in JSON, and what the exit code says.

use serde_json::Value;

use crate::process::{Ended, run};

#[test]
fn a_drill_is_run_with_data_on_stdout_and_progress_on_stderr() {
    let Ended { code, stdout, stderr } = run(&["drill", "run", "late-line"]);
    assert_eq!((code, stderr.as_str()), (Some(0), "[1/1] late-line\n"), "{stdout}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("DRILL") && lines[1].starts_with("late-line") && lines[1].contains("passed")
    );
    assert!(lines[2].starts_with("passed: 1 of 1 drills with seed 1"), "{stdout}");
}

#[test]
fn the_twin_in_json_is_one_object_and_the_same_for_the_same_seed() {
    let told = || run(&["drill", "run", "reset", "--json", "--seed", "5", "-q"]);
    let first = told();
    assert_eq!((first.code, first.stderr.as_str()), (Some(0), ""));
    assert_eq!(first.stdout, told().stdout);
    let all: Value = serde_json::from_str(&first.stdout).unwrap();
    let item = &all["items"][0];
    assert_eq!((&item["name"], &item["passed"], &item["seed"]), (&"reset".into(), &true.into(), &5.into()));
    for key in ["ttd_s", "mttr_s", "mtbf_s", "availability", "recovery"] {
        assert!(item[key].is_f64(), "{key}: {item}");
    }
    for key in ["lost", "duplicated", "declared"] {
        assert_eq!(item[key], 0, "{key}: {item}");
    }
    assert_eq!((&all["summary"]["drills"], &all["summary"]["failed"]), (&1.into(), &0.into()));
}

#[test]
fn drills_are_listed_for_people_and_programs() {
    let people = run(&["drill", "list"]);
    assert!(people.code == Some(0) && people.stdout.contains("half-open"), "{}", people.stdout);
    let programs: Value = serde_json::from_str(&run(&["drill", "list", "--json"]).stdout).unwrap();
    assert_eq!(programs["items"].as_array().unwrap().len(), people.stdout.lines().count() - 1);
    assert!(programs["faults"].as_array().unwrap().len() > 70);
}

#[test]
fn an_unknown_drill_is_a_mistake_and_told_with_the_nearest() {
    let ended = run(&["drill", "run", "half-opn"]);
    assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""));
    assert!(ended.stderr.contains("did you mean \"half-open\"?"), "{}", ended.stderr);
    assert_eq!(run(&["drill", "run"]).code, Some(2));
    assert_eq!(run(&["drill", "run", "reset", "--all"]).code, Some(2));
}

#[test]
fn a_drill_over_real_sockets_is_told_like_any_other() {
    let told = run(&["drill", "run", "reset", "--real", "--json", "-q"]);
    let all: Value = serde_json::from_str(&told.stdout).unwrap_or_default();
    let item = &all["items"][0];
    assert_eq!((told.code, &item["passed"]), (Some(0), &true.into()), "{item} {}", told.stderr);
    // It was felt, and it is over soon.
    assert!(item["outages"].as_u64() > Some(0) && item["ttr_max_s"].as_f64() < Some(1.6), "{item}");
    assert_eq!((&item["lost"], &item["duplicated"]), (&0.into(), &0.into()), "{item}");
}

#[test]
fn one_of_two_real_lines_is_reset_and_nothing_is_lost() {
    let told = run(&["drill", "run", "reset-ab", "--real", "-q"]);
    assert_eq!(told.code, Some(0), "{} {}", told.stdout, told.stderr);
    assert!(told.stdout.contains("passed: 1 of 1 drills"), "{}", told.stdout);
}

#[test]
fn what_is_played_in_virtual_time_only_says_why() {
    let told = run(&["drill", "run", "pause", "--real"]);
    assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""));
    assert!(told.stderr.contains("virtual time only: it would stop, or set, the machine"), "{}", told.stderr);
}
