//! Symbols for values that the server draws: ids, cursors, hashes, codes. The model uses symbols in their place. An answer
//! matches the model if each symbol always stands for the same text of the server, and no two symbols share a text. Knows nothing
//! of messages.

use std::collections::HashMap;

const OPEN: char = '⟦';
const CLOSE: char = '⟧';

/// Matches any text. Each occurrence may stand for another text.
pub(super) const ANY: &str = "⟦any⟧";

/// The symbol for the `count`th object of a kind that a step makes. The kind is the id's prefix.
pub(super) fn symbol(kind: &str, label: u32, count: u32) -> String {
    match count {
        0 => format!("{OPEN}{kind} {label}{CLOSE}"),
        _ => format!("{OPEN}{kind} {label}.{count}{CLOSE}"),
    }
}

/// Whether the text contains a symbol.
pub(super) fn has_symbol(text: &str) -> bool {
    text.contains(OPEN)
}

/// The values of the symbols of one account.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    texts: HashMap<String, String>,
    symbols: HashMap<String, String>,
}

/// The first difference of two texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parting {
    /// The model's text around the difference.
    pub(super) expected: String,
    /// The server's text around the difference.
    pub(super) actual: String,
}

impl Names {
    /// Whether every symbol of the text has a known value.
    pub(super) fn knows(&self, text: &str) -> bool {
        parts(text).all(|part| match part {
            Part::Text(_) => true,
            Part::Symbol(symbol) => self.texts.contains_key(symbol),
        })
    }

    /// The text with its symbols replaced. A symbol without a value gets an id that does not exist.
    pub(super) fn resolve(&mut self, text: &str) -> String {
        if !has_symbol(text) {
            return text.to_owned();
        }
        let mut resolved = String::with_capacity(text.len());
        for part in parts(text) {
            match part {
                Part::Text(text) => resolved.push_str(text),
                Part::Symbol(symbol) => {
                    if !self.texts.contains_key(symbol) {
                        let made_up = format!("{}_0193a5f000007000800{:013x}", kind(symbol), self.texts.len());
                        self.bind(symbol, &made_up);
                    }
                    resolved.push_str(&self.texts[symbol]);
                }
            }
        }
        resolved
    }

    /// The symbol for a text of the server.
    pub(super) fn symbol_of(&self, text: &str) -> Option<&str> {
        self.symbols.get(text).map(String::as_str)
    }

    fn bind(&mut self, symbol: &str, text: &str) {
        self.texts.insert(symbol.to_owned(), text.to_owned());
        self.symbols.insert(text.to_owned(), symbol.to_owned());
    }

    /// Compares the model's text with the server's, and stores the values of new symbols.
    pub(super) fn compare(&mut self, expected: &str, actual: &str) -> Result<(), Parting> {
        let (mut at, mut place) = (0, 0);
        for part in parts(expected) {
            let rest = &actual[place..];
            let (length, agrees) = match part {
                Part::Text(text) => {
                    let same = text.bytes().zip(rest.bytes()).take_while(|(one, other)| one == other).count();
                    (same, same == text.len())
                }
                Part::Symbol(symbol) => {
                    let length = word_length(rest);
                    (length, self.stands_for(symbol, &rest[..length]))
                }
            };
            if !agrees {
                let within = if matches!(part, Part::Text(_)) { length } else { 0 };
                return Err(parting(expected, at + within, actual, place + within));
            }
            place += length;
            at += part.length();
        }
        if place < actual.len() {
            return Err(parting(expected, at, actual, place));
        }
        Ok(())
    }

    fn stands_for(&mut self, symbol: &str, text: &str) -> bool {
        if symbol == "any" {
            return true;
        }
        match (self.texts.get(symbol), self.symbols.get(text)) {
            (Some(known), _) => known == text,
            (None, Some(_)) => false,
            (None, None) => {
                let kind = kind(symbol);
                let is_of_kind = match kind {
                    "code" | "etag" | "token" => !text.is_empty(),
                    _ => text.strip_prefix(kind).is_some_and(|rest| rest.len() == 33 && rest.starts_with('_')),
                };
                if is_of_kind {
                    self.bind(symbol, text);
                }
                is_of_kind
            }
        }
    }
}

