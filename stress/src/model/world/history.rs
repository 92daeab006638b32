//! The history of a customer. What each event is worth follows from all of the customer's events in the order of their times: the
//! bindings first, and then the sales that a later binding pays for. Events that change the past write only the differences.

use headwater_client::pb;
use pb::attribution_candidate::Evidence;
use pb::{AttributionSource as Source, CandidateResult as Fate, ConversionKind as Kind, ConversionOutcome as Outcome};
use pb::{EventKind, LedgerReason, RewardState};

use super::reversal::Because;
use super::reward::minor;
use super::{CLOCK_DIFFERENCE_MAX, World};
use crate::model::command::{MICROS_PER_DAY, micros, stamp};

/// To whom a customer is bound, since when, and when the evidence for it happened.
#[derive(Debug, Clone)]
pub(super) struct Binding {
    pub(super) credit: pb::Credit,
    pub(super) bound: i64,
    pub(super) referred: i64,
}

/// Who earns from an event, and under which terms.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pub(super) enrollment: usize,
    pub(super) credit: pb::Credit,
    pub(super) terms: pb::Terms,
    referred: i64,
}

/// The result for one event.
pub(super) struct Judgement {
    pub(super) claim: Option<Claim>,
    pub(super) candidates: Vec<pb::AttributionCandidate>,
}

impl Claim {
    /// The binding that the event makes.
    pub(super) fn binding(&self, occurred: i64) -> Binding {
        Binding { credit: self.credit.clone(), bound: occurred, referred: self.referred }
    }
}

impl World {
    pub(super) fn binding_of(&self, lead: usize) -> Option<Binding> {
        let row = &self.leads[lead];
        let (bound, referred) = (row.bind_time.as_ref()?, row.referral_time.as_ref()?);
        Some(Binding { credit: row.credits.first()?.clone(), bound: micros(bound), referred: micros(referred) })
    }

    pub(super) fn bind(&mut self, lead: usize, binding: Option<Binding>) {
        let row = &mut self.leads[lead];
        row.bind_time = binding.as_ref().map(|binding| stamp(binding.bound));
        row.referral_time = binding.as_ref().map(|binding| stamp(binding.referred));
        row.credits = binding.into_iter().map(|binding| binding.credit).collect();
    }

    /// Why a binding does not pay for an event, if so.
    fn unpaid(&self, binding: &Binding, place: usize) -> Option<Fate> {
        let event = &self.conversions[place];
        if event.occurred + CLOCK_DIFFERENCE_MAX < binding.referred {
            return Some(Fate::AfterConversion);
        }
        let enrollment = self.bound_to(binding, event.occurred)?;
        let is_declared = self.declares(enrollment, &event.traces.custom_kind, event.occurred);
        self.over(enrollment, event.occurred, true).or((!is_declared).then_some(Fate::KindNotDeclared))
    }

    /// Whether a binding is over, so that the next referrer of a sale takes its place.
    pub(super) fn is_over(&self, binding: &Binding, at: i64) -> bool {
        self.bound_to(binding, at).is_some_and(|enrollment| self.over(enrollment, at, true).is_some())
    }

    /// The enrollment that earns from a bound customer at a time.
    fn bound_to(&self, binding: &Binding, at: i64) -> Option<usize> {
        self.enrollment(&binding.credit.enrollment_id).map(|enrollment| self.serving(enrollment, at, true))
    }

    /// A claim on an event. A customer who was bound in another program by then is new to this one.
    fn claim(&self, source: Source, enrollment: usize, times: (i64, i64), binding: Option<&Binding>) -> Claim {
        let (occurred, referred) = times;
        let row = &self.enrollments[enrollment];
        let here = binding.filter(|binding| binding.credit.program_id == row.program_id && binding.bound <= occurred);
        let terms = self.terms_of(enrollment, occurred, here.map(|binding| binding.bound)).clone();
        let credit = pb::Credit {
            affiliate_id: row.affiliate_id.clone(),
            enrollment_id: row.id.clone(),
            program_id: row.program_id.clone(),
            terms_version: terms.version,
            source: source.into(),
            share_ppm: super::tracking::WHOLE_PPM,
        };
        Claim { enrollment, credit, terms, referred }
    }

