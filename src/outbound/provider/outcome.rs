//! The meanings of a provider's answers, as closed enums. Each case says which step may follow, because one wrong step pays twice.

use std::time::Duration;

use crate::domain::money::Money;

/// The result of a submission.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Submission {
    /// The provider has it under this id and works on it. A look-up tells how it ends.
    Accepted {
        /// The provider's id.
        provider_id: String,
    },
    /// The receiver has the money.
    Paid(Payment),
    /// An earlier try made the payment. Its key, amount, currency and receiver are those of this attempt, so it is this attempt's.
    Duplicate(Payment),
    /// The payment is made, and a person must pay for it in the provider's own pages. Then it goes on by itself.
    Drafted {
        /// The provider's id.
        provider_id: String,
    },
    /// Nothing was made, because the money does not suffice. The next attempt has another number.
    InsufficientFunds {
        /// The amount, and the fees as far as they are known.
        needed: Money,
        /// The balance, if the provider tells it.
        available: Option<Money>,
    },
    /// Nothing was made and nothing will be.
    Failed(Failure),
    /// This try was certainly not carried out. The same attempt may be submitted again, not before this time has passed.
    Later {
        /// How long the provider wants to be left alone, if it said so.
        after: Option<Duration>,
    },
    /// Whether something was made is not known. Only a look-up, or the same attempt, may follow.
    Unknown(Doubt),
    /// The key belongs to a payment with other content. A person must look, and nothing may be sent.
    OtherPayment(Option<String>),
}

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookUp {
    /// The payment of this attempt.
    Found(Payment),
    /// The attempt pays nothing and never will. The next attempt has another number.
    NotMade(NotMade),
    /// It is still not known. Look up again.
    Unknown(Doubt),
    /// This look-up was certainly not carried out. Look up again, not before this time has passed.
    Later {
        /// How long the provider wants to be left alone, if it said so.
        after: Option<Duration>,
    },
    /// The key, or the provider's id, belongs to a payment with other content. A person must look.
    OtherPayment(Option<String>),
}

/// Why there is no payment. Each case is proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotMade {
    /// The provider's list has none, long enough after the last try.
    Absent,
    /// The money did not suffice.
    InsufficientFunds {
        /// The amount, and the fees as far as they are known.
        needed: Money,
    },
    /// The provider refused.
    Failed(Failure),
}

/// A payment at the provider.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Payment {
    pub provider_id: String,
    pub state: PaymentState,
    /// The provider's fee, if it tells it.
    pub fee: Option<Money>,
    /// The part of the amount that came back, if the provider tells it.
    pub returned: Option<Money>,
}

/// Where the money of a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PaymentState {
    /// Made, and not paid for yet. The same attempt may be submitted again; a person may also pay for it in the provider's pages.
    Unfunded,
    /// On its way.
    Processing,
    /// The receiver has no account yet, and has some days to open one.
    Unclaimed,
    /// The provider keeps it until something is done or checked.
    OnHold,
    /// The receiver has it.
    Paid,
    /// It ended without payment; the money is with the sender.
    Failed(Failure),
    /// It was cancelled; the money is with the sender.
    Cancelled,
    /// It could not be delivered and is on its way back.
    Returning,
    /// It came back.
    Returned,
    /// It was paid and then taken back from the receiver.
    Reversed,
}

/// Why something is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Doubt {
    pub reason: DoubtReason,
    /// How long the provider wants to be left alone, if it said so.
    pub after: Option<Duration>,
    /// The provider's word for its answer.
    pub code: Option<String>,
    /// The provider's own name for the call, for its support.
    pub debug_id: Option<String>,
}

impl Doubt {
    /// A doubt without further words.
    pub const fn of(reason: DoubtReason) -> Self {
        Self { reason, after: None, code: None, debug_id: None }
    }
}

