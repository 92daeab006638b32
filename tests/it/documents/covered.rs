//! The page of covered operations says the truth: it has every row, it names only calls that exist, and each row that it says is there has
//! a test that is named after it. Does not know what the rows mean.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::calls::call;
use super::{quoted, text_of};

const PAGE: &str = "docs/operations-covered.md";

/// The kinds of rows, and how many there are of each. None may be dropped.
const ROWS: [(char, usize); 6] = [('W', 12), ('U', 9), ('G', 20), ('F', 16), ('P', 40), ('N', 15)];

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Built,
    InPart,
    NotYet,
}

/// One row of the tables.
struct Row {
    name: String,
    calls: Vec<String>,
    /// The text when it is not one of the states.
    state: Result<State, String>,
}

fn is_row(name: &str) -> bool {
    let mut characters = name.chars();
    let kind = characters.next();
    let number = characters.as_str();
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number && ROWS.iter().any(|(known, _)| kind == Some(*known))
}

fn rows(text: &str) -> Vec<Row> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = lines.map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
    let rows = cells.filter(|cells| is_row(cells[0])).map(|cells| {
        let state = match cells.last().copied().unwrap_or_default() {
            "built" => Ok(State::Built),
            "not yet" => Ok(State::NotYet),
            text if text.strip_prefix("in part: ").is_some_and(|missing| !missing.is_empty()) => Ok(State::InPart),
            other => Err(other.to_owned()),
        };
        let calls = cells.get(2).into_iter().flat_map(|cell| quoted(cell)).map(ToOwned::to_owned).collect();
        Row { name: cells[0].to_owned(), calls, state }
    });
    rows.collect()
}

/// The rows that a test is named after: `u4_g2_f2_an_affiliate_is_found` is of U4, G2 and F2.
fn rows_of_test(name: &str) -> impl Iterator<Item = String> {
    name.split('_').map(str::to_uppercase).take_while(|word| is_row(word) || is_case(word)).filter(|word| is_row(word))
}

/// Names of cases may stand beside those of rows: `w12_c13_...`.
fn is_case(word: &str) -> bool {
    word.strip_prefix(['B', 'C']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|it| it.is_ascii_digit()))
}

/// The names of the tests on both databases in a source.
fn tests(source: &str) -> impl Iterator<Item = &str> {
    let ends = |character: char| !(character.is_ascii_alphanumeric() || character == '_');
    source.split("db_test!(").skip(1).filter_map(move |rest| rest.trim_start().split(ends).next())
}

fn sources_of_rows(folder: &Path, texts: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources_of_rows(&path, texts);
        } else {
            texts.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// What is wrong with a page, beside these tests.
fn faults(page: &str, tests: &[&str]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut listed = BTreeMap::new();
    let tested: BTreeSet<String> = tests.iter().flat_map(|name| rows_of_test(name)).collect();
    for Row { name, calls, state } in rows(page) {
        faults
            .extend(calls.iter().filter(|name| call(name).is_none()).map(|call| format!("{name}: there is no {call}")));
        match &state {
            Ok(State::NotYet) if tested.contains(&name) => faults.push(format!("{name}: not yet, but it has a test")),
            Ok(State::NotYet) => {}
            Ok(_) if !tested.contains(&name) => faults.push(format!("{name}: no test is named after it")),
            Ok(_) if calls.is_empty() => faults.push(format!("{name}: it names no call")),
            Ok(_) => {}
            Err(text) => faults.push(format!("{name}: the state is {text:?}")),
        }
        if listed.insert(name.clone(), state).is_some() {
            faults.push(format!("{name}: it is there twice"));
        }
    }
    let all = ROWS.iter().flat_map(|(kind, count)| (1..=*count).map(move |number| format!("{kind}{number}")));
    let all: BTreeSet<String> = all.collect();
    let listed: BTreeSet<String> = listed.into_keys().collect();
    faults.extend(all.difference(&listed).map(|name| format!("{name}: it is not there")));
    faults.extend(listed.union(&tested).filter(|name| !all.contains(*name)).map(|name| format!("{name}: no such row")));
    faults
}

#[test]
fn rows_that_are_built_have_tests_and_tests_have_rows_that_are_built() {
    let mut sources = Vec::new();
    sources_of_rows(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/rows"), &mut sources);
    let tests: Vec<&str> = sources.iter().flat_map(|source| tests(source)).collect();
    assert!(tests.len() > 40, "{tests:?}");
    let faults = faults(&text_of(PAGE), &tests);
    assert!(faults.is_empty(), "{PAGE}:\n{}", faults.join("\n"));
}

#[test]
fn a_page_that_does_not_say_the_truth_is_found() {
    let complete = ROWS.iter().flat_map(|(kind, count)| {
        (1..=*count).map(move |number| format!("| {kind}{number} | x | `AffiliateService.CreateItem` | built |\n"))
    });
    let page: String = complete.collect();
    let tests: Vec<String> = rows(&page).iter().map(|row| format!("{}_works", row.name.to_lowercase())).collect();
    let tests: Vec<&str> = tests.iter().map(String::as_str).collect();
    assert_eq!(faults(&page, &tests), Vec::<String>::new());

    let w5 = "| W5 | x | `AffiliateService.CreateItem` | built |\n";
    for (other, fault) in [
        ("| W5 | x | | not yet |\n", "W5: not yet, but it has a test"),
        ("| W5 | x | | built |\n", "W5: it names no call"),
        ("| W5 | x | `AffiliateService.MakeItem` | built |\n", "W5: there is no AffiliateService.MakeItem"),
        ("| W5 | x | `AffiliateService.CreateItem` | in part: |\n", "W5: the state is \"in part:\""),
        ("| W5 | x | `AffiliateService.CreateItem` | done |\n", "W5: the state is \"done\""),
        ("", "W5: it is not there"),
        (&w5.repeat(2), "W5: it is there twice"),
        (&format!("{w5}{}", w5.replace("W5", "W13")), "W13: no such row"),
    ] {
        assert!(page.contains(w5));
        let found = faults(&page.replace(w5, other), &tests);
        assert!(found.iter().any(|found| found == fault), "{other} gives {found:?}");
    }
    let without_w5: Vec<&str> = tests.iter().copied().filter(|name| !name.starts_with("w5_")).collect();
    assert_eq!(faults(&page, &without_w5), ["W5: no test is named after it"]);
    assert_eq!(faults(&page, &[&tests[..], &["p41_w5_more"]].concat()), ["P41: no such row"]);
}

#[test]
fn tests_are_of_the_rows_that_their_names_begin_with() {
    for (name, rows) in [
        ("w5_an_item", vec!["W5"]),
        ("u4_g2_f2_found", vec!["U4", "G2", "F2"]),
        ("w12_c13_of_64_claims", vec!["W12"]),
        ("clicks_of_w5", vec![]),
        ("f_9", vec![]),
    ] {
        assert_eq!(rows_of_test(name).collect::<Vec<_>>(), rows, "{name}");
    }
    let source = "db_test!(w5_one, |x| async {});\ndb_test!(\n    w6_two,\n    empty, |x| async {});";
    assert_eq!(tests(source).collect::<Vec<_>>(), ["w5_one", "w6_two"]);
}
