//! The texts of closed sets, which rows have, are never renamed.

use std::collections::BTreeSet;
use std::path::Path;

use super::Golden;

/// The texts of all closed sets of the domain, as `Set text`, from their declarations.
fn closed_sets(folder: &Path, all: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            closed_sets(&path, all);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        for declaration in source.split("\ntext_enum! {\n").skip(1) {
            let lines = declaration.lines().take_while(|line| *line != "}").map(str::trim);
            let mut lines = lines.filter(|line| !line.starts_with("///"));
            let set = lines.next().unwrap().strip_suffix(" {").unwrap().to_owned();
            let texts = lines.filter_map(|line| Some(line.split_once("= \"")?.1.strip_suffix("\",").unwrap()));
            all.extend(texts.map(|text| format!("{set} {text}")));
        }
    }
}

#[test]
fn texts_of_closed_sets_are_never_renamed() {
    let mut sets = BTreeSet::new();
    closed_sets(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/domain"), &mut sets);
    // Errors name resources and fields, and no row contains one.
    sets.retain(|line| !line.starts_with("Resource ") && !line.starts_with("Field "));
    let golden = Golden::open();
    let path = golden.folder.join("closed_sets.txt");
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    let stored: BTreeSet<String> = text.lines().map(ToOwned::to_owned).collect();
    let gone: Vec<_> = stored.difference(&sets).collect();
    assert!(gone.is_empty(), "rows have these texts, which no set has now: {gone:?}");
    if golden.update {
        let lines: Vec<&str> = sets.iter().map(String::as_str).collect();
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
    } else {
        assert_eq!(stored, sets, "texts are new: HEADWATER_UPDATE_GOLDEN=1 adds them");
    }
}
