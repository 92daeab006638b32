//! PayPal's names of errors, and what they mean. Decisions are made by name, never by message.

use crate::outbound::provider::outcome::FailureReason;

/// The meaning of a name in an answer to a creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// The money does not suffice.
    InsufficientFunds,
    /// PayPal has an error of its own.
    ProviderError,
    /// An earlier request is still being carried out.
    InProgress,
    /// Too many requests; nothing was done.
    TooMany,
    /// The `sender_batch_id` may have been used before.
    Duplicate,
    /// A field is wrong.
    WrongField,
    /// A refusal.
    Failure(FailureReason),
}

/// The meaning of a name, if it is known.
pub(super) fn meaning(name: &str) -> Option<Meaning> {
    Some(match name {
        "INSUFFICIENT_FUNDS" | "NEGATIVE_BALANCE" | "USER_FUNDING_SOURCE_INELIGIBLE" => Meaning::InsufficientFunds,
        "INTERNAL_ERROR" | "REQUEST_TIMEOUT_EXCEEDED" => Meaning::ProviderError,
        "PREVIOUS_REQUEST_IN_PROGRESS" => Meaning::InProgress,
        "RATE_LIMIT_REACHED" | "RATE_LIMIT_VALIDATION_FAILURES" => Meaning::TooMany,
        "USER_BUSINESS_ERROR" => Meaning::Duplicate,
        "VALIDATION_ERROR" => Meaning::WrongField,
        other => Meaning::Failure(failure(other)?),
    })
}

/// The reason behind the name of a refusal or of a failed item.
pub(super) fn failure(name: &str) -> Option<FailureReason> {
    Some(match name {
        "AUTHORIZATION_ERROR" | "REQUIRED_SCOPE_MISSING" | "invalid_token" | "invalid_client" => {
            FailureReason::NotAuthorized
        }
        "SENDER_ACCOUNT_LOCKED"
        | "SENDER_LOCKED"
        | "SENDER_ACCOUNT_UNVERIFIED"
        | "SENDER_EMAIL_UNCONFIRMED"
        | "SENDER_RESTRICTED"
        | "SENDER_STATE_RESTRICTED"
        | "ACCOUNT_RESTRICTED"
        | "ACCOUNT_UNCONFIRMED_EMAIL"
        | "CIP_NOT_VERIFIED"
        | "USER_COUNTRY_NOT_ALLOWED"
        | "APPROVER_DENIED" => FailureReason::SenderRestricted,
        "SPENDING_LIMIT_EXCEEDED" => FailureReason::SenderLimited,
        "NON_HOLDING_CURRENCY" | "CLOSED_MARKET" => FailureReason::CurrencyNotPossible,
        "TRANSACTION_LIMIT_EXCEEDED" | "ZERO_AMOUNT" => FailureReason::AmountNotPossible,
        "RECEIVER_ACCOUNT_INVALID"
        | "RECEIVER_ACCOUNT_LOCKED"
        | "INVALID_EMAIL"
        | "SELF_PAY_NOT_ALLOWED"
        | "UNVERIFIED_RECIPIENT_NOT_SUPPORTED"
        | "RECEIVER_UNREGISTERED"
        | "RECEIVER_UNCONFIRMED" => FailureReason::ReceiverInvalid,
        "RECEIVER_REFUSED" => FailureReason::ReceiverRefused,
        "RECEIVER_ACCOUNT_LIMITATION"
        | "RECEIVER_COUNTRY_NOT_ALLOWED"
        | "RECEIVER_STATE_RESTRICTED"
        | "RECEIVER_YOUTH_ACCOUNT"
        | "RECEIVING_LIMIT_EXCEEDED"
        | "POS_LIMIT_EXCEEDED"
        | "CURRENCY_NOT_SUPPORTED_FOR_RECEIVER"
        | "PENDING_RECIPIENT_NON_HOLDING_CURRENCY_PAYMENT_PREFERENCE" => FailureReason::ReceiverLimited,
        "RISK_DECLINE"
        | "REGULATORY_BLOCKED"
        | "REGULATORY_PENDING"
        | "CURRENCY_COMPLIANCE"
        | "TRANSACTION_DECLINED_BY_TRAVEL_RULE"
        | "REFUSED_ACCESS_DENIED" => FailureReason::Compliance,
        "VALIDATION_ERROR" | "DUPLICATE_ITEM" | "SYNC_MODE_NOT_APPLICABLE" | "MALFORMED_REQUEST_JSON" => {
            FailureReason::Malformed
        }
        _ => return None,
    })
}
