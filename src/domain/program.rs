//! Programs and the versions of their terms.
//!
//! A version of terms never changes: a change makes the next version. Every conversion keeps the version it was priced under.

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
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Program {
    pub id: ProgramId,
    pub account_id: AccountId,
    pub display_name: String,
    /// Its currency; flat commissions are in it.
    pub currency: Currency,
    /// Where referral links lead when the enrollment names no page.
    pub landing_url: String,
    /// Whether it is used where a request names no program. At most one program of an account is.
    pub is_default: bool,
    pub state: ProgramState,
    /// The newest version of its terms.
    pub terms_version: i32,
    /// Grows with every change; shown as the etag.
    pub version: i32,
    pub created_at: Time,
    pub updated_at: Time,
}

impl Program {
    /// The text that changes with every change of the program.
    pub fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

text_enum! {
    /// The click of a visitor that earns.
    AttributionModel {
        /// The earliest inside the window.
        FirstClick = "first_click",
        /// The latest inside the window.
        LastClick = "last_click",
    }
}

text_enum! {
    /// The sales that a version of the terms applies to.
    TermsReach {
        /// Every sale from its start on.
        NewSales = "new_sales",
        /// Sales to leads bound from its start on, and sales without a lead.
        NewCustomers = "new_customers",
    }
}

/// The commission on a sale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Commission {
    /// Parts per million of the net amount, in the sale's currency.
    PercentPpm(i32),
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
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct TermsDraft {
    pub reach: TermsReach,
    pub commission: Commission,
    /// How many days a reward stays pending.
    pub hold_period_days: i32,
    pub attribution_model: AttributionModel,
    /// For how many days after a click a lead or sale is credited to it.
    pub attribution_window_days: i32,
    /// The order in which sources win, the strongest first; each of the three once.
    pub precedence: [AttributionSource; 3],
    pub rounding: Rounding,
}

/// A version of a program's rules. Never changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Terms {
    pub account_id: AccountId,
    pub program_id: ProgramId,
    /// 1, 2, 3 and so on.
    pub version: i32,
    /// They apply from this time on.
    pub starts_at: Time,
    pub rules: TermsDraft,
}

/// A program with one version of its terms, as answers show it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct ProgramWithTerms {
    pub program: Arc<Program>,
    pub terms: Arc<Terms>,
}