    /// The binding of another lead that counts for an event: the one that it was judged by, if that lead was bound anew since. One
    /// that the lead has lost is told as later than the event.
    fn other_binding(&self, other: usize, place: usize) -> Option<Binding> {
        let event = &self.conversions[place];
        let evidence = Some(Evidence::LeadId(self.leads[other].id.clone()));
        let told = event.row.candidates.iter().find(|one| one.evidence == evidence);
        let present = self.binding_of(other);
        let is_new = |binding: &Binding, told: &pb::AttributionCandidate| {
            event.occurred < binding.bound && binding.credit.enrollment_id != told.enrollment_id
        };
        match told {
            Some(told) if present.as_ref().is_none_or(|binding| is_new(binding, told)) => {
                let credit = pb::Credit { enrollment_id: told.enrollment_id.clone(), ..Default::default() };
                let is_later = present.is_none() || told.result() == Fate::AfterConversion;
                let delay = if is_later { MICROS_PER_DAY } else { 0 };
                Some(Binding { credit, bound: event.occurred, referred: event.occurred + delay })
            }
            _ => present,
        }
    }

    /// Judges an event by what it was sent with, and by the binding that its customer had.
    pub(super) fn judge(&self, lead: Option<usize>, binding: Option<&Binding>, place: usize) -> Judgement {
        let event = &self.conversions[place];
        let lead_id = lead.map(|lead| self.leads[lead].id.as_str()).unwrap_or_default();
        let other = self.leads.iter().position(|lead| lead.id == event.other_lead_id);
        let other_binding = other.and_then(|other| self.other_binding(other, place));
        let others = other_binding.as_ref().map(|binding| (event.other_lead_id.as_str(), binding));
        let bound: Vec<_> = binding.map(|binding| (lead_id, binding)).into_iter().chain(others).collect();
        let verdict = self.attribute(&bound, &event.traces, event.occurred);
        let holds = binding.filter(|binding| !self.is_over(binding, event.occurred));
        let claim = verdict
            .winner
            .map(|winner| self.claim(winner.source, winner.enrollment, (event.occurred, winner.referred), holds));
        Judgement { claim, candidates: verdict.candidates }
    }

    /// Judges a sale that nobody referred by bindings that came after it. The first that pays gets the credit. One that does not
    /// pay is a candidate only if there is no other.
    fn judge_by_later(&self, lead_id: &str, bindings: &[Binding], place: usize, judgement: &mut Judgement) {
        let occurred = self.conversions[place].occurred;
        let is_binding = |one: &pb::AttributionCandidate| one.evidence == Some(Evidence::LeadId(lead_id.to_owned()));
        let paying = bindings.iter().find(|binding| self.unpaid(binding, place).is_none());
        let told = match (paying, bindings.first()) {
            (Some(binding), _) => binding,
            (None, Some(first)) if !judgement.candidates.iter().any(is_binding) => first,
            _ => return,
        };
        let Some(enrollment) = self.bound_to(told, occurred) else { return };
        let candidate = pb::AttributionCandidate {
            source: Source::LeadBinding.into(),
            evidence: Some(Evidence::LeadId(lead_id.to_owned())),
            affiliate_id: self.enrollments[enrollment].affiliate_id.clone(),
            enrollment_id: self.enrollments[enrollment].id.clone(),
            result: self.unpaid(told, place).unwrap_or(Fate::Won).into(),
            sub_id: String::new(),
        };
        judgement.candidates.retain(|one| !is_binding(one));
        judgement.candidates.insert(0, candidate);
        judgement.claim = paying.and_then(|binding| {
            let enrollment = self.bound_to(binding, occurred)?;
            Some(self.claim(Source::LeadBinding, enrollment, (occurred, binding.referred), Some(binding)))
        });
    }

    /// Judges the customer's events, which are in the order of their times. Returns the last binding too.
    fn judge_all(&self, lead: usize, events: &[usize]) -> (Vec<Judgement>, Option<Binding>) {
        let mut judgements = Vec::new();
        // Each binding, and the event that made it.
        let mut bindings: Vec<(usize, Binding)> = Vec::new();
        for (number, place) in events.iter().enumerate() {
            let event = &self.conversions[*place];
            let binding = bindings.last().map(|(_, binding)| binding);
            let judgement = self.judge(Some(lead), binding, *place);
            let may_bind =
                binding.is_none_or(|binding| is_as_sale(event.row.kind()) && self.is_over(binding, event.occurred));
            if let (true, Some(claim)) = (may_bind, &judgement.claim) {
                bindings.push((number, claim.binding(event.occurred)));
            }
            judgements.push(judgement);
        }
        for (number, place) in events.iter().enumerate() {
            if judgements[number].claim.is_none() && is_as_sale(self.conversions[*place].row.kind()) {
                let after = bindings.iter().filter(|(maker, _)| *maker > number);
                let later: Vec<Binding> = after.map(|(_, binding)| binding.clone()).collect();
                self.judge_by_later(&self.leads[lead].id, &later, *place, &mut judgements[number]);
            }
        }
        (judgements, bindings.pop().map(|(_, binding)| binding))
    }

