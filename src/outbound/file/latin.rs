//! Names and references in the characters that banks take. Letters with marks lose them, Greek and Cyrillic letters are written in Latin
//! ones, and what has no counterpart becomes a full stop.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// The text in the letters, digits and signs of the SEPA schemes, without spaces at its ends and with single ones inside.
pub(super) fn sepa(text: &str) -> String {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c);
    let text = convert(text, is_allowed);
    // Two slashes in a row, and a slash at an end, mean something else to banks.
    let mut parts = text.split('/').map(str::trim).filter(|part| !part.is_empty());
    let first = parts.next().unwrap_or("").to_owned();
    parts.fold(first, |text, part| format!("{text}/{part}"))
}

/// The text in printable ASCII.
pub(super) fn ascii(text: &str) -> String {
    convert(text, |c| c.is_ascii_graphic() || c == ' ')
}

fn convert(text: &str, is_allowed: impl Fn(char) -> bool) -> String {
    let mut converted = String::with_capacity(text.len());
    let mut before = ' ';
    for c in text.nfc() {
        // Two Greek letters that are one sound.
        let is_ou = "οόΟΌ".contains(before) && "υύΥΎ".contains(c);
        before = c;
        if is_ou {
            converted.push(if c.is_uppercase() { 'U' } else { 'u' });
        } else if is_allowed(c) {
            converted.push(c);
        } else if c.is_whitespace() || c.is_control() {
            converted.push(' ');
        } else if let Some(latin) = latin(c) {
            converted.push_str(&latin.chars().filter(|c| is_allowed(*c)).collect::<String>());
        } else {
            let letters = c.nfkd().filter(|c| !is_combining_mark(*c));
            let start = converted.len();
            for letter in letters {
                match latin(letter) {
                    Some(latin) => converted.push_str(&latin),
                    None => converted.push(letter),
                }
            }
            if converted.len() == start || !converted[start..].chars().all(&is_allowed) {
                converted.truncate(start);
                converted.push('.');
            }
        }
    }
    converted.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The Latin spelling of one character, which has no mark that could be taken away.
fn latin(c: char) -> Option<String> {
    if let Some(found) = small(c) {
        return Some(found.to_owned());
    }
    let mut lower = c.to_lowercase();
    let (Some(lower), None) = (lower.next(), lower.next()) else { return None };
    if lower == c {
        return None;
    }
    // A capital: the first letter of the spelling is one too.
    let spelling = small(lower)?;
    let mut letters = spelling.chars();
    let first = letters.next()?;
    Some(first.to_ascii_uppercase().to_string() + letters.as_str())
}

/// Small letters and signs.
fn small(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'ä' | 'æ' => "ae",
        'ö' | 'œ' => "oe",
        'ü' => "ue",
        'ø' => "o",
        'å' => "a",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ł' => "l",
        'ħ' => "h",
        'ı' => "i",
        'ŋ' => "n",
        '&' => "+",
        '_' => "-",
        '"' | '‘' | '’' | '“' | '”' | '«' | '»' | '`' | '´' => "'",
        '–' | '—' | '‐' | '‑' => "-",
        '€' => "E",
        '…' => "...",
        // Greek
        'α' => "a",
        'β' => "v",
        'γ' => "g",
        'δ' => "d",
        'ε' => "e",
        'ζ' => "z",
        'η' | 'ι' => "i",
        'θ' => "th",
        'κ' => "k",
        'λ' => "l",
        'μ' => "m",
        'ν' => "n",
        'ξ' => "x",
        'ο' | 'ω' => "o",
        'π' => "p",
        'ρ' => "r",
        'σ' | 'ς' => "s",
        'τ' => "t",
        'υ' => "y",
        'φ' => "f",
        'χ' => "ch",
        'ψ' => "ps",
        // Cyrillic
        'а' => "a",
        'б' => "b",
        'в' => "v",
        'г' => "g",
        'д' => "d",
        'е' | 'э' => "e",
        'ё' => "yo",
        'ж' => "zh",
        'з' => "z",
        'и' | 'і' => "i",
        'й' => "y",
        'ї' => "yi",
        'є' => "ye",
        'к' => "k",
        'л' => "l",
        'м' => "m",
        'н' => "n",
        'о' => "o",
        'п' => "p",
        'р' => "r",
        'с' => "s",
        'т' => "t",
        'у' => "u",
        'ф' => "f",
        'х' => "h",
        'ц' => "ts",
        'ч' => "ch",
        'ш' => "sh",
        'щ' => "sht",
        'ъ' => "a",
        'ы' | 'ь' => "y",
        'ю' => "yu",
        'я' => "ya",
        'ђ' => "dj",
        'ј' => "j",
        'љ' => "lj",
        'њ' => "nj",
        'ћ' => "c",
        'џ' => "dz",
        _ => return None,
    })
}

/// The first characters of a converted text, without a space at the end.
pub(super) fn cut(text: &str, length_max: usize) -> &str {
    text.get(..length_max).unwrap_or(text).trim_end()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_written_as_banks_take_them() {
        for (name, written) in [
            ("Jürgen Groß", "Juergen Gross"),
            ("ÖZGÜR", "OeZGUeR"),
            ("Élodie Çelik", "Elodie Celik"),
            ("Łukasz Żółć", "Lukasz Zolc"),
            ("Søren Åberg", "Soren Aberg"),
            ("Γιώργος Παπαδόπουλος", "Giorgos Papadopoulos"),
            ("Иван Щербаков", "Ivan Shterbakov"),
            ("Müller & Söhne", "Mueller + Soehne"),
            ("O’Brien", "O'Brien"),
            ("two\tlines\r\nhere ", "two lines here"),
            ("a//b/", "a/b"),
            ("/", ""),
            ("王", "."),
            ("ann@example", "ann.example"),
            ("ﬁne", "fine"),
            // A letter, and its mark as a character of its own.
            ("Cafe\u{301}", "Cafe"),
        ] {
            assert_eq!(sepa(name), written, "{name}");
        }
        assert_eq!(ascii("Jürgen @ home"), "Juergen @ home");
    }

    proptest! {
        #[test]
        fn every_text_becomes_one_that_banks_take(text in "\\PC{0,40}") {
            let written = sepa(&text);
            prop_assert!(written.chars().all(|c| c.is_ascii_alphanumeric() || "/-?:().,'+ ".contains(c)), "{written:?}");
            prop_assert!(!written.contains("//") && !written.starts_with(['/', ' ']) && !written.ends_with(['/', ' ']));
            prop_assert!(ascii(&text).chars().all(|c| c.is_ascii_graphic() || c == ' '));
        }
    }
}
