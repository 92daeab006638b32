//! Taking rewards back. A reward's value never changes; what is taken back is a negative reward of its own.

use headwater_client::pb;
use pb::event::Subject;
use pb::{ConversionKind as Kind, EventKind, LedgerAccount, LedgerReason, RewardState};

use super::World;
use super::reward::{minor, share};
use crate::model::command::stamp;
use crate::value;

/// Why a reward is taken back: the conversion that the negative reward belongs to, and the amount it is computed from.
pub(super) struct Because<'row> {
    pub(super) conversion_id: &'row str,
    pub(super) base: Option<pb::Money>,
    pub(super) reason: LedgerReason,
}

impl World {
    /// How many refunds were booked against a sale.
    pub(super) fn refund_count(&self, sale_id: &str) -> usize {
        let is_of_sale = |row: &pb::Conversion| row.kind() == Kind::Refund && row.sale_conversion_id == sale_id;
        self.conversions.iter().filter(|conversion| is_of_sale(&conversion.row)).count()
    }

    /// How much of a reward all refunds of its sale take back together.
    pub(super) fn refunded_part(&self, reward: usize, sale: &pb::Conversion) -> i64 {
        let reward = &self.rewards[reward];
        let earned = value::minor(reward.value.as_ref());
        let rounding = reward.calculation.as_ref().map(pb::RewardCalculation::rounding).unwrap_or_default();
        match minor(sale.amount.as_ref()) {
            // A refund of a free order takes all of its flat commission back.
            0 if self.refund_count(&sale.id) > 0 => earned,
            sold => share(earned, minor(sale.refunded_amount.as_ref()), sold, rounding),
        }
    }

    /// Takes so much of a reward back that this much is taken back in all. Adds the rewards that this settles: those that took it
    /// back before, and itself.
    pub(super) fn take_back(&mut self, place: usize, so_far: i64, because: &Because<'_>, settled: &mut Vec<usize>) {
        let now = Some(stamp(self.now));
        let reward = self.rewards[place].clone();
        let from = match reward.state() {
            RewardState::Pending | RewardState::Held => LedgerAccount::AffiliatePending,
            RewardState::Approved | RewardState::InPayout | RewardState::Paid => LedgerAccount::AffiliatePayable,
            RewardState::Frozen => LedgerAccount::AffiliateFrozen,
            RewardState::Denied | RewardState::Reversed | RewardState::Unspecified => return,
        };
        let more = so_far - value::minor(reward.reversed.as_ref());
        if more == 0 {
            return;
        }
        let earned = reward.value.as_ref().map(value::cash).unwrap_or_default();
        let is_settled = so_far == earned.amount_minor && reward.state() != RewardState::Paid;
        let state = match reward.state() {
            _ if is_settled => RewardState::Reversed,
            RewardState::Paid => RewardState::Approved,
            state => state,
        };
        if is_settled {
            self.rewards[place].set_state(RewardState::Reversed);
            for (earlier, row) in self.rewards.iter_mut().enumerate() {
                if row.reverses_reward_id == reward.id {
                    row.set_state(RewardState::Reversed);
                    row.update_time = now;
                    settled.push(earlier);
                }
            }
            settled.push(place);
        }
        let worth = |amount_minor| Some(value::of_cash(pb::Money { amount_minor, ..earned.clone() }));
        self.rewards[place].reversed = worth(so_far);
        self.rewards[place].update_time = now;
        let mut reversal = pb::Reward {
            id: self.fresh("rwd"),
            conversion_id: because.conversion_id.to_owned(),
            value: worth(-more),
            reversed: worth(0),
            reverses_reward_id: reward.id.clone(),
            calculation: reward.calculation.clone().map(|calculation| pb::RewardCalculation {
                rule: pb::RewardRule::Reversal.into(),
                base_amount: because.base.clone(),
                ..calculation
            }),
            create_time: now,
            update_time: now,
            ..reward
        };
        reversal.set_state(state);
        self.post(&reversal, LedgerAccount::CommissionExpense, from, because.reason);
        self.rewards.push(reversal);
    }

    /// Adds an event for each settled reward, and then one for each earlier refund with a settled reward. The sale gets no event,
    /// because the feed already has its new image.
    pub(super) fn tell_settled(&mut self, sale: usize, settled: &[usize]) {
        let mut conversions = Vec::new();
        for place in settled {
            let reward = self.rewards[*place].clone();
            conversions.extend(self.conversions.iter().position(|row| row.row.id == reward.conversion_id));
            self.tell(EventKind::RewardReversed, Subject::Reward(reward));
        }
        conversions.sort_unstable();
        conversions.dedup();
        for place in conversions.into_iter().filter(|place| *place != sale) {
            self.tell_updated(place);
        }
    }
}
