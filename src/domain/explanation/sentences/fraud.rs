//! The findings of fraud rules about a reward, in words.

use crate::domain::fraud::{FraudFlag, FraudRuleKind, RewardReview};
use crate::domain::id::RewardId;

/// The evidence, and why a person has released the reward.
pub(super) fn of_review(id: RewardId, review: &RewardReview, sentences: &mut Vec<String>) {
    for flag in &review.flags {
        let effect = if flag.mode.holds() { "held the reward" } else { "only observes and flags the reward" };
        sentences.push(format!("The fraud rule {} {effect} {id}, because {}.", flag.kind, because(flag)));
    }
    if !review.release_reason.is_empty() {
        sentences.push(format!("A person released the reward {id}: {}", review.release_reason));
    }
}

fn because(flag: &FraudFlag) -> String {
    let FraudFlag { found, threshold, .. } = flag;
    match flag.kind {
        FraudRuleKind::SelfReferral => "the customer has an email address of the affiliate".to_owned(),
        FraudRuleKind::OwnDomain => "the customer's email address has the host of the affiliate's".to_owned(),
        FraudRuleKind::DisposableMail => format!("{found} gives email addresses to throw away"),
        FraudRuleKind::QuickSale => {
            format!("it came {found} seconds after the click, and {threshold} are the fewest that are not flagged")
        }
        FraudRuleKind::Velocity => {
            format!("the affiliate had {found} sales in the period, and {threshold} are the most that are not flagged")
        }
        FraudRuleKind::BannedCountry => format!("the customer is in {found}"),
        FraudRuleKind::BannedReferrer => format!("the visitor came from {found}, which {threshold} bans"),
        FraudRuleKind::DuplicateOrder => format!("{found} has the same order and amount"),
    }
}
