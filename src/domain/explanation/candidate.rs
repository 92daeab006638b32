//! Candidates for the credit: the times that matter for the result of each, and what would change it.

use super::{CandidateExplanation, CouponHolder, Dossier, ExplanationAction, action_to_credit};
use crate::domain::affiliate_state::AffiliateState;
use crate::domain::attribution::{AttributionSource, Candidate, CandidateResult, Evidence};
use crate::domain::conversion::ConversionKind;
use crate::domain::coupon::Coupon;
use crate::domain::enrollment::{Enrollment, EnrollmentStanding, EnrollmentState};
use crate::domain::id::LeadId;
use crate::domain::lead::{Binding, Lead};
use crate::domain::time::Time;

/// How many holders of a code are told.
const HOLDERS_MAX: usize = 20;

/// The candidates of a conversion that is attributed.
pub(super) fn explained(dossier: &Dossier) -> Vec<CandidateExplanation> {
    dossier.image.conversion.candidates.iter().map(|candidate| explained_one(dossier, candidate)).collect()
}

fn explained_one(dossier: &Dossier, candidate: &Candidate) -> CandidateExplanation {
    let event = dossier.image.conversion.as_ref();
    let at = event.occurred_at;
    let enrollment = candidate.enrollment_id.and_then(|id| dossier.enrollments.get(&id));
    let terms = enrollment.and_then(|enrollment| dossier.terms_then.get(&enrollment.id));
    let mut told = CandidateExplanation {
        candidate: candidate.clone(),
        evidence_at: None,
        window_ends_at: None,
        bound_at: None,
        is_bound_by_hand: false,
        cause_at: cause_at(dossier, candidate, enrollment),
        holders: Vec::new(),
        coupon_item_sku: String::new(),
        coupon_channel: None,
        coupon_max_uses: 0,
        attribution_model: None,
        actions: actions(dossier, candidate),
    };
    match &candidate.evidence {
        Evidence::Lead(id) => {
            if let Some(binding) = binding(dossier, *id, candidate) {
                told.evidence_at = Some(binding.referred_at);
                told.bound_at = Some(binding.bound_at);
                told.is_bound_by_hand = binding.credits.iter().any(|credit| credit.source == AttributionSource::Manual);
            }
        }
        Evidence::Coupon(_) => {
            told.evidence_at = candidate.affiliate_id.map(|_| at);
            let newest = dossier.coupons.len().saturating_sub(HOLDERS_MAX);
            told.holders = dossier.coupons.iter().skip(newest).map(CouponHolder::from).collect();
            if let Some(coupon) = coupon_of(dossier, candidate) {
                told.coupon_channel = coupon.channel;
                let item = coupon.item_id.and_then(|id| dossier.items.get(&id));
                told.coupon_item_sku = item.map(|item| item.sku.clone()).unwrap_or_default();
                told.coupon_max_uses = match candidate.result {
                    CandidateResult::CouponExhausted => coupon.max_uses,
                    CandidateResult::CouponUsedByCustomer => coupon.max_uses_per_customer,
                    _ => 0,
                };
            }
        }
        Evidence::Click(id) => {
            let clicked_at = dossier.clicks.get(id).map(|click| click.occurred_at);
            told.evidence_at = clicked_at;
            let window = clicked_at.zip(terms);
            told.window_ends_at =
                window.map(|(clicked_at, terms)| clicked_at.plus_days(terms.rules.attribution_window_days));
        }
        Evidence::Link(_) => told.evidence_at = Some(at),
        Evidence::RefId(_) | Evidence::Tid(_) => {}
    }
    if candidate.result == CandidateResult::OtherClick {
        told.attribution_model = terms.map(|terms| terms.rules.attribution_model);
    }
    told
}

/// The binding of a lead to the affiliate of a candidate: of several, the last one that counts for the event.
fn binding<'rows>(dossier: &'rows Dossier, id: LeadId, candidate: &Candidate) -> Option<&'rows Binding> {
    let lead: &Lead = dossier.leads.get(&id)?;
    let by_hand = lead.details.manual_bindings.iter().map(|manual| &manual.binding);
    let is_to_affiliate =
        |binding: &&Binding| binding.credits.iter().any(|credit| Some(credit.affiliate_id) == candidate.affiliate_id);
    let at = dossier.image.conversion.occurred_at;
    let all = by_hand.chain(&lead.binding).filter(is_to_affiliate);
    all.max_by_key(|binding| (!binding.is_later_than(at), binding.bound_at <= at, binding.bound_at))
}

