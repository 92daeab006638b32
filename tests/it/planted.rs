//! The patches in `tests/planted` still fit the sources and name existing tests. `tests/planted/run` shows that those tests find
//! the bugs, which takes long.

use std::path::{Path, PathBuf};

/// Fewer patches mean that some were lost.
const PATCHES_MIN: usize = 12;

/// One hunk of a patch, in one file.
struct Hunk {
    path: String,
    /// The lines that must be in the file, in order.
    before: Vec<String>,
}

fn patches(root: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(root.join("tests/planted")).unwrap().map(|entry| entry.unwrap().path());
    let mut patches: Vec<_> = files.filter(|path| path.extension().is_some_and(|ending| ending == "patch")).collect();
    patches.sort();
    patches
}

/// The value after a keyword in a patch's header.
fn said<'patch>(text: &'patch str, word: &str) -> &'patch str {
    let head = text.lines().take_while(|line| line.starts_with('#'));
    head.filter_map(|line| line.strip_prefix("# ")?.strip_prefix(word)?.strip_prefix(": ")).next().unwrap_or_default()
}

fn hunks(text: &str) -> Vec<Hunk> {
    let mut hunks: Vec<Hunk> = Vec::new();
    let mut path = String::new();
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("--- a/") {
            name.clone_into(&mut path);
        } else if line.starts_with("@@") {
            hunks.push(Hunk { path: path.clone(), before: Vec::new() });
        } else if let (Some(hunk), Some(kept)) = (hunks.last_mut(), line.strip_prefix([' ', '-']))
            && !line.starts_with("---")
        {
            hunk.before.push(kept.to_owned());
        }
    }
    hunks
}

/// The fault of a hunk; `None` when it fits exactly one place.
fn misfit(root: &Path, hunk: &Hunk) -> Option<String> {
    let Ok(text) = std::fs::read_to_string(root.join(&hunk.path)) else {
        return Some(format!("there is no {}", hunk.path));
    };
    let lines: Vec<&str> = text.lines().collect();
    let places = lines.windows(hunk.before.len().max(1)).filter(|window| *window == hunk.before).count();
    (places != 1).then(|| format!("fits {places} places of {}:\n{}", hunk.path, hunk.before.join("\n")))
}

/// All sources of the tests.
fn sources(folder: &Path, all: &mut String) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, all);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            all.push_str(&std::fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_planted_bug_fits_the_sources() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tests = String::new();
    sources(&root.join("tests/it"), &mut tests);
    let patches = patches(root);
    let mut wrong = Vec::new();
    for path in &patches {
        let text = std::fs::read_to_string(path).unwrap();
        let name = path.file_name().unwrap().to_string_lossy();
        if said(&text, "Bug").is_empty() {
            wrong.push(format!("{name} does not say what the bug is"));
        }
        let finders: Vec<&str> = said(&text, "Found by").split_whitespace().collect();
        if finders.is_empty() {
            wrong.push(format!("{name} does not say which test finds it"));
        }
        for finder in finders {
            if !tests.contains(&format!("fn {finder}(")) && !tests.contains(&format!("db_test!({finder},")) {
                wrong.push(format!("{name}: there is no test {finder}"));
            }
        }
        let hunks = hunks(&text);
        if hunks.is_empty() {
            wrong.push(format!("{name} changes nothing"));
        }
        wrong.extend(hunks.iter().filter_map(|hunk| misfit(root, hunk)).map(|misfit| format!("{name} {misfit}")));
    }
    assert!(wrong.is_empty(), "write these patches anew:\n{}", wrong.join("\n"));
    assert!(patches.len() >= PATCHES_MIN, "only {} bugs are planted", patches.len());
}

#[test]
fn a_hunk_is_what_stands_before_the_change() {
    let text = "# Bug: b\n# Found by: t u\n--- a/src/x.rs\n+++ b/src/x.rs\n@@ -1,3 +1,3 @@\n one\n-two\n+zwei\n \n@@ -9 +9 @@\n-nine\n";
    assert_eq!((said(text, "Bug"), said(text, "Found by"), said(text, "None")), ("b", "t u", ""));
    let found: Vec<_> = hunks(text).into_iter().map(|hunk| (hunk.path, hunk.before.join("|"))).collect();
    assert_eq!(found, [("src/x.rs".to_owned(), "one|two|".to_owned()), ("src/x.rs".to_owned(), "nine".to_owned())]);
}
