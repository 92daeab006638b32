//! Decides who is credited with a conversion, and the results of the other candidates.

use headwater_client::pb;
use pb::attribution_candidate::Evidence;
use pb::{AttributionSource as Source, CandidateResult as Fate};
use prost_types::Timestamp;

use super::history::Binding;
use super::{CLOCK_DIFFERENCE_MAX, Standing, Traces, World};
use crate::model::command::{MICROS_PER_DAY, MICROS_PER_SECOND, micros};

const DEFAULT_ORDER: [Source; 3] = [Source::LeadBinding, Source::Coupon, Source::Click];
/// How many of a visitor's clicks are considered, and how many are listed.
const CLICKS_MAX: usize = 100;
const CLICKS_TOLD: usize = 20;

/// The evidence that won, and when it happened.
pub(super) struct Winner {
    pub(super) source: Source,
    pub(super) enrollment: usize,
    pub(super) referred: i64,
}

/// The winner and all candidates.
pub(super) struct Verdict {
    pub(super) winner: Option<Winner>,
    pub(super) candidates: Vec<pb::AttributionCandidate>,
}

struct Candidate {
    source: Source,
    evidence: Evidence,
    enrollment: Option<usize>,
    /// When the evidence happened.
    referred: i64,
    /// `None` while it could win.
    fate: Option<Fate>,
}

impl World {
    /// Decides about an event at that time. Its lead may be bound, and another lead that it named.
    pub(super) fn attribute(&self, bound: &[(&str, &Binding)], traces: &Traces, occurred: i64) -> Verdict {
        let mut candidates: Vec<Candidate> = Vec::new();
        candidates.extend(bound.iter().map(|(lead_id, binding)| {
            let evidence = Evidence::LeadId((*lead_id).to_owned());
            let mut candidate = self.candidate(Source::LeadBinding, evidence, &binding.credit.enrollment_id, occurred);
            if occurred + CLOCK_DIFFERENCE_MAX < binding.referred {
                candidate.fate = candidate.fate.or(Some(Fate::AfterConversion));
            }
            Candidate { referred: binding.referred, ..candidate }
        }));
        candidates.extend(self.coupon_used(&traces.coupon_code, occurred));
        let mut visits = self.visits(traces, occurred);
        let mut sent = self.ref_id_sent(&traces.ref_id, occurred);
        if let Some(sent) = &mut sent {
            sent.fate = sent.fate.or(self.undeclared(sent.enrollment, traces, occurred));
        }
        // If no click was early enough, the first one that may only seem later counts.
        let is_open = |one: &Candidate| one.fate.is_none();
        if !visits.iter().any(|(visit, _)| is_open(visit))
            && !sent.as_ref().is_some_and(is_open)
            && let Some((visit, _)) = visits.iter_mut().find(|(_, seems_late)| *seems_late)
        {
            visit.fate = None;
        }
        candidates.extend(visits.into_iter().map(|(visit, _)| visit));
        candidates.extend(sent);
        for candidate in &mut candidates {
            candidate.fate = candidate.fate.or(self.undeclared(candidate.enrollment, traces, occurred));
        }
        self.choose_click(&mut candidates, occurred);

        let order = self.order(&candidates, occurred);
        let winning =
            order.into_iter().find(|source| candidates.iter().any(|one| one.source == *source && one.fate.is_none()));
        let mut winner = None;
        for candidate in &mut candidates {
            if candidate.fate.is_none() {
                let has_won = Some(candidate.source) == winning && winner.is_none();
                candidate.fate = Some(if has_won { Fate::Won } else { Fate::LowerPrecedence });
                if has_won {
                    let (source, referred) = (candidate.source, candidate.referred.min(occurred));
                    winner = candidate.enrollment.map(|enrollment| Winner { source, enrollment, referred });
                }
            }
        }
        let told = tell(candidates, order);
        Verdict { winner, candidates: told.into_iter().map(|candidate| self.told(candidate)).collect() }
    }

    fn told(&self, candidate: Candidate) -> pb::AttributionCandidate {
        let enrollment = candidate.enrollment.map(|place| &self.enrollments[place]);
        pb::AttributionCandidate {
            source: candidate.source.into(),
            evidence: Some(candidate.evidence),
            affiliate_id: enrollment.map(|row| row.affiliate_id.clone()).unwrap_or_default(),
            enrollment_id: enrollment.map(|row| row.id.clone()).unwrap_or_default(),
            result: candidate.fate.unwrap_or_default().into(),
            sub_id: String::new(),
        }
    }

    fn candidate(&self, source: Source, evidence: Evidence, enrollment_id: &str, occurred: i64) -> Candidate {
        let is_bound = source == Source::LeadBinding;
        let enrollment = self.enrollment(enrollment_id).map(|place| self.serving(place, occurred, is_bound));
        let fate = match enrollment {
            None => Some(Fate::Unknown),
            Some(place) => self.over(place, occurred, is_bound),
        };
        Candidate { source, evidence, enrollment, referred: occurred, fate }
    }

