//! Golden files: what is published and must not change unseen. `HEADWATER_UPDATE_GOLDEN=1` writes them anew.

use std::path::Path;

/// Fails where `tests/it/golden/<name>` says otherwise than `text`.
#[track_caller]
pub(crate) fn assert_golden(name: &str, text: &str) {
    let update = std::env::var("HEADWATER_UPDATE_GOLDEN").is_ok_and(|value| value == "1");
    compare(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(name), text, update);
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
