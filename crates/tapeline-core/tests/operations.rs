//! The page for operators lists every alert, word for word as the program tells it.

#![allow(clippy::disallowed_methods, reason = "the page is a file")]

use std::path::Path;

use tapeline_core::policy::alert::{NOT_FED, TABLE, markdown};

#[test]
fn the_page_for_operators_is_the_table_of_alerts() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    for entry in TABLE.iter().filter(|entry| !NOT_FED.contains(&entry.rule)) {
        let row = format!("| `{}` | {} | {} |", entry.name, entry.means, entry.action);
        assert!(page.contains(&row), "docs/operations.md should hold\n{row}");
    }
    assert!(page.contains(&markdown()), "docs/operations.md should hold this:\n{}", markdown());
    let rows = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, TABLE.len() - NOT_FED.len(), "the page explains alerts that there are not");
}
