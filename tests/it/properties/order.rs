//! The order in which events are told does not change what is earned. A history of two customers who share computers is told in the
//! order in which it happened, and then in another order. Both must lead to the same rewards. The owner's changes happen at their times
//! in both.
//!
//! `PROPTEST_CASES=100000 cargo test --release -p headwater --test it any_order` searches longer.

mod any_events;
mod any_terms;
mod history;
mod other_terms;
mod tell;

use std::collections::BTreeMap;

use headwater::domain::conversion::Credit;
use headwater::domain::id::AffiliateId;
use headwater::domain::outcome::Outcome;
use headwater::domain::refusal::Refusal;
use headwater::domain::time::Time;
use headwater::pb;
use headwater::rpc::call::change::Change;
use proptest::option;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::audit::Audit;
use super::config;
use super::rules::{Rules, START};
use history::{
    AFFILIATES, Dated, Event, Extras, History, Item, MINUTE_MICROS, Owner, Traces, WINDOW_DAYS, What, history,
    history_with_ladders, ladder,
};
use other_terms::other_terms;

/// The earnings from one sale.
#[derive(Debug, PartialEq, Eq)]
struct Earned {
    /// The affiliates that are credited, each with the version of the terms and its share.
    credits: Vec<(usize, i32, i32)>,
    /// The sum for each affiliate after all refunds.
    sums: BTreeMap<usize, i64>,
}

/// One telling of a history.
struct Telling {
    caps: [Vec<pb::Cap>; 2],
    ladders: [Option<pb::Ladder>; 2],
    extras: [Extras; 2],
    has_lines: bool,
    custom_kinds: Vec<String>,
    new_customers_only: [bool; 2],
    rules: Rules,
    audit: Audit,
    programs: Vec<String>,
    /// The ids of the affiliates and of their enrollments.
    affiliates: Vec<(AffiliateId, String)>,
    tids: [Option<String>; 2],
    /// Whether a bound customer signed up with traces. Nothing of that is kept.
    has_lost_sign_up: bool,
}

fn wire_time(time: Time) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(time.micros().rem_euclid(1_000_000) * 1_000).unwrap();
    Some(prost_types::Timestamp { seconds: time.micros().div_euclid(1_000_000), nanos })
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn ref_id(affiliate: usize) -> String {
    format!("affiliate-{affiliate}")
}

fn code(coupon: usize) -> String {
    format!("CODE{coupon}")
}

impl Telling {
    fn begin(history: &History) -> Self {
        Self::begin_with(history, None)
    }

    /// Begins with other terms in the first program.
    fn begin_with(history: &History, first_terms: Option<&pb::Terms>) -> Self {
        let mut telling = Self {
            caps: history.caps.clone(),
            ladders: history.ladders.clone(),
            extras: history.extras.clone(),
            has_lines: history.has_lines,
            custom_kinds: history.custom_kinds.clone(),
            new_customers_only: history.new_customers_only,
            rules: Rules::new(),
            audit: Audit::default(),
            programs: Vec::new(),
            affiliates: Vec::new(),
            tids: [None, None],
            has_lost_sign_up: false,
        };
        for (place, precedence) in history.precedences.iter().enumerate() {
            let terms = pb::Terms {
                commission: percent(200_000),
                attribution_model: history.models[place],
                attribution_window_days: Some(WINDOW_DAYS),
                precedence: precedence.map(i32::from).to_vec(),
                caps: history.caps[place].clone(),
                ladder: history.ladders[place].clone(),
                rules: history.extras[place].rules.clone(),
                threshold_bonuses: history.extras[place].threshold_bonuses.clone(),
                upline_levels: history.extras[place].upline_levels.clone(),
                new_customers_only: history.new_customers_only[place],
                custom_kinds: history.custom_kinds.clone(),
                ..Default::default()
            };
            let request = pb::CreateProgramRequest {
                display_name: format!("Program {place}"),
                currency_code: "USD".to_owned(),
                landing_url: "https://shop.example/".to_owned(),
                terms: Some(first_terms.filter(|_| place == 0).cloned().unwrap_or(terms)),
                ..Default::default()
            };
            match telling.ask(&request).unwrap() {
                Outcome::Program(made) => telling.programs.push(made.program.id.to_string()),
                other => panic!("{other:?}"),
            }
        }
        for affiliate in 0..AFFILIATES {
            let request = pb::CreateAffiliateRequest {
                email: format!("{affiliate}@affiliates.example"),
                program_id: telling.program_of(affiliate),
                ref_id: ref_id(affiliate),
                upline: (affiliate > 0).then(|| telling.selector(0)).flatten(),
                coupon_code: if affiliate < 2 { code(affiliate) } else { String::new() },
                ..Default::default()
            };
            match telling.ask(&request).unwrap() {
                Outcome::Affiliate(made) => {
                    telling.affiliates.push((made.affiliate.id, made.enrollment.enrollment.id.to_string()));
                }
                other => panic!("{other:?}"),
            }
        }
        telling
    }

