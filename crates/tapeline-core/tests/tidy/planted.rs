//! A violation of every rule, planted, and the rule's word for it: a rule that cannot fail guards nothing.

use crate::source::code;
use crate::{manifests, rules};

const HEADER: &str = "//! A file with a proper header.\n";

fn check(found: &[String], expected: &[&str]) {
    assert_eq!(found.len(), expected.len(), "{found:#?}");
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.contains(expected), "`{found}` should say `{expected}`");
    }
}

#[test]
fn a_file_of_501_lines_is_found() {
    check(&rules::long_file("a.rs", &"x\n".repeat(500)), &[]);
    check(&rules::long_file("a.rs", &"x\n".repeat(501)), &["501 lines"]);
}

#[test]
fn a_missing_header_is_found() {
    check(&rules::missing_header("a.rs", HEADER), &[]);
    check(&rules::missing_header("a.rs", "#![cfg(fuzzing)]\n//! A wrapper with a header.\n"), &[]);
    check(&rules::missing_header("a.rs", ""), &["must open with"]);
    check(&rules::missing_header("a.rs", "// An ordinary comment.\n"), &["must open with"]);
    check(&rules::missing_header("a.rs", "//!\nuse std::fmt;\n"), &["must open with"]);
}

fn function(lines: usize) -> String {
    format!("{HEADER}fn long<const N: usize>(a: [u8; 3]) -> u8 {{\n{}}}\n", "    work();\n".repeat(lines - 2))
}

#[test]
fn a_function_of_71_lines_is_found() {
    check(&rules::long_functions("a.rs", &function(70)), &[]);
    check(&rules::long_functions("a.rs", &function(71)), &["a.rs:2: fn long has 71 lines"]);
}

#[test]
fn braces_in_texts_and_comments_do_not_count() {
    let text = function(71).replace("work()", "say(\"}\", '}', r#\"}\"#) /* } */").replacen(
        "work",
        "// }\n work",
        1,
    );
    check(&rules::long_functions("a.rs", &text), &["fn long has 71 lines"]);
    check(&rules::long_functions("a.rs", "trait T {\n    fn declared(&self);\n}\n"), &[]);
}

#[test]
fn unfinished_code_is_found() {
    for word in [concat!("to", "do!()"), concat!("unimpl", "emented!()"), concat!("d", "bg!(1)")] {
        check(&rules::banned_code("a.rs", &format!("{HEADER}fn f() {{ {word} }}\n")), &["a.rs:2"]);
        check(&rules::banned_code("a.rs", &format!("// {word}\nlet s = \"{word}\";\n")), &[]);
    }
}

#[test]
fn tests_that_prove_nothing_are_found() {
    check(&rules::banned_code("a.rs", concat!("#[ign", "ore]\nfn f() {}\n")), &["proves nothing"]);
    check(&rules::banned_code("a.rs", concat!("fn te", "st_x() {}\n")), &["named by what it claims"]);
    check(&rules::banned_code("a.rs", concat!("std::thread::sl", "eep(d);\n")), &["sleeping"]);
}

#[test]
fn a_silenced_lint_without_a_reason_is_found() {
    for attribute in
        ["#[allow(unused)]", "#![allow(unused)]", "#[expect(unused)]", "#[allow(\n    unused,\n)]"]
    {
        check(&rules::banned_code("a.rs", attribute), &["without a reason"]);
    }
    check(&rules::banned_code("a.rs", "#[allow(unused, reason = \"because\")]"), &[]);
}

#[test]
fn a_demand_thrown_away_is_found() {
    check(&rules::banned_code("a.rs", "let _ = open().unwrap();\n"), &["thrown away"]);
    check(&rules::banned_code("a.rs", "    _ = open().expect(\"it\");\n"), &["thrown away"]);
    check(&rules::banned_code("x/tests/a.rs", "let _ = open().expect(\"it opens\");\n"), &[]);
    check(&rules::banned_code("a.rs", "let _ = open();\nlet file = open().unwrap();\n"), &[]);
}

#[test]
fn an_empty_name_is_found() {
    check(&rules::empty_name("crates/x/src/utils.rs"), &["`utils` says nothing"]);
    check(&rules::empty_name("crates/x/src/common/mod.rs"), &["`common` says nothing"]);
    check(&rules::empty_name("crates/x/src/book.rs"), &[]);
}

#[test]
fn a_venue_named_in_the_core_is_found() {
    let core = "crates/tapeline-core/src/a.rs";
    check(&rules::venue_named(core, "if venue == \"binance\" {}\n"), &["a.rs:1: names a venue"]);
    check(&rules::venue_named(core, "struct BinanceBook;\n"), &["names a venue"]);
    check(
        &rules::venue_named(
            core,
            "x(); // as on Binance\n#[cfg(test)]\nmod tests {\n    t(\"binance\");\n}\n",
        ),
        &[],
    );
    check(&rules::venue_named("crates/tapeline-venues/src/a.rs", "const ID: &str = \"binance\";\n"), &[]);
}

#[test]
fn a_judge_that_shares_code_with_the_accused_is_found() {
    let line = "use tapeline_core::time::Mono;\n";
    check(
        &rules::judge_shares_code("crates/tapeline-sim/src/house/mod.rs", line),
        &["mod.rs:1: uses `tapeline_core`"],
    );
    check(&rules::judge_shares_code("crates/tapeline-sim/src/world/mod.rs", line), &[]);
    check(&rules::judge_shares_code("crates/tapeline/src/lib.rs", line), &[]);
}

