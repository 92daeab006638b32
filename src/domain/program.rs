//! Programs and the versions of their terms.
//!
//! Terms are pinned: a version never changes once made, a change makes the next, and every conversion keeps the version it was
//! priced under.

use std::sync::Arc;

use super::attribution::AttributionSource;
use super::id::{AccountId, ProgramId};
use super::money::{Currency, Money, Rounding};
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a program.
    ProgramState {
        /// Attributes and pays.
        Active = "active",
        /// Attributes nothing new.
        Archived = "archived",
    }
}

/// A campaign that affiliates are enrolled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its id.
    pub id: ProgramId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Its name.
    pub display_name: String,
    /// Its currency; flat commissions are in it.
    pub currency: Currency,
    /// Where referral links lead when the enrollment names no page.
    pub landing_url: String,
    /// Whether it is meant where none is named. One program of an account is.
    pub is_default: bool,
    /// Its state.
    pub state: ProgramState,
    /// The newest version of its terms.
    pub terms_version: i32,
    /// Grows with every change; shown as the etag.
    pub version: i32,
    /// When it was made.
    pub created_at: Time,
    /// When it last changed.
    pub updated_at: Time,
}

impl Program {
    /// The text that changes with every change of the program.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

text_enum! {
    /// Which of a visitor's clicks earns.
    AttributionModel {
        /// The earliest inside the window.
        FirstClick = "first_click",
        /// The latest inside the window.
        LastClick = "last_click",
    }
}

text_enum! {
    /// Which sales a version of the terms reaches.
    TermsReach {
        /// Every sale from its start on.
        NewSales = "new_sales",
        /// Sales to leads bound from its start on, and sales without a lead.
        NewCustomers = "new_customers",
    }
}

/// What a sale earns the affiliate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commission {
    /// Parts per million of the net amount, in the sale's currency.
    PercentPpm(i64),
    /// A fixed amount per sale.
    Flat(Money),
}

impl Commission {
    /// The fault of a commission in a program of this currency, if there is one: an amount must be in it.
    pub fn problem_in(self, currency: Currency) -> Option<String> {
        match self {
            Self::Flat(flat) if flat.currency != currency => {
                Some(format!("must be {currency}, the program's currency"))
            }
            Self::Flat(_) | Self::PercentPpm(_) => None,
        }
    }
}

/// The rules as an owner sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TermsDraft {
    /// Which sales they reach.
    pub reach: TermsReach,
    /// What a sale earns.
    pub commission: Commission,
    /// How many days a reward stays pending.
    pub hold_period_days: i32,
    /// Which click earns.
    pub attribution_model: AttributionModel,
    /// For how many days after a click a lead or sale is credited to it.
    pub attribution_window_days: i32,
    /// Which source wins, the strongest first; each of the three once.
    pub precedence: [AttributionSource; 3],
    /// How rewards are rounded.
    pub rounding: Rounding,
}

/// A version of a program's rules. Never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// Whose they are.
    pub account_id: AccountId,
    /// The program.
    pub program_id: ProgramId,
    /// 1, 2, 3 and so on.
    pub version: i32,
    /// From when on they hold.
    pub starts_at: Time,
    /// The rules.
    pub rules: TermsDraft,
}

/// A program with one version of its terms: what an answer shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProgramWithTerms {
    /// The program.
    pub program: Arc<Program>,
    /// A version of its terms.
    pub terms: Arc<Terms>,
}