/// The kinds of doubt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtReason {
    /// The answer did not come, or not whole.
    NoAnswer,
    /// The provider reports an error of its own.
    ProviderError,
    /// An earlier try is still being carried out.
    InProgress,
    /// The answer cannot be read.
    Unreadable,
    /// The provider's word is not known here. A person should look.
    UnknownCode,
    /// The money does not suffice for this try. That proves nothing about the earlier one.
    InsufficientFunds,
    /// This try was refused. That proves nothing about the earlier one.
    Refused,
    /// The list has no payment yet, but the last try is too recent for that to be proof.
    NotSettled,
}

/// A definite refusal, or the end of a payment.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Failure {
    pub reason: FailureReason,
    /// The provider's word for it.
    pub code: String,
    /// The provider's own name for the call, for its support.
    pub debug_id: Option<String>,
}

impl Failure {
    /// A failure without the provider's name for the call.
    pub fn of(reason: FailureReason, code: &str) -> Self {
        Self { reason, code: code.to_owned(), debug_id: None }
    }
}

/// The kinds of failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The receiver is unknown, closed, locked, or of another kind than the provider takes.
    ReceiverInvalid,
    /// The receiver has not given the provider all that it asks for.
    ReceiverNotReady,
    /// The receiver does not want the money.
    ReceiverRefused,
    /// The receiver may not get so much, or not from here.
    ReceiverLimited,
    /// The key is wrong, or may not pay.
    NotAuthorized,
    /// The sender's account is restricted or not verified.
    SenderRestricted,
    /// The sender has reached a limit.
    SenderLimited,
    /// The provider does not pay in this currency from this account.
    CurrencyNotPossible,
    /// The provider cannot pay exactly this amount.
    AmountNotPossible,
    /// The provider's checks of law and risk.
    Compliance,
    /// The offer was too old.
    Expired,
    /// The provider found the request malformed.
    Malformed,
    /// The provider's word is not known here.
    Unrecognized,
}

/// Who can mend a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Another attempt, without anybody's doing.
    NewAttempt,
    /// The affiliate gives other details, or completes its account.
    Affiliate,
    /// The owner mends the account at the provider, or its settings here.
    Owner,
    /// A person must look into it.
    Review,
}

impl FailureReason {
    /// Who can mend it.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Expired => Remedy::NewAttempt,
            Self::ReceiverInvalid | Self::ReceiverNotReady | Self::ReceiverRefused | Self::ReceiverLimited => {
                Remedy::Affiliate
            }
            Self::NotAuthorized
            | Self::SenderRestricted
            | Self::SenderLimited
            | Self::CurrencyNotPossible
            | Self::AmountNotPossible => Remedy::Owner,
            Self::Compliance | Self::Malformed | Self::Unrecognized => Remedy::Review,
        }
    }
}

/// The result of a cancellation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// The money comes back, or never left.
    Cancelled,
    /// The payment can no longer be cancelled, or cannot yet. A look-up tells its state.
    Refused,
    /// The provider cannot cancel.
    NotPossible,
    /// Whether it was cancelled is not known. A look-up tells.
    Unknown(Doubt),
    /// This call was certainly not carried out.
    Later {
        /// How long the provider wants to be left alone, if it said so.
        after: Option<Duration>,
    },
}

/// The money that payouts are paid from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Funds {
    /// This much is there now.
    Available(Money),
    /// This much was there some time ago, so it decides nothing.
    Hint(Money),
    /// The provider does not tell, or cannot be asked now.
    Unknown,
}

/// The provider's fee for a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fee {
    /// Exactly this, if the payment is made soon.
    Exact(Money),
    /// About this.
    Estimate(Money),
    /// The provider cannot be asked now.
    Unknown,
}

impl Submission {
    /// The same result for an attempt that was sent before. A refusal of this try proves nothing about the earlier one, unless the
    /// provider looks at the key first, which none of them promises.
    pub(super) fn after_earlier_tries(self) -> Self {
        let doubt = |reason, code, debug_id| Self::Unknown(Doubt { reason, after: None, code, debug_id });
        match self {
            Self::Failed(failure) => doubt(DoubtReason::Refused, Some(failure.code), failure.debug_id),
            Self::InsufficientFunds { .. } => doubt(DoubtReason::InsufficientFunds, None, None),
            other => other,
        }
    }
}
