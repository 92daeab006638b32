//! Parses the merchant's own texts by key.

use std::collections::BTreeMap;

use super::{Fields, shortened};
use crate::domain::lead::METADATA_ENTRIES_MAX;

const KEY_LENGTH_MAX: usize = 40;
const TEXT_LENGTH_MAX: usize = 500;

impl Fields {
    /// Texts of the merchant's own, trimmed. Entries without text are left out.
    pub(in crate::rpc) fn metadata(
        &mut self,
        field: &str,
        sent: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        if sent.len() > METADATA_ENTRIES_MAX {
            self.wrong(field, format!("has {} entries; at most {METADATA_ENTRIES_MAX} are taken", sent.len()));
        }
        let mut texts = BTreeMap::new();
        for (key, text) in sent.iter().take(METADATA_ENTRIES_MAX) {
            if let Some(fault) = key_fault(key) {
                self.wrong(field, fault);
                continue;
            }
            let text = self.paragraph_up_to(&format!("{field}[{key}]"), text, TEXT_LENGTH_MAX);
            if !text.is_empty() {
                texts.insert(key.clone(), text);
            }
        }
        texts
    }

    /// Texts of the merchant's own about an event. An event is recorded whatever they are: they are trimmed, cleaned and cut, and what
    /// cannot be kept is left out, with warnings.
    pub(in crate::rpc) fn described_metadata(
        &mut self,
        field: &str,
        sent: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        let mut texts = BTreeMap::new();
        if sent.len() > METADATA_ENTRIES_MAX {
            let length = sent.len();
            self.warn(field, format!("has {length} entries; the first {METADATA_ENTRIES_MAX} by key were kept"));
        }
        for (key, text) in sent.iter().take(METADATA_ENTRIES_MAX) {
            if let Some(fault) = key_fault(key) {
                self.warn(field, format!("{fault}; the entry was left out"));
                continue;
            }
            let text = self.described_paragraph(&format!("{field}[{key}]"), text, TEXT_LENGTH_MAX);
            if !text.is_empty() {
                texts.insert(key.clone(), text);
            }
        }
        texts
    }

    /// A key of such texts, required.
    pub(in crate::rpc) fn metadata_key(&mut self, field: &str, key: &str) -> String {
        if key.is_empty() {
            self.wrong(field, "is required");
        } else if let Some(fault) = key_fault(key) {
            self.wrong(field, fault);
        }
        key.to_owned()
    }

    /// The texts that rows of a list must have. An entry without text is wrong, because no row has it.
    pub(in crate::rpc) fn wanted_metadata(
        &mut self,
        field: &str,
        sent: &BTreeMap<String, String>,
    ) -> BTreeMap<String, String> {
        for (key, _) in sent.iter().filter(|(_, text)| text.trim().is_empty()) {
            self.wrong(&format!("{field}[{}]", shortened(key)), "must not be empty; send the text that rows must have");
        }
        self.metadata(field, sent)
    }
}

/// What is wrong with a key, if anything.
fn key_fault(key: &str) -> Option<String> {
    let length = key.chars().count();
    let is_good = (1..=KEY_LENGTH_MAX).contains(&length) && key.trim() == key && !key.chars().any(char::is_control);
    (!is_good).then(|| {
        let name = shortened(key);
        format!("has the key `{name}`; send keys of 1 to {KEY_LENGTH_MAX} characters, without blanks around them")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;

    fn read(sent: &[(&str, &str)]) -> Result<BTreeMap<String, String>, Vec<String>> {
        let mut fields = Fields::default();
        let sent = sent.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let texts = fields.metadata("metadata", &sent);
        match fields.finish() {
            Ok(()) => Ok(texts),
            Err(Error::InvalidFields(violations)) => {
                Err(violations.into_iter().map(|violation| violation.field).collect())
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn texts_are_trimmed_and_empty_ones_left_out() {
        let read = read(&[("tier", " gold "), ("note", "a\nb"), ("empty", " ")]).unwrap();
        assert_eq!(read, [("tier", "gold"), ("note", "a\nb")].map(|(a, b)| (a.to_owned(), b.to_owned())).into());
    }

    #[test]
    fn keys_and_texts_have_their_limits() {
        let long = "x".repeat(501);
        assert_eq!(read(&[("", "a"), (" a", "b"), ("a\n", "c"), (&"k".repeat(41), "d")]).unwrap_err().len(), 4);
        assert_eq!(read(&[("tier", &long)]).unwrap_err(), ["metadata[tier]"]);
        let many: Vec<String> = (0..51).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "x")).collect();
        assert_eq!(read(&many).unwrap_err(), ["metadata"]);
        assert_eq!(read(&[(&"é".repeat(40), &"é".repeat(500))]).map(|read| read.len()), Ok(1));
    }

    fn described(sent: &[(&str, &str)]) -> (BTreeMap<String, String>, Vec<(String, String)>) {
        let mut fields = Fields::default();
        let sent = sent.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect();
        let texts = fields.described_metadata("metadata", &sent);
        let warnings = fields.take_warnings();
        fields.finish().unwrap();
        (texts, warnings.into_iter().map(|warning| (warning.field, warning.explanation)).collect())
    }

    #[test]
    fn texts_about_an_event_are_kept_as_far_as_they_go() {
        let long = "é".repeat(501);
        let (kept, warnings) = described(&[
            ("", "a"),
            (" a", "b"),
            ("empty", " "),
            ("lines", " a\nb\tc "),
            ("long", &long),
            ("nul", "x\0y"),
        ]);
        let expected = [("lines", "a\nb\tc"), ("long", &long[..1_000]), ("nul", "xy")];
        assert_eq!(kept, expected.map(|(key, text)| (key.to_owned(), text.to_owned())).into());
        let key = "send keys of 1 to 40 characters, without blanks around them; the entry was left out";
        let expected = [
            ("metadata", format!("has the key ``; {key}")),
            ("metadata", format!("has the key ` a`; {key}")),
            ("metadata[long]", "has 501 characters; the first 500 were kept".to_owned()),
            ("metadata[nul]", "had characters that are not text; they were removed".to_owned()),
        ];
        assert_eq!(warnings, expected.map(|(field, explanation)| (field.to_owned(), explanation)));
    }

    #[test]
    fn an_event_keeps_the_first_entries_of_many() {
        let many: Vec<String> = (0..51).map(|number| format!("key-{number:02}")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|key| (key.as_str(), "x")).collect();
        let (kept, warnings) = described(&many);
        assert_eq!((kept.len(), kept.contains_key("key-50")), (50, false));
        let told = ("metadata".to_owned(), "has 51 entries; the first 50 by key were kept".to_owned());
        assert_eq!(warnings, [told]);
        assert_eq!(described(&many[..50]).1, []);
    }
}
