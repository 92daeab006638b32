//! The commands in README.md do what it says, and its table of rules has all contract tests.
#![expect(clippy::unwrap_used, reason = "a test may die of what it does not expect")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// All lines between "```sh" and "```".
fn commands(text: &str) -> String {
    let mut inside = false;
    let mut kept = String::from("set -eu\n");
    for line in text.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            line if inside => {
                kept.push_str(line);
                kept.push('\n');
            }
            _ => {}
        }
    }
    kept
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_work() {
    if Command::new("curl").arg("--version").output().is_err() {
        eprintln!("curl is not installed: the commands of README.md are not tested");
        return;
    }
    let fakes = fake_providers::start(fake_providers::Settings::standing()).await.unwrap();
    let script = commands(include_str!("../README.md"));
    let address = format!("http://{}", fakes.address());
    let run = move || Command::new("sh").arg("-c").arg(script).env("FAKE", address).output();
    let output = tokio::task::spawn_blocking(run).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(told.contains("no answer"), "{told}");
    assert!(told.contains("USER_BUSINESS_ERROR"), "{told}");
    for paid in [("1234", "USD"), ("2500", "USD"), ("10000", "EUR")] {
        let wanted = format!(r#""amount_minor":{},"currency":"{}","object_count":1"#, paid.0, paid.1);
        assert!(told.contains(&wanted), "{wanted} is not in {told}");
    }
}

/// The names of the tests in a folder.
fn tests_of(folder: &Path) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if line.starts_with("#[tokio::test") {
                let function = lines.find(|line| line.contains("fn ")).unwrap();
                let (_, rest) = function.split_once("fn ").unwrap();
                names.insert(rest.split('(').next().unwrap().to_owned());
            }
        }
    }
    names
}

#[test]
fn the_table_of_rules_names_every_contract_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = include_str!("../README.md");
    let (_, table) = text.split_once("## Which test is for which rule").unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let named: BTreeSet<String> =
        rows.flat_map(|(_, tests)| tests.split('`').skip(1).step_by(2)).map(str::to_owned).collect();
    let folders = ["paypal", "stripe", "wise"].map(|name| root.join("tests/contract").join(name));
    let tests: BTreeSet<String> = folders.iter().flat_map(|folder| tests_of(folder)).collect();
    let missing: Vec<_> = tests.difference(&named).collect();
    let unknown: Vec<_> = named.difference(&tests).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not in the table: {missing:?}; no such test: {unknown:?}");
}