/// The coupon that a candidate is about: of those of its affiliate, the last one that had the code by then.
fn coupon_of<'rows>(dossier: &'rows Dossier, candidate: &Candidate) -> Option<&'rows Coupon> {
    let at = dossier.image.conversion.occurred_at;
    let mut own = dossier.coupons.iter().filter(|coupon| Some(coupon.affiliate_id) == candidate.affiliate_id);
    let first = own.clone().next();
    own.rfind(|coupon| coupon.created_at.may_precede(at)).or(first)
}

/// The time that decided about a candidate.
fn cause_at(dossier: &Dossier, candidate: &Candidate, enrollment: Option<&Enrollment>) -> Option<Time> {
    let at = dossier.image.conversion.occurred_at;
    let coupon = || coupon_of(dossier, candidate);
    let link = || match &candidate.evidence {
        Evidence::Click(id) => dossier.links.get(&dossier.clicks.get(id)?.link_id),
        Evidence::Link(id) => dossier.links.get(id),
        _ => None,
    };
    match candidate.result {
        CandidateResult::EnrollmentEnded => since(enrollment?, at, |standing| standing.state == EnrollmentState::Ended),
        CandidateResult::AffiliateNotActive => {
            since(enrollment?, at, |standing| standing.affiliate_state != AffiliateState::Active)
        }
        CandidateResult::AgreementNotAccepted => enrollment?.acceptances.last().map(|accepted| accepted.accepted_at),
        CandidateResult::ProgramArchived => dossier.programs.get(&enrollment?.program_id)?.archived_at,
        CandidateResult::LinkRevoked => link()?.revoked_at,
        CandidateResult::CouponRemoved => coupon()?.removed_at,
        CandidateResult::NotYetMade => match candidate.evidence {
            Evidence::Coupon(_) => coupon().map(|coupon| coupon.created_at),
            _ => link().map(|link| link.created_at),
        },
        CandidateResult::OfferOver => dossier.offers.get(&coupon()?.offer_id?)?.ends_at,
        CandidateResult::CouponNotYetValid => coupon()?.starts_at,
        CandidateResult::CouponExpired => coupon()?.ends_at,
        CandidateResult::Won
        | CandidateResult::LowerPrecedence
        | CandidateResult::OtherClick
        | CandidateResult::OutsideWindow
        | CandidateResult::AfterConversion
        | CandidateResult::CouponOfOtherItem
        | CandidateResult::KindNotDeclared
        | CandidateResult::CouponOfOtherChannel
        | CandidateResult::CouponExhausted
        | CandidateResult::CouponUsedByCustomer
        | CandidateResult::NotANewCustomer
        | CandidateResult::Unknown => None,
    }
}

/// Since when an enrollment was in a standing that it had at a time. `None`: from its beginning.
fn since(enrollment: &Enrollment, at: Time, is_so: impl Fn(&EnrollmentStanding) -> bool) -> Option<Time> {
    let standings = enrollment.past.iter().map(|past| past.standing).chain([enrollment.standing()]);
    let starts = std::iter::once(None).chain(enrollment.past.iter().map(|past| Some(past.ended_at)));
    let mut since = None;
    let mut was_so = false;
    for (standing, start) in standings.zip(starts).take_while(|(_, start)| start.is_none_or(|start| start <= at)) {
        let is_so = is_so(&standing);
        if is_so && !was_so {
            since = start;
        }
        was_so = is_so;
    }
    since.filter(|_| was_so)
}

/// What would change the result of a candidate that lost.
fn actions(dossier: &Dossier, candidate: &Candidate) -> Vec<ExplanationAction> {
    let event = dossier.image.conversion.as_ref();
    let mut actions = Vec::new();
    let Some(affiliate_id) = candidate.affiliate_id.filter(|_| candidate.result != CandidateResult::Won) else {
        return actions;
    };
    let is_credited = event.credits.iter().any(|credit| credit.affiliate_id == affiliate_id);
    match candidate.result {
        CandidateResult::OutsideWindow
        | CandidateResult::OtherClick
        | CandidateResult::LowerPrecedence
        | CandidateResult::KindNotDeclared => actions.push(ExplanationAction::UpdateProgram),
        CandidateResult::AgreementNotAccepted => actions.push(ExplanationAction::AcceptAgreement),
        _ => {}
    }
    // An affiliate that could not earn then cannot be credited by hand either.
    let could_earn = !matches!(
        candidate.result,
        CandidateResult::EnrollmentEnded
            | CandidateResult::ProgramArchived
            | CandidateResult::AffiliateNotActive
            | CandidateResult::AgreementNotAccepted
            | CandidateResult::KindNotDeclared
    );
    if event.credits.is_empty() {
        if could_earn && event.kind.is_attributed_as_sale() {
            actions.push(action_to_credit(dossier));
        }
    } else if !is_credited && event.kind == ConversionKind::Sale && could_earn {
        actions.push(ExplanationAction::GiveToAnother);
    }
    actions
}
