//! Cleans texts of people and their programs. A text that only describes something is never a reason to refuse an event, because then
//! its money would be lost. It is cleaned and cut, and the answer has a warning.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

use super::Fields;

/// The maximum length of an email address.
pub(super) const EMAIL_LENGTH_MAX: usize = 254;

/// How much of a text is cleaned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cleaning {
    /// For people to read. Joiners stay, because they shape letters and emoji.
    Shown,
    /// To compare with other texts.
    Compared,
}

impl Fields {
    /// A one-line text that only describes something, cleaned and cut to a length in characters; may be empty.
    pub(in crate::rpc) fn description(&mut self, field: &str, text: &str, length_max: usize) -> String {
        self.cleaned(field, text, length_max, Cleaning::Shown)
    }

    /// A one-line text that a visitor or customer brought, cleaned and cut to a length in characters; may be empty.
    pub(super) fn brought_text(&mut self, field: &str, text: &str, length_max: usize) -> String {
        self.cleaned(field, text, length_max, Cleaning::Compared)
    }

    fn cleaned(&mut self, field: &str, text: &str, length_max: usize, cleaning: Cleaning) -> String {
        let trimmed = text.trim();
        if trimmed.len() <= length_max && is_plain(trimmed) {
            return trimmed.to_owned();
        }
        let (clean, is_changed) = clean(trimmed, cleaning);
        if is_changed {
            self.warn(field, "had characters that are not text; they were removed");
        }
        self.cut(field, clean, length_max)
    }

    /// A text of any number of lines that only describes something, cleaned and cut to a length in characters; may be empty.
    pub(super) fn described_paragraph(&mut self, field: &str, text: &str, length_max: usize) -> String {
        let trimmed = text.trim();
        let clean = clean_paragraph(trimmed);
        if clean.len() != trimmed.len() {
            self.warn(field, "had characters that are not text; they were removed");
        }
        self.cut(field, clean, length_max)
    }

    fn cut(&mut self, field: &str, clean: String, length_max: usize) -> String {
        let length = clean.chars().count();
        if length <= length_max {
            return clean;
        }
        self.warn(field, format!("has {length} characters; the first {length_max} were kept"));
        clean.chars().take(length_max).collect::<String>().trim_end().to_owned()
    }
}

/// Whether the text needs no cleaning: printable ASCII without blanks around it.
pub(in crate::rpc::call) fn is_plain(text: &str) -> bool {
    text.bytes().all(|byte| (b' '..0x7f).contains(&byte)) && !text.starts_with(' ') && !text.ends_with(' ')
}

/// The text in Unicode's normal form NFC without characters that are not text, and whether there were any.
fn clean(text: &str, cleaning: Cleaning) -> (String, bool) {
    let mut is_changed = false;
    let kept = text.chars().filter_map(|character| {
        let kept = match character {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => Some(' '),
            _ if character.is_control() => None,
            '\u{200c}' | '\u{200d}' if cleaning == Cleaning::Shown => Some(character),
            _ if is_invisible(character) => None,
            _ => Some(character),
        };
        is_changed |= kept != Some(character);
        kept
    });
    let clean: String = kept.nfc().collect();
    (clean.trim().to_owned(), is_changed)
}

/// A text for people to read, cleaned.
pub(in crate::rpc::call) fn clean_description(text: &str) -> String {
    clean(text, Cleaning::Shown).0
}

/// A text of any number of lines, trimmed and without control characters.
pub(in crate::rpc::call) fn clean_paragraph(text: &str) -> String {
    let is_kept = |character: &char| !character.is_control() || matches!(character, '\n' | '\r' | '\t');
    text.chars().filter(is_kept).collect::<String>().trim().to_owned()
}

/// A text that a visitor or customer brought, cleaned.
pub(in crate::rpc::call) fn clean_brought(text: &str) -> String {
    clean(text, Cleaning::Compared).0
}

/// Whether nobody sees the character: zero-width characters, soft hyphens, marks for the direction of writing, tags.
pub(super) const fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

/// An email address as it is stored and compared. Two addresses of one mailbox that differ only in case, in the form of letters, in
/// width or in invisible characters are equal. `None`: the text is no address.
///
/// The text is folded in width. The name is normalized to NFC and made lower case by the rules of Unicode. The host is made ASCII by
/// IDNA (UTS 46), without a dot at its end.
pub(in crate::rpc::call) fn normalized_email(text: &str) -> Option<String> {
    let trimmed = text.trim();
    let narrowed: Cow<'_, str> =
        if trimmed.is_ascii() { trimmed.into() } else { trimmed.chars().map(narrow).collect::<String>().into() };
    let (name, host) = narrowed.split_once('@')?;
    let name = if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        let seen: String = name.chars().filter(|character| !is_invisible(*character)).nfc().collect();
        seen.to_lowercase().nfc().collect()
    };
    let name = name.trim_start();
    if name.is_empty() || name.chars().any(|character| character.is_whitespace() || character.is_control()) {
        return None;
    }
    // IDNA itself decides about joiners, which are significant in some scripts.
    let is_kept = |character: &char| matches!(character, '\u{200c}' | '\u{200d}') || !is_invisible(*character);
    let host = if host.is_ascii() {
        host.to_ascii_lowercase()
    } else {
        host.chars().filter(is_kept).collect::<String>().trim_end().to_lowercase()
    };
    let host = if host.is_ascii() && !host.contains("xn--") { host } else { idna::domain_to_ascii(&host).ok()? };
    let host = host.trim_end_matches('.');
    // IDNA lets characters of ASCII pass that no host has.
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'@');
    is_host.then(|| format!("{name}@{host}"))
}