    /// Why an enrollment earned nothing at a time from customers who are bound to it or from others, if so.
    pub(super) fn over(&self, enrollment: usize, at: i64, is_bound: bool) -> Option<Fate> {
        let is_archived = self.program_of(enrollment).archived.is_some_and(|archived| archived <= at);
        match self.standing(enrollment, at) {
            Some(standing) if !standing.is_affiliate_active => Some(Fate::AffiliateNotActive),
            Some(standing) if !(standing.is_active || is_bound && standing.moved.is_some()) => {
                Some(Fate::EnrollmentEnded)
            }
            _ => is_archived.then_some(Fate::ProgramArchived),
        }
    }

    /// How an enrollment stood at a time: as its last change until then left it. What it began with counts for the time before.
    pub(super) fn standing(&self, enrollment: usize, at: i64) -> Option<&Standing> {
        let id = &self.enrollments[enrollment].id;
        let mut changes = self.standings.iter().filter(|standing| standing.enrollment_id == *id);
        let first = changes.clone().next();
        changes.rfind(|standing| standing.since <= at).or(first)
    }

    /// The fate of a candidate whose program does not declare the kind of the custom event.
    fn undeclared(&self, enrollment: Option<usize>, traces: &Traces, at: i64) -> Option<Fate> {
        let is_declared = enrollment.is_none_or(|place| self.declares(place, &traces.custom_kind, at));
        (!is_declared).then_some(Fate::KindNotDeclared)
    }

    /// Whether the enrollment's program credits custom events of this kind. Other events have none.
    pub(super) fn declares(&self, enrollment: usize, custom_kind: &str, at: i64) -> bool {
        let terms = self.terms_of(enrollment, at, None);
        custom_kind.is_empty() || terms.custom_kinds.iter().any(|kind| kind == custom_kind)
    }

    /// How long a click of an enrollment counts, under the terms at this time.
    pub(super) fn window(&self, enrollment: usize, at: i64) -> i64 {
        let days = self.terms_of(enrollment, at, None).attribution_window_days.unwrap_or_default();
        i64::from(days) * MICROS_PER_DAY
    }

    /// The coupon that had this code at the time; or else the last one that had had it, or the first that got it later.
    fn coupon_used(&self, code: &str, occurred: i64) -> Option<Candidate> {
        if code.is_empty() {
            return None;
        }
        let code = code.to_uppercase();
        let coupons: Vec<&pb::Coupon> = self.coupons.iter().filter(|coupon| coupon.code == code).collect();
        // Only the first coupon with the code counts for the time before its program.
        let first = coupons.first().map(|coupon| coupon.id.clone());
        let has_begun = |coupon: &&&pb::Coupon| {
            let made = coupon.create_time.as_ref().map(micros).unwrap_or_default();
            made <= occurred + CLOCK_DIFFERENCE_MAX
                || (first.as_ref() == Some(&coupon.id)
                    && self
                        .enrollment(&coupon.enrollment_id)
                        .map(|enrollment| self.serving(enrollment, occurred, false))
                        .is_some_and(|enrollment| self.program_of(enrollment).has_begun(made, occurred)))
        };
        let is_removed = |coupon: &&&pb::Coupon| was_until(coupon.remove_time.as_ref(), occurred);
        let valid = coupons.iter().filter(has_begun).find(|coupon| !is_removed(coupon));
        let removed = coupons.iter().rfind(has_begun);
        let told = valid.or(removed).or(coupons.first());
        let enrollment_id = told.map(|coupon| coupon.enrollment_id.as_str()).unwrap_or_default();
        let candidate = self.candidate(Source::Coupon, Evidence::CouponCode(code), enrollment_id, occurred);
        let fate = match (valid, removed, told) {
            (Some(_), ..) | (.., None) => candidate.fate,
            (_, Some(_), _) => Some(Fate::CouponRemoved),
            (_, None, _) => Some(Fate::NotYetMade),
        };
        Some(Candidate { fate, ..candidate })
    }

    /// A click or a ref_id, which leads through a link at one time to an event at another.
    fn through_link(&self, link: &pb::Link, evidence: Evidence, clicked: i64, occurred: i64) -> Candidate {
        let candidate = self.candidate(Source::Click, evidence, &link.enrollment_id, occurred);
        let made = link.create_time.as_ref().map(micros).unwrap_or_default();
        let is_revoked = was_until(link.revoke_time.as_ref(), occurred);
        let is_too_new =
            candidate.enrollment.is_some_and(|enrollment| !self.program_of(enrollment).has_begun(made, clicked));
        let fate = candidate.fate.or(is_revoked.then_some(Fate::LinkRevoked));
        Candidate { referred: clicked, fate: fate.or(is_too_new.then_some(Fate::NotYetMade)), ..candidate }
    }

