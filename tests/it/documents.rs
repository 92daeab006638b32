//! The documents name only files, functions and tests that exist. A document that names anything else fails.

mod calls;
mod covered;
mod guides;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::CommandFactory;
use headwater::config::CommandLine;

const PAGES: [&str; 5] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "docs/semantics.md"];

/// The text of a file, by its path from the root.
fn text_of(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The texts of the sources, the protos and the migrations.
fn sources(root: &Path) -> Vec<String> {
    let mut texts = Vec::new();
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "testkit", "clients", "fuzz", "migration", "proto"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                texts.push(text);
            }
        }
    }
    texts
}

/// All words in the sources, the protos and the migrations.
fn words_of_sources(root: &Path) -> BTreeSet<String> {
    let is_part = |character: char| character.is_alphanumeric() || character == '_';
    sources(root).iter().flat_map(|text| text.split(|character| !is_part(character))).map(ToOwned::to_owned).collect()
}

/// Text between backticks outside fenced blocks.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut is_fenced = false;
    let lines = text.lines().filter(move |line| {
        let is_fence = line.starts_with("```");
        is_fenced ^= is_fence;
        !is_fenced && !is_fence
    });
    lines.flat_map(|line| line.split('`').skip(1).step_by(2))
}

/// The targets of a page's links, except links to other sites.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target));
    targets.filter(|target| !target.starts_with("http") && !target.starts_with('#'))
}

fn is_path(text: &str) -> bool {
    const FOLDERS: [&str; 8] = ["clients/", "docs/", "fuzz/", "migration/", "proto/", "src/", "testkit/", "tests/"];
    const ENDINGS: [&str; 5] = [".md", ".proto", ".rs", ".toml", ".txt"];
    let is_one_word = !text.contains(' ');
    is_one_word
        && (FOLDERS.iter().any(|folder| text.starts_with(folder))
            || ENDINGS.iter().any(|ending| text.ends_with(ending)))
}

/// A path may be relative to the root, to `src`, or to the folder of its kind.
fn exists(root: &Path, path: &str) -> bool {
    let folders =
        ["", "src", "src/store", "proto/headwater/v1", "tests/it", "tests/it/coverage", "tests/it/golden/scenarios"];
    folders.iter().any(|folder| root.join(folder).join(path).exists())
}

#[test]
fn documents_name_only_what_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut pages: Vec<PathBuf> = PAGES.iter().map(|page| root.join(page)).collect();
    pages.extend(std::fs::read_dir(root.join("docs/adr")).unwrap().map(|entry| entry.unwrap().path()));
    let words = words_of_sources(root);
    let mut missing = Vec::new();
    for page in &pages {
        let text = std::fs::read_to_string(page).unwrap();
        let name = page.strip_prefix(root).unwrap().display();
        for link in links(&text).filter(|link| !page.parent().unwrap().join(link).exists()) {
            missing.push(format!("{name}: the link to {link} leads nowhere"));
        }
        for term in quoted(&text) {
            let word = term.rsplit("::").next().unwrap_or(term);
            let is_word = word.contains('_') && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            if is_path(term) {
                if !exists(root, term) {
                    missing.push(format!("{name}: there is no file {term}"));
                }
            } else if (is_word || term.contains("::")) && !words.contains(word) {
                missing.push(format!("{name}: there is no {term}"));
            }
        }
    }
    assert!(missing.is_empty(), "the documents name what is not there:\n{}", missing.join("\n"));
}

/// The rows of a table that begin with a setting, as the setting and the text beside it.
fn rows_of_settings(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |")?.split_once("` | "));
    rows.filter(|(_, beside)| !beside.contains('|'))
}

#[test]
fn the_security_page_has_every_limit_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("SECURITY.md");
    let text = std::fs::read_to_string(path).unwrap();
    let command = CommandLine::command();
    let mut wrong = Vec::new();
    let mut listed = BTreeSet::new();
    for (setting, default) in rows_of_settings(&text) {
        listed.insert(setting);
        let argument = command.get_arguments().find(|argument| argument.get_id() == setting);
        let Some(argument) = argument else {
            wrong.push(format!("{setting} is no setting"));
            continue;
        };
        if !argument.get_default_values().iter().any(|value| value == default) {
            wrong.push(format!("{setting} is {:?} by default and not {default}", argument.get_default_values()));
        }
    }
    let limits = command.get_arguments().map(|argument| argument.get_id().as_str()).filter(|id| id.ends_with("_max"));
    wrong.extend(limits.filter(|limit| !listed.contains(limit)).map(|limit| format!("{limit} is not listed")));
    assert!(wrong.is_empty(), "SECURITY.md: {wrong:#?}");
}

#[test]
fn the_security_page_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let sources = sources(root);
    let promises = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.rsplit_once(" | "));
    let shown: BTreeSet<&str> = promises.flat_map(|(_, shown)| quoted(shown)).collect();
    // Other words are files, commands, and targets of the fuzzer.
    let is_test =
        |term: &&&str| term.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') && term.contains('_');
    let tests: Vec<_> = shown.iter().filter(is_test).filter(|term| **term != "unsafe_code").collect();
    let exists = |name: &str| {
        let forms = [format!("fn {name}("), format!("db_test!({name},")];
        sources.iter().any(|text| forms.iter().any(|form| text.contains(form)))
    };
    let missing: Vec<_> = tests.iter().filter(|name| !exists(name)).collect();
    assert!(missing.is_empty() && tests.len() > 20, "of {} tests, these do not exist: {missing:?}", tests.len());
}
