//! Parses scenarios: one step per line, `verb words key=value ... => expected answer`. A word with blanks is in double quotes. Does not know how steps are executed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use headwater::domain::money::Currency;

/// One line of a scenario.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) line_number: usize,
    pub(crate) verb: String,
    pub(crate) words: Vec<String>,
    pub(crate) options: BTreeMap<String, String>,
    pub(crate) expected: Option<String>,
}

impl Step {
    /// The word at this position, which the verb requires.
    pub(crate) fn word(&self, place: usize) -> &str {
        self.words.get(place).unwrap_or_else(|| panic!("line {}: `{}` needs more words", self.line_number, self.verb))
    }

    pub(crate) fn option(&self, key: &str) -> Option<&str> {
        self.options.get(key).map(String::as_str)
    }
}

/// All scenario files, by name.
pub(crate) fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// Whether a scenario needs a whole server, because it sends payouts or reads more than the rules know.
pub(crate) fn needs_server(path: &Path) -> bool {
    parse(&std::fs::read_to_string(path).unwrap()).first().is_some_and(|step| step.verb == "server")
}

/// The steps of a scenario. Lines that start with `#` are comments.
pub(crate) fn parse(text: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let (order, expected) = match line.split_once("=>") {
            Some((order, expected)) => (order, Some(normal(expected))),
            None => (line, None),
        };
        let mut tokens = tokens(order).into_iter();
        let verb = tokens.next().expect("a line that is not empty has a first word");
        let (options, words): (Vec<_>, Vec<_>) = tokens.partition(|token| token.contains('='));
        let options = options
            .iter()
            .filter_map(|token| token.split_once('='))
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect();
        steps.push(Step { line_number: index + 1, verb, words, options, expected });
    }
    steps
}

/// The words of a text. Blanks between double quotes are part of a word.
fn tokens(text: &str) -> Vec<String> {
    let mut is_quoted = false;
    let words = text.split(|character: char| {
        is_quoted ^= character == '"';
        character.is_whitespace() && !is_quoted
    });
    words.filter(|word| !word.is_empty()).map(|word| word.replace('"', "")).collect()
}

fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `12.34` in USD is 1234, `500` in JPY is 500.
pub(crate) fn minor_units(text: &str, currency: Currency) -> i64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    assert_eq!(decimals.len(), currency.exponent() as usize, "{text} {currency} has the wrong number of decimals");
    sign * format!("{whole}{decimals}").parse::<i64>().unwrap()
}

/// An amount as scenarios write it, without its currency.
pub(crate) fn amount(minor: i64, currency: Currency) -> String {
    let money = headwater::domain::money::Money::new(minor, currency).to_string();
    money.split(' ').next().unwrap_or_default().to_owned()
}
