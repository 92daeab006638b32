//! The answers of providers in the words of the rules. Each case keeps its meaning, so that the rules alone decide what follows.

use std::time::Duration;

use crate::domain::payout::{PayoutProblem, ProblemKind};
use crate::domain::payout_attempt::{FoundPayment, FoundState, StepResult};
use crate::outbound::provider::{
    Cancellation, Doubt, Failure, FailureReason, LookUp, NotMade, Payment, PaymentState, Submission,
};

/// The result of a submission.
pub(super) fn of_submission(submission: Submission) -> StepResult {
    match submission {
        Submission::Accepted { provider_id } => StepResult::Accepted { provider_payment_id: provider_id },
        Submission::Drafted { provider_id } => StepResult::Drafted { provider_payment_id: provider_id },
        Submission::Paid(payment) | Submission::Duplicate(payment) => StepResult::Found(found(payment)),
        Submission::InsufficientFunds { needed, available } => StepResult::Short { needed, available },
        Submission::Failed(failure) => StepResult::Refused(problem(&failure)),
        Submission::Later { after } => StepResult::Later { after_micros: after.map(micros) },
        Submission::Unknown(doubt) => unknown(doubt),
        Submission::OtherPayment(id) => StepResult::OtherPayment { provider_payment_id: id.unwrap_or_default() },
    }
}

/// The result of a look-up.
pub(super) fn of_look_up(look_up: LookUp) -> StepResult {
    match look_up {
        LookUp::Found(payment) => StepResult::Found(found(payment)),
        LookUp::NotMade(NotMade::Absent) => StepResult::Absent,
        LookUp::NotMade(NotMade::InsufficientFunds { needed }) => StepResult::Short { needed, available: None },
        LookUp::NotMade(NotMade::Failed(failure)) => StepResult::Refused(problem(&failure)),
        LookUp::Unknown(doubt) => unknown(doubt),
        LookUp::Later { after } => StepResult::Later { after_micros: after.map(micros) },
        LookUp::OtherPayment(id) => StepResult::OtherPayment { provider_payment_id: id.unwrap_or_default() },
    }
}

/// The result of a cancellation. Only a look-up tells what became of the payment.
pub(super) fn of_cancellation(cancellation: Cancellation) -> StepResult {
    match cancellation {
        Cancellation::Cancelled | Cancellation::Unknown(_) => StepResult::CancelAsked { is_refused: false },
        Cancellation::Refused | Cancellation::NotPossible => StepResult::CancelAsked { is_refused: true },
        Cancellation::Later { after } => StepResult::Later { after_micros: after.map(micros) },
    }
}

fn found(payment: Payment) -> FoundPayment {
    let Payment { provider_id, state, fee, returned } = payment;
    let state = match state {
        PaymentState::Unfunded => FoundState::Unfunded,
        PaymentState::Processing => FoundState::Processing,
        PaymentState::Unclaimed => FoundState::Unclaimed,
        PaymentState::OnHold => FoundState::OnHold,
        PaymentState::Paid => FoundState::Paid,
        PaymentState::Failed(failure) => FoundState::Failed(problem(&failure)),
        PaymentState::Cancelled => FoundState::Cancelled,
        PaymentState::Returning => FoundState::Returning,
        PaymentState::Returned | PaymentState::Reversed => FoundState::Returned,
    };
    FoundPayment { provider_payment_id: provider_id, state, fee, returned }
}

fn unknown(doubt: Doubt) -> StepResult {
    // Without a word of the provider, ours says what happened.
    let code = doubt.code.unwrap_or_else(|| format!("{:?}", doubt.reason));
    StepResult::Unknown { after_micros: doubt.after.map(micros), code, debug_id: doubt.debug_id.unwrap_or_default() }
}

fn problem(failure: &Failure) -> PayoutProblem {
    let kind = match failure.reason {
        FailureReason::ReceiverInvalid => ProblemKind::ReceiverInvalid,
        FailureReason::ReceiverNotReady => ProblemKind::ReceiverNotReady,
        FailureReason::ReceiverRefused => ProblemKind::ReceiverRefused,
        FailureReason::ReceiverLimited => ProblemKind::ReceiverLimited,
        FailureReason::NotAuthorized => ProblemKind::NotAuthorized,
        FailureReason::SenderRestricted => ProblemKind::SenderRestricted,
        FailureReason::SenderLimited => ProblemKind::SenderLimited,
        FailureReason::CurrencyNotPossible => ProblemKind::CurrencyNotPossible,
        FailureReason::AmountNotPossible => ProblemKind::AmountNotPossible,
        FailureReason::Compliance => ProblemKind::Compliance,
        FailureReason::Expired => ProblemKind::Expired,
        FailureReason::Malformed => ProblemKind::Malformed,
        FailureReason::Unrecognized => ProblemKind::Unrecognized,
    };
    PayoutProblem::new(kind, &failure.code, failure.debug_id.as_deref().unwrap_or_default())
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
