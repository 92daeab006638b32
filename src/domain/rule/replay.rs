//! Tells the events of a simulation again that share tallies with others: those under terms with caps, ladders, threshold bonuses and conditions on
//! what the affiliate has sold. What they earn depends on what the events of other customers have earned and sold.
//!
//! Customers are judged one by one, and each of their events notes its turns: when it was credited, credited anew, refunded and corrected. When
//! all customers are known, the turns are taken in the order in which they were told, by the rules that book them. Tallies begin with nothing.
//!
//! An event is in memory from its first turn to its last one. Before, it has its turns and an id.

mod click;
mod command;
mod loose;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use smallvec::SmallVec;

use super::commission::Claims;
use super::context::Context;
use crate::domain::calendar::Day;
use crate::domain::click::Click;
use crate::domain::conversion::{Conversion, CustomerSale};
use crate::domain::enrollment::Enrollment;
use crate::domain::id::{AccountId, AffiliateId, ClickId, ConversionId, EnrollmentId, IdSource, LeadId, RewardId};
use crate::domain::program::{Program, Terms};
use crate::domain::refusal::{Field, Refusal};
use crate::domain::reward::Reward;
use crate::domain::set::{Needs, SimulatedTallies, WorkingSet};
use crate::domain::simulation::{Earnings, ProposedTerms, SimulatedEarning, has_tallies};
use crate::domain::time::Time;
use command::State;
use loose::LooseRewards;

/// When something was told. Commands of one account have different times; the id is for a clock that stands still.
pub(super) type Told = (Time, ConversionId);

pub(super) fn told(event: &Conversion) -> Told {
    (event.created_at, event.id)
}

/// The place among the events that the same command changes: the customers in the order of their first events, because a late click may be of
/// several, and the events of each.
pub(super) type Rank = (Time, ConversionId, u32);

/// The refunds and corrections of each sale.
pub(super) type Changes = BTreeMap<ConversionId, Vec<Arc<Conversion>>>;

/// A reward of a conversion, whichever way it was earned: that of an enrollment for a credit, or the change of a tally.
pub(super) type RewardName = (ConversionId, EnrollmentId, EnrollmentId, bool);

/// How many turns a simulation notes, for both terms together. They take some 400 MB.
const TURNS_MAX: usize = 2_000_000;

/// The terms in force, and the proposed ones.
pub(super) const SIDES: [usize; 2] = [0, 1];

pub(super) fn name_of(reward: &Reward) -> Option<RewardName> {
    Some((reward.conversion_id?, reward.enrollment_id, reward.credited_enrollment_id(), reward.is_tally_change()))
}

/// Adds what is left of a reward to what its affiliate earns.
pub(super) fn add_left(sums: &mut Earnings, reward: &Reward) {
    let sum = sums.entry((reward.affiliate_id, reward.value.currency)).or_default();
    *sum = sum.saturating_add(reward.value.amount_minor.saturating_sub(reward.reversed_minor));
}

/// Something that changes what an event earns.
pub(super) struct TurnDraft {
    pub(super) at: Told,
    pub(super) rank: Rank,
    pub(super) act: ActDraft,
}

pub(super) enum ActDraft {
    /// A verdict on the event.
    Judged { claims: Box<Claims>, coupon_owners: CouponOwners, customer_sale: Option<CustomerSale>, may_earn: bool },
    /// A refund or a correction.
    Changed(ConversionId),
}

/// An event with its turns by the terms in force and by the proposed ones.
pub(super) struct EventDraft {
    /// What it earns by the terms by which it has no turns.
    pub(super) earning: SimulatedEarning,
    pub(super) id: ConversionId,
    pub(super) lead_id: Option<LeadId>,
    /// Its amount as it was told first.
    pub(super) told_minor: i64,
    pub(super) corrections: Vec<ConversionId>,
    pub(super) denied: Vec<RewardName>,
    pub(super) turns: [Vec<TurnDraft>; 2],
}

