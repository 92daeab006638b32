//! The answer as sentences for people, made from the same data as the answer for programs. The only place that has texts of explanations.

mod candidate;
mod credit;
mod fraud;
mod ladder;
mod line;
mod rate;
mod threshold;
mod upline;

use super::{
    Dossier, Explanation, ExplanationAction, ExplanationResult, RewardApproval, RewardChange, RewardExplanation,
};
use crate::domain::conversion::{Conversion, ConversionKind};
use crate::domain::customer_reward::{CustomerReward, CustomerRewardState};
use crate::domain::dispute::{DisputePart, DisputeState};
use crate::domain::money::Money;
use crate::domain::time::Time;

/// The sentences, the short answer first.
pub fn sentences(dossier: &Dossier, explanation: &Explanation) -> Vec<String> {
    let event = dossier.image.conversion.as_ref();
    let mut sentences = vec![short_answer(event, explanation)];
    sentences.extend(event.order.undone_by.map(|id| format!("The refund was undone by {id}.")));
    sentences.extend(event.order.undone_refund_id.map(|id| format!("It undoes the refund {id}.")));
    if explanation.candidates.is_empty() && explanation.result == ExplanationResult::NotReferred {
        sentences.push(
            "The request had no tracking id, ref_id or coupon code, and its customer was bound to no affiliate."
                .to_owned(),
        );
    }
    sentences.extend(explanation.candidates.iter().map(|told| candidate::sentence(event, explanation, told)));
    for credit in &explanation.credits {
        credit::sentences(event, credit, &mut sentences);
        sentences.extend(credit.lines.iter().map(line::sentence));
        sentences.extend(credit.uplines.iter().map(|told| upline::sentence(event, told)));
        sentences.extend(credit.threshold_bonuses.iter().map(|told| threshold::sentence(event, told)));
    }
    for reward in &explanation.rewards {
        of_reward(reward, &mut sentences);
    }
    sentences.extend(explanation.customer_reward.as_ref().map(of_customer));
    if event.kind == ConversionKind::Sale && event.refund_count > 0 {
        sentences.push(refunded(event));
    }
    sentences.extend(explanation.actions.iter().map(|action| advice(event, *action).to_owned()));
    sentences
}

/// A time as 2026-11-28T00:00:00Z.
fn time(time: Time) -> String {
    jiff::Timestamp::from_microsecond(time.micros())
        .map_or_else(|_| "an unknown time".to_owned(), |time| time.to_string())
}

/// A kind of event, with its article.
const fn kind(kind: ConversionKind) -> &'static str {
    match kind {
        ConversionKind::Lead => "sign-up",
        ConversionKind::Sale => "sale",
        ConversionKind::Refund => "refund",
        ConversionKind::Cancellation => "cancellation",
        ConversionKind::RefundUndo => "undoing of a refund",
        ConversionKind::Correction => "correction",
        ConversionKind::Dispute => "dispute",
        ConversionKind::DisputeResolution => "end of a dispute",
        ConversionKind::Appointment => "appointment",
        ConversionKind::CustomEvent => "custom event",
    }
}

fn short_answer(event: &Conversion, explanation: &Explanation) -> String {
    let kind = kind(event.kind);
    let to_whom = || {
        let ids: Vec<_> = event.credits.iter().map(|credit| credit.affiliate_id.to_string()).collect();
        ids.join(", ")
    };
    match explanation.result {
        ExplanationResult::Earned => format!("The {kind} earned a reward for {}.", to_whom()),
        ExplanationResult::NotReferred => {
            format!("The {kind} earned nothing, because no affiliate is credited with it.")
        }
        ExplanationResult::NoCommission => {
            format!(
                "The {kind} is credited to {} and earned nothing, because the terms have no commission for it.",
                to_whom()
            )
        }
        ExplanationResult::NoAmount => format!(
            "The {kind} is credited to {} and earned nothing, because its commission is a percentage and it has no amount.",
            to_whom()
        ),
        ExplanationResult::Zero => {
            format!("The {kind} is credited to {} and earned nothing, because its commission comes to zero.", to_whom())
        }
        ExplanationResult::Denied => {
            format!("The {kind} is credited to {} and earned nothing, because a person denied the reward.", to_whom())
        }
        ExplanationResult::TakenBack => format!(
            "The {kind} is credited to {}, and nothing is left of what it earned, because all of it was taken back.",
            to_whom()
        ),
        ExplanationResult::NotBinding => format!(
            "The sign-up is credited to {} and earned nothing, because another event bound the customer.",
            to_whom()
        ),
        ExplanationResult::Waiting => {
            format!(
                "The {kind} changed nothing yet, because the sale {} has not been recorded in its currency.",
                event.sale_event_id
            )
        }
        ExplanationResult::ChangedRewards if explanation.rewards.is_empty() => format!(
            "The {kind} made the sale {} earn a new reward, because nothing was left of the one before.",
            event.sale_event_id
        ),
        ExplanationResult::ChangedRewards => {
            format!("The {kind} changed what the sale {} earned.", event.sale_event_id)
        }
        ExplanationResult::Dispute => of_dispute(event),
        ExplanationResult::ChangedNothing if event.order.was_known => {
            format!("The {kind} changed no reward, because its total was known to be refunded.")
        }
        ExplanationResult::ChangedNothing
            if event.kind == ConversionKind::DisputeResolution && takes_nothing(event) =>
        {
            format!("The {kind} took nothing back of the sale {}.", event.sale_event_id)
        }
        ExplanationResult::ChangedNothing => {
            format!("The {kind} changed no reward, because {}.", why_nothing(explanation))
        }
        ExplanationResult::Cancellation => {
            "A cancellation earns nothing and takes nothing back. It only changes the state of its lead.".to_owned()
        }
        ExplanationResult::Capped => format!(
            "The {kind} is credited to {} and earned nothing, because a cap of the terms had no room for it.",
            to_whom()
        ),
        ExplanationResult::NotRecorded => {
            format!("The {kind} is credited to {}, and the reward that its terms give is not recorded.", to_whom())
        }
    }
}

