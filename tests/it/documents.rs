//! The documents name only files, functions and tests that exist. A document that names anything else fails.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/semantics.md"];

/// All words in the sources, the protos and the migrations.
fn words_of_sources(root: &Path) -> BTreeSet<String> {
    let mut words = BTreeSet::new();
    let mut folders: Vec<PathBuf> =
        ["src", "tests", "testkit", "clients", "migration", "proto"].map(|name| root.join(name)).into();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let parts = text.split(|character: char| !character.is_alphanumeric() && character != '_');
                words.extend(parts.map(ToOwned::to_owned));
            }
        }
    }
    words
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
    const FOLDERS: [&str; 7] = ["clients/", "docs/", "migration/", "proto/", "src/", "testkit/", "tests/"];
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