/// An email address for display: as it was written, without characters that nobody sees. Empty when it is normalized already, and when
/// it is longer than an address can be.
pub(in crate::rpc) fn email_as_sent(sent: &str, normalized: &str) -> String {
    if sent == normalized {
        return String::new();
    }
    let clean = match sent.split_once(['@', '\u{ff20}']) {
        // Joiners are significant in hosts, see `normalized_email`.
        Some((name, host)) => format!("{}@{}", clean_brought(name), clean_description(host)),
        None => return String::new(),
    };
    if clean == normalized || clean.chars().count() > EMAIL_LENGTH_MAX { String::new() } else { clean }
}

/// The usual form of a full-width letter, digit or sign.
fn narrow(character: char) -> char {
    match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).unwrap_or(character),
        '\u{3000}' => ' ',
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_mailbox_has_one_address() {
        for (sent, normalized) in [
            ("jo@example.com", "jo@example.com"),
            ("  Jo@EXAMPLE.com ", "jo@example.com"),
            ("jo@example.com.", "jo@example.com"),
            ("j\u{200b}o@exam\u{ad}ple.com", "jo@example.com"),
            ("\u{feff}jo@example.com\u{202c}", "jo@example.com"),
            ("ｊｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "jo@example.com"),
            // One character or two.
            ("m\u{fc}ller@example.com", "m\u{fc}ller@example.com"),
            ("mu\u{308}ller@example.com", "m\u{fc}ller@example.com"),
            ("M\u{dc}LLER@example.com", "m\u{fc}ller@example.com"),
            ("jo@M\u{fc}ller.example", "jo@xn--mller-kva.example"),
            ("jo@mu\u{308}ller.example.", "jo@xn--mller-kva.example"),
            ("jo@xn--mller-kva.example", "jo@xn--mller-kva.example"),
            ("jo@XN--MLLER-KVA.example", "jo@xn--mller-kva.example"),
            // Other dots.
            ("jo@example\u{3002}com\u{ff61}", "jo@example.com"),
            ("jo@\u{646}\u{627}\u{645}\u{647}\u{200c}\u{627}\u{6cc}.com", "jo@xn--mgba3gch31f060k.com"),
            // The tag belongs to the mailbox's name.
            ("jo+shop@example.com", "jo+shop@example.com"),
        ] {
            assert_eq!(normalized_email(sent).as_deref(), Some(normalized), "{sent:?}");
        }
    }

    #[test]
    fn an_address_is_shown_as_it_was_written() {
        for (sent, shown) in [
            ("jo@example.com", ""),
            (" jo@example.com\n", ""),
            ("j\u{200d}o@example.com", ""),
            ("Jo.Doe@Example.com", "Jo.Doe@Example.com"),
            ("\u{feff}Jo@Example.com ", "Jo@Example.com"),
            ("jo@Mu\u{308}ller.example", "jo@M\u{fc}ller.example"),
            ("jo@xn--mller-kva.example", ""),
            ("ｊｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "ｊｏ@ｅｘａｍｐｌｅ．ｃｏｍ"),
            (&format!("jo@example.com{}", ".".repeat(300)), ""),
        ] {
            assert_eq!(email_as_sent(sent, &normalized_email(sent).unwrap()), shown, "{sent:?}");
        }
    }

    #[test]
    fn what_no_mailbox_can_have_is_no_address() {
        for sent in ["", "@", "jo", "jo@", "@example.com", "jo@a@b", "j o@example.com", "jo@exam ple.com", "jo@."] {
            assert_eq!(normalized_email(sent), None, "{sent:?}");
        }
        assert_eq!(normalized_email("jo@xn--\u{fc}.example"), None);
        assert_eq!(normalized_email("jo\n@example.com"), None);
        for host in
            ["xn--mller-kva.a\0b", "m\u{fc} ller.example", "\u{fc}\u{fe6b}b.com", "\u{3002}", "m\u{fc}\u{7}.example"]
        {
            assert_eq!(normalized_email(&format!("jo@{host}")), None, "{host:?}");
        }
    }

    #[test]
    fn texts_are_cleaned_and_cut_with_a_warning() {
        let family = "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}";
        for (sent, shown, warning) in [
            ("Jo", "Jo", None),
            ("  J\u{f6}rg  ", "J\u{f6}rg", None),
            ("Jo\u{308}rg", "J\u{f6}rg", None),
            (family, family, None),
            ("Jo\nLee", "Jo Lee", Some("had characters that are not text; they were removed")),
            ("Jo\0", "Jo", Some("had characters that are not text; they were removed")),
            ("J\u{202e}o\u{200b}", "Jo", Some("had characters that are not text; they were removed")),
            ("0123456789a", "0123456789", Some("has 11 characters; the first 10 were kept")),
            ("\u{1f468}123456789a", "\u{1f468}123456789", Some("has 11 characters; the first 10 were kept")),
        ] {
            let mut fields = Fields::default();
            assert_eq!(fields.description("name", sent, 10), shown, "{sent:?}");
            let warnings = fields.take_warnings();
            let told: Vec<_> = warnings.iter().map(|warning| warning.explanation.as_str()).collect();
            assert_eq!(told, warning.into_iter().collect::<Vec<_>>(), "{sent:?}");
            fields.finish().unwrap();
        }
        let mut fields = Fields::default();
        assert_eq!(fields.brought_text("code", "LE\u{200d}NA", 10), "LENA");
    }
}