struct Event {
    earning: SimulatedEarning,
    id: ConversionId,
    lead_id: Option<LeadId>,
    told_minor: i64,
    corrections: Vec<ConversionId>,
    denied: Vec<RewardName>,
    /// How many turns are left, by the terms in force and by the proposed ones.
    left: [usize; 2],
}

struct Turn {
    at: Told,
    rank: Rank,
    event: usize,
    side: usize,
    act: Act,
}

#[derive(Clone, Copy)]
enum Act {
    Judged { claims: usize, customer_sale: Option<CustomerSale>, may_earn: bool },
    Changed(ConversionId),
}

/// The affiliates of the coupons that could credit a sale. Each has its coupon's own commission.
pub(super) type CouponOwners = SmallVec<[AffiliateId; 1]>;

/// A version of terms by its place, the credits of the claims (enrollment, and two numbers of each), and whose coupons could credit the sale.
type ClaimsKey = (usize, SmallVec<[(EnrollmentId, i32, i32); 1]>, CouponOwners);

/// The claims of turns, each once. The terms in force and the proposed ones may have different rows of the same version.
#[derive(Default)]
struct ClaimsMet {
    places: BTreeMap<ClaimsKey, usize>,
    all: Vec<(Claims, CouponOwners)>,
}

impl ClaimsMet {
    fn place_of(&mut self, side: usize, claims: Claims, coupon_owners: CouponOwners) -> usize {
        let credits = claims.iter().map(|claim| &claim.credit);
        let key = credits.map(|credit| (credit.enrollment_id, credit.terms_version, credit.share_ppm)).collect();
        let Self { places, all } = self;
        *places.entry((side, key, coupon_owners.clone())).or_insert_with(|| {
            all.push((claims, coupon_owners));
            all.len() - 1
        })
    }
}

/// What was told so far by the same terms.
#[derive(Default)]
struct Side {
    tallies: SimulatedTallies,
    states: HashMap<usize, State>,
    /// The threshold bonuses that affiliates have.
    bonuses: BTreeMap<RewardId, Arc<Reward>>,
    /// The visitors whose click counts for an affiliate on a day.
    counted: HashSet<(ClickId, AffiliateId, Day)>,
}

/// The events of a simulation that share tallies, as they are told again.
pub struct Replay {
    proposed: Arc<ProposedTerms>,
    has_tallies: bool,
    pays_for_clicks: bool,
    pub(super) loose_changes: Changes,
    loose_rewards: LooseRewards,
    events: Vec<Option<Event>>,
    turns: Vec<Turn>,
    next: usize,
    claims: ClaimsMet,
    sides: [Side; 2],
    /// What the click that is told now earns by the terms in force.
    half: Option<(ClickId, Earnings)>,
    waiting_count: i64,
}

impl Replay {
    /// Nothing was told yet. `versions` are those of all programs.
    pub fn of(versions: &[&Terms], proposed: &Arc<ProposedTerms>) -> Self {
        let any = |holds: fn(&Terms) -> bool| versions.iter().any(|terms| holds(terms)) || holds(&proposed.terms);
        Self {
            proposed: Arc::clone(proposed),
            has_tallies: any(|terms| has_tallies(&terms.rules)),
            pays_for_clicks: any(|terms| terms.rules.pays_for_clicks()),
            loose_changes: Changes::new(),
            loose_rewards: LooseRewards::default(),
            events: Vec::new(),
            turns: Vec::new(),
            next: 0,
            claims: ClaimsMet::default(),
            sides: [Side::default(), Side::default()],
            half: None,
            waiting_count: 0,
        }
    }

    /// Whether any terms have tallies. Then refunds and corrections without a lead must be added before anything is judged, because no list of a
    /// customer has them, and all events are judged.
    pub const fn has_tallies(&self) -> bool {
        self.has_tallies
    }

    /// Whether clicks may earn, so that they must be told.
    pub const fn pays_for_clicks(&self) -> bool {
        self.pays_for_clicks
    }

    /// Adds a refund or a correction that has no lead.
    pub fn add_loose_change(&mut self, change: Arc<Conversion>) {
        if let Some(sale_id) = change.sale_id.filter(|_| change.lead_id.is_none()) {
            self.loose_changes.entry(sale_id).or_default().push(change);
        }
    }

