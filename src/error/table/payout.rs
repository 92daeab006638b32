//! The details of errors about payouts, which name several things.

use tonic::Code;

use super::{Answer, Detail};
use crate::domain::id::PayoutReconciliationId;
use crate::domain::payout::UnpayableReward;
use crate::domain::payout_export::WrongFileField;
use crate::error::FieldViolation;
use crate::pb::ErrorReason;

/// The answer that names each reward that cannot be paid, as far as the details have room.
pub(super) fn unpayable(rewards: &[UnpayableReward], path: &str, text: &str, violation_bytes_max: usize) -> Answer {
    let mut bytes = 0;
    let described = rewards.iter().map(|reward| (reward.reward_id.to_string(), reward.fault.describe().to_owned()));
    let fits = |(id, fault): &(String, String)| {
        bytes += id.len() + fault.len();
        bytes <= violation_bytes_max
    };
    let mut listed: Vec<_> = described.take_while(fits).collect();
    let rest = rewards.len() - listed.len();
    if rest > 0 {
        listed.push(("...".to_owned(), format!("and {rest} more")));
    }
    let message = format!("{path}: {text}; nothing was changed");
    Answer {
        detail: Detail::Preconditions(listed),
        ..Answer::new(ErrorReason::RewardsNotPayable, Code::FailedPrecondition, message)
    }
    .with("reward_count", rewards.len())
}

/// The answer while a reconciliation of the connection is running.
pub(super) fn reconciliation_running(id: PayoutReconciliationId, path: &str, text: &str) -> Answer {
    let advice = "GetPayoutReconciliation shows it, and a further one can begin when it has ended";
    let message = format!("{path}: {text}; {advice}");
    Answer::precondition(ErrorReason::PayoutReconciliationRunning, id.to_string(), message)
        .with("payout_reconciliation_id", id)
}

/// The wrong fields of a file. A payout's begin with its id.
pub(super) fn file_fields(wrong: &[WrongFileField]) -> Vec<FieldViolation> {
    let violation = |wrong: &WrongFileField| {
        let field = wrong.payout_id.map_or_else(|| wrong.field.clone(), |id| format!("{id}.{}", wrong.field));
        FieldViolation { field, description: wrong.problem.clone() }
    };
    wrong.iter().map(violation).collect()
}