fn takes_nothing(event: &Conversion) -> bool {
    event.amount.is_none_or(|amount| amount.amount_minor == 0)
}

fn of_dispute(event: &Conversion) -> String {
    let sale = &event.sale_event_id;
    let kept = match event.order.dispute.as_deref() {
        Some(DisputePart::Dispute(kept)) => Some(kept),
        _ => None,
    };
    let taken = kept.and_then(|kept| kept.taken_minor).zip(event.amount);
    match kept.map(|kept| kept.state) {
        Some(DisputeState::Won) => format!("The dispute is won, and takes nothing back of the sale {sale}."),
        Some(DisputeState::Lost) => {
            let taken = taken.map(|(minor, amount)| Money::new(minor, amount.currency).to_string()).unwrap_or_default();
            format!("The dispute is lost, and takes {taken} back of the sale {sale}.")
        }
        Some(DisputeState::Opened) | None => {
            format!("The dispute is open. What the sale {sale} has earned and is in no payout is frozen until it ends.")
        }
    }
}

/// Why a refund or a correction changed no reward.
const fn why_nothing(explanation: &Explanation) -> &'static str {
    match explanation.sale_result {
        None => "it belongs to no sale",
        Some(ExplanationResult::NotReferred) => "nobody is credited with its sale",
        Some(ExplanationResult::Denied) => "a person denied the reward of its sale",
        Some(ExplanationResult::Earned | ExplanationResult::TakenBack) => {
            "the difference rounds to zero, or the sale was credited after it"
        }
        Some(_) => "its sale had earned nothing",
    }
}

fn of_reward(reward: &RewardExplanation, sentences: &mut Vec<String>) {
    let value = reward.unit.describe(reward.value);
    let id = reward.reward_id;
    let what = match reward.reverses {
        None if reward.is_tally_change && reward.ladder.is_some() => {
            let what = reward.ladder.as_ref().map(ladder::of_change).unwrap_or_default();
            format!("The reward {id} of {value} is what {} has {what}", reward.affiliate_id)
        }
        None if reward.is_tally_change => {
            format!(
                "The reward {id} of {value} is what the caps of the terms let {} have, beside the event's own reward",
                reward.affiliate_id
            )
        }
        Some(other) => format!("The reward {id} of {value} changes the reward {other}"),
        None => format!("The reward {id} is {value} for {}", reward.affiliate_id),
    };
    let deny_reason = |reason: &str| if reason.is_empty() { String::new() } else { format!(": {reason}") };
    let state = match reward.approval {
        RewardApproval::ByItself => {
            format!("it is pending, and the server approves it by itself after {}", time(reward.auto_approve_at))
        }
        RewardApproval::ByRelease => "it is held until a person releases or denies it".to_owned(),
        RewardApproval::ByDispute => {
            let dispute = reward.dispute_id.map(|id| id.to_string()).unwrap_or_default();
            format!("it is frozen until the dispute {dispute} of its sale ends")
        }
        RewardApproval::WithAnother => "it is approved together with that one".to_owned(),
        RewardApproval::Done => format!("it is {}", reward.state),
        RewardApproval::Never => format!("it is {}, which is final{}", reward.state, deny_reason(&reward.deny_reason)),
    };
    sentences.push(format!("{what}; {state}."));
    if let Some(review) = &reward.review {
        fraud::of_review(id, review, sentences);
    }
    sentences.extend(reward.changes.iter().map(|change| of_change(reward, change)));
    if !reward.changes.is_empty() {
        sentences.push(format!("Of the reward {id}, {} is left.", reward.unit.describe(reward.rest)));
    }
}

