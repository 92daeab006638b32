//! Draws steps. They name objects that exist in the model, so that most commands succeed, and take other names from short lists,
//! so that names collide. The result depends on the seed alone.

mod affiliate;
mod owner;
mod past;
mod terms;
mod tracking;

use fastrand::Rng;
use headwater_client::pb;
use prost_types::Timestamp;

use super::command::{Command, MICROS_PER_DAY, MICROS_PER_SECOND, Step, stamp};
use super::world::World;

const MICROS_PER_MINUTE: i64 = 60 * MICROS_PER_SECOND;

/// How many steps back a repeat may reach.
const REMEMBERED: usize = 200;

/// Ids that are well-formed but do not exist.
const NOBODYS: &str = "_0193a5f0000070008000ffffffffffff";

/// Draws the steps of one sequence.
pub(super) struct Generator {
    rng: Rng,
    next_label: u32,
    /// Recent steps with a key, for repeats.
    repeatable: Vec<Command>,
    /// Whether neighbouring steps currently go into one batch.
    is_batching: bool,
}

/// One moment for all accounts of a wave: how far the clock moves before it, whether due rewards are approved, and how many
/// commands follow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) micros: i64,
    pub(super) approves_due: bool,
    pub(super) steps: u32,
}

impl Moment {
    pub(super) fn step(self, label: u32) -> Step {
        let Self { micros, approves_due, .. } = self;
        Step { label, is_batched: false, command: Command::Wait { micros, approves_due } }
    }
}

/// The moments of a wave, with this many commands in total.
pub(super) fn moments(seed: u64, steps: u32) -> Vec<Moment> {
    let mut rng = Rng::with_seed(seed);
    let mut moments = Vec::new();
    let mut left = steps;
    while left > 0 {
        let steps = rng.u32(1..=40).min(left);
        left -= steps;
        let days = |rng: &mut Rng, days: &[i64]| pick(rng, days) * MICROS_PER_DAY;
        let micros = match rng.u32(0..10) {
            0 | 1 => rng.i64(0..60 * MICROS_PER_MINUTE),
            2..=4 => rng.i64(0..3 * MICROS_PER_DAY),
            5 | 6 => days(&mut rng, &[1, 2, 5, 7, 10, 20]),
            7 => days(&mut rng, &[29, 30, 31]),
            8 => days(&mut rng, &[10, 30, 60]) - 1,
            _ => 1,
        };
        moments.push(Moment { micros, approves_due: rng.u32(0..3) == 0, steps });
    }
    moments
}

