//! Sentences about candidates for the credit.

use super::time;
use crate::domain::attribution::{AttributionSource, CandidateResult, Evidence};
use crate::domain::conversion::Conversion;
use crate::domain::explanation::{CandidateExplanation, CouponHolder, Explanation, ExplanationAction};
use crate::domain::program::AttributionModel;
use crate::domain::time::Time;

/// Why a candidate won or lost, and what would change that.
pub(super) fn sentence(event: &Conversion, explanation: &Explanation, told: &CandidateExplanation) -> String {
    let evidence = evidence(told);
    let result = match told.candidate.result {
        CandidateResult::Won => format!("{evidence} won."),
        _ => format!("{evidence} lost, because {}.", why_lost(event, explanation, told)),
    };
    let advice: Vec<&str> = told.actions.iter().map(|action| advice(*action)).collect();
    let ends = advice.iter().map(|advice| format!(" {advice}"));
    ends.fold(result, |text, end| text + &end)
}

fn evidence(told: &CandidateExplanation) -> String {
    let of = told.candidate.affiliate_id.map(|id| format!(" of {id}")).unwrap_or_default();
    let when = |time_of: Option<Time>| time_of.map(|at| format!(" at {}", time(at))).unwrap_or_default();
    match &told.candidate.evidence {
        Evidence::Lead(id) => {
            let by_hand = if told.is_bound_by_hand { " by hand" } else { "" };
            let bound = told.bound_at.map(|at| format!(", made{by_hand} at {},", time(at))).unwrap_or_default();
            let to = told.candidate.affiliate_id.map(|id| format!(" to {id}")).unwrap_or_default();
            format!("The binding of {id}{to}{bound}")
        }
        Evidence::Coupon(code) => format!("The coupon code {code}{of}"),
        Evidence::Click(id) => format!("The click {id}{of}{}", when(told.evidence_at)),
        Evidence::RefId(code) => format!("The ref_id {code}"),
        Evidence::Link(id) => format!("The code of the link {id}{of}"),
        Evidence::Tid(tid) => format!("The tracking id {tid}"),
    }
}