fn kind(symbol: &str) -> &str {
    symbol.split(' ').next().unwrap_or_default()
}

fn word_length(text: &str) -> usize {
    text.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')).count()
}

enum Part<'text> {
    Text(&'text str),
    Symbol(&'text str),
}

impl Part<'_> {
    fn length(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Symbol(symbol) => symbol.len() + OPEN.len_utf8() + CLOSE.len_utf8(),
        }
    }
}

fn parts(text: &str) -> impl Iterator<Item = Part<'_>> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        if let Some(inner) = rest.strip_prefix(OPEN)
            && let Some((symbol, after)) = inner.split_once(CLOSE)
        {
            rest = after;
            return Some(Part::Symbol(symbol));
        }
        let end = rest[1..].find(OPEN).map_or(rest.len(), |place| place + 1);
        let (text, after) = rest.split_at(end);
        rest = after;
        Some(Part::Text(text))
    })
}

fn parting(expected: &str, at: usize, actual: &str, place: usize) -> Parting {
    Parting { expected: around(expected, at), actual: around(actual, place) }
}

/// The difference with the text before and after it.
fn around(text: &str, place: usize) -> String {
    const BEFORE: usize = 160;
    const AFTER: usize = 120;
    let start = (0..=place.saturating_sub(BEFORE)).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    let end = ((place + AFTER).min(text.len())..=text.len()).find(|place| text.is_char_boundary(*place));
    let middle = (0..=place.min(text.len())).rev().find(|place| text.is_char_boundary(*place)).unwrap_or(0);
    format!("...{} >>> {}...", &text[start..middle], &text[middle..end.unwrap_or(text.len())])
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "aff_0193a5f0000070008000000000000001";
    const TWO: &str = "aff_0193a5f0000070008000000000000002";

    #[test]
    fn a_symbol_stands_for_one_text_and_no_two_for_one() {
        let mut names = Names::default();
        let (first, second) = (symbol("aff", 1, 0), symbol("aff", 2, 0));
        names.compare(&format!("id: {first}, by {ANY}."), &format!("id: {ONE}, by x-1.")).unwrap();
        names.compare(&first, ONE).unwrap();
        assert!(names.compare(&first, TWO).is_err());
        assert!(names.compare(&second, ONE).is_err());
        assert!(names.compare(&symbol("prg", 1, 0), TWO).is_err(), "not an id of a program");
        names.compare(&second, TWO).unwrap();
        assert_eq!(names.resolve(&format!("{second}!")), format!("{TWO}!"));
        assert_eq!(names.symbol_of(ONE), Some("aff 1"));
    }

    #[test]
    fn texts_that_part_are_told_with_their_place() {
        let mut names = Names::default();
        let parted = names.compare("amount: 12, left: 3", "amount: 13, left: 3").unwrap_err();
        assert_eq!(
            (parted.expected.as_str(), parted.actual.as_str()),
            ("...amount: 1 >>> 2, left: 3...", "...amount: 1 >>> 3, left: 3...")
        );
        assert!(names.compare("one", "one more").is_err());
        assert!(names.compare("one more", "one").is_err());
    }

    #[test]
    fn a_symbol_without_an_object_gets_an_id_that_does_not_exist() {
        let mut names = Names::default();
        assert!(!names.knows(&symbol("clk", 7, 0)));
        let made_up = names.resolve(&symbol("clk", 7, 0));
        assert_eq!((made_up.len(), &made_up[..4]), (36, "clk_"));
        assert_eq!(names.resolve(&symbol("clk", 7, 0)), made_up);
    }
}
