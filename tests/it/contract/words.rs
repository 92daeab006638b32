//! The words of `reserved_words.txt`, and the check whether a name is one of them. Knows nothing of the contract.

/// The kind of element that a name belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    Field,
    Oneof,
    /// A value of an enum, without the enum's prefix.
    Value,
}

/// Words that one language does not allow for some names.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) language: &'static str,
    pub(super) named: Vec<Named>,
    pub(super) words: Vec<&'static str>,
}

impl Section {
    pub(super) fn has(&self, named: Named, name: &str) -> bool {
        self.named.contains(&named) && self.words.iter().any(|word| word.eq_ignore_ascii_case(name))
    }
}

/// The sections of the file. The line after the head of each names its source.
pub(super) fn sections() -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    let mut lines = include_str!("reserved_words.txt").lines();
    while let Some(line) = lines.next() {
        if let Some(head) = line.strip_prefix('[') {
            let (language, named) = head.strip_suffix(']').unwrap().split_once(": ").unwrap();
            let named = named.split(' ').map(named_by).collect();
            assert!(lines.next().unwrap().starts_with("# "), "[{head} needs a line that says its source");
            sections.push(Section { language, named, words: Vec::new() });
        } else if !line.starts_with('#') && !line.is_empty() {
            sections.last_mut().unwrap().words.extend(line.split(' '));
        }
    }
    sections
}

fn named_by(text: &str) -> Named {
    match text {
        "fields" => Named::Field,
        "oneofs" => Named::Oneof,
        "values" => Named::Value,
        other => panic!("{other}: a section is about fields, oneofs or values"),
    }
}
