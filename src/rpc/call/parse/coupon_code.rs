//! Parses coupon codes. Shops give out codes such as `dankefür100`, `10%Off` and `SUMMER.20`, and customers type them in any case, so
//! all codes are compared in one form.

use unicode_normalization::UnicodeNormalization;

use super::text::{is_invisible, is_plain};
use super::{Fields, KEY_LENGTH_MAX};

const LENGTH_MIN: usize = 2;
const LENGTH_MAX: usize = 64;
const PREFIX_LENGTH_MAX: usize = 32;

/// The dot of a decomposed `İ`.
const DOT_ABOVE: char = '\u{307}';

impl Fields {
    /// A new coupon code, folded; `None` when it is empty.
    pub(in crate::rpc) fn new_coupon_code(&mut self, field: &str, text: &str) -> Option<String> {
        let sent = text.trim();
        if sent.is_empty() {
            return None;
        }
        if sent.chars().any(|character| character.is_control() || is_invisible(character)) {
            self.wrong(field, "must not contain control characters or invisible characters");
            return None;
        }
        let code = folded_coupon_code(sent);
        let length = code.chars().count();
        if !(LENGTH_MIN..=LENGTH_MAX).contains(&length) {
            self.wrong(field, format!("must have {LENGTH_MIN} to {LENGTH_MAX} characters, and has {length}"));
            return None;
        }
        Some(code)
    }

    /// The beginning of generated coupon codes, folded; may be empty.
    pub(in crate::rpc) fn coupon_code_prefix(&mut self, field: &str, text: &str) -> String {
        let sent = text.trim();
        if sent.chars().any(|character| character.is_control() || is_invisible(character)) {
            self.wrong(field, "must not contain control characters or invisible characters");
        }
        let prefix = folded_coupon_code(sent);
        let length = prefix.chars().count();
        if length > PREFIX_LENGTH_MAX {
            self.wrong(field, format!("has {length} characters; at most {PREFIX_LENGTH_MAX} are taken"));
        }
        prefix
    }

    /// A coupon code that a customer sent, folded. Any text is accepted, because an unknown code must not make the sale fail. `None`
    /// when it is empty.
    pub(in crate::rpc) fn brought_coupon_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = folded_coupon_code(&self.brought_text(field, text, KEY_LENGTH_MAX));
        (!code.is_empty()).then_some(code)
    }

    /// A coupon code to look for, folded; `None` when it is empty.
    pub(in crate::rpc) fn wanted_coupon_code(&mut self, field: &str, text: &str) -> Option<String> {
        let code = folded_coupon_code(&self.line(field, text, KEY_LENGTH_MAX));
        (!code.is_empty()).then_some(code)
    }
}

/// A coupon code as it is stored, compared and shown: in capitals, in Unicode's form NFKC, with single blanks, without invisible
/// characters. Codes that differ only in these are equal, and folding twice changes nothing.
pub(in crate::rpc::call) fn folded_coupon_code(text: &str) -> String {
    if is_plain(text) && !text.contains("  ") {
        return text.to_ascii_uppercase();
    }
    let decomposed: String = seen(text).nfkd().collect();
    // Lower case first, because the capital `ẞ` has capitals of its own only as `ß`.
    let capitals = decomposed.to_lowercase().to_uppercase();
    let folded: String = without_dots(capitals.nfkd()).nfkc().collect();
    let blank_separated: Vec<&str> = folded.split(is_blank).filter(|word| !word.is_empty()).collect();
    blank_separated.join(" ")
}

/// The characters that people see.
fn seen(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|character| !is_invisible(*character) && !is_variation_selector(*character))
}

/// Leaves out the dots of Turkish capitals: `indirim` is `İNDİRİM` on a Turkish keyboard and `INDIRIM` on others.
fn without_dots(decomposed: impl Iterator<Item = char>) -> impl Iterator<Item = char> {
    let mut last = None;
    decomposed.filter(move |character| {
        let is_kept = *character != DOT_ABOVE || last != Some('I');
        if is_kept {
            last = Some(*character);
        }
        is_kept
    })
}

fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control()
}