    /// Adds a reward that has no conversion.
    pub fn add_loose_reward(&mut self, reward: &Reward) {
        self.loose_rewards.add(reward, &self.proposed);
    }

    /// How many events of the time of the proposed terms wait for their turns.
    pub const fn waiting_count(&self) -> i64 {
        self.waiting_count
    }

    /// Notes the turns of events of a customer.
    ///
    /// # Errors
    /// [`Refusal::InvalidField`] if there are too many.
    pub(super) fn note(&mut self, drafts: Vec<EventDraft>) -> Result<(), Refusal> {
        let count: usize = drafts.iter().flat_map(|draft| &draft.turns).map(Vec::len).sum();
        if self.turns.len() + count > TURNS_MAX {
            let problem = format!(
                "cannot be simulated: events under terms with caps, a ladder, bonuses or conditions on what the affiliate has sold were credited, \
                 refunded and corrected more than {} times; leave these out, or send a sample_sale",
                TURNS_MAX / SIDES.len()
            );
            return Err(Refusal::InvalidField { field: Field::Terms, problem });
        }
        for draft in drafts {
            let EventDraft { earning, id, lead_id, told_minor, corrections, denied, turns } = draft;
            let (event, left) = (self.events.len(), [turns[0].len(), turns[1].len()]);
            self.waiting_count += i64::from(earning.is_covered);
            self.events.push(Some(Event { earning, id, lead_id, told_minor, corrections, denied, left }));
            for (side, turns) in turns.into_iter().enumerate() {
                for TurnDraft { at, rank, act } in turns {
                    let act = match act {
                        ActDraft::Changed(id) => Act::Changed(id),
                        ActDraft::Judged { claims, coupon_owners, customer_sale, may_earn } => {
                            let claims = self.claims.place_of(side, *claims, coupon_owners);
                            Act::Judged { claims, customer_sale, may_earn }
                        }
                    };
                    self.turns.push(Turn { at, rank, event, side, act });
                }
            }
        }
        Ok(())
    }

    /// Puts the turns in order, when all customers were judged.
    pub fn sort(&mut self) {
        self.turns.sort_by_key(|turn| (turn.at, turn.side, turn.rank));
    }

    /// Whether all commands were told.
    pub fn is_over(&self) -> bool {
        self.next >= self.turns.len()
    }

    /// Whether a click was told before the next command, or by it: a click that is told late earns before it changes the credits of sales.
    pub fn is_before_next(&self, click: &Click) -> bool {
        let told = (click.created_at, ConversionId::from_uuid(click.id.uuid()));
        self.turns.get(self.next).is_none_or(|turn| told <= turn.at)
    }

    /// The rows that the next commands are known to need.
    pub fn needs(&self, account_id: AccountId, count: usize) -> Needs {
        let mut needs = Needs::default();
        for turn in self.turns.iter().skip(self.next).take(count) {
            self.want(account_id, turn, &mut needs);
        }
        needs
    }

    fn want(&self, account_id: AccountId, turn: &Turn, needs: &mut Needs) {
        if let Some(Some(event)) = self.events.get(turn.event)
            && self.sides.get(turn.side).is_some_and(|side| !side.states.contains_key(&turn.event))
        {
            needs.row::<Conversion>((account_id, event.id));
            needs.conversions.extend(event.corrections.iter().map(|id| (account_id, *id)));
        }
        match turn.act {
            Act::Changed(id) => needs.row::<Conversion>((account_id, id)),
            Act::Judged { claims, .. } => {
                for claim in self.claims.all.get(claims).into_iter().flat_map(|(claims, _)| claims) {
                    needs.row::<Enrollment>((account_id, claim.credit.enrollment_id));
                    needs.row::<Program>((account_id, claim.credit.program_id));
                    if claim.terms.version != ProposedTerms::VERSION {
                        needs.row::<Terms>((account_id, claim.credit.program_id, claim.terms.version));
                    }
                }
            }
        }
    }

