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
            let length = key.chars().count();
            if !(1..=KEY_LENGTH_MAX).contains(&length) || key.trim() != key || key.chars().any(char::is_control) {
                let name = shortened(key);
                let fault = format!(
                    "has the key `{name}`; send keys of 1 to {KEY_LENGTH_MAX} characters, without blanks around them"
                );
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
}