/// Whether the character only chooses a form of the one before, such as the colour of an emoji.
const fn is_variation_selector(character: char) -> bool {
    matches!(character, '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::{faults, read};
    use super::*;

    #[test]
    fn codes_that_look_the_same_are_the_same() {
        for (sent, folded) in [
            ("lena10", "LENA10"),
            (" LENA10 ", "LENA10"),
            ("dankef\u{fc}r100", "DANKEF\u{dc}R100"),
            ("dankefu\u{308}r100", "DANKEF\u{dc}R100"),
            ("DANKEFU\u{308}R100", "DANKEF\u{dc}R100"),
            ("10%Off", "10%OFF"),
            ("Summer.20", "SUMMER.20"),
            ("two  words", "TWO WORDS"),
            ("two\u{a0}\u{3000}words", "TWO WORDS"),
            ("two\twords", "TWO WORDS"),
            ("ｌｅｎａ１０", "LENA10"),
            ("le\u{ad}na\u{200b}10", "LENA10"),
            // The letters whose other case is several letters, or depends on the place or the language.
            ("stra\u{df}e", "STRASSE"),
            ("STRA\u{1e9e}E", "STRASSE"),
            ("\u{3c3}\u{3bf}\u{3c6}\u{3cc}\u{3c2}", "\u{3a3}\u{39f}\u{3a6}\u{38c}\u{3a3}"),
            ("\u{130}ndirim", "INDIRIM"),
            ("\u{131}nd\u{131}r\u{131}m", "INDIRIM"),
            ("i\u{307}\u{307}", "I"),
            ("\u{fb01}x", "FIX"),
            // An emoji with and without its colour.
            ("\u{2764}\u{fe0f}", "\u{2764}"),
            ("\u{674e}10", "\u{674e}10"),
        ] {
            assert_eq!(folded_coupon_code(sent), folded, "{sent:?}");
        }
    }

    /// Checks a text in all the forms that a keyboard or a shop may give it.
    fn assert_stable(text: &str) {
        let folded = folded_coupon_code(text);
        assert_eq!(folded_coupon_code(&folded), folded, "folded twice: {text:?}");
        let composed: String = text.nfc().collect();
        let decomposed: String = text.nfd().collect();
        // Decomposed and without invisible characters, because the capital of the Greek iota below a letter is a letter of its own.
        // Marks that came to stand behind the iota would be marks of that letter. Nobody writes such marks.
        let seen: String = seen(text).nfd().collect();
        let other_cases = [seen.to_uppercase(), seen.to_lowercase(), folded.to_lowercase()];
        for same in other_cases.into_iter().chain([composed, decomposed]) {
            assert_eq!(folded_coupon_code(&same), folded, "{same:?} for {text:?}");
        }
    }

    #[test]
    fn every_letter_is_folded_in_one_way() {
        // The planes that have letters.
        for letter in '\0'..='\u{3ffff}' {
            assert_stable(letter.encode_utf8(&mut [0; 4]));
            let code = letter.to_string();
            for same in [code.to_uppercase(), code.to_lowercase()] {
                assert_eq!(folded_coupon_code(&same), folded_coupon_code(&code), "{same:?} for {letter:?}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_048) })]

        #[test]
        fn every_text_is_folded_in_one_way(text in any::<String>()) {
            assert_stable(&text);
        }

        #[test]
        fn letters_with_marks_are_folded_in_one_way(
            text in "[iI\u{131}\u{130}sS\u{df}\u{1e9e}\u{17f}\u{3c3}\u{3c2}\u{3a3}\u{3b1}\u{1fb3}\u{300}\u{301}\u{307}\u{308}\u{323}\u{328}\u{345}\u{fe0f}\u{200d} \u{a0}x1]{0,12}",
        ) {
            assert_stable(&text);
        }
    }

    #[test]
    fn a_new_code_has_what_people_can_see() {
        assert_eq!(read(|fields| fields.new_coupon_code("code", " 10%Off ")).as_deref(), Some("10%OFF"));
        assert_eq!(read(|fields| fields.new_coupon_code("code", " ")), None);
        for hidden in ["LENA\u{200b}10", "LENA\u{7}10", "two\nwords", "\u{202e}LENA10"] {
            assert_eq!(
                faults(|fields| fields.new_coupon_code("code", hidden)),
                ["code: must not contain control characters or invisible characters"]
            );
        }
        let length = |text: &str| faults(|fields| fields.new_coupon_code("code", text));
        assert_eq!(length("x"), ["code: must have 2 to 64 characters, and has 1"]);
        // The length is that of the code as it is stored.
        assert_eq!(length("\u{df}"), Vec::<String>::new());
        assert_eq!(length(&"\u{fc}".repeat(64)), Vec::<String>::new());
        assert_eq!(length(&"\u{df}".repeat(33)), ["code: must have 2 to 64 characters, and has 66"]);
    }
}
