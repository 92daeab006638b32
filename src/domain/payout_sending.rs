//! What a payout tells about its sending: how often it was tried, what the provider calls it, and who must act if it does not go on.

use super::money::Money;
use super::text_enum::text_enum;
use super::time::Time;

/// The longest code of a provider that is kept, in characters.
const CODE_CHARACTERS_MAX: usize = 128;

text_enum! {
    /// Who can mend a problem.
    WhoMustAct {
        /// The affiliate gives other details, or completes its account at the provider.
        Affiliate = "affiliate",
        /// The owner mends the account at the provider, or its connection.
        Owner = "owner",
        /// A person must look into it.
        Review = "review",
    }
}

text_enum! {
    /// Why a payout does not go on.
    ProblemKind {
        /// The receiver is unknown, closed, locked, or of another kind than the provider takes.
        ReceiverInvalid = "receiver_invalid",
        /// The receiver has not given the provider all that it asks for.
        ReceiverNotReady = "receiver_not_ready",
        /// The receiver does not want the money.
        ReceiverRefused = "receiver_refused",
        /// The receiver may not get so much, or not from here.
        ReceiverLimited = "receiver_limited",
        /// There is no connection to the provider.
        NotConnected = "not_connected",
        /// The account here is suspended, and nothing is sent for it.
        AccountSuspended = "account_suspended",
        /// The key of the connection is wrong, or may not pay.
        NotAuthorized = "not_authorized",
        /// The owner's account at the provider is restricted or not verified.
        SenderRestricted = "sender_restricted",
        /// The owner's account has reached a limit.
        SenderLimited = "sender_limited",
        /// The owner's account had too little money when the bank paid the file.
        InsufficientFunds = "insufficient_funds",
        /// The provider does not pay in this currency from this account.
        CurrencyNotPossible = "currency_not_possible",
        /// The provider cannot pay exactly this amount.
        AmountNotPossible = "amount_not_possible",
        /// The payment waits for a person in the provider's own pages.
        ConfirmationNeeded = "confirmation_needed",
        /// Somebody cancelled the payment in the provider's own pages.
        CancelledAtProvider = "cancelled_at_provider",
        /// The payment could not be delivered, and the money is on its way back.
        Returning = "returning",
        /// The checks of law and risk of the provider.
        Compliance = "compliance",
        /// The provider's offer was too old.
        Expired = "expired",
        /// The provider found the request malformed.
        Malformed = "malformed",
        /// The payment under the key of this payout has another amount, currency or receiver.
        OtherPayment = "other_payment",
        /// The bank, or the owner, says that the affiliate did not get the money.
        NotPaid = "not_paid",
        /// The provider's word is not known.
        Unrecognized = "unrecognized",
    }
}

impl ProblemKind {
    /// Who can mend it.
    pub const fn who_must_act(self) -> WhoMustAct {
        match self {
            Self::ReceiverInvalid | Self::ReceiverNotReady | Self::ReceiverRefused | Self::ReceiverLimited => {
                WhoMustAct::Affiliate
            }
            Self::NotConnected
            | Self::NotAuthorized
            | Self::SenderRestricted
            | Self::SenderLimited
            | Self::InsufficientFunds
            | Self::CurrencyNotPossible
            | Self::AmountNotPossible
            | Self::ConfirmationNeeded
            | Self::CancelledAtProvider => WhoMustAct::Owner,
            Self::AccountSuspended
            | Self::Returning
            | Self::Compliance
            | Self::Expired
            | Self::Malformed
            | Self::OtherPayment
            | Self::NotPaid
            | Self::Unrecognized => WhoMustAct::Review,
        }
    }

    /// Whether the payout keeps its rewards and is sent again once the owner has mended the account or the connection. Any other refusal ends
    /// the payout.
    pub const fn is_of_account(self) -> bool {
        matches!(self, Self::NotConnected | Self::NotAuthorized | Self::SenderRestricted | Self::SenderLimited)
    }

    /// The problem in words.
    pub const fn describe(self) -> &'static str {
        match self {
            Self::ReceiverInvalid => {
                "the provider does not know the receiver, or the receiver's account is closed or locked"
            }
            Self::ReceiverNotReady => "the receiver has not given the provider all that it asks for",
            Self::ReceiverRefused => "the receiver refused the money",
            Self::ReceiverLimited => "the receiver may not get so much, or not from this account",
            Self::NotConnected => "the account has no connection to the provider, or the affiliate no details for it",
            Self::AccountSuspended => "the account is suspended, and the payout is sent when the operator resumes it",
            Self::NotAuthorized => "the provider refuses the key of the connection",
            Self::SenderRestricted => "the account at the provider is restricted or not verified",
            Self::SenderLimited => "the account at the provider has reached a limit",
            Self::InsufficientFunds => "the account that was to be debited had too little money",
            Self::CurrencyNotPossible => "the provider does not pay in this currency from this account",
            Self::AmountNotPossible => "the provider cannot pay exactly this amount",
            Self::ConfirmationNeeded => "a person must confirm the payment in the provider's own pages",
            Self::CancelledAtProvider => "somebody cancelled the payment in the provider's own pages",
            Self::Returning => "the payment could not be delivered, and the money is on its way back",
            Self::Compliance => "the provider's checks of law and risk stopped the payment",
            Self::Expired => "the provider's offer was too old",
            Self::Malformed => "the provider found the request malformed",
            Self::OtherPayment => {
                "the payment that the provider has under the key of this payout has another amount, currency or receiver"
            }
            Self::NotPaid => "the affiliate did not get the money; the note and the code may say why",
            Self::Unrecognized => "the provider gave a reason that is not known here",
        }
    }
}

/// Why a payout does not go on, or ended without payment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayoutProblem {
    /// The kind of problem.
    pub kind: ProblemKind,
    /// The provider's word for it. May be empty.
    pub code: String,
    /// The provider's own name for the call, for its support. May be empty.
    pub debug_id: String,
}

impl PayoutProblem {
    /// A problem with the provider's words, which are cut if they are long.
    pub fn new(kind: ProblemKind, code: &str, debug_id: &str) -> Self {
        let cut = |text: &str| text.chars().filter(|letter| !letter.is_control()).take(CODE_CHARACTERS_MAX).collect();
        Self { kind, code: cut(code), debug_id: cut(debug_id) }
    }

    /// A problem without words of the provider.
    pub fn of(kind: ProblemKind) -> Self {
        Self::new(kind, "", "")
    }
}

/// See the head of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sending {
    /// How many attempts were begun. Each has a key of its own at the provider.
    pub attempt_count: i32,
    /// The provider's name for the payment. Empty if none is known.
    pub provider_payment_id: String,
    /// What the provider took for the payment, on top of the amount.
    pub fee: Option<Money>,
    /// Why it does not go on.
    pub problem: Option<PayoutProblem>,
    /// Since when it waits for money. `None` if it does not.
    pub awaiting_since: Option<Time>,
    /// The amount with the fees, when there was too little money.
    pub needed: Option<Money>,
    /// The balance at the provider then, if the provider told it.
    pub available: Option<Money>,
    /// What came back of the amount.
    pub returned: Option<Money>,
    /// When a person asked to cancel the payment at the provider.
    pub cancel_requested_at: Option<Time>,
}

impl Sending {
    /// Whether it waits because the account is suspended.
    pub fn is_held(&self) -> bool {
        self.problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::AccountSuspended)
    }
}
