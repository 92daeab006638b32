//! Rewards, their states, and the books.

use std::collections::BTreeMap;

use headwater_client::pb;
use pb::event::Subject;
use pb::{EventKind, LedgerAccount, LedgerReason, RewardState};
use tonic::Code;

use super::history::Claim;
use super::{Ruling, Unordered, World, missing, refused};
use crate::model::command::{MICROS_PER_DAY, micros, stamp};
use crate::model::names::ANY;
use crate::model::reply::{Refused, Replayed, Reply};
use crate::value;

/// `value x part / whole` for amounts of at least zero, rounded as the rule and the remainder require.
pub(super) fn share(value: i64, part: i64, whole: i64, rounding: pb::Rounding) -> i64 {
    if whole == 0 {
        return 0;
    }
    let exact = i128::from(value) * i128::from(part);
    let (below, rest) = (exact / i128::from(whole), exact % i128::from(whole));
    let twice = (2 * rest).cmp(&i128::from(whole));
    let goes_up = match rounding {
        pb::Rounding::Down => false,
        pb::Rounding::HalfUp => twice.is_ge(),
        pb::Rounding::HalfEven | pb::Rounding::Unspecified => twice.is_gt() || (twice.is_eq() && below % 2 == 1),
    };
    i64::try_from(below + i128::from(goes_up)).unwrap_or(i64::MAX)
}

pub(super) fn minor(money: Option<&pb::Money>) -> i64 {
    money.map_or(0, |money| money.amount_minor)
}

pub(super) fn summary(reward: &pb::Reward) -> pb::RewardSummary {
    pb::RewardSummary {
        reward_id: reward.id.clone(),
        affiliate_id: reward.affiliate_id.clone(),
        value: reward.value.clone(),
    }
}

/// A state change of rewards: the states before and after, and the account posted to, if any.
pub(super) struct Move<'request> {
    from: &'static [RewardState],
    to: RewardState,
    booked: Option<(LedgerAccount, LedgerReason)>,
    kind: EventKind,
    deny_reason: &'request str,
}

const APPROVAL: Move<'static> = Move {
    from: &[RewardState::Pending],
    to: RewardState::Approved,
    booked: Some((LedgerAccount::AffiliatePayable, LedgerReason::Approved)),
    kind: EventKind::RewardApproved,
    deny_reason: "",
};

pub(super) const HOLD: Move<'static> = Move {
    from: &[RewardState::Pending],
    to: RewardState::Held,
    booked: None,
    kind: EventKind::RewardHeld,
    deny_reason: "",
};

const RELEASE: Move<'static> = Move {
    from: &[RewardState::Held],
    to: RewardState::Pending,
    booked: None,
    kind: EventKind::RewardReleased,
    deny_reason: "",
};

pub(super) fn denial(deny_reason: &str) -> Move<'_> {
    Move {
        from: &[RewardState::Pending, RewardState::Held],
        to: RewardState::Denied,
        booked: Some((LedgerAccount::CommissionExpense, LedgerReason::Denied)),
        kind: EventKind::RewardDenied,
        deny_reason,
    }
}

impl World {
    /// The reward of a newly credited sale, if it is more than zero. The commission that the enrollment had of its own when the sale
    /// happened takes the place of the program's.
    pub(super) fn earn(&mut self, sale: usize, claim: &Claim) -> Option<usize> {
        let (row, occurred) = (self.conversions[sale].row.clone(), self.conversions[sale].occurred);
        let own = self.own_commission(claim.enrollment, occurred);
        let (value, calculation) = self.price(sale, claim, own)?;
        if value.amount_minor == 0 {
            return None;
        }
        let hold = i64::from(claim.terms.hold_period_days.unwrap_or_default()) * MICROS_PER_DAY;
        let nothing = pb::Money { amount_minor: 0, ..value.clone() };
        let reward = pb::Reward {
            id: self.fresh("rwd"),
            conversion_id: row.id,
            affiliate_id: claim.credit.affiliate_id.clone(),
            enrollment_id: claim.credit.enrollment_id.clone(),
            program_id: claim.credit.program_id.clone(),
            value: Some(value::of_cash(value)),
            reversed: Some(value::of_cash(nothing)),
            state: RewardState::Pending.into(),
            calculation: Some(calculation),
            auto_approve_time: Some(stamp(occurred + hold)),
            create_time: Some(stamp(self.now)),
            update_time: Some(stamp(self.now)),
            ..pb::Reward::default()
        };
        self.post(&reward, LedgerAccount::CommissionExpense, LedgerAccount::AffiliatePending, LedgerReason::Earned);
        self.rewards.push(reward);
        Some(self.rewards.len() - 1)
    }

    /// Books a reward's value. A negative value is booked in reverse.
    pub(super) fn post(
        &mut self,
        reward: &pb::Reward,
        debit: LedgerAccount,
        credit: LedgerAccount,
        reason: LedgerReason,
    ) {
        let mut value = reward.value.as_ref().map(value::cash).unwrap_or_default();
        let (debit, credit) = if value.amount_minor < 0 { (credit, debit) } else { (debit, credit) };
        value.amount_minor = value.amount_minor.abs();
        let posted = self.commit_time();
        self.entries.push(pb::LedgerEntry {
            sequence: self.entries.len() as i64 + 1,
            debit: debit.into(),
            credit: credit.into(),
            value: Some(value::of_cash(value)),
            affiliate_id: reward.affiliate_id.clone(),
            reward_id: reward.id.clone(),
            conversion_id: reward.conversion_id.clone(),
            reason: reason.into(),
            post_time: Some(stamp(posted)),
            entry_hash: ANY.to_owned(),
            payout_id: String::new(),
        });
    }