    /// The sign-ups and sales of a customer in the order of their times.
    fn events_of(&self, lead: usize) -> Vec<usize> {
        let row = &self.leads[lead];
        let is_own = |place: &usize| {
            let event = &self.conversions[*place].row;
            event.lead_id == row.id && (event.kind() == Kind::Lead || is_as_sale(event.kind()))
        };
        let mut events: Vec<usize> = (0..self.conversions.len()).filter(is_own).collect();
        let unreferred = self.unreferred(Some(lead), &[&row.external_id], &[&row.email]);
        events.extend(unreferred.into_iter().filter(|place| self.conversions[*place].row.lead_id.is_empty()));
        let key = |place: &usize| {
            let event = &self.conversions[*place];
            (event.occurred, event.row.create_time.as_ref().map(micros), *place)
        };
        events.sort_by_key(key);
        events
    }

    /// Judges everything of a customer again and writes the differences. `recorded` is the event that is recorded now, if any.
    pub(super) fn judge_again(&mut self, lead: usize, before: Option<&pb::Lead>, recorded: Option<usize>) {
        let events = self.events_of(lead);
        let (judgements, binding) = self.judge_all(lead, &events);
        self.bind(lead, binding);
        for (place, judgement) in events.iter().zip(&judgements) {
            self.note_credited(lead, *place, judgement);
        }
        self.touch(lead, before);
        for (place, judgement) in events.into_iter().zip(judgements) {
            self.settle(place, Some(lead), judgement, recorded == Some(place));
        }
    }

    fn note_credited(&mut self, lead: usize, place: usize, judgement: &Judgement) {
        let sale = &self.conversions[place];
        if judgement.claim.is_some() && sale.row.kind() == Kind::Sale {
            let state = self.leads[lead].state();
            self.has_bought(lead, sale.occurred);
            if state == pb::LeadState::Cancelled {
                self.leads[lead].set_state(state);
            }
        }
    }

    /// Credits the sales of a newly bound customer that nobody referred, as far as the binding pays for them.
    pub(super) fn credit_unreferred(&mut self, lead: usize, binding: &Binding) {
        let row = self.leads[lead].clone();
        let sales = self.unreferred(Some(lead), &[&row.external_id], &[&row.email]);
        if row.plan.is_empty() {
            let plans = sales.iter().rev().map(|place| &self.conversions[*place].row.plan);
            let plan = plans.into_iter().find(|plan| !plan.is_empty()).cloned();
            self.leads[lead].plan = plan.unwrap_or_default();
        }
        for place in sales {
            let candidates = self.conversions[place].row.candidates.clone();
            let mut judgement = Judgement { claim: None, candidates };
            self.judge_by_later(&row.id, std::slice::from_ref(binding), place, &mut judgement);
            self.note_credited(lead, place, &judgement);
            self.settle(place, Some(lead), judgement, false);
        }
        self.touch(lead, Some(&row));
    }

    /// Judges the events of a visitor again that a click may have led to.
    pub(super) fn judge_visitor(&mut self, tid: &str, clicked: i64) {
        let is_later = |place: &usize| {
            let event = &self.conversions[*place];
            event.traces.tid == tid && clicked <= event.occurred + CLOCK_DIFFERENCE_MAX
        };
        let mut events: Vec<usize> = (0..self.conversions.len()).filter(is_later).collect();
        events.sort_by_key(|place| self.conversions[*place].occurred);
        let mut judged = Vec::new();
        for place in events {
            let event = &self.conversions[place];
            let lead = match event.row.lead_id.as_str() {
                "" => self.customer(&event.external_id, &event.email),
                id => self.leads.iter().position(|lead| lead.id == id),
            };
            let judgement = self.judge(None, None, place);
            let (external_id, email) = (event.external_id.clone(), event.email.clone());
            let is_named = !(external_id.is_empty() && email.is_empty());
            if let Some(lead) = lead {
                let before = self.leads[lead].clone();
                if !judged.contains(&lead) {
                    judged.push(lead);
                    self.judge_again(lead, Some(&before), None);
                }
            } else if is_named && judgement.claim.is_some() {
                let lead = self.new_lead(&external_id, &email, state_of_new(self.conversions[place].row.kind()));
                self.judge_again(lead, None, None);
            } else {
                self.settle(place, None, judgement, false);
            }
        }
    }