    /// The last affiliate is in the second program.
    fn program_of(&self, affiliate: usize) -> String {
        self.programs[usize::from(affiliate + 1 == AFFILIATES)].clone()
    }

    fn ask<M: Change>(&mut self, request: &M) -> Result<Outcome, Refusal> {
        self.rules.carry_out(request).map(|decision| decision.outcome)
    }

    fn selector(&self, affiliate: usize) -> Option<pb::AffiliateSelector> {
        let id = self.affiliates[affiliate].0.to_string();
        Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id)) })
    }

    /// Carries out what the owner does. It may be refused, in every telling alike.
    fn change(&mut self, owner: &Owner) {
        let done = match *owner {
            Owner::RemoveCoupon { code: number } => {
                let coupon_id = self.coupon_id(number);
                self.ask(&pb::RemoveCouponRequest { coupon_id, ..Default::default() })
            }
            Owner::AssignCoupon { code: number, affiliate } => {
                let (affiliate, program_id) = (self.selector(affiliate), self.program_of(affiliate));
                self.ask(&pb::AssignCouponRequest { affiliate, program_id, code: code(number), ..Default::default() })
            }
            Owner::RevokeLink { affiliate } => {
                let link = self.rules.set.link_with_code(self.rules.account_id, &ref_id(affiliate)).unwrap();
                let link_id = link.unwrap().id.to_string();
                self.ask(&pb::RevokeLinkRequest { link_id, ..Default::default() })
            }
            Owner::End { affiliate } => {
                let enrollment_id = self.affiliates[affiliate].1.clone();
                self.ask(&pb::EndEnrollmentRequest { enrollment_id, ..Default::default() })
            }
            Owner::Enroll { affiliate } => {
                let (affiliate, program_id) = (self.selector(affiliate), self.program_of(affiliate));
                self.ask(&pb::EnrollAffiliateRequest { affiliate, program_id, ..Default::default() })
            }
            Owner::Commission { affiliate, percent_ppm } => {
                let id = self.affiliates[affiliate].1.clone();
                let commission_override = percent(percent_ppm);
                self.ask(&pb::UpdateEnrollmentRequest {
                    enrollment: Some(pb::Enrollment { id, commission_override, ..Default::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["commission_override".to_owned()] }),
                    ..Default::default()
                })
            }
            Owner::Dated { of, percent_ppm, starts_in, lasts } => {
                let starts_at = self.rules.now.plus_micros(starts_in * MINUTE_MICROS);
                let ends_at = (lasts > 0).then(|| starts_at.plus_micros(lasts * MINUTE_MICROS));
                let dated = pb::DatedCommission {
                    commission: percent_ppm.and_then(percent),
                    start_time: wire_time(starts_at),
                    end_time: ends_at.and_then(wire_time),
                    ..Default::default()
                };
                self.date(of, Some(dated), 0)
            }
            Owner::Withdraw { of } => {
                let withdrawn = (1..=4).map(|number| self.date(of, None, number)).find(Result::is_ok);
                withdrawn.unwrap_or_else(|| self.date(of, None, 1))
            }
            Owner::CouponRate { code: number, percent_ppm, lasts } => {
                let ends_at = (lasts > 0).then(|| self.rules.now.plus_micros(lasts * MINUTE_MICROS));
                let coupon = pb::Coupon {
                    id: self.coupon_id(number),
                    commission: percent(percent_ppm),
                    commission_end_time: ends_at.and_then(wire_time),
                    ..Default::default()
                };
                self.ask(&pb::UpdateCouponRequest {
                    coupon: Some(coupon),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["commission".to_owned()] }),
                    ..Default::default()
                })
            }
            Owner::Terms { program, percent_ppm, reach, starts_in, lasts } => {
                let terms = pb::Terms {
                    commission: percent(percent_ppm),
                    attribution_window_days: Some(WINDOW_DAYS),
                    reach,
                    caps: self.caps[program].clone(),
                    ladder: self.ladders[program].clone(),
                    rules: self.extras[program].rules.clone(),
                    threshold_bonuses: self.extras[program].threshold_bonuses.clone(),
                    upline_levels: self.extras[program].upline_levels.clone(),
                    new_customers_only: self.new_customers_only[program],
                    custom_kinds: self.custom_kinds.clone(),
                    ..Default::default()
                };
                let id = self.programs[program].clone();
                let starts_at = self.rules.now.plus_micros(starts_in * MINUTE_MICROS);
                let ends_at = (lasts > 0).then(|| starts_at.plus_micros(lasts * MINUTE_MICROS));
                self.ask(&pb::UpdateProgramRequest {
                    terms_start_time: wire_time(starts_at).filter(|_| starts_in > 0),
                    terms_end_time: ends_at.and_then(wire_time),
                    program: Some(pb::Program { id, terms: Some(terms), ..Default::default() }),
                    update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
                    ..Default::default()
                })
            }
            Owner::Archive { program } => {
                let program_id = self.programs[program].clone();
                self.ask(&pb::ArchiveProgramRequest { program_id, ..Default::default() })
            }
        };
        assert!(!matches!(done, Err(Refusal::NotLoaded(_))), "{owner:?}: {done:?}");
    }

    /// The coupon that has a code, or had it last.
    fn coupon_id(&self, number: usize) -> String {
        let coupons = self.rules.set.coupons_with_code(self.rules.account_id, &code(number)).unwrap();
        coupons.last().map(|coupon| coupon.id.to_string()).unwrap_or_default()
    }

    /// Adds or withdraws a commission for a time.
    fn date(
        &mut self,
        of: Dated,
        dated_commission: Option<pb::DatedCommission>,
        withdraw_dated_commission: i32,
    ) -> Result<Outcome, Refusal> {
        match of {
            Dated::Enrollment { affiliate } => {
                let id = self.affiliates[affiliate].1.clone();
                self.ask(&pb::UpdateEnrollmentRequest {
                    enrollment: Some(pb::Enrollment { id, ..Default::default() }),
                    dated_commission,
                    withdraw_dated_commission,
                    ..Default::default()
                })
            }
            Dated::Coupon { code } => {
                let id = self.coupon_id(code);
                self.ask(&pb::UpdateCouponRequest {
                    coupon: Some(pb::Coupon { id, ..Default::default() }),
                    dated_commission,
                    withdraw_dated_commission,
                    ..Default::default()
                })
            }
        }
    }

    /// Who is credited with each sale and appointment under which terms, and what each affiliate earns from it after all refunds.
    fn earned(&self) -> BTreeMap<String, Earned> {
        let set = &self.rules.set;
        let number_of =
            |id: AffiliateId| self.affiliates.iter().position(|(affiliate_id, _)| *affiliate_id == id).unwrap();
        let mut earned = BTreeMap::new();
        for sale in set.conversions.iter().filter(|row| row.kind.is_attributed_as_sale()) {
            let credit = |credit: &Credit| (number_of(credit.affiliate_id), credit.terms_version, credit.share_ppm);
            let credits = sale.credits.iter().map(credit).collect();
            let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
            for reward in set.rewards_of(self.rules.account_id, sale.id).unwrap() {
                if reward.reverses.is_none() {
                    *sums.entry(number_of(reward.affiliate_id)).or_default() +=
                        reward.value.amount_minor - reward.reversed_minor;
                }
            }
            sums.retain(|_, sum| *sum != 0);
            earned.insert(sale.event_id.clone(), Earned { credits, sums });
        }
        earned
    }

    /// The numbers of the affiliates whom each customer is bound to, with their shares.
    fn bound_to(&self) -> BTreeMap<String, Vec<(usize, i32)>> {
        let number_of = |id: AffiliateId| self.affiliates.iter().position(|(other, _)| *other == id).unwrap();
        let leads = self.rules.set.leads.iter();
        let credit = |credit: &Credit| (number_of(credit.affiliate_id), credit.share_ppm);
        let bound = leads.filter(|lead| lead.binding.is_some());
        bound
            .filter_map(|lead| Some((lead.external_id.clone()?, lead.credits().iter().map(credit).collect())))
            .collect()
    }
}

