//! Lists with filters, compared with the model's rows that match them. The filters depend on what has happened so far, so a run
//! uses every filter, in many combinations.

use std::fmt::Debug;

use headwater_client::pb;
use pb::affiliate_selector::Selector;
use tonic::Status;

use super::{PAGE_SIZE, read_all, told};
use crate::model::command::{MICROS_PER_DAY, micros, stamp};
use crate::model::drive::{Difference, Player};
use crate::model::reply::Refused;
use crate::model::world::World;

pub(super) fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(Selector::Id(id.to_owned())) })
}

/// Draws filter values in turn.
pub(super) struct Turn(usize);

impl Turn {
    /// The draws for an account in this state.
    pub(super) fn new(world: &World) -> Self {
        Self(world.events.len() * 31 + world.conversions.len())
    }

    /// Draws an order.
    pub(super) fn order(&mut self) -> i32 {
        self.below(3) as i32
    }

    /// Draws yes or no.
    pub(super) fn is_on(&mut self) -> bool {
        self.below(3) == 0
    }

    /// Draws up to two values of an enum that has this many.
    fn values(&mut self, count: usize) -> Vec<i32> {
        (0..self.below(3)).map(|_| self.below(count) as i32 + 1).collect()
    }

    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize).rotate_left(23).wrapping_add(1);
        self.0 % limit
    }

    /// Draws one of the rows, or none.
    pub(super) fn one<'row, T>(&mut self, rows: &'row [T]) -> Option<&'row T> {
        if rows.is_empty() || !self.is_on() {
            return None;
        }
        let place = self.below(rows.len());
        rows.get(place)
    }
}

/// Whether the filter is empty or contains this.
fn has(wanted: &[i32], value: i32) -> bool {
    wanted.is_empty() || wanted.contains(&value)
}

/// Whether the filter is unset or equal to this.
fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

/// Whether the filter is unset or equal to this field of one of the credits.
fn credits_fit(wanted: Option<&String>, credits: &[pb::Credit], field: impl Fn(&pb::Credit) -> &String) -> bool {
    wanted.is_none() || credits.iter().any(|credit| fits(wanted, field(credit)))
}

/// The interval from one time to another; not set if both are open.
fn interval(from: Option<i64>, before: Option<i64>) -> Option<pb::TimeInterval> {
    let interval = pb::TimeInterval { start_time: from.map(stamp), end_time: before.map(stamp) };
    (interval != pb::TimeInterval::default()).then_some(interval)
}

/// Whether no time is in the interval. The server refuses one like that.
fn is_empty(from: Option<i64>, before: Option<i64>) -> bool {
    from.zip(before).is_some_and(|(from, before)| before <= from)
}

impl Player {
    /// Compares the refusal of a request with a wrong field.
    fn compare_refusal(&mut self, asked: &impl Debug, field: &str, refused: Option<Status>) -> Option<Difference> {
        let expected = Some(Refused::fields([field.to_owned()]));
        let actual = refused.as_ref().map(Refused::of_call);
        self.compare(&format!("{asked:?}"), &format!("{expected:?}"), &format!("{actual:?}"))
    }

    pub(super) async fn check_filtered(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        if let Some(difference) = self.filtered_conversions(turn).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.filtered_rewards(turn).await? {
            return Ok(Some(difference));
        }
        self.filtered_setup(turn).await
    }

    async fn filtered_conversions(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let affiliate = turn.one(&self.world.affiliates).map(|row| row.id.clone());
        let program = turn.one(&self.world.programs).map(|program| program.row.id.clone());
        let lead = turn.one(&self.world.living_leads()).map(|row| row.id.clone());
        let kinds = turn.values(7);
        let outcomes = turn.values(3);
        let from = turn.is_on().then(|| self.world.clock - turn.below(90) as i64 * MICROS_PER_DAY);
        let before = turn.is_on().then(|| self.world.clock - turn.below(30) as i64 * MICROS_PER_DAY);
        let view = turn.below(3) as i32;
        let request = pb::ListConversionsRequest {
            page_size: PAGE_SIZE,
            order: turn.order(),
            kinds: kinds.clone(),
            outcomes: outcomes.clone(),
            affiliate: affiliate.as_ref().and_then(|id| by_id(&self.names.resolve(id))),
            program_id: program.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default(),
            lead: lead.as_ref().map(|id| {
                let id = pb::lead_selector::Selector::Id(self.names.resolve(id));
                pb::LeadSelector { selector: Some(id) }
            }),
            occur_interval: interval(from, before),
            view,
            ..Default::default()
        };
        if is_empty(from, before) {
            let refused = self.client.tracking.list_conversions(request.clone()).await.err();
            return Ok(self.compare_refusal(&request, "occur_interval.end_time", refused));
        }
        let passes = |row: &pb::Conversion| {
            let occurred = row.occur_time.as_ref().map(micros).unwrap_or_default();
            let is_kept = row.outcome() != pb::ConversionOutcome::NotReferred;
            (if outcomes.is_empty() { is_kept } else { has(&outcomes, row.outcome) })
                && has(&kinds, row.kind)
                && credits_fit(affiliate.as_ref(), &row.credits, |credit| &credit.affiliate_id)
                && credits_fit(program.as_ref(), &row.credits, |credit| &credit.program_id)
                && fits(lead.as_ref(), &row.lead_id)
                && from.is_none_or(|from| occurred >= from)
                && before.is_none_or(|before| occurred < before)
        };
        let places = (0..self.world.conversions.len()).filter(|place| passes(&self.world.conversions[*place].row));
        let expected: Vec<_> = places.map(|place| self.world.viewed(place, request.view())).collect();
        let asked = format!("{request:?}");
        let conversions = read_all!(self.client.tracking, list_conversions, request, conversions);
        Ok(self.compare(&asked, &format!("{expected:?}"), &format!("{conversions:?}")))
    }