    /// Writes a judgement: the credit, the rewards and the events. One that changes nothing writes nothing.
    fn settle(&mut self, place: usize, lead: Option<usize>, judgement: Judgement, is_new: bool) {
        let before = self.conversions[place].row.clone();
        let was_told = self.is_in_feed(place);
        let credits: Vec<pb::Credit> = judgement.claim.iter().map(|claim| claim.credit.clone()).collect();
        let lead_id = lead.map_or_else(|| before.lead_id.clone(), |lead| self.leads[lead].id.clone());
        // The feed has no candidates, so they alone are no reason for an event.
        let is_explained = was_told || judgement.candidates == before.candidates;
        if credits == before.credits && lead_id == before.lead_id && is_explained && !is_new {
            return;
        }
        let is_sale = before.kind() == Kind::Sale;
        let event = &mut self.conversions[place];
        event.row.version += i32::from(!is_new);
        event.row.set_outcome(if credits.is_empty() { Outcome::NotReferred } else { Outcome::Attributed });
        event.row.credits = credits;
        event.row.lead_id = lead_id;
        event.row.candidates = judgement.candidates;
        let occurred = event.occurred;
        if let (true, None, Some(lead)) = (!before.credits.is_empty(), &judgement.claim, lead) {
            event.external_id.clone_from(&self.leads[lead].external_id);
            event.email.clone_from(&self.leads[lead].email);
        }
        let pays = |credits: &[pb::Credit]| -> Vec<_> {
            credits.iter().map(|credit| (credit.enrollment_id.clone(), credit.terms_version)).collect()
        };
        let mut settled = Vec::new();
        if is_sale && pays(&before.credits) != pays(&self.conversions[place].row.credits) {
            self.reprice(place, judgement.claim.as_ref(), &mut settled);
        }
        if was_told || judgement.claim.is_some() {
            let kind = match (before.kind(), is_new) {
                (kind, true) => recorded(kind),
                (Kind::Sale, false) => EventKind::SaleAttributed,
                (_, false) => EventKind::ConversionUpdated,
            };
            self.tell_of(kind, place, occurred);
        }
        self.tell_settled(place, &settled);
    }

    /// Takes the rewards of a sale back. The new one is earned on the whole amount, and then the refunded part is taken back.
    fn reprice(&mut self, place: usize, claim: Option<&Claim>, settled: &mut Vec<usize>) {
        let sale = self.conversions[place].row.clone();
        let negated = |minor: i64| sale.amount.clone().map(|amount| pb::Money { amount_minor: -minor, ..amount });
        let (sold, refunded) = (minor(sale.amount.as_ref()), minor(sale.refunded_amount.as_ref()));
        let is_own = |reward: &pb::Reward| reward.conversion_id == sale.id && reward.reverses_reward_id.is_empty();
        let own: Vec<usize> = (0..self.rewards.len()).filter(|reward| is_own(&self.rewards[*reward])).collect();
        let back = Because { conversion_id: &sale.id, base: negated(sold), reason: LedgerReason::Reattributed };
        for reward in &own {
            let whole = self.rewards[*reward].value.as_ref().map_or(0, |value| crate::value::minor(Some(value)));
            self.take_back(*reward, whole, &back, settled);
        }
        self.conversions[place].met = None;
        let Some(claim) = claim else { return };
        // A person decided that the affiliate earns nothing from this sale.
        let was_denied = own
            .iter()
            .map(|reward| &self.rewards[*reward])
            .any(|reward| reward.state() == RewardState::Denied && reward.enrollment_id == claim.credit.enrollment_id);
        let is_refunded_whole = self.refund_count(&sale.id) > 0 && refunded == sold;
        if was_denied || is_refunded_whole {
            return;
        }
        if let Some(reward) = self.earn(place, claim) {
            let part = self.refunded_part(reward, &sale);
            let back = Because { conversion_id: &sale.id, base: negated(refunded), reason: LedgerReason::Refunded };
            self.take_back(reward, part, &back, settled);
        }
    }
}

/// Whether events of a kind are attributed as sales are.
pub(super) fn is_as_sale(kind: Kind) -> bool {
    matches!(kind, Kind::Sale | Kind::Appointment | Kind::CustomEvent)
}

/// The state of a lead that an event of this kind makes.
pub(super) fn state_of_new(kind: Kind) -> pb::LeadState {
    if kind == Kind::Sale { pb::LeadState::Active } else { pb::LeadState::SignedUp }
}

/// The event of the feed about a credited event of this kind.
pub(super) fn recorded(kind: Kind) -> EventKind {
    match kind {
        Kind::Appointment => EventKind::AppointmentRecorded,
        Kind::CustomEvent => EventKind::CustomEventRecorded,
        Kind::Lead => EventKind::LeadRecorded,
        _ => EventKind::SaleRecorded,
    }
}
