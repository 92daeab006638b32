//! Splits Rust source into words, marks and strings. Comments are dropped, so that mentions in them do not count. Knows no rules.

/// A token and the line it begins on, counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) line: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A name, a keyword or a number.
    Word,
    /// `::` or a single character.
    Mark,
    /// The text between the quotes.
    Text,
}

impl Token {
    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::Text && self.text == text
    }
}

/// The tokens of a file that compiles. The result for any other file is meaningless.
pub(super) fn tokens(source: &str) -> Vec<Token> {
    let mut rest = source;
    let mut tokens = Vec::new();
    while let Some(first) = rest.chars().next() {
        let line = 1 + source[..source.len() - rest.len()].matches('\n').count();
        let (kind, length, inner) = piece(rest, first);
        if let Some(kind) = kind {
            tokens.push(Token { kind, text: inner.to_owned(), line });
        }
        rest = &rest[length..];
    }
    tokens
}

/// The kind of the token that `rest` begins with (`None` for spaces and comments), its length, and the text to keep.
fn piece(rest: &str, first: char) -> (Option<Kind>, usize, &str) {
    if rest.starts_with("//") {
        return (None, rest.find('\n').unwrap_or(rest.len()), "");
    }
    if rest.starts_with("/*") {
        return (None, block_comment(rest), "");
    }
    if let Some((length, inner)) = raw_string(rest) {
        return (Some(Kind::Text), length, inner);
    }
    if first == '"' {
        let length = quoted(rest, '"');
        return (Some(Kind::Text), length, &rest[1..length - 1]);
    }
    if first == '\'' {
        return (Some(Kind::Mark), character_or_lifetime(rest), "'");
    }
    if is_word(first) {
        let length = rest.find(|character| !is_word(character)).unwrap_or(rest.len());
        return (Some(Kind::Word), length, &rest[..length]);
    }
    if rest.starts_with("::") {
        return (Some(Kind::Mark), 2, "::");
    }
    let length = first.len_utf8();
    ((!first.is_whitespace()).then_some(Kind::Mark), length, &rest[..length])
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if rest[at..].starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// `r"..."`, `r#"..."#`, with or without a leading `b` or `c`.
fn raw_string(rest: &str) -> Option<(usize, &str)> {
    let after = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let hashes = after.len() - after.trim_start_matches('#').len();
    let inner = after[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inner.find(&end)?;
    Some((rest.len() - inner.len() + length + end.len(), &inner[..length]))
}

/// The length of the string, including both quotes.
fn quoted(rest: &str, quote: char) -> usize {
    let mut is_escaped = false;
    for (at, character) in rest.char_indices().skip(1) {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            _ if character == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

fn character_or_lifetime(rest: &str) -> usize {
    let mut after = rest.chars().skip(1);
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted(rest, '\''),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_go_and_strings_stay_whole() {
        let source = r##"
            use crate::x; // crate::y
            /* a /* nested */ "comment" */ let c = '"'; let d = '\''; let e: &'a str = "it \" is";
            let f = r#"raw " text"#; let g = b"bytes"; "é"
        "##;
        let tokens = tokens(source);
        let words: Vec<&str> =
            tokens.iter().filter(|token| token.kind == Kind::Word).map(|token| &*token.text).collect();
        let expected =
            ["use", "crate", "x", "let", "c", "let", "d", "let", "e", "a", "str", "let", "f", "let", "g", "b"];
        assert_eq!(words, expected);
        let texts: Vec<&str> =
            tokens.iter().filter(|token| token.kind == Kind::Text).map(|token| &*token.text).collect();
        assert_eq!(texts, ["it \\\" is", "raw \" text", "bytes", "é"]);
        assert_eq!(tokens.last().map(|token| token.line), Some(4));
    }
}