    /// When an event without a time happened: now, or at the visitor's latest click if that is said to be later.
    pub(super) fn arrival(&self, tid: &str) -> i64 {
        let mut clicks: Vec<i64> =
            self.clicks.iter().filter(|click| click.tid == tid).map(|click| click.occurred).collect();
        clicks.drain(..clicks.len().saturating_sub(CLICKS_MAX));
        clicks.retain(|clicked| *clicked <= self.now + MICROS_PER_DAY);
        clicks.into_iter().max().map_or(self.now, |clicked| clicked.max(self.now))
    }

    /// The visitor's clicks, and whether each may only seem later than the event.
    fn visits(&self, traces: &Traces, occurred: i64) -> Vec<(Candidate, bool)> {
        let tid = traces.tid.as_str();
        if tid.is_empty() {
            return Vec::new();
        }
        let mut clicks: Vec<_> = self.clicks.iter().filter(|click| click.tid == tid).collect();
        if clicks.is_empty() {
            return vec![(self.candidate(Source::Click, Evidence::Tid(tid.to_owned()), "", occurred), false)];
        }
        clicks.drain(..clicks.len().saturating_sub(CLICKS_MAX));
        clicks.sort_by_key(|click| click.occurred);
        let links = clicks.into_iter().filter_map(|click| {
            let link = self.links.iter().find(|link| link.id == click.link_id)?;
            let evidence = Evidence::ClickId(click.id.clone());
            Some((self.through_link(link, evidence, click.occurred, occurred), click.occurred))
        });
        let tolerance = if occurred % MICROS_PER_SECOND == 0 { MICROS_PER_SECOND - 1 } else { 0 };
        let outside = |(mut candidate, clicked): (Candidate, i64)| {
            candidate.fate = candidate.fate.or(self.undeclared(candidate.enrollment, traces, occurred));
            let window = candidate.enrollment.map_or(0, |place| self.window(place, occurred));
            let late = (clicked > occurred + tolerance).then_some(Fate::AfterConversion);
            let fate = late.or((clicked + window < occurred).then_some(Fate::OutsideWindow));
            let is_near = clicked <= occurred + CLOCK_DIFFERENCE_MAX;
            let seems_late = is_near && candidate.fate.is_none() && fate == Some(Fate::AfterConversion);
            candidate.fate = candidate.fate.or(fate);
            (candidate, seems_late)
        };
        links.map(outside).collect()
    }

    /// A ref_id counts as a click that happens at the time of the conversion.
    fn ref_id_sent(&self, ref_id: &str, occurred: i64) -> Option<Candidate> {
        if ref_id.is_empty() {
            return None;
        }
        let code = ref_id.to_lowercase();
        Some(match self.links.iter().find(|link| link.code == code) {
            Some(link) => self.through_link(link, Evidence::LinkId(link.id.clone()), occurred, occurred),
            None => self.candidate(Source::Click, Evidence::RefId(code), "", occurred),
        })
    }

    /// The program of the latest click that could win determines which click wins.
    fn choose_click(&self, candidates: &mut [Candidate], occurred: i64) {
        let mut open: Vec<&mut Candidate> =
            candidates.iter_mut().filter(|one| one.source == Source::Click && one.fate.is_none()).collect();
        let Some(latest) = open.last().and_then(|one| one.enrollment) else { return };
        let takes_first = self.terms_of(latest, occurred, None).attribution_model() == pb::AttributionModel::FirstClick;
        let chosen = if takes_first { 0 } else { open.len() - 1 };
        for (place, candidate) in open.iter_mut().enumerate() {
            if place != chosen {
                candidate.fate = Some(Fate::OtherClick);
            }
        }
    }

    /// The program of the first of binding, coupon and click that could win determines their order.
    fn order(&self, candidates: &[Candidate], occurred: i64) -> [Source; 3] {
        let first = DEFAULT_ORDER
            .into_iter()
            .find_map(|source| candidates.iter().find(|one| one.source == source && one.fate.is_none()));
        let Some(enrollment) = first.and_then(|one| one.enrollment) else { return DEFAULT_ORDER };
        let order: Vec<Source> = self.terms_of(enrollment, occurred, None).precedence().collect();
        order.try_into().unwrap_or(DEFAULT_ORDER)
    }
}

/// Whether something that may have ended had ended by a time.
fn was_until(end: Option<&Timestamp>, at: i64) -> bool {
    end.is_some_and(|end| micros(end) <= at)
}

/// The candidates to keep, the strongest source first.
fn tell(candidates: Vec<Candidate>, order: [Source; 3]) -> Vec<Candidate> {
    let click_count = candidates.iter().filter(|one| one.source == Source::Click).count();
    let mut told: Vec<Vec<Candidate>> = vec![Vec::new(), Vec::new(), Vec::new()];
    let mut click = 0;
    for candidate in candidates {
        let rank = order.iter().position(|source| *source == candidate.source).unwrap_or_default();
        if candidate.source == Source::Click {
            click += 1;
            let is_chosen = matches!(candidate.fate, Some(Fate::Won | Fate::LowerPrecedence));
            if click > 1 && click + CLICKS_TOLD <= click_count && !is_chosen {
                continue;
            }
        }
        told[rank].push(candidate);
    }
    told.into_iter().flatten().collect()
}