/// The seed of one part of a run.
pub(super) fn derived(seed: u64, part: u64) -> u64 {
    // Neighbouring seeds must give different sequences.
    seed.rotate_left(17) ^ part.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

pub(super) fn pick<T: Clone>(rng: &mut Rng, list: &[T]) -> T {
    list[rng.usize(..list.len())].clone()
}

/// The id of an element of the list, sometimes one that does not exist.
fn some_id<'row>(rng: &mut Rng, kind: &str, mut ids: impl ExactSizeIterator<Item = &'row String>) -> String {
    let count = ids.len();
    if count == 0 || rng.u32(0..60) == 0 {
        return format!("{kind}{NOBODYS}");
    }
    // Recent ones are the most likely.
    let place = if rng.bool() { rng.usize(..count) } else { count - 1 - rng.usize(..count.min(6)) };
    ids.nth(place).cloned().unwrap_or_default()
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed), next_label: 1, repeatable: Vec::new(), is_batching: false }
    }

    /// The label of the next step.
    pub(super) fn label(&mut self) -> u32 {
        self.next_label += 1;
        self.next_label - 1
    }

    /// The next step of an account that started at `origin`.
    pub(super) fn step(&mut self, world: &World, origin: i64) -> Step {
        let label = self.label();
        if self.rng.u32(0..8) == 0 {
            self.is_batching = !self.is_batching;
        }
        let command = self.opening(world, label).unwrap_or_else(|| self.command(world, world.clock - origin, label));
        if command.key().is_some() {
            if self.repeatable.len() == REMEMBERED {
                let place = self.rng.usize(..REMEMBERED);
                self.repeatable.swap_remove(place);
            }
            self.repeatable.push(command.clone());
        }
        Step { label, is_batched: self.is_batching && command.item().is_some(), command }
    }

    /// Two programs and three affiliates, so that later steps have objects to use.
    fn opening(&mut self, world: &World, label: u32) -> Option<Command> {
        if world.programs.len() < 2 && label < 8 {
            return Some(Command::CreateProgram(self.create_program(world, label)));
        }
        (world.affiliates.len() < 3 && label < 12)
            .then(|| Command::CreateAffiliate(Box::new(self.create_affiliate(world, label))))
    }

    fn command(&mut self, world: &World, elapsed: i64, label: u32) -> Command {
        match self.rng.u32(0..100) {
            0..10 if !self.repeatable.is_empty() => self.repeated(),
            10..26 => self.owners(world, elapsed, label),
            26..30 => self.read(world),
            _ => self.event(world, elapsed, label),
        }
    }

    /// Repeats an earlier command, sometimes with other content.
    fn repeated(&mut self) -> Command {
        let mut command = pick(&mut self.rng, &self.repeatable);
        if self.rng.u32(0..4) == 0 {
            alter(&mut command);
        }
        command
    }

    fn maybe<T>(&mut self, percent: u32, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        (self.rng.u32(0..100) < percent).then(|| draw(self))
    }

    /// A text, usually empty.
    fn seldom(&mut self, percent: u32, draw: impl FnOnce(&mut Self) -> String) -> String {
        self.maybe(percent, draw).unwrap_or_default()
    }

    /// When something happened: usually unset, sometimes near a moment that decides about money, sometimes on the day that a window
    /// ends, rarely later than allowed.
    fn occur_time(&mut self, world: &World, elapsed: i64) -> Option<Timestamp> {
        const DAYS: [i64; 10] = [1, 2, 5, 10, 29, 30, 31, 60, 61, 90];
        if self.rng.u32(0..6) == 0 {
            return self.near_the_past(world, elapsed);
        }
        let rng = &mut self.rng;
        let delta = match rng.u32(0..100) {
            0..70 => return None,
            70..80 => -rng.i64(0..2 * MICROS_PER_DAY),
            80..92 => -pick(rng, &DAYS) * MICROS_PER_DAY,
            92..94 => -pick(rng, &DAYS) * MICROS_PER_DAY - 1,
            94..99 => rng.i64(0..=10 * MICROS_PER_MINUTE),
            _ => 10 * MICROS_PER_MINUTE + 1,
        };
        Some(stamp(elapsed + delta))
    }

    fn request_id(&mut self, label: u32) -> String {
        self.seldom(60, |generator| match generator.rng.u32(0..10) {
            0 => format!("request-{}", generator.rng.u32(0..5)),
            _ => format!("request-of-{label}"),
        })
    }

    fn read(&mut self, world: &World) -> Command {
        use pb::conversion_selector::Selector;
        match self.rng.u32(0..7) {
            0 | 1 => {
                let rng = &mut self.rng;
                let selector = if rng.bool() || world.conversions.is_empty() {
                    Selector::Id(some_id(rng, "cnv", world.conversions.iter().map(|one| &one.row.id)))
                } else {
                    let row = &world.conversions[rng.usize(..world.conversions.len())].row;
                    let kind = if rng.u32(0..8) == 0 { pb::ConversionKind::Lead.into() } else { row.kind };
                    Selector::RecordedEvent(pb::RecordedEvent { kind, event_id: row.event_id.clone() })
                };
                let view = rng.i32(0..=2);
                let conversion = Some(pb::ConversionSelector { selector: Some(selector) });
                Command::GetConversion(pb::GetConversionRequest { conversion, view })
            }
            2 => Command::GetLead(pb::GetLeadRequest { lead: Some(self.lead(world)) }),
            3 => Command::GetBalance(pb::GetBalanceRequest {
                affiliate: Some(self.affiliate(world)),
                ..Default::default()
            }),
            4 => {
                let program_id = self.any_program_id(world);
                let terms_version = self.rng.i32(0..4);
                Command::GetProgram(pb::GetProgramRequest { program_id, terms_version })
            }
            5 => {
                let reward_id = some_id(&mut self.rng, "rwd", world.rewards.iter().map(|row| &row.id));
                Command::GetReward(pb::GetRewardRequest { reward_id, view: pb::RewardView::Basic.into() })
            }
            _ => Command::GetAffiliate(pb::GetAffiliateRequest { affiliate: Some(self.affiliate(world)) }),
        }
    }
}

/// Gives a command different content under the same key.
fn alter(command: &mut Command) {
    match command {
        Command::Click(request) => request.referrer_url.push('x'),
        Command::Lead(request) => request.first_name.push('x'),
        Command::Sale(request) => {
            if let Some(amount) = &mut request.amount {
                amount.amount_minor += 1;
            }
        }
        Command::Refund(request) => request.refund_id.push('x'),
        Command::Cancellation(request) => request.occur_time = Some(stamp(0)),
        Command::Appointment(request) => request.first_name.push('x'),
        Command::CustomEvent(request) => request.first_name.push('x'),
        Command::CreateProgram(request) => request.display_name.push('x'),
        Command::CreateAffiliate(request) => request.last_name.push('x'),
        Command::DeactivateAffiliate(request) => request.reason.push('x'),
        Command::AssignCoupon(request) => request.note.push('x'),
        Command::Deny(request) => request.reason.push('x'),
        Command::CreateLink(request) => request.code.push_str("xx"),
        _ => {}
    }
}