/// Two lines of a sale of this amount, if it is not too small.
fn lines(amount: i64) -> Vec<pb::SaleLine> {
    let line = |line_id: &str, item_sku: &str, quantity, amount_minor| pb::SaleLine {
        line_id: line_id.to_owned(),
        item_sku: item_sku.to_owned(),
        quantity,
        amount: Some(pb::Money { amount_minor, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    let part = amount / 3;
    if part == 0 { Vec::new() } else { vec![line("one", "MUG", 2, part), line("two", "", 1, amount - part)] }
}

/// What each affiliate earns in all.
fn in_all(earned: &BTreeMap<String, BTreeMap<usize, i64>>) -> BTreeMap<usize, i64> {
    let mut sums: BTreeMap<usize, i64> = BTreeMap::new();
    earned.values().flatten().for_each(|(affiliate, minor)| *sums.entry(*affiliate).or_default() += minor);
    sums.retain(|_, sum| *sum != 0);
    sums
}

/// An event of a history that can be told.
#[derive(Debug, Clone)]
struct Told {
    event: Event,
    occurred_at: Time,
    /// Whether the visitor had a tracking id by then.
    has_tid: bool,
}

/// Tells a history in the order in which it happened. Returns the telling, and the events that were taken.
fn in_order(history: &History) -> (Telling, Vec<Option<Told>>) {
    let mut telling = Telling::begin(history);
    let mut taken: Vec<Option<Told>> = Vec::new();
    // The amount of each sale, and the part that is left.
    let mut left: BTreeMap<usize, (i64, i64)> = BTreeMap::new();
    // The sale of each refund that was not undone, and what it added.
    let mut added: BTreeMap<usize, (usize, i64)> = BTreeMap::new();
    let mut now = START.plus_days(1);
    for (place, item) in history.items.iter().enumerate() {
        now = now.plus_micros(item.minutes_later * MINUTE_MICROS);
        telling.rules.now = now;
        let event = match &item.what {
            What::Owner(owner) => {
                telling.change(owner);
                taken.push(None);
                continue;
            }
            What::Event(event) => event,
        };
        let mut told = Told { event: event.clone(), occurred_at: now, has_tid: false };
        match &mut told.event {
            Event::Lead { traces, .. }
            | Event::Sale { traces, .. }
            | Event::Appointment { traces, .. }
            | Event::Custom { traces, .. } => {
                told.has_tid = traces.visitor.is_some_and(|visitor| telling.tids[visitor].is_some());
            }
            Event::Refund { sale, divisor } => {
                let chosen = *sale % left.len().max(1);
                let Some((sold, (amount, rest))) = left.iter_mut().nth(chosen) else {
                    taken.push(None);
                    continue;
                };
                let part = if *divisor == 1 { *rest } else { (*amount / *divisor).min(*rest) };
                if part == 0 {
                    taken.push(None);
                    continue;
                }
                *rest -= part;
                added.insert(place, (*sold, part));
                (*sale, *divisor) = (*sold, part);
            }
            Event::Total { sale, fifths } => {
                let chosen = *sale % left.len().max(1);
                let Some((sold, (amount, rest))) = left.iter_mut().nth(chosen).filter(|(_, (amount, _))| *amount > 0)
                else {
                    taken.push(None);
                    continue;
                };
                let total = *amount * *fifths / 5;
                let part = (total - (*amount - *rest)).max(0);
                *rest -= part;
                added.insert(place, (*sold, part));
                (*sale, *fifths) = (*sold, total);
            }
            Event::Undo { refund } => {
                let chosen = *refund % added.len().max(1);
                let Some((refunded_at, (sold, part))) = added.iter().nth(chosen).map(|(place, added)| (*place, *added))
                else {
                    taken.push(None);
                    continue;
                };
                added.remove(&refunded_at);
                left.get_mut(&sold).unwrap().1 += part;
                *refund = refunded_at;
            }
            Event::Correction { sale, fifths } => {
                let chosen = *sale % left.len().max(1);
                let Some((sold, (amount, rest))) = left.iter_mut().nth(chosen) else {
                    taken.push(None);
                    continue;
                };
                let right = (*amount * *fifths / 5).max(*amount - *rest);
                (*amount, *rest) = (right, right - (*amount - *rest));
                (*sale, *fifths) = (*sold, right);
            }
            Event::Click { .. } | Event::Cancellation { .. } => {}
        }
        telling.rules.now = now.plus_micros(1);
        let is_taken = telling.tell(place, &told);
        if let (Event::Sale { amount, .. }, true) = (&told.event, is_taken) {
            left.insert(place, (*amount, *amount));
        }
        taken.push(is_taken.then_some(told));
    }
    (telling, taken)
}

/// Tells the same events in the order in which they happened, with other terms in the first program. Also the owner does the same.
fn again(history: &History, events: &[Option<Told>], terms: &pb::Terms) -> Telling {
    let mut telling = Telling::begin_with(history, Some(terms));
    let mut now = START.plus_days(1);
    for (place, item) in history.items.iter().enumerate() {
        now = now.plus_micros(item.minutes_later * MINUTE_MICROS);
        telling.rules.now = now;
        if let What::Owner(owner) = &item.what {
            telling.change(owner);
        }
        if let Some(told) = &events[place] {
            telling.rules.now = now.plus_micros(1);
            assert!(telling.tell(place, told), "refused under other terms: {told:?}");
        }
    }
    telling
}

/// Tells the same events in another order: each some items later than it happened.
fn late(history: &History, events: &[Option<Told>]) -> Result<Telling, TestCaseError> {
    late_with(history, events, None)
}

/// The same, with other terms in the first program.
fn late_with(
    history: &History,
    events: &[Option<Told>],
    first_terms: Option<&pb::Terms>,
) -> Result<Telling, TestCaseError> {
    let mut telling = Telling::begin_with(history, first_terms);
    let mut queue: Vec<(usize, u16, usize)> = Vec::new();
    for (place, item) in history.items.iter().enumerate() {
        if events[place].is_some() {
            queue.push(((place + item.delay).min(history.items.len() - 1), item.rank, place));
        }
    }
    queue.sort_unstable();
    let mut now = START.plus_days(1);
    let mut waiting: Vec<usize> = Vec::new();
    // Their senders send them again.
    let mut refused: Vec<usize> = Vec::new();
    // A correction may be told before its sale, or when too much was refunded.
    let is_corrected = events.iter().flatten().any(|told| matches!(told.event, Event::Correction { .. }));
    for (slot, item) in history.items.iter().enumerate() {
        now = now.plus_micros(item.minutes_later * MINUTE_MICROS);
        telling.rules.now = now;
        if let What::Owner(owner) = &item.what {
            telling.change(owner);
        }
        let mut due: Vec<usize> =
            queue.iter().filter(|(told_in, ..)| *told_in == slot).map(|(.., place)| *place).collect();
        due.reverse();
        while let Some(place) = due.pop() {
            let told = events[place].as_ref().unwrap();
            // Nobody can send a tracking id that no click has got yet.
            let visitor = match &told.event {
                Event::Lead { traces, .. }
                | Event::Sale { traces, .. }
                | Event::Appointment { traces, .. }
                | Event::Custom { traces, .. } => traces.visitor.filter(|_| told.has_tid),
                _ => None,
            };
            if visitor.is_some_and(|visitor| telling.tids[visitor].is_none()) {
                waiting.push(place);
                continue;
            }
            telling.rules.now = telling.rules.now.plus_micros(1_000_000);
            if !telling.tell(place, told) {
                refused.push(place);
            } else if !refused.is_empty() {
                due.extend(refused.drain(..).rev());
            }
            if history.is_audited {
                telling.audit.check(&telling.rules.set, telling.rules.account_id)?;
            }
            if matches!(told.event, Event::Click { .. }) {
                due.append(&mut waiting);
            }
        }
    }
    prop_assert!(waiting.is_empty());
    let refused: Vec<_> = refused.iter().map(|place| &events[*place]).collect();
    // A refund that was undone before another one took all of the sale does not fit any more, and then nothing is left to undo.
    let is_undone = events.iter().flatten().any(|told| matches!(told.event, Event::Undo { .. }));
    prop_assert!(refused.is_empty() || is_corrected || is_undone, "refused when told late: {:?}", refused);
    Ok(telling)
}

/// A click of four days before binds the customer by its first sale. Terms with a window of one day do not bind it, and then the sign-up
/// with the coupon would have.
#[test]
fn n6_nothing_is_kept_of_the_sign_up_of_a_customer_whom_a_sale_bound() {
    let item = |minutes_later, event| Item { minutes_later, what: What::Event(event), delay: 0, rank: 0 };
    let sale = |visitor, is_named| {
        let traces = Traces { visitor, ..Traces::default() };
        Event::Sale { customer: 0, traces, amount: 100, is_named }
    };
    let by_coupon = Traces { coupon: Some(0), ..Traces::default() };
    let items = vec![
        item(15, Event::Click { visitor: 0, affiliate: 1 }),
        item(6_000, sale(Some(0), true)),
        item(15, Event::Lead { customer: 0, traces: by_coupon }),
        item(15, sale(None, true)),
    ];
    use pb::AttributionSource::{Click, Coupon, LeadBinding};
    let history = History {
        models: [pb::AttributionModel::LastClick.into(); 2],
        precedences: [[LeadBinding, Coupon, Click]; 2],
        caps: [Vec::new(), Vec::new()],
        ladders: [None, None],
        new_customers_only: [false; 2],
        extras: [Extras::default(), Extras::default()],
        has_lines: false,
        is_audited: true,
        custom_kinds: Vec::new(),
        items,
    };
    let terms = pb::Terms { commission: percent(100_000), attribution_window_days: Some(1), ..Default::default() };
    let (mut ordered, events) = in_order(&history);
    assert!(ordered.has_lost_sign_up);
    assert!(ordered.simulated(&terms).values().all(BTreeMap::is_empty));
    let replayed = again(&history, &events, &terms);
    assert!(!replayed.has_lost_sign_up);
    let replayed: Vec<_> = replayed.earned().into_values().map(|earned| earned.sums).collect();
    assert_eq!(replayed, [BTreeMap::new(), BTreeMap::from([(0, 10)])]);
}

proptest! {
    #![proptest_config(config(2_000))]

    /// The difference that a simulation tells is that to the same requests in a fresh account under the proposed terms.
    #[test]
    fn n6_a_simulation_is_a_replay_under_the_proposed_terms(history in history(), terms in other_terms()) {
        let (ordered, events) = in_order(&history);
        let replayed = again(&history, &events, &terms).earned();
        let late = late(&history, &events)?;
        // Which sales count for a rule of first sales depends on the refunds that were told before them.
        let tellings = if terms.rules.is_empty() { vec![ordered, late] } else { vec![ordered] };
        for mut telling in tellings {
            let programs = &telling.rules.set.programs;
            let is_first = programs.iter().any(|row| row.id.to_string() == telling.programs[0] && row.terms_version == 1);
            // A simulation does not know what is not kept: that a bound customer signed up.
            if !is_first || telling.has_lost_sign_up {
                continue;
            }
            let simulated = telling.simulated(&terms);
            let replayed = replayed.iter().filter(|(_, earned)| !earned.sums.is_empty());
            let replayed: BTreeMap<_, _> = replayed.map(|(event_id, earned)| (event_id.clone(), earned.sums.clone())).collect();
            let simulated: BTreeMap<_, _> = simulated.into_iter().filter(|(_, sums)| !sums.is_empty()).collect();
            // Which event finds no room under a cap depends on the order, and what an affiliate earns in all does not.
            prop_assert_eq!(in_all(&simulated), in_all(&replayed), "simulated, and replayed");
            let has_caps = !terms.caps.is_empty() || history.caps.iter().any(|caps| !caps.is_empty());
            prop_assert!(has_caps || simulated == replayed, "simulated {simulated:?}, and replayed {replayed:?}");
        }
    }

    /// The same with ladders. The step that a sale meets depends on the order of telling, so the replay tells everything in the same order.
    #[test]
    fn p9_n6_a_simulation_of_ladders_is_a_replay_in_the_order_of_telling(
        history in history_with_ladders(),
        terms in other_terms(),
        ladder in option::weighted(0.8, ladder()),
    ) {
        let terms = pb::Terms { caps: Vec::new(), ladder, ..terms };
        let (ordered, events) = in_order(&history);
        let of_ordered = again(&history, &events, &terms);
        let late = late(&history, &events)?;
        let of_late = late_with(&history, &events, Some(&terms))?;
        for (name, mut telling, replayed) in [("in order", ordered, of_ordered), ("late", late, of_late)] {
            let (changed, other) = telling.rules.simulated_differences();
            prop_assert!(changed.is_empty(), "{}: the terms in force change something: {:#?}", name, changed);
            prop_assert!(other.is_empty(), "{}: judged again, other rewards: {:#?}", name, other);
            let programs = &telling.rules.set.programs;
            let is_first = programs.iter().any(|row| row.id.to_string() == telling.programs[0] && row.terms_version == 1);
            if !is_first || telling.has_lost_sign_up {
                continue;
            }
            let simulated = telling.simulated(&terms).into_iter().filter(|(_, sums)| !sums.is_empty());
            let simulated: BTreeMap<_, _> = simulated.collect();
            let replayed = replayed.earned().into_iter().filter(|(_, earned)| !earned.sums.is_empty());
            let replayed: BTreeMap<_, _> = replayed.map(|(event_id, earned)| (event_id, earned.sums)).collect();
            prop_assert_eq!(simulated, replayed, "{}: simulated, and replayed", name);
        }
    }

    #[test]
    fn events_told_in_any_order_earn_the_same(history in history()) {
        let (ordered, events) = in_order(&history);
        let late = late(&history, &events)?;
        let [in_order, told_late] = [ordered.earned(), late.earned()];
        if history.caps.iter().all(Vec::is_empty) {
            prop_assert_eq!(in_order, told_late, "in order, and late");
        } else {
            let credits = |earned: &BTreeMap<String, Earned>| -> BTreeMap<_, _> {
                earned.iter().map(|(event_id, earned)| (event_id.clone(), earned.credits.clone())).collect()
            };
            prop_assert_eq!(credits(&in_order), credits(&told_late), "credits in order, and late");
            let sums = |earned: BTreeMap<String, Earned>| -> BTreeMap<_, _> {
                earned.into_iter().map(|(event_id, earned)| (event_id, earned.sums)).collect()
            };
            prop_assert_eq!(in_all(&sums(in_order)), in_all(&sums(told_late)), "earned in order, and late");
        }
        prop_assert_eq!(ordered.bound_to(), late.bound_to(), "the affiliates that the customers are bound to");
        for mut telling in [ordered, late] {
            let (changed, other) = telling.rules.simulated_differences();
            prop_assert!(changed.is_empty(), "the terms in force change something: {:#?}", changed);
            prop_assert!(other.is_empty(), "judged again, other rewards: {:#?}", other);
        }
    }
}