fn of_customer(reward: &CustomerReward) -> String {
    let value = reward.unit.describe(reward.value);
    let (program_id, version) = (reward.program_id, reward.terms_version);
    let state = match reward.state {
        CustomerRewardState::Granted => "FulfillCustomerReward tells that the customer got it",
        CustomerRewardState::Frozen => "it is frozen until the dispute of the sale ends",
        CustomerRewardState::Fulfilled => "the customer got it",
        CustomerRewardState::Revoked => "it is revoked, because the event does not count any more",
    };
    format!("Version {version} of the terms of {program_id} grants the customer {value} for it; {state}.")
}

fn of_change(reward: &RewardExplanation, change: &RewardChange) -> String {
    let (kind, event_id, when) = (kind(change.kind), &change.event_id, time(change.occurred_at));
    let Money { amount_minor, currency } = change.value;
    let value = reward.unit.describe(Money::new(amount_minor.saturating_abs(), currency));
    match change.kind {
        kind_of_cause if kind_of_cause.changes_sale() && amount_minor < 0 => {
            format!("The {kind} {event_id} of {when} took {value} from the reward {}.", reward.reward_id)
        }
        kind_of_cause if kind_of_cause.changes_sale() => {
            format!("The {kind} {event_id} of {when} gave {value} to the reward {}.", reward.reward_id)
        }
        _ if amount_minor < 0 => format!(
            "{value} was taken from the reward {}, because the {kind} was credited anew or refunded before it was credited.",
            reward.reward_id
        ),
        _ => format!("{value} was given back to the reward {}.", reward.reward_id),
    }
}

fn refunded(event: &Conversion) -> String {
    let amount = event.amount.map(|amount| Money::new(event.refunded_minor, amount.currency));
    let refunded = amount.map(|amount| amount.to_string()).unwrap_or_default();
    let whole = event.amount.map(|amount| amount.to_string()).unwrap_or_default();
    let count = event.refund_count;
    let refunds = if count == 1 { "refund" } else { "refunds" };
    format!("Of the {whole} of the sale, {refunded} is refunded, by {count} {refunds}.")
}

/// What a person can do.
fn advice(event: &Conversion, action: ExplanationAction) -> String {
    let is_sign_up = event.kind == ConversionKind::Lead;
    match action {
        ExplanationAction::AttributeLead if is_sign_up => {
            "AttributeLead binds the customer to an affiliate of your choice. The customer's later events are then credited; the sign-up \
             stays as it is."
                .to_owned()
        }
        ExplanationAction::CreateLead if is_sign_up => {
            "CreateLead with a referrer binds the customer. The customer's later events are then credited.".to_owned()
        }
        ExplanationAction::AttributeLead => format!(
            "AttributeLead with a referral_time no later than {} credits it to an affiliate of your choice.",
            time(event.occurred_at)
        ),
        ExplanationAction::CreateLead => format!(
            "The customer is not a lead yet: CreateLead with a referrer and a referral_time no later than {} credits it.",
            time(event.occurred_at)
        ),
        ExplanationAction::RecordAgain => {
            "It names no customer whom you could bind: record it again under another event_id with a ref_id, a coupon code or a customer."
                .to_owned()
        }
        ExplanationAction::GiveToAnother => {
            "Correct the sale to zero and record it again for another affiliate under another event_id.".to_owned()
        }
        ExplanationAction::UpdateProgram => {
            "UpdateProgram changes the terms; only later events get the new ones.".to_owned()
        }
        ExplanationAction::AcceptAgreement => "AcceptAgreement lets the affiliate earn from later events.".to_owned(),
        ExplanationAction::CreateReward => "CreateReward gives the affiliate a reward by hand.".to_owned(),
        ExplanationAction::ApproveRewards => {
            "ApproveRewards approves a pending reward at once, and DenyRewards denies it.".to_owned()
        }
        ExplanationAction::ReleaseRewards => {
            "ReleaseRewards releases a held reward, and DenyRewards denies it.".to_owned()
        }
        ExplanationAction::ResolveDispute => {
            "ResolveDispute tells how the dispute ended: WON gives a frozen reward its former state back, LOST takes it back.".to_owned()
        }
        ExplanationAction::RecordSale => format!(
            "Record the sale {} in the currency of the refund; the refund is then booked.",
            event.sale_event_id
        ),
    }
}