#[test]
fn a_path_of_one_machine_is_found() {
    for path in
        [concat!("/ro", "ot/x"), concat!("/ho", "me/me"), concat!("/t", "mp/x"), concat!("/wo", "rk/x")]
    {
        check(&rules::machine_path("README.md", &format!("See {path}.\n")), &["README.md:1"]);
    }
    check(&rules::machine_path("README.md", "See ./docs and ../shared/captures.\n"), &[]);
}

fn manifest(name: &str, dependencies: &str) -> Vec<String> {
    let text = format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{dependencies}");
    manifests::violations("Cargo.toml", &text)
}

#[test]
fn a_runtime_in_a_pure_crate_is_found() {
    check(&manifest("tapeline-core", "[dependencies]\nserde.workspace = true\n"), &[]);
    check(
        &manifest("tapeline-core", "[dependencies]\ntokio.workspace = true\n"),
        &["`tokio` is not on its list"],
    );
    check(
        &manifest("tapeline-venues", "[dependencies]\nreqwest = \"1\"\n"),
        &["`reqwest` is not on its list"],
    );
    check(&manifest("tapeline-core", "[build-dependencies]\ncc = \"1\"\n"), &["`cc` is not on its list"]);
    check(&manifest("tapeline-core", "[target.'cfg(unix)'.dependencies]\nlibc = \"1\"\n"), &["`libc`"]);
    check(
        &manifest("tapeline-core", "[dependencies]\nserde = { package = \"tokio\", version = \"1\" }\n"),
        &["`tokio`"],
    );
    check(&manifest("tapeline-core", "[dev-dependencies]\ntoml.workspace = true\n"), &[]);
}

#[test]
fn a_dependency_against_the_direction_is_found() {
    for (name, used) in [
        ("tapeline-core", "tapeline-venues"),
        ("tapeline-venues", "tapeline"),
        ("tapeline-ws", "tapeline-core"),
        ("tapeline-sim", "tapeline"),
        ("tapeline-sim", "tapeline-gateway"),
        ("tapeline", "tapeline-gateway"),
        ("tapeline", "tapeline-sim"),
        ("tapeline-gateway", "tapeline-cli"),
    ] {
        let text = format!("[dependencies]\n{used}.workspace = true\n");
        check(&manifest(name, &text), &["dependencies point one way"]);
    }
    check(&manifest("tapeline", "[dev-dependencies]\ntapeline-sim.workspace = true\n"), &[]);
    check(&manifest("tapeline-core", "[dev-dependencies]\ntapeline-sim.workspace = true\n"), &["one way"]);
}

#[test]
fn a_crate_outside_the_layers_or_without_lints_is_found() {
    check(&manifest("tapeline-extra", ""), &["no place in the layers"]);
    check(&manifests::violations("Cargo.toml", "[package]\nname = \"tapeline-ws\"\n"), &["is missing"]);
    check(&manifests::violations("Cargo.toml", "not toml"), &["Cargo.toml"]);
}

#[test]
fn code_that_the_compiler_cannot_vouch_for_is_found() {
    let word = concat!("uns", "afe");
    check(&rules::unsafe_code("a.rs", &format!("{HEADER}fn f() {{ {word} {{ g() }} }}\n")), &["a.rs:2"]);
    check(
        &rules::unsafe_code("a.rs", &format!("// {word}\n#![forbid({word}_code)]\nlet a = \"{word}\";\n")),
        &[],
    );
    let lints = |level: &str| format!("[workspace.lints.rust]\n{word}_code = {level}\n");
    for level in ["\"forbid\"", "{ level = \"forbid\", priority = 1 }"] {
        check(&manifests::unsafe_allowed("Cargo.toml", &lints(level)), &[]);
    }
    for text in [lints("\"deny\""), lints("{ priority = 1 }"), "[workspace]\n".to_owned(), "x".to_owned()] {
        assert_eq!(manifests::unsafe_allowed("Cargo.toml", &text).len(), 1, "{text}");
    }
}

#[test]
fn an_impure_package_below_an_allowed_one_is_found() {
    let lock = "[[package]]\nname = \"serde_json\"\ndependencies = [\"between 1.0.0\"]\n\
                [[package]]\nname = \"between\"\ndependencies = [\"tokio\"]\n\
                [[package]]\nname = \"tokio\"\n";
    check(&manifests::impure_below("tapeline-core", lock), &["reaches `tokio`"]);
    check(&manifests::impure_below("tapeline-core", &lock.replace("\"tokio\"]", "]")), &[]);
}

#[test]
fn a_banned_package_is_found() {
    let deny = "[bans]\ndeny = [{ crate = \"openssl\", reason = \"one TLS stack\" }]\n";
    check(
        &manifests::banned(deny, "tokio v1\nopenssl v0.10\n"),
        &["`openssl` is built and banned: one TLS stack"],
    );
    check(&manifests::banned(deny, "openssl-probe v0.1\n"), &[]);
}

#[test]
fn only_code_is_looked_at() {
    let cases = [
        ("a // b", "a     "),
        ("a /* b /* c */ d */ e", "a                   e"),
        ("f(\"x\\\"y\") + 'q' + '\\'' + 'static", "f(      ) +     +      + 'static"),
        ("r#\"a\"b\"# c", "         c"),
        ("bar\"x\"", "bar   "),
        ("br\"\\\" c", "b     c"),
        ("\"a\nb\"", "  \n  "),
    ];
    for (text, expected) in cases {
        assert_eq!(code(text), expected, "of `{text}`");
    }
}
