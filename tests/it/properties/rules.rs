//! The rules alone: a set that holds everything, a clock and counted ids.

use headwater::domain::account::{NewApiKey, RegisterAccount};
use headwater::domain::command::{Command, Envelope, Outcome};
use headwater::domain::conversion::ConversionKind;
use headwater::domain::id::{AccountId, IdSource, RewardId};
use headwater::domain::refusal::Refusal;
use headwater::domain::time::Time;
use headwater::domain::working_set::WorkingSet;
use headwater::domain::{Decision, decide};
use uuid::Uuid;

use super::book::{Book, Earned};
use super::step::Call;

/// When everything begins: 2026-01-01T00:00:00Z.
pub(super) const START: Time = Time::from_micros(1_767_225_600_000_000);

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

pub(super) fn register(name: &str) -> Envelope {
    let key = NewApiKey { prefix: format!("hw_admin_{name}"), secret_hash: [0; 32] };
    let command = RegisterAccount { display_name: "Shop".to_owned(), email: format!("{name}@owners.example"), key };
    Envelope { account_id: AccountId::SERVER, fingerprint: None, command: Command::RegisterAccount(command) }
}

impl Rules {
    pub(super) fn new() -> Self {
        Self::of("owner")
    }

    /// The rules with an account that is registered under this name.
    pub(super) fn of(name: &str) -> Self {
        let mut set = WorkingSet { is_complete: true, ..WorkingSet::default() };
        let mut ids = CountedIds(0);
        let Decision { outcome: Outcome::Registered { account, .. }, .. } =
            decide(&mut set, &register(name), START, &mut ids).unwrap()
        else {
            panic!("RegisterAccount answers with the account")
        };
        Self { set, now: START, account_id: account.id, book: Book::new(account.id), ids }
    }

    pub(super) fn wait(&mut self, hours: u16) {
        self.now = Time::from_micros(self.now.micros() + i64::from(hours) * 3_600_000_000);
    }

    pub(super) fn decide(&mut self, envelope: &Envelope) -> Result<Decision, Refusal> {
        decide(&mut self.set, envelope, self.now, &mut self.ids)
    }

    pub(super) fn carry_out(&mut self, command: Command) -> Result<Outcome, Refusal> {
        let envelope = Envelope { account_id: self.account_id, fingerprint: None, command };
        self.decide(&envelope).map(|decision| decision.outcome)
    }

    pub(super) fn rewards_of(&self, kind: ConversionKind, event_id: &str) -> Vec<RewardId> {
        let Some(conversion) = self.set.conversions.iter().find(|row| row.kind == kind && row.event_id == event_id)
        else {
            return Vec::new();
        };
        let mut ids: Vec<_> =
            self.set.rewards.iter().filter(|row| row.conversion_id == conversion.id).map(|row| row.id).collect();
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
