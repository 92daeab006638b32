//! Clicks of a replay. A click earns when it is told, once for a visitor, an affiliate and a day. Knows no conversions.

use std::sync::Arc;

use super::{Replay, SIDES, add_left};
use crate::domain::calendar::Day;
use crate::domain::click::{Click, ClickPayment};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, IdSource};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::click_payment;
use crate::domain::rule::context::Context;
use crate::domain::rule::tally::day_of;
use crate::domain::rule::terms::applicable_terms;
use crate::domain::set::WorkingSet;
use crate::domain::simulation::{Earnings, SimulatedEarning, SimulatedSubject};
use crate::domain::terms_period::Occasion;

/// How many clicks count at most, by the same terms. They take some 200 MB.
const COUNTED_MAX: usize = 2_000_000;

impl Replay {
    /// Tells a click again. Returns what it earns, if it is a part of the results. The set is left as it was.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`] when rows must be loaded first, [`Refusal::InvalidField`] if too many clicks count, and the refusals of amounts that
    /// are too large.
    pub fn click(
        &mut self,
        set: &mut WorkingSet,
        account_id: AccountId,
        click: &Click,
        ids: &mut dyn IdSource,
    ) -> Result<Option<SimulatedEarning>, Refusal> {
        let current = match self.half.take() {
            Some((id, earned)) if id == click.id => earned,
            _ => self.click_by(set, account_id, click, ids, SIDES[0])?,
        };
        let proposed = match self.click_by(set, account_id, click, ids, SIDES[1]) {
            Ok(proposed) => proposed,
            Err(refusal) => {
                // The terms in force have counted it.
                self.half = Some((click.id, current));
                return Err(refusal);
            }
        };
        let earning = SimulatedEarning {
            subject: SimulatedSubject::Click(click.id),
            is_covered: self.proposed.covers(click.occurred_at),
            recorded: Earnings::new(),
            current,
            proposed,
            is_of_program: click.program_id == self.proposed.terms.program_id,
        };
        Ok(earning.is_told().then_some(earning))
    }

    fn click_by(
        &mut self,
        set: &mut WorkingSet,
        account_id: AccountId,
        click: &Click,
        ids: &mut dyn IdSource,
        side: usize,
    ) -> Result<Earnings, Refusal> {
        let now = click.created_at;
        let told = self.in_set(set, (account_id, now, ids), side, |replay, context| replay.count(context, click, side));
        let Some((day, earned)) = told? else { return Ok(Earnings::new()) };
        if let Some(side) = self.sides.get_mut(side) {
            if side.counted.len() >= COUNTED_MAX {
                let problem = format!(
                    "cannot be simulated: more than {COUNTED_MAX} clicks count; leave out the rules for clicks, or send a sample_sale"
                );
                return Err(Refusal::InvalidField { field: Field::Terms, problem });
            }
            side.counted.insert((click.tid, click.affiliate_id, day));
        }
        Ok(earned)
    }

    /// The day for which a click counts, and what it earns. `None` if it does not count.
    fn count(&self, context: &mut Context<'_>, click: &Click, side: usize) -> Result<Option<(Day, Earnings)>, Refusal> {
        let account_id = context.account_id;
        context.set.wanted().row::<Enrollment>((account_id, click.enrollment_id));
        let enrollment = Arc::clone(context.set.existing::<Enrollment>(&(account_id, click.enrollment_id))?);
        let program = context.set.program(account_id, click.program_id)?;
        let occasion = Occasion::of(&enrollment, click.occurred_at);
        let terms = Arc::clone(applicable_terms(context.set, program, &occasion)?);
        if !terms.rules.pays_for_clicks() {
            return Ok(None);
        }
        let day = day_of(context, click.occurred_at)?;
        let key = (click.tid, click.affiliate_id, day);
        if self.sides.get(side).is_some_and(|side| side.counted.contains(&key)) {
            return Ok(None);
        }
        let (payment, rewards) = click_payment::count(context, click, &enrollment, &terms)?;
        if matches!(payment, ClickPayment::NoRule | ClickPayment::AlreadyCounted) {
            return Ok(None);
        }
        let mut earned = Earnings::new();
        let is_denied = |enrollment_id| self.loose_rewards.is_denied_click(click.id, enrollment_id);
        let standing = rewards.iter().filter(|reward| !is_denied(reward.enrollment_id));
        standing.for_each(|reward| add_left(&mut earned, reward));
        Ok(Some((day, earned)))
    }
}
