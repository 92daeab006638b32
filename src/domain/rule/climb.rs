//! Sales that meet ladders in a simulation, and the tallies that they climb. Knows no customers and no prices.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::id::{AffiliateId, ConversionId, ProgramId};
use crate::domain::ladder::{LadderPart, LadderTally, LadderTallyKey};
use crate::domain::money::Currency;
use crate::domain::program::Terms;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::simulation::Earnings;
use crate::domain::time::Time;

/// When something was told. Commands of one account have different times; the id is for a clock that stands still.
pub(super) type Told = (Time, ConversionId);

/// The place among the sales that the same command credits: the customers in the order of their first events, because a late click may be of
/// several, and the sales of each.
pub(super) type Rank = (Time, ConversionId, u32);

/// How many meetings of sales with ladders a simulation notes.
const MEETINGS_MAX: usize = 200_000;

/// The earnings of a sale at a step, less those at step 0.
pub(super) type Worth = Vec<((AffiliateId, Currency), i64)>;

/// A credit of a sale that meets a ladder.
#[derive(Debug)]
pub(super) struct Climber {
    pub(super) sale_id: ConversionId,
    pub(super) key: LadderTallyKey,
    pub(super) terms: Arc<Terms>,
    /// Its worth at each step from step 1 on. Nothing if the sale is credited anew later.
    pub(super) worth: Vec<Worth>,
}

/// A climber has this in its tally from a moment on. The first time it meets a step.
#[derive(Debug, Clone)]
pub(super) struct Climb {
    pub(super) at: Told,
    pub(super) rank: Rank,
    pub(super) climber: usize,
    pub(super) part: LadderPart,
}

/// The sales that meet ladders, by the same terms.
#[derive(Debug, Default)]
pub(super) struct Climbs {
    pub(super) climbers: Vec<Climber>,
    pub(super) climbs: Vec<Climb>,
}

impl Climbs {
    /// Adds those of another customer.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] if there are too many.
    pub(super) fn append(&mut self, other: Self) -> Result<(), Refusal> {
        let first = self.climbers.len();
        if first + other.climbers.len() > MEETINGS_MAX {
            let problem = format!(
                "cannot be simulated over a history in which sales meet a ladder more than {MEETINGS_MAX} times; send a sample_sale"
            );
            return Err(Refusal::InvalidField { field: Field::TermsLadder, problem });
        }
        self.climbers.extend(other.climbers);
        self.climbs.extend(other.climbs.into_iter().map(|climb| Climb { climber: first + climb.climber, ..climb }));
        Ok(())
    }

    /// The same, where versions of the terms of a program count since other ones.
    pub(super) fn counted_since(mut self, program_id: ProgramId, counting_since: &BTreeMap<i32, i32>) -> Self {
        for climber in self.climbers.iter_mut().filter(|climber| climber.key.program_id == program_id) {
            if let Some(since_version) = counting_since.get(&climber.terms.version) {
                climber.key.since_version = *since_version;
            }
        }
        self
    }

    pub(super) fn sales(&self) -> impl Iterator<Item = ConversionId> {
        self.climbers.iter().map(|climber| climber.sale_id)
    }

    /// Lets all sales climb. Returns what each earns in addition to what it earns at step 0.
    ///
    /// # Errors
    /// The refusal of sums that are too large.
    pub(super) fn climb(&mut self) -> Result<BTreeMap<ConversionId, Earnings>, Refusal> {
        self.climbs.sort_by_key(|climb| (climb.at, climb.rank));
        let mut tallies: BTreeMap<LadderTallyKey, LadderTally> = BTreeMap::new();
        let mut parts: Vec<Option<LadderPart>> = vec![None; self.climbers.len()];
        let mut earned: BTreeMap<ConversionId, Earnings> = BTreeMap::new();
        for climb in &self.climbs {
            let (Some(climber), Some(part)) = (self.climbers.get(climb.climber), parts.get_mut(climb.climber)) else {
                continue;
            };
            let tally = tallies.entry(climber.key).or_insert(LadderTally::none(climber.key));
            if part.is_none()
                && let Some(ladder) = &climber.terms.rules.ladder
            {
                let step = usize::try_from(ladder.step_at(tally)).unwrap_or_default();
                let worth = step.checked_sub(1).and_then(|place| climber.worth.get(place));
                let sums = earned.entry(climber.sale_id).or_default();
                for (key, minor) in worth.into_iter().flatten() {
                    let sum = sums.entry(*key).or_default();
                    *sum = sum.saturating_add(*minor);
                }
            }
            tally.replace(part.as_ref().unwrap_or(&LadderPart::default()), &climb.part)?;
            *part = Some(climb.part.clone());
        }
        Ok(earned)
    }
}
