//! Reconciliations: a comparison of the payments that a provider has with the payouts here, over a period. A reconciliation changes no money.
//! Payouts whose state is behind are looked at again, and the look decides what becomes of them.

use super::id::{AccountId, ApiKeyId, PayoutId, PayoutReconciliationId};
use super::money::Money;
use super::payout::{Payout, PayoutProvider, PayoutState};
use super::text_enum::text_enum;
use super::time::Time;

/// How many days a daily reconciliation looks back.
pub const PERIOD_DAYS: i32 = 7;

/// The longest period, in days.
pub const PERIOD_DAYS_MAX: i32 = 92;

/// The time between two daily reconciliations of a connection, in days.
pub const INTERVAL_DAYS: i32 = 1;

/// Payments that are younger are left out, because the step that made them may not be recorded.
pub const SETTLING_MICROS: i64 = 15 * 60 * Time::MICROS_PER_SECOND;

/// How many differences a reconciliation keeps. Its count has all of them.
pub const DIFFERENCES_KEPT_MAX: usize = 200;

/// How long a begun reading is left alone. The reader takes the lease again before it ends.
pub const LEASE_MICROS: i64 = 10 * 60 * Time::MICROS_PER_SECOND;

/// How often a reading is tried that the provider does not answer.
pub const TRIES_MAX: i32 = 8;

const FIRST_PAUSE_MICROS: i64 = 60 * Time::MICROS_PER_SECOND;
const PAUSE_MICROS_MAX: i64 = 60 * FIRST_PAUSE_MICROS;

/// The pause after this many tries without an answer.
pub fn pause_micros(tries: i32, after_micros: Option<i64>) -> i64 {
    let doublings = tries.saturating_sub(1).clamp(0, 10);
    let usual = FIRST_PAUSE_MICROS.saturating_mul(1 << doublings).min(PAUSE_MICROS_MAX);
    after_micros.unwrap_or_default().clamp(usual, PAUSE_MICROS_MAX)
}

text_enum! {
    /// The state of a reconciliation.
    ReconciliationState {
        /// The server reads what the provider has.
        Running = "running",
        /// The report is whole.
        Completed = "completed",
        /// The provider could not be read.
        Failed = "failed",
    }
}

text_enum! {
    /// Where the money of a provider's payment is.
    ProviderPaymentState {
        /// The provider has no such payment.
        Absent = "absent",
        /// Made, and not paid for.
        Unfunded = "unfunded",
        /// On its way.
        Processing = "processing",
        /// The receiver has no account yet.
        Unclaimed = "unclaimed",
        /// The provider keeps it until something is done or checked.
        OnHold = "on_hold",
        /// The receiver has it.
        Paid = "paid",
        /// It ended without payment.
        Failed = "failed",
        /// It was cancelled.
        Cancelled = "cancelled",
        /// It is on its way back.
        Returning = "returning",
        /// It came back.
        Returned = "returned",
    }
}

impl ProviderPaymentState {
    /// Whether the money has left the owner's balance and is not back.
    pub fn is_out(self) -> bool {
        matches!(self, Self::Processing | Self::Unclaimed | Self::OnHold | Self::Paid | Self::Returning)
    }

    /// Whether there is no payment, and never will be.
    pub fn is_none(self) -> bool {
        matches!(self, Self::Absent | Self::Failed | Self::Cancelled)
    }
}

text_enum! {
    /// The kind of a difference.
    DifferenceKind {
        /// The provider has paid, or is paying, a payout that is not paid here.
        PaidThere = "paid_there",
        /// The payout is paid here, and the provider has not paid it.
        PaidHere = "paid_here",
        /// The money came back at the provider, and not here, or another part of it.
        ReturnedThere = "returned_there",
        /// The payment has another amount.
        Amount = "amount",
        /// The payment is in another currency.
        Currency = "currency",
        /// The provider took another fee.
        Fee = "fee",
        /// The provider has a further payment of a payout that it has, or that was paid otherwise.
        SecondPayment = "second_payment",
        /// The payment has a key of Headwater, and the account has no such payout.
        UnknownPayment = "unknown_payment",
    }
}

/// A payment as a provider tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PaymentThere {
    pub state: ProviderPaymentState,
    /// `None`: it was not told, or cannot be read.
    pub amount: Option<Money>,
    pub fee: Option<Money>,
    /// The part that came back.
    pub returned: Option<Money>,
}

/// A payout as it was when it was compared.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutHere {
    pub payout_id: PayoutId,
    pub state: PayoutState,
    pub amount: Money,
    pub fee: Option<Money>,
    pub returned: Option<Money>,
}

impl PayoutHere {
    /// The payout as it is now.
    pub fn of(payout: &Payout) -> Self {
        let sending = payout.sending.as_deref();
        Self {
            payout_id: payout.id,
            state: payout.state,
            amount: payout.amount,
            fee: sending.and_then(|sending| sending.fee),
            returned: sending.and_then(|sending| sending.returned),
        }
    }
}

/// A difference, with what is known on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutDifference {
    pub kind: DifferenceKind,
    /// `None`: the account has no such payout.
    pub here: Option<PayoutHere>,
    pub there: PaymentThere,
    /// The provider's name for the payment. May be empty.
    pub provider_payment_id: String,
    /// The key that the payment has at the provider. May be empty.
    pub key: String,
    /// Whether the payout is looked at again because of it.
    pub is_looked_at: bool,
}

