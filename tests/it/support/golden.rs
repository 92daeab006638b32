//! Golden files: published texts that must not change unnoticed. `HEADWATER_UPDATE_GOLDEN=1` rewrites them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Fails if `tests/it/golden/<name>` differs from `text`.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    compare(&golden_path(name), text, is_update());
}

/// Fails if `tests/it/golden/<folder>/<subject>.txt` differs from the subject's text, or if a file there has no subject.
#[track_caller]
pub(crate) fn assert_golden_folder(folder: &str, texts: &BTreeMap<&str, String>) {
    compare_folder(&golden_path(folder), texts, is_update());
}

fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name)
}

fn is_update() -> bool {
    std::env::var("HEADWATER_UPDATE_GOLDEN").is_ok_and(|value| value == "1")
}

#[track_caller]
fn compare_folder(folder: &Path, texts: &BTreeMap<&str, String>, update: bool) {
    if update {
        std::fs::create_dir_all(folder).unwrap();
    }
    for (subject, text) in texts {
        compare(&folder.join(format!("{subject}.txt")), text, update);
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let is_known =
            texts.keys().any(|subject| path.file_name().is_some_and(|name| *name == *format!("{subject}.txt")));
        if !is_known && update {
            // The same test on the other database may have written the file first.
            let _ = std::fs::remove_file(&path);
        }
        assert!(
            is_known || update,
            "{}: there is no such subject any more. If that is meant, run the tests with HEADWATER_UPDATE_GOLDEN=1.",
            path.display()
        );
    }
}

#[track_caller]
fn compare(path: &Path, text: &str, update: bool) {
    if update {
        std::fs::write(path, text).unwrap();
        return;
    }
    let golden = std::fs::read_to_string(path).unwrap_or_default();
    let pairs = golden.lines().zip(text.lines());
    let same = pairs.take_while(|(golden, line)| golden == line).count();
    let line = |text: &str| text.lines().nth(same).unwrap_or("(the end)").to_owned();
    assert!(
        golden == text,
        "{}:{}: the file says\n  {}\nbut it is\n  {}\nIf that is meant, run the tests with HEADWATER_UPDATE_GOLDEN=1 and read the difference.",
        path.display(),
        same + 1,
        line(&golden),
        line(text),
    );
}

#[test]
fn a_changed_line_is_found_and_can_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("list.txt");
    compare(&path, "one\ntwo\n", true);
    compare(&path, "one\ntwo\n", false);
    let message = |text: &'static str| {
        let path = path.clone();
        let panic = std::thread::spawn(move || compare(&path, text, false)).join().unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(message("one\n2\n").contains("list.txt:2: the file says\n  two\nbut it is\n  2\n"));
    assert!(message("one\n").contains("list.txt:2: the file says\n  two\nbut it is\n  (the end)\n"));
}

#[test]
fn a_golden_file_of_no_subject_is_found_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let both = BTreeMap::from([("coupon", "one\n".to_owned()), ("link", "two\n".to_owned())]);
    let coupon = BTreeMap::from([("coupon", "one\n".to_owned())]);
    compare_folder(folder.path(), &both, true);
    compare_folder(folder.path(), &both, false);
    let message = |texts: &BTreeMap<&'static str, String>| {
        let (path, texts) = (folder.path().to_owned(), texts.clone());
        let panic = std::thread::spawn(move || compare_folder(&path, &texts, false)).join().unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(message(&coupon).contains("link.txt: there is no such subject"));
    compare_folder(folder.path(), &coupon, true);
    compare_folder(folder.path(), &coupon, false);
    assert!(message(&both).contains("link.txt:1: the file says\n  (the end)\nbut it is\n  two\n"));
}
