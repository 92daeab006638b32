//! The rules without a store: a set that holds everything, a clock and counted ids.

use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::{AccountId, IdSource, ProgramId, RewardId};
use headwater::domain::outcome::Outcome;
use headwater::domain::program::TermsDraft;
use headwater::domain::refusal::Refusal;
use headwater::domain::rule::Envelope;
use headwater::domain::set::WorkingSet;
use headwater::domain::simulation::SimulatedEarning;
use headwater::domain::time::Time;
use headwater::domain::{Decision, decide};
use headwater::pb;
use headwater::rpc::call::change::Change;
use uuid::Uuid;

use super::book::{Book, Earned};
use super::step::Call;
use crate::support::{request, simulation};

/// The start of the clock: 2026-01-01T00:00:00Z.
pub(super) const START: Time = Time::from_micros(1_767_225_600_000_000);

pub(super) fn account_id_of(registered: &Outcome) -> AccountId {
    match registered {
        Outcome::Registered(registered) => registered.account.id,
        other => panic!("{other:?}"),
    }
}

struct CountedIds(u128);

impl IdSource for CountedIds {
    fn next_uuid(&mut self) -> Uuid {
        self.0 += 1;
        Uuid::from_u128(self.0)
    }
}

pub(super) struct Rules {
    pub(super) set: WorkingSet,
    pub(super) now: Time,
    pub(super) account_id: AccountId,
    pub(super) book: Book,
    ids: CountedIds,
}

/// A registration with a random API key. Worlds that are compared share one registration.
pub(super) fn register(name: &str) -> Envelope {
    let registration = pb::RegisterAccountRequest {
        display_name: "Shop".to_owned(),
        email: format!("{name}@owners.example"),
        ..pb::RegisterAccountRequest::default()
    };
    request::envelope(&registration, AccountId::SERVER, START)
}

impl Rules {
    pub(super) fn new() -> Self {
        Self::with(&register("owner"))
    }

    /// The rules with an account from this registration.
    pub(super) fn with(registration: &Envelope) -> Self {
        let (mut set, mut ids) = (WorkingSet::complete(), CountedIds(0));
        let registered = decide(&mut set, registration, START, &mut ids).unwrap().outcome;
        let account_id = account_id_of(&registered);
        Self { set, now: START, account_id, book: Book::new(account_id), ids }
    }

    /// What a simulation with the terms in force changes, and which conversions have other rewards than when they are judged again.
    pub(super) fn simulated_differences(&mut self) -> (Vec<SimulatedEarning>, Vec<SimulatedEarning>) {
        simulation::differences(&mut self.set, self.account_id, self.now, &mut self.ids)
    }

    /// What other rules would change in place of those in force.
    pub(super) fn simulated(&mut self, program_id: ProgramId, rules: TermsDraft) -> Vec<SimulatedEarning> {
        let Self { set, now, account_id, ids, .. } = self;
        simulation::simulated(set, *account_id, program_id, Some(rules), (*now, ids))
    }

    /// How many ids were drawn.
    pub(super) fn id_count(&self) -> u128 {
        self.ids.0
    }

    pub(super) fn wait(&mut self, hours: u16) {
        self.now = Time::from_micros(self.now.micros() + i64::from(hours) * 3_600_000_000);
    }

    pub(super) fn decide(&mut self, envelope: &Envelope) -> Result<Decision, Refusal> {
        decide(&mut self.set, envelope, self.now, &mut self.ids)
    }

    pub(super) fn carry_out<M: Change>(&mut self, request: &M) -> Result<Decision, Refusal> {
        self.decide(&request::envelope(request, self.account_id, self.now))
    }

    pub(super) fn rewards_of(&self, kind: ConversionKind, event_id: &str) -> Vec<RewardId> {
        let Some(conversion) = self.set.conversions.iter().find(|row| row.kind == kind && row.event_id == event_id)
        else {
            return Vec::new();
        };
        let mut ids: Vec<_> =
            self.set.rewards.iter().filter(|row| row.conversion_id == Some(conversion.id)).map(|row| row.id).collect();
        ids.sort();
        ids
    }

    pub(super) fn envelope(&self, call: &Call) -> Option<Envelope> {
        let earned: Earned = Book::rewards_wanted(call)
            .into_iter()
            .map(|(kind, event_id)| {
                let ids = self.rewards_of(kind, &event_id);
                ((kind, event_id), ids)
            })
            .collect();
        self.book.envelope(call, self.now, &earned)
    }
}
