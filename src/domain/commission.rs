//! Commissions: a rate, without what it is paid for.

use super::money::{Currency, Money};

/// The commission on a sale or another event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commission {
    /// Parts per million of the net amount, in the sale's currency.
    PercentPpm(i32),
    /// A fixed amount per event.
    Flat(Money),
}

impl Commission {
    /// The fault of the commission in a program of this currency, if there is one: a flat amount must be in the same currency.
    pub fn problem_in(self, currency: Currency) -> Option<String> {
        match self {
            Self::Flat(flat) if flat.currency != currency => {
                Some(format!("must be {currency}, the program's currency"))
            }
            Self::Flat(_) | Self::PercentPpm(_) => None,
        }
    }
}
