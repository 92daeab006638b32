//! Files that the owner uploads at a bank or a provider: SEPA pain.001, NACHA, CSV; and documents of payouts as PDF. Pure: lines and a time
//! go in, bytes come out, and the same lines give the same bytes. All wrong fields of all lines are found at once, and then there is no file.

pub mod document;
mod latin;
pub mod nacha;
mod pdf;
pub mod sepa;
pub mod table;

use std::fmt;

use crate::domain::id::PayoutId;
use crate::domain::money::Money;
use crate::domain::time::Time;

/// A payout as a file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// The payout.
    pub payout_id: PayoutId,
    /// The owner of the account.
    pub payee: String,
    /// Where the money goes.
    pub account: Account,
    /// How much.
    pub amount: Money,
    /// A text that the payee sees. May be empty.
    pub reference: String,
}

/// An account, as the kinds of files name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// An account in the SEPA area.
    Iban {
        /// With or without spaces.
        iban: String,
        /// The bank, if it is known.
        bic: Option<String>,
    },
    /// An account at a bank in the United States.
    UnitedStates {
        /// The bank's nine digits.
        routing_number: String,
        /// Letters, digits and hyphens, 17 at most.
        number: String,
        /// Which kind it is.
        kind: AccountKind,
    },
    /// An email address that a provider knows.
    Email(String),
    /// A provider's own id of the payee.
    ProviderId(String),
    /// Something else, in words.
    Other(String),
}

/// The kinds of accounts in the United States.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum AccountKind {
    Checking,
    Savings,
}

/// A field that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongField {
    /// The line, counted from one. `None` for a setting of the whole file.
    pub line: Option<usize>,
    /// The field's name here.
    pub field: &'static str,
    /// Why, and what to do instead.
    pub problem: String,
}

impl fmt::Display for WrongField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(formatter, "line {line}, {}: {}", self.field, self.problem),
            None => write!(formatter, "{}: {}", self.field, self.problem),
        }
    }
}

/// Why there is no file: every field that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongFields(pub Vec<WrongField>);

impl fmt::Display for WrongFields {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        formatter.write_str(&texts.join("; "))
    }
}

impl std::error::Error for WrongFields {}

impl WrongFields {
    /// The bytes could not be written to memory.
    fn of_writing(error: &dyn fmt::Display) -> Self {
        Self(vec![WrongField { line: None, field: "lines", problem: format!("the file cannot be made: {error}") }])
    }
}

/// Collects wrong fields.
#[derive(Debug, Default)]
struct Checks {
    line: Option<usize>,
    wrong: Vec<WrongField>,
}

impl Checks {
    /// The checks that follow are of this line, counted from zero.
    fn at(&mut self, index: usize) {
        self.line = Some(index + 1);
    }

    fn refuse(&mut self, field: &'static str, problem: impl Into<String>) {
        self.wrong.push(WrongField { line: self.line, field, problem: problem.into() });
    }

    /// The value, or nothing after a note of what is wrong with it.
    fn value<T>(&mut self, field: &'static str, checked: Result<T, impl Into<String>>) -> Option<T> {
        checked.map_err(|problem| self.refuse(field, problem)).ok()
    }

    /// How many lines there are is right.
    fn count(&mut self, lines: &[Line], lines_max: usize) {
        if lines.is_empty() {
            self.refuse("lines", "there is nothing to pay");
        } else if lines.len() > lines_max {
            self.refuse("lines", format!("must be at most {lines_max}, are {}; make several files", lines.len()));
        }
    }

    /// The head of the file, if nothing is wrong.
    fn finish<T>(self, head: Option<T>) -> Result<T, WrongFields> {
        head.filter(|_| self.wrong.is_empty()).ok_or(WrongFields(self.wrong))
    }
}

/// An amount of this currency, in minor units.
fn positive(amount: Money, currency: &str, amount_minor_max: i64) -> Result<i64, String> {
    if amount.currency.code() != currency {
        return Err(format!("must be in {currency}, is in {}", amount.currency));
    }
    if amount.amount_minor < 1 || amount.amount_minor > amount_minor_max {
        let most = Money::new(amount_minor_max, amount.currency);
        return Err(format!("must be above zero and at most {most}, is {amount}"));
    }
    Ok(amount.amount_minor)
}

/// Second-exact civil time in UTC.
fn utc(time: Time) -> jiff::civil::DateTime {
    let seconds = time.micros().div_euclid(Time::MICROS_PER_SECOND);
    let timestamp = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    jiff::tz::Offset::UTC.to_datetime(timestamp)
}
