//! Lists with filters, compared with the model's rows that match them. The filters depend on what has happened so far, so a run
//! uses every filter, in many combinations.

use headwater_client::pb;
use pb::affiliate_selector::Selector;

use super::{PAGE_SIZE, read_all, told};
use crate::model::command::{MICROS_PER_DAY, micros, stamp};
use crate::model::drive::{Difference, Player};

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(Selector::Id(id.to_owned())) })
}

/// Draws filter values in turn.
struct Turn(usize);

impl Turn {
    /// Draws yes or no.
    fn is_on(&mut self) -> bool {
        self.below(3) == 0
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as usize).rotate_left(23).wrapping_add(1);
        self.0 % limit
    }

    /// Draws one of the rows, or none.
    fn one<'row, T>(&mut self, rows: &'row [T]) -> Option<&'row T> {
        if rows.is_empty() || !self.is_on() {
            return None;
        }
        let place = self.below(rows.len());
        rows.get(place)
    }
}

/// Whether the filter is unset or equal to this.
fn fits<T: PartialEq + ?Sized>(wanted: Option<&T>, value: &T) -> bool {
    wanted.is_none_or(|wanted| wanted == value)
}

impl Player {
    pub(super) async fn check_filtered(&mut self) -> anyhow::Result<Option<Difference>> {
        let mut turn = Turn(self.world.events.len() * 31 + self.world.conversions.len());
        if let Some(difference) = self.filtered_conversions(&mut turn).await? {
            return Ok(Some(difference));
        }
        if let Some(difference) = self.filtered_rewards(&mut turn).await? {
            return Ok(Some(difference));
        }
        self.filtered_setup(&mut turn).await
    }

    async fn filtered_conversions(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let affiliate = turn.one(&self.world.affiliates).map(|row| row.id.clone());
        let program = turn.one(&self.world.programs).map(|program| program.row.id.clone());
        let lead = turn.one(&self.world.leads).map(|row| row.id.clone());
        let kind = turn.is_on().then(|| turn.below(4) as i32 + 1);
        let outcome = turn.is_on().then(|| turn.below(3) as i32 + 1);
        let from = turn.is_on().then(|| self.world.now - turn.below(90) as i64 * MICROS_PER_DAY);
        let before = turn.is_on().then(|| self.world.now - turn.below(30) as i64 * MICROS_PER_DAY);
        let request = pb::ListConversionsRequest {
            page_size: PAGE_SIZE,
            kind: kind.unwrap_or_default(),
            outcome: outcome.unwrap_or_default(),
            affiliate: affiliate.as_ref().and_then(|id| by_id(&self.names.resolve(id))),
            program_id: program.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default(),
            lead: lead.as_ref().map(|id| {
                let id = pb::lead_selector::Selector::Id(self.names.resolve(id));
                pb::LeadSelector { selector: Some(id) }
            }),
            occur_time_from: from.map(stamp),
            occur_time_before: before.map(stamp),
            ..Default::default()
        };
        let passes = |row: &pb::Conversion| {
            let occurred = row.occur_time.as_ref().map(micros).unwrap_or_default();
            let is_kept = row.outcome() != pb::ConversionOutcome::NotReferred;
            outcome.map_or(is_kept, |wanted| wanted == row.outcome)
                && fits(kind.as_ref(), &row.kind)
                && fits(affiliate.as_ref(), &row.affiliate_id)
                && fits(program.as_ref(), &row.program_id)
                && fits(lead.as_ref(), &row.lead_id)
                && from.is_none_or(|from| occurred >= from)
                && before.is_none_or(|before| occurred < before)
        };
        let places = (0..self.world.conversions.len()).filter(|place| passes(&self.world.conversions[*place].row));
        let expected: Vec<_> = places.map(|place| self.world.image(place)).collect();
        let asked = format!("{request:?}");
        let conversions = read_all!(self.client.tracking, list_conversions, request, conversions);
        Ok(self.compare(&asked, &format!("{expected:?}"), &format!("{conversions:?}")))
    }

    async fn filtered_rewards(&mut self, turn: &mut Turn) -> anyhow::Result<Option<Difference>> {
        let affiliate = turn.one(&self.world.affiliates).map(|row| row.id.clone());
        let program = turn.one(&self.world.programs).map(|program| program.row.id.clone());
        let state = turn.is_on().then(|| turn.below(5) as i32 + 1);
        let from = turn.is_on().then(|| self.world.now - turn.below(60) as i64 * MICROS_PER_DAY);
        let before = turn.is_on().then(|| self.world.now - turn.below(30) as i64 * MICROS_PER_DAY);
        let request = pb::ListRewardsRequest {
            page_size: PAGE_SIZE,
            state: state.unwrap_or_default(),
            affiliate: affiliate.as_ref().and_then(|id| by_id(&self.names.resolve(id))),
            program_id: program.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default(),
            create_time_from: from.map(stamp),
            create_time_before: before.map(stamp),
            ..Default::default()
        };
        let passes = |row: &&pb::Reward| {
            let made = row.create_time.as_ref().map(micros).unwrap_or_default();
            fits(state.as_ref(), &row.state)
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
        let state = turn.is_on().then(|| turn.below(2) as i32 + 1);

        let enrollment = turn.one(&self.world.enrollments).map(|row| row.id.clone());
        let enrollment_id = enrollment.as_ref().map(|id| self.names.resolve(id)).unwrap_or_default();
        let request = pb::ListLinksRequest {
            page_size,
            affiliate: affiliate.clone(),
            enrollment_id,
            state: state.unwrap_or_default(),
            ..Default::default()
        };
        let passes = |row: &&pb::Link| {
            fits(of.as_ref(), &row.affiliate_id)
                && fits(enrollment.as_ref(), &row.enrollment_id)
                && fits(state.as_ref(), &row.state)
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
            affiliate: affiliate.clone(),
            code: code.as_ref().map(|code| code.to_lowercase()).unwrap_or_default(),
            state: state.unwrap_or_default(),
            ..Default::default()
        };
        let passes = |row: &&pb::Coupon| {
            fits(of.as_ref(), &row.affiliate_id) && fits(code.as_ref(), &row.code) && fits(state.as_ref(), &row.state)
        };
        let expected: Vec<_> = self.world.coupons.iter().filter(passes).cloned().collect();
        let asked = format!("{request:?}");
        let coupons = read_all!(self.client.affiliates, list_coupons, request, coupons);
        let difference = self.compare(&asked, &format!("{expected:?}"), &format!("{coupons:?}"));
        if difference.is_some() {
            return Ok(difference);
        }

        let state = turn.is_on().then(|| turn.below(4) as i32 + 1);
        let request =
            pb::ListLeadsRequest { page_size, affiliate, state: state.unwrap_or_default(), ..Default::default() };
        let passes = |row: &&pb::Lead| fits(of.as_ref(), &row.affiliate_id) && fits(state.as_ref(), &row.state);
        let expected: Vec<_> = self.world.leads.iter().filter(passes).cloned().collect();
        let asked = format!("{request:?}");
        let leads = read_all!(self.client.tracking, list_leads, request, leads);
        Ok(self.compare(&asked, &format!("{expected:?}"), &format!("{leads:?}")))
    }
}