impl PayoutDifference {
    /// Whether it is the same difference as one of an earlier reconciliation.
    pub fn is_same(&self, other: &Self) -> bool {
        let payout_id = |difference: &Self| difference.here.as_ref().map(|here| here.payout_id);
        self.kind == other.kind
            && payout_id(self) == payout_id(other)
            && self.provider_payment_id == other.provider_payment_id
            && self.there == other.there
    }
}

/// What a payout and its payment differ in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Compared {
    pub kinds: Vec<DifferenceKind>,
    /// Whether a look at the payment may change the payout.
    pub is_behind: bool,
}

/// Compares a payout with the payment that is its own.
pub fn compare(here: &PayoutHere, there: &PaymentThere) -> Compared {
    let mut compared = Compared::default();
    if let Some(amount) = there.amount.filter(|_| !there.state.is_none()) {
        if amount.currency != here.amount.currency {
            compared.kinds.push(DifferenceKind::Currency);
        } else if amount.amount_minor != here.amount.amount_minor {
            compared.kinds.push(DifferenceKind::Amount);
        }
    }
    compare_states(here, there, &mut compared);
    let fees = here.fee.zip(there.fee).filter(|_| here.state == PayoutState::Paid && there.state.is_out());
    if fees.is_some_and(|(ours, theirs)| ours != theirs) {
        compared.kinds.push(DifferenceKind::Fee);
    }
    compared
}

fn compare_states(here: &PayoutHere, there: &PaymentThere, compared: &mut Compared) {
    use ProviderPaymentState as There;
    let (is_paid, is_released) = (here.state == PayoutState::Paid, here.state.is_released());
    let returned_here = here.returned.map_or(0, |returned| returned.amount_minor);
    match there.state {
        There::Paid if is_paid => {
            // A part may come back without the rest.
            if there.returned.is_some_and(|returned| returned.amount_minor != returned_here) {
                compared.kinds.push(DifferenceKind::ReturnedThere);
                compared.is_behind = true;
            }
        }
        There::Paid => {
            compared.kinds.push(DifferenceKind::PaidThere);
            compared.is_behind = !is_released;
        }
        There::Returned if here.state == PayoutState::Returned => {
            if here.returned.zip(there.returned).is_some_and(|(ours, theirs)| ours != theirs) {
                compared.kinds.push(DifferenceKind::ReturnedThere);
            }
        }
        There::Returned if is_released => {}
        There::Returned => {
            compared.kinds.push(DifferenceKind::ReturnedThere);
            compared.is_behind = true;
        }
        _ if is_paid => {
            compared.kinds.push(DifferenceKind::PaidHere);
            compared.is_behind = true;
        }
        There::Processing | There::Unclaimed | There::OnHold if is_released => {
            compared.kinds.push(DifferenceKind::PaidThere);
        }
        There::Absent | There::Failed | There::Cancelled => compared.is_behind = !is_released,
        There::Unfunded | There::Processing | There::Unclaimed | There::OnHold | There::Returning => {}
    }
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutReconciliation {
    pub id: PayoutReconciliationId,
    pub account_id: AccountId,
    /// Never [`PayoutProvider::Manual`].
    pub provider: PayoutProvider,
    pub state: ReconciliationState,
    /// The first moment of the period in which payments were made.
    pub start_at: Time,
    /// The first moment after the period.
    pub end_at: Time,
    /// How many payments of the provider were compared, and how many payouts.
    pub payment_count: i64,
    pub payout_count: i64,
    /// How many payouts were not compared, because the provider's answer about their payments cannot be read.
    pub unread_count: i64,
    /// How many payouts are looked at again.
    pub looked_at_count: i64,
    /// How many differences there are, and how many of them the reconciliation before did not have.
    pub difference_count: i64,
    pub new_difference_count: i64,
    /// The first differences. Left out of the answers that are stored for repeated requests, and of the feed.
    pub differences: Vec<PayoutDifference>,
    /// Why it failed, or what the provider answered last. May be empty.
    pub problem_code: String,
    /// How often the reading was begun without an answer of the provider.
    pub tries: i32,
    /// The lease of the last reading that was begun.
    pub lease_id: uuid::Uuid,
    /// When the reading is due. `None`: it has ended.
    pub next_at: Option<Time>,
    /// The key that asked for it. `None`: it is a daily one.
    pub created_by: Option<ApiKeyId>,
    pub created_at: Time,
    pub ended_at: Option<Time>,
}

/// The end of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub enum Reading {
    /// All of it was compared.
    Whole(Findings),
    /// The provider does not answer now.
    Later { after_micros: Option<i64>, code: String },
    /// The provider will not answer before a person acts.
    Failed { code: String },
}

/// What a reading found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Findings {
    pub payment_count: i64,
    pub payout_count: i64,
    pub unread_count: i64,
    pub looked_at_count: i64,
    pub difference_count: i64,
    /// At most [`DIFFERENCES_KEPT_MAX`].
    pub differences: Vec<PayoutDifference>,
}

impl Findings {
    /// Adds a difference.
    pub fn add(&mut self, difference: PayoutDifference) {
        self.difference_count = self.difference_count.saturating_add(1);
        if self.differences.len() < DIFFERENCES_KEPT_MAX {
            self.differences.push(difference);
        }
    }
}

#[cfg(test)]
mod tests;
