//! Payout providers behind one trait: PayPal Payouts, Stripe Connect and Wise. A provider takes a payout with our key and says what became
//! of it. It never decides to pay again: the caller does, by the rules that the types below say.
//!
//! The one rule above all: after [`Submission::Unknown`] the same key is used until a look-up knows more. Another key is used only
//! after an answer that proves that nothing was made ([`NotMade`], [`Submission::Failed`], [`Submission::InsufficientFunds`]).

mod amount;
mod answer;
mod attempt;
mod outcome;
pub mod paypal;
mod seen;
pub mod stripe;
pub mod wise;

use futures::future::BoxFuture;

use crate::domain::money::Currency;
use crate::domain::time::Time;

pub(in crate::outbound) use amount::{decimal, decimal_of};
pub use attempt::{Attempt, EarlierTries, Receiver, key_uuid};
pub use outcome::{
    Cancellation, Doubt, DoubtReason, Failure, FailureReason, Fee, Funds, LookUp, NotMade, Payment, PaymentState,
    Remedy, Submission,
};
pub use seen::{Listing, NotRead, PaymentKey, SeenPayment};

/// How long after the last try a list of a provider's payments shows a payment that the try made. Longer than a call may take.
pub const SETTLING_MICROS: i64 = 5 * 60 * Time::MICROS_PER_SECOND;

/// A company that pays affiliates. No method waits longer than the limits of the client, and none repeats what may have been carried
/// out.
pub trait Provider: Send + Sync {
    /// Asks the provider to pay. The same attempt may be submitted again, and is paid once.
    fn submit<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Submission>;

    /// Asks for the state of an attempt. With the provider's id it is read. Without, it is looked for under our key.
    ///
    /// PayPal finds a key only by a second submission, which pays if the first never arrived. So a look-up needs the same lock and
    /// the same decision to pay as [`Provider::submit`].
    fn look_up<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, LookUp>;

    /// Takes a payment back that its receiver does not have yet, where the provider can. Needs the provider's id; without it, it is
    /// refused.
    fn cancel<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Cancellation>;

    /// The money that payouts in this currency are paid from.
    fn funds(&self, currency: Currency, now: Time) -> BoxFuture<'_, Funds>;

    /// A page of the payments that were made from `start_at` until before `end_at`, at or after `page`. Payments outside of the period may be
    /// among them. Those with keys of others are left out.
    fn list<'a>(
        &'a self,
        start_at: Time,
        end_at: Time,
        page: Option<&'a str>,
        now: Time,
    ) -> BoxFuture<'a, Result<Listing, NotRead>>;

    /// The payment with this id of the provider's. `None`: there certainly is none.
    fn read<'a>(&'a self, provider_id: &'a str, now: Time) -> BoxFuture<'a, Result<Option<SeenPayment>, NotRead>>;

    /// Asks for the provider's fee, which comes on top of the amount.
    fn fee<'a>(&'a self, attempt: &'a Attempt, now: Time) -> BoxFuture<'a, Fee>;
}
