//! Rewards that have no conversion: those of clicks, and threshold bonuses. What is recorded of them, and which ones a person denied. Knows no rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::add_left;
use crate::domain::calendar::Day;
use crate::domain::id::{AffiliateId, ClickId, EnrollmentId, ProgramId, RewardId};
use crate::domain::period::Period;
use crate::domain::reward::{Reward, RewardState};
use crate::domain::simulation::{Earnings, ProposedTerms, SimulatedEarning, SimulatedSubject};

/// A bonus, whichever reward it is.
type BonusName = (ProgramId, AffiliateId, Period, Day, Arc<str>);

fn name_of(reward: &Reward) -> Option<BonusName> {
    let reached = reward.by_hand.as_ref()?.threshold.as_ref()?;
    Some((reward.program_id, reward.affiliate_id, reached.period, reached.starts_on, Arc::clone(&reached.name)))
}

/// What is recorded.
#[derive(Default)]
pub(super) struct LooseRewards {
    of_clicks: Earnings,
    denied_clicks: BTreeSet<(ClickId, EnrollmentId)>,
    bonuses: BTreeMap<ProgramId, Earnings>,
    denied_bonuses: BTreeSet<BonusName>,
}

impl LooseRewards {
    pub(super) fn add(&mut self, reward: &Reward, proposed: &ProposedTerms) {
        if reward.conversion_id.is_some() || reward.reverses.is_some() {
            return;
        }
        let is_denied = reward.state == RewardState::Denied;
        if let Some(click) = &reward.click {
            if is_denied {
                self.denied_clicks.insert((click.click_id, reward.enrollment_id));
            } else if proposed.covers_in(reward.program_id, click.occurred_at) {
                add_left(&mut self.of_clicks, reward);
            }
        } else if let Some(name) = name_of(reward) {
            if is_denied {
                self.denied_bonuses.insert(name);
            } else {
                add_left(self.bonuses.entry(reward.program_id).or_default(), reward);
            }
        }
    }

    pub(super) const fn recorded_of_clicks(&self) -> &Earnings {
        &self.of_clicks
    }

    pub(super) fn is_denied_click(&self, click_id: ClickId, enrollment_id: EnrollmentId) -> bool {
        self.denied_clicks.contains(&(click_id, enrollment_id))
    }

    /// The threshold bonuses of each program, by the terms in force and by the proposed ones.
    pub(super) fn bonuses(
        &self,
        sides: [&BTreeMap<RewardId, Arc<Reward>>; 2],
        proposed: &ProposedTerms,
    ) -> Vec<SimulatedEarning> {
        let [current, of_proposed] = sides.map(|bonuses| self.by_program(bonuses.values()));
        let programs: BTreeSet<ProgramId> =
            current.keys().chain(of_proposed.keys()).chain(self.bonuses.keys()).copied().collect();
        let of = |sums: &BTreeMap<ProgramId, Earnings>, id| sums.get(&id).cloned().unwrap_or_default();
        let earnings = programs.into_iter().map(|id| {
            let is_of_program = id == proposed.terms.program_id;
            SimulatedEarning {
                subject: SimulatedSubject::Bonuses(id),
                is_covered: true,
                recorded: of(&self.bonuses, id),
                current: of(&current, id),
                proposed: of(&of_proposed, id),
                is_of_program,
            }
        });
        earnings.filter(SimulatedEarning::is_told).collect()
    }

    fn by_program<'bonus>(&self, bonuses: impl Iterator<Item = &'bonus Arc<Reward>>) -> BTreeMap<ProgramId, Earnings> {
        let mut sums: BTreeMap<ProgramId, Earnings> = BTreeMap::new();
        let is_denied = |reward: &Reward| name_of(reward).is_some_and(|name| self.denied_bonuses.contains(&name));
        for reward in bonuses.filter(|reward| !is_denied(reward)) {
            add_left(sums.entry(reward.program_id).or_default(), reward);
        }
        sums
    }
}