    pub(super) fn approve(&mut self, request: &pb::ApproveRewardsRequest) -> Ruling {
        self.move_all(&request.reward_ids, &APPROVAL)
    }

    pub(super) fn deny(&mut self, request: &pb::DenyRewardsRequest) -> Ruling {
        self.move_all(&request.reward_ids, &denial(&request.reason))
    }

    pub(super) fn release(&mut self, request: &pb::ReleaseRewardsRequest) -> Ruling {
        self.move_all(&request.reward_ids, &RELEASE)
    }

    fn move_all(&mut self, ids: &[String], step: &Move<'_>) -> Ruling {
        let mut places = Vec::new();
        for id in ids {
            let Some(place) = self.rewards.iter().position(|reward| reward.id == *id) else {
                return missing("REWARD_NOT_FOUND");
            };
            let reward = &self.rewards[place];
            if !reward.reverses_reward_id.is_empty() {
                return Err(Refused::fields(["reward_ids".to_owned()]));
            }
            if !step.from.contains(&reward.state()) {
                let state = reward.state().as_str_name().trim_start_matches("REWARD_STATE_").to_lowercase();
                let metadata = [("reward_id", id.as_str()), ("state", state.as_str())];
                return refused(Code::FailedPrecondition, "REWARD_STATE", &metadata);
            }
            places.push(place);
        }
        self.effect = ids.first().cloned().unwrap_or_default();
        self.carry_on(&places, step);
        let rewards = places.iter().map(|place| self.rewards[*place].clone()).collect();
        Ok(Reply::Rewards(rewards, Replayed(false)))
    }

    /// Changes the state of rewards and of their refunds' rewards. For each conversion, adds an event for each of its rewards and then
    /// one for the conversion.
    pub(super) fn carry_on(&mut self, places: &[usize], step: &Move<'_>) {
        let mut moved = Vec::new();
        for place in places {
            let (id, from) = (self.rewards[*place].id.clone(), self.rewards[*place].state());
            let is_with_it = |other: &pb::Reward| other.reverses_reward_id == id && other.state() == from;
            let with_it = (0..self.rewards.len()).filter(|other| is_with_it(&self.rewards[*other]));
            let all: Vec<usize> = std::iter::once(*place).chain(with_it).collect();
            for place in all {
                let now = stamp(self.now);
                let reward = &mut self.rewards[place];
                reward.set_state(step.to);
                reward.update_time = Some(now);
                step.deny_reason.clone_into(&mut reward.deny_reason);
                let reward = reward.clone();
                if let Some((credit, reason)) = step.booked {
                    self.post(&reward, LedgerAccount::AffiliatePending, credit, reason);
                }
                let conversion = self.conversions.iter().position(|row| row.row.id == reward.conversion_id);
                moved.extend(conversion.map(|conversion| (conversion, place)));
            }
        }
        moved.sort_unstable();
        for of_one in moved.chunk_by(|(one, _), (other, _)| one == other) {
            for (_, reward) in of_one {
                let reward = self.rewards[*reward].clone();
                let image = pb::Reward { deny_reason: String::new(), ..reward };
                self.tell(step.kind, Subject::Reward(image));
            }
            of_one.first().into_iter().for_each(|(conversion, _)| self.tell_updated(*conversion));
        }
    }

    /// Adds the event that rewards of a conversion changed their state.
    pub(super) fn tell_updated(&mut self, conversion: usize) {
        self.conversions[conversion].row.version += 1;
        self.tell_of(EventKind::ConversionUpdated, conversion, self.now);
    }

    /// The server's own work when hold periods are over.
    pub(super) fn approve_due(&mut self) {
        let is_due = |reward: &pb::Reward| {
            reward.state() == RewardState::Pending
                && reward.reverses_reward_id.is_empty()
                && reward.auto_approve_time.as_ref().is_some_and(|time| micros(time) <= self.now)
        };
        let due: Vec<usize> = (0..self.rewards.len()).filter(|place| is_due(&self.rewards[*place])).collect();
        let (entries, events) = (self.entries.len(), self.events.len());
        self.cause.clear();
        self.carry_on(&due, &APPROVAL);
        self.unordered_entries.push(Unordered { from: entries, until: self.entries.len() });
        self.unordered_events.push(Unordered { from: events, until: self.events.len() });
    }

    /// An affiliate's balances by currency, as sums over the entries. Nothing is paid yet.
    pub(crate) fn balances(&self, affiliate_id: &str) -> Vec<pb::Balance> {
        // Pending and owed.
        let mut sums: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.affiliate_id == affiliate_id) {
            let value = entry.value.as_ref().map(value::cash).unwrap_or_default();
            let (pending, owed) = sums.entry(value.currency_code).or_default();
            for (account, amount) in [(entry.debit(), -value.amount_minor), (entry.credit(), value.amount_minor)] {
                match account {
                    LedgerAccount::AffiliatePending => *pending += amount,
                    LedgerAccount::AffiliatePayable => *owed += amount,
                    LedgerAccount::CommissionExpense
                    | LedgerAccount::Fulfilled
                    | LedgerAccount::PayoutInFlight
                    | LedgerAccount::AffiliateFrozen
                    | LedgerAccount::ProviderCash
                    | LedgerAccount::ProviderFee
                    | LedgerAccount::Unspecified => {}
                }
            }
        }
        let balance = |(currency_code, (pending, owed)): (String, (i64, i64))| {
            let value =
                |amount_minor| Some(value::of_cash(pb::Money { amount_minor, currency_code: currency_code.clone() }));
            pb::Balance {
                earned: value(pending + owed),
                pending: value(pending),
                owed: value(owed),
                in_flight: value(0),
                in_dispute: value(0),
                paid: value(0),
            }
        };
        sums.into_iter().map(balance).collect()
    }
}