    /// Tells the next command again, by the same terms. Returns what the events earn that have no more turns. The set is left as it was.
    ///
    /// # Errors
    /// [`Refusal::NotLoaded`] when rows must be loaded first, and the refusals of amounts that are too large. Nothing was told then.
    pub fn step(
        &mut self,
        set: &mut WorkingSet,
        account_id: AccountId,
        ids: &mut dyn IdSource,
    ) -> Result<Vec<SimulatedEarning>, Refusal> {
        let Some(first) = self.turns.get(self.next) else { return Ok(Vec::new()) };
        let (at, side) = (first.at, first.side);
        let rest = self.turns.iter().skip(self.next);
        let count = rest.take_while(|turn| (turn.at, turn.side) == (at, side)).count();
        let told = self.in_set(set, (account_id, at.0, ids), side, |replay, context| replay.tell(context, count))?;
        let touched: BTreeSet<usize> = told.states.iter().map(|(event, _)| *event).collect();
        let Some(of_side) = self.sides.get_mut(side) else { return Ok(Vec::new()) };
        of_side.states.extend(told.states);
        told.lost.iter().for_each(|id| _ = of_side.bonuses.remove(id));
        of_side.bonuses.extend(told.bonuses);
        for turn in self.turns.iter().skip(self.next).take(count) {
            if let Some(Some(event)) = self.events.get_mut(turn.event) {
                event.left[side] -= 1;
            }
        }
        self.next += count;
        Ok(touched.into_iter().filter_map(|event| self.finish_event(event, side)).collect())
    }

    /// The earnings of an event that has no more turns.
    fn finish_event(&mut self, place: usize, side: usize) -> Option<SimulatedEarning> {
        let slot = self.events.get_mut(place)?;
        let event = slot.as_mut()?;
        if event.left[side] > 0 {
            return None;
        }
        let state = self.sides.get_mut(side)?.states.remove(&place);
        let sums = if side == 0 { &mut event.earning.current } else { &mut event.earning.proposed };
        if let Some(state) = state {
            state.add_to(sums, event.id, &event.denied);
        }
        if event.left != [0, 0] {
            return None;
        }
        let earning = slot.take()?.earning;
        self.waiting_count -= i64::from(earning.is_covered);
        earning.is_told().then_some(earning)
    }

    /// Does something with the tallies of a side in place of those of the set. Only they keep what it has changed.
    fn in_set<T>(
        &mut self,
        set: &mut WorkingSet,
        (account_id, now, ids): (AccountId, Time, &mut dyn IdSource),
        side: usize,
        act: impl FnOnce(&Self, &mut Context<'_>) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut tallies = self.sides.get_mut(side).map(|side| std::mem::take(&mut side.tallies)).unwrap_or_default();
        // Nothing that was changed before can be rolled back, neither in the set's own tallies nor in these.
        set.begin();
        set.swap_tallies(&mut tallies);
        set.begin();
        if side > 0 {
            set.proposed = Some(Arc::clone(&self.proposed));
            self.proposed.rows().for_each(|terms| _ = set.put::<Terms>(Arc::clone(terms)));
        }
        let cause_id = String::new();
        let mut context = Context { set: &mut *set, account_id, now, ids, cause_id, key_id: None, touched: Vec::new() };
        let done = act(self, &mut context);
        set.proposed = None;
        if done.is_ok() {
            _ = set.take_wanted();
            set.swap_tallies(&mut tallies);
            set.roll_back();
        } else {
            set.roll_back();
            set.swap_tallies(&mut tallies);
        }
        tallies.forget_clicks();
        if let Some(side) = self.sides.get_mut(side) {
            side.tallies = tallies;
        }
        done
    }

    /// What was earned beside conversions and clicks, once all was told.
    pub fn finish(&mut self) -> Vec<SimulatedEarning> {
        let [current, proposed] = &self.sides;
        self.loose_rewards.bonuses([&current.bonuses, &proposed.bonuses], &self.proposed)
    }

    /// What affiliates have earned with clicks of the program that occurred while the proposed terms stand.
    pub fn recorded_of_clicks(&self) -> &Earnings {
        self.loose_rewards.recorded_of_clicks()
    }
}