    async fn filtered_rewards(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let affiliate = turn.one(&self.world.affiliates).map(|row| row.id.clone());
        let program = turn.one(&self.world.programs).map(|program| program.row.id.clone());
        let states = turn.values(6);
        let from = turn.is_on().then(|| self.world.clock - turn.below(60) as i64 * MICROS_PER_DAY);
        let before = turn.is_on().then(|| self.world.clock - turn.below(30) as i64 * MICROS_PER_DAY);
        let request = pb::ListRewardsRequest {
            page_size: PAGE_SIZE,
            order: turn.order(),
            states: states.clone(),
            affiliate: affiliate.as_ref().and_then(|id| by_id(&self.names.resolve(id))),
            program_id: program.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default(),
            create_interval: interval(from, before),
            ..Default::default()
        };
        if is_empty(from, before) {
            let refused = self.client.rewards.list_rewards(request.clone()).await.err();
            return Ok(self.compare_refusal(&request, "create_interval.end_time", refused));
        }
        let passes = |row: &&pb::Reward| {
            let made = row.create_time.as_ref().map(micros).unwrap_or_default();
            has(&states, row.state)
                && fits(affiliate.as_ref(), &row.affiliate_id)
                && fits(program.as_ref(), &row.program_id)
                && from.is_none_or(|from| made >= from)
                && before.is_none_or(|before| made < before)
        };
        let expected: Vec<_> = self.world.rewards.iter().filter(passes).cloned().collect();
        let asked = format!("{request:?}");
        let rewards = read_all!(self.client.rewards, list_rewards, request, rewards);
        Ok(self.compare(&asked, &format!("{expected:?}"), &format!("{rewards:?}")))
    }

    async fn filtered_setup(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let page_size = PAGE_SIZE;
        let of = turn.one(&self.world.affiliates).map(|row| row.id.clone());
        let affiliate = of.as_ref().and_then(|id| by_id(&self.names.resolve(id)));
        let states = turn.values(2);

        let enrollment = turn.one(&self.world.enrollments).map(|row| row.id.clone());
        let enrollment_id = enrollment.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default();
        let request = pb::ListLinksRequest {
            page_size,
            order: turn.order(),
            affiliate: affiliate.clone(),
            enrollment_id,
            states: states.clone(),
            ..Default::default()
        };
        let passes = |row: &&pb::Link| {
            fits(of.as_ref(), &row.affiliate_id)
                && fits(enrollment.as_ref(), &row.enrollment_id)
                && has(&states, row.state)
        };
        let expected: Vec<_> = self.world.links.iter().filter(passes).map(|row| self.world.shown_link(row)).collect();
        let asked = format!("{request:?}");
        let links = read_all!(self.client.affiliates, list_links, request, links);
        let difference = self.compare(&asked, &format!("{expected:?}"), &format!("{links:?}"));
        if difference.is_some() {
            return Ok(difference);
        }

        let code = turn.one(&self.world.coupons).map(|row| row.code.clone());
        let request = pb::ListCouponsRequest {
            page_size,
            order: turn.order(),
            affiliate: affiliate.clone(),
            code: code.as_ref().map(|code| code.to_lowercase()).unwrap_or_default(),
            states: states.clone(),
            ..Default::default()
        };
        let passes = |row: &&pb::Coupon| {
            fits(of.as_ref(), &row.affiliate_id) && fits(code.as_ref(), &row.code) && has(&states, row.state)
        };
        let expected: Vec<_> = self.world.coupons.iter().filter(passes).cloned().collect();
        let asked = format!("{request:?}");
        let coupons = read_all!(self.client.affiliates, list_coupons, request, coupons);
        let difference = self.compare(&asked, &format!("{expected:?}"), &format!("{coupons:?}"));
        if difference.is_some() {
            return Ok(difference);
        }

        let states = turn.values(4);
        let request = pb::ListLeadsRequest {
            page_size,
            order: turn.order(),
            affiliate,
            states: states.clone(),
            ..Default::default()
        };
        let passes = |row: &&pb::Lead| {
            credits_fit(of.as_ref(), &row.credits, |credit| &credit.affiliate_id) && has(&states, row.state)
        };
        let expected: Vec<_> = self.world.living_leads().into_iter().filter(passes).collect();
        let asked = format!("{request:?}");
        let leads = read_all!(self.client.tracking, list_leads, request, leads);
        Ok(self.compare(&asked, &format!("{expected:?}"), &format!("{leads:?}")))
    }
}
