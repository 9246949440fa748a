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