fn why_lost(event: &Conversion, explanation: &Explanation, told: &CandidateExplanation) -> String {
    let at = |what: &str| match told.cause_at {
        Some(cause) => format!("{what} at {}", time(cause)),
        None => what.to_owned(),
    };
    match told.candidate.result {
        CandidateResult::Won => String::new(),
        CandidateResult::LowerPrecedence => {
            let winner = explanation.candidates.iter().find(|other| other.candidate.result == CandidateResult::Won);
            let source = winner.map_or("another source", |winner| source(winner.candidate.evidence.source()));
            format!("{source} takes precedence in the program")
        }
        CandidateResult::OtherClick => match told.attribution_model {
            Some(AttributionModel::FirstClick) => "the program credits the first click in the window".to_owned(),
            Some(AttributionModel::Linear | AttributionModel::Position) => {
                "the program credits each enrollment once for its clicks in the window".to_owned()
            }
            Some(AttributionModel::LastClick) | None => "the program credits the last click in the window".to_owned(),
        },
        CandidateResult::OutsideWindow => match told.window_ends_at {
            Some(end) => {
                format!(
                    "its attribution window ended at {}, and the event occurred at {}",
                    time(end),
                    time(event.occurred_at)
                )
            }
            None => "its attribution window had ended".to_owned(),
        },
        CandidateResult::AfterConversion => match told.evidence_at {
            Some(later) => format!("it is from {}, after the event at {}", time(later), time(event.occurred_at)),
            None => format!("it is from after the event at {}", time(event.occurred_at)),
        },
        CandidateResult::EnrollmentEnded => at("the enrollment had ended"),
        CandidateResult::ProgramArchived => at("the program had been archived"),
        CandidateResult::LinkRevoked => at("the link had been revoked"),
        CandidateResult::CouponRemoved => at("the coupon had been removed") + &holders(event, told),
        CandidateResult::NotYetMade => match told.candidate.evidence {
            Evidence::Coupon(_) => at("the coupon was assigned only later,") + &holders(event, told),
            _ => at("the link was made only later,"),
        },
        CandidateResult::AffiliateNotActive => match told.cause_at {
            Some(since) => format!("the affiliate was not active from {} on", time(since)),
            None => "the affiliate was not active yet".to_owned(),
        },
        CandidateResult::CouponOfOtherItem if event.order.item_sku.is_empty() => {
            format!("the coupon is for the item {}, and no line of the sale has it", told.coupon_item_sku)
        }
        CandidateResult::CouponOfOtherItem => {
            format!("the coupon is for the item {}, and the sale names {}", told.coupon_item_sku, event.order.item_sku)
        }
        CandidateResult::OfferOver => at("the coupon's offer ended"),
        CandidateResult::KindNotDeclared => {
            format!("the program does not declare custom events of the kind {}", event.order.custom_kind)
        }
        CandidateResult::AgreementNotAccepted => match told.cause_at.filter(|cause| *cause > event.occurred_at) {
            Some(later) => format!("the affiliate accepted the program's agreement only at {}", time(later)),
            None => "the affiliate had not accepted the program's agreement".to_owned(),
        },
        CandidateResult::CouponNotYetValid => at("the coupon became valid only"),
        CandidateResult::CouponExpired => at("the coupon ceased to be valid"),
        CandidateResult::CouponOfOtherChannel => match told.coupon_channel {
            Some(channel) => {
                format!("the coupon is for sales of the channel {channel}, and this one is {}", event.channel)
            }
            None => "the coupon is for sales of another channel".to_owned(),
        },
        CandidateResult::CouponExhausted => format!("the coupon had been used {} times", told.coupon_max_uses),
        CandidateResult::CouponUsedByCustomer => {
            format!("the customer had used the coupon {} times", told.coupon_max_uses)
        }
        CandidateResult::NotANewCustomer => {
            "the customer had bought before, and the program pays for new customers only".to_owned()
        }
        CandidateResult::Unknown => "the account has nothing of this name".to_owned(),
    }
}

const fn source(source: AttributionSource) -> &'static str {
    match source {
        AttributionSource::LeadBinding => "the binding of the lead",
        AttributionSource::Coupon => "the coupon",
        AttributionSource::Click => "the click or ref_id",
        AttributionSource::Manual => "the binding by hand",
    }
}

/// Whose the code was before and after the event.
fn holders(event: &Conversion, told: &CandidateExplanation) -> String {
    let at = event.occurred_at;
    let until = |holder: &CouponHolder| holder.removed_at.filter(|removed_at| *removed_at <= at);
    let before = told.holders.iter().rev().find_map(|holder| Some((holder.affiliate_id, until(holder)?)));
    let after = told.holders.iter().find(|holder| holder.assigned_at > at);
    let before = before.map(|(affiliate_id, until)| format!("; the code was {affiliate_id}'s until {}", time(until)));
    let after = after.map(|holder| format!("; it is {}'s from {} on", holder.affiliate_id, time(holder.assigned_at)));
    before.unwrap_or_default() + &after.unwrap_or_default()
}

const fn advice(action: ExplanationAction) -> &'static str {
    match action {
        ExplanationAction::AttributeLead => "With AttributeLead you can credit the event to this affiliate by hand.",
        ExplanationAction::CreateLead => "With CreateLead you can credit the event to this affiliate by hand.",
        ExplanationAction::RecordAgain => {
            "To credit this affiliate, record the event again under another event_id with its ref_id."
        }
        ExplanationAction::GiveToAnother => {
            "To credit this affiliate, correct the sale to zero and record it again for the affiliate."
        }
        ExplanationAction::UpdateProgram => "Other terms of the program would change this for later events.",
        ExplanationAction::AcceptAgreement => "AcceptAgreement changes this for later events.",
        ExplanationAction::CreateReward => "CreateReward gives the affiliate a reward by hand.",
        ExplanationAction::ApproveRewards
        | ExplanationAction::ReleaseRewards
        | ExplanationAction::ResolveDispute
        | ExplanationAction::RecordSale => "",
    }
}
