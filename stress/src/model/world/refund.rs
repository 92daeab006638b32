//! Refunds. At any time, the part of a reward that was taken back is the refunded share of its sale.

use headwater_client::pb;
use pb::event::Subject;
use pb::{ConversionKind as Kind, ConversionOutcome as Outcome, EventKind, LedgerAccount, LedgerReason, RewardState};
use tonic::Code;

use super::reward::{share, summary};
use super::{Conversion, Ruling, World, email, refused};
use crate::model::command::{micros, stamp};
use crate::model::reply::{Refused, Reply};
use crate::value;

/// How many of a customer's sales are considered for a refund that names none.
const SALES_MAX: usize = 100;

fn minor(money: Option<&pb::Money>) -> i64 {
    money.map_or(0, |money| money.amount_minor)
}

impl World {
    pub(super) fn record_refund(&mut self, request: &pb::RecordRefundRequest) -> Ruling {
        let amount = request.amount.clone().unwrap_or_default();
        let found = self.refunded_sale(request, &amount)?;
        let occurred = request.occur_time.as_ref().map_or(self.now, micros);
        let mut refund = self.new_conversion(Kind::Refund, &request.event_id, occurred);
        refund.row.amount = Some(pb::Money { amount_minor: -amount.amount_minor, ..amount });
        refund.row.sale_event_id.clone_from(&request.sale_event_id);
        refund.row.refund_id.clone_from(&request.refund_id);
        let waits = found.is_none() && !request.sale_event_id.is_empty();
        if waits {
            refund.row.set_outcome(Outcome::Waiting);
        }
        self.conversions.push(refund);
        let place = self.conversions.len() - 1;
        if waits {
            self.tell_of(EventKind::RefundWaiting, place, occurred);
        }
        if let Some(sale) = found {
            self.book(sale, place);
        }
        let image = self.image(place);
        Ok(Reply::Refund(pb::RecordRefundResponse {
            outcome: image.outcome,
            conversion_id: image.id,
            sale_conversion_id: image.sale_conversion_id,
            rewards: image.rewards.iter().map(summary).collect(),
            ..Default::default()
        }))
    }

    /// The refunded sale; `None` if it has not arrived or the customer is unknown.
    fn refunded_sale(&self, request: &pb::RecordRefundRequest, amount: &pb::Money) -> Result<Option<usize>, Refused> {
        let is_sale = |sale: &Conversion| sale.row.kind() == Kind::Sale;
        if !request.sale_event_id.is_empty() {
            let named = |sale: &Conversion| is_sale(sale) && sale.row.event_id == request.sale_event_id;
            let Some(place) = self.conversions.iter().position(named) else { return Ok(None) };
            self.check_fits(place, amount)?;
            return Ok(Some(place));
        }
        let email = email(&request.email);
        let lead = self.customer(&request.external_id, &email);
        let row = lead.map(|lead| self.leads[lead].clone()).unwrap_or_default();
        let mut sales = self.unreferred(lead, &[&request.external_id, &row.external_id], &[&email, &row.email]);
        if lead.is_none() && sales.is_empty() {
            return Ok(None);
        }
        let of_lead =
            |place: &usize| is_sale(&self.conversions[*place]) && self.conversions[*place].row.lead_id == row.id;
        let mut own: Vec<usize> =
            (0..self.conversions.len()).filter(|place| lead.is_some() && of_lead(place)).collect();
        own.sort_by_key(|place| self.conversions[*place].occurred);
        own.drain(..own.len().saturating_sub(SALES_MAX));
        sales.extend(own);
        let fitting = sales.into_iter().filter(|place| self.check_fits(*place, amount).is_ok());
        match fitting.max_by_key(|place| (self.conversions[*place].occurred, *place)) {
            Some(place) => Ok(Some(place)),
            None => refused(Code::FailedPrecondition, "NO_SALE_TO_REFUND", &[]),
        }
    }

    fn check_fits(&self, sale: usize, amount: &pb::Money) -> Result<(), Refused> {
        let sale = &self.conversions[sale].row;
        let currency = sale.amount.as_ref().map(|amount| amount.currency_code.as_str()).unwrap_or_default();
        let left = minor(sale.amount.as_ref()) - minor(sale.refunded_amount.as_ref());
        if amount.amount_minor == 0 && minor(sale.amount.as_ref()) > 0 {
            return Err(Refused::fields(["amount".to_owned()]));
        }
        let named = [("sale_conversion_id", sale.id.as_str()), ("currency_code", currency)];
        if currency != amount.currency_code {
            return refused(Code::FailedPrecondition, "CURRENCY_MISMATCH", &named);
        }
        if amount.amount_minor > left {
            let left = left.to_string();
            let metadata = [named[0], named[1], ("left_minor", left.as_str())];
            return refused(Code::FailedPrecondition, "REFUND_EXCEEDS_SALE", &metadata);
        }
        Ok(())
    }

    /// Books the refunds that waited for a sale and that fit, in order of occurrence.
    pub(super) fn book_waiting_refunds(&mut self, sale: usize) {
        let event_id = self.conversions[sale].row.event_id.clone();
        let waits =
            |refund: &Conversion| refund.row.outcome() == Outcome::Waiting && refund.row.sale_event_id == event_id;
        let mut waiting: Vec<usize> =
            (0..self.conversions.len()).filter(|place| waits(&self.conversions[*place])).collect();
        waiting.sort_by_key(|place| self.conversions[*place].occurred);
        for refund in waiting {
            let mut amount = self.conversions[refund].row.amount.clone().unwrap_or_default();
            amount.amount_minor = -amount.amount_minor;
            if self.check_fits(sale, &amount).is_ok() {
                self.conversions[refund].row.version += 1;
                self.book(sale, refund);
            }
        }
    }

    /// Books a refund that fits against its sale.
    fn book(&mut self, sale: usize, refund: usize) {
        let waited = self.conversions[refund].row.outcome() == Outcome::Waiting;
        let occurred = self.conversions[refund].occurred;
        let amount = minor(self.conversions[refund].row.amount.as_ref());
        let row = &mut self.conversions[sale].row;
        row.version += 1;
        if let Some(refunded) = &mut row.refunded_amount {
            refunded.amount_minor -= amount;
        }
        let (row, own) = (row.clone(), &mut self.conversions[refund].row);
        *own = pb::Conversion {
            id: own.id.clone(),
            kind: own.kind,
            event_id: own.event_id.clone(),
            amount: own.amount.clone(),
            refunded_amount: None,
            sale_conversion_id: row.id.clone(),
            sale_event_id: row.event_id.clone(),
            channel: pb::SaleChannel::Unspecified.into(),
            refund_id: own.refund_id.clone(),
            candidates: Vec::new(),
            occur_time: own.occur_time,
            create_time: own.create_time,
            version: own.version,
            ..row
        };
        let is_attributed = own.outcome() == Outcome::Attributed;
        let settled = self.take_back(sale, refund);
        if is_attributed || waited {
            self.tell_of(EventKind::RefundRecorded, refund, occurred);
        }
        if is_attributed {
            self.tell_of(EventKind::SaleRefunded, sale, occurred);
        }
        self.tell_settled(sale, &settled);
    }

    /// Adds an event for each settled reward, and then one for each earlier refund with a settled reward. The sale gets no event,
    /// because the feed already has its new image.
    fn tell_settled(&mut self, sale: usize, settled: &[usize]) {
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

    /// Takes back the reward's share for the newly refunded part of the sale. Returns the rewards that this settles: those of
    /// earlier refunds, and the sale's.
    fn take_back(&mut self, sale: usize, refund: usize) -> Vec<usize> {
        let sale = self.conversions[sale].row.clone();
        let refund = self.conversions[refund].row.clone();
        let now = Some(stamp(self.now));
        let Some(place) = self.rewards.iter().position(|reward| reward.conversion_id == sale.id) else {
            return Vec::new();
        };
        let reward = self.rewards[place].clone();
        let from = match reward.state() {
            RewardState::Pending => LedgerAccount::AffiliatePending,
            RewardState::Approved | RewardState::Paid => LedgerAccount::AffiliatePayable,
            RewardState::Denied | RewardState::Reversed | RewardState::Unspecified => return Vec::new(),
        };
        let (value, calculation) = (
            reward.value.as_ref().map(value::cash).unwrap_or_default(),
            reward.calculation.clone().unwrap_or_default(),
        );
        let base = minor(calculation.base_amount.as_ref());
        let before_priced = minor(sale.amount.as_ref()) - base;
        let refunded = minor(sale.refunded_amount.as_ref()) - before_priced;
        // A refund of a free order takes all of its flat commission back.
        let so_far = match base {
            0 => value.amount_minor,
            base => share(value.amount_minor, refunded, base, calculation.rounding()),
        };
        let more = so_far - value::minor(reward.reversed.as_ref());
        if more == 0 {
            return Vec::new();
        }
        let is_settled = so_far == value.amount_minor && reward.state() != RewardState::Paid;
        let state = match reward.state() {
            _ if is_settled => RewardState::Reversed,
            RewardState::Paid => RewardState::Approved,
            state => state,
        };
        let mut settled = Vec::new();
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
        let worth = |amount_minor| Some(value::of_cash(pb::Money { amount_minor, ..value.clone() }));
        self.rewards[place].reversed = worth(so_far);
        self.rewards[place].update_time = now;
        let mut reversal = pb::Reward {
            id: self.fresh("rwd"),
            conversion_id: refund.id.clone(),
            value: worth(-more),
            reversed: worth(0),
            reverses_reward_id: reward.id.clone(),
            calculation: Some(pb::RewardCalculation {
                rule: pb::RewardRule::Reversal.into(),
                base_amount: refund.amount,
                ..calculation
            }),
            create_time: now,
            update_time: now,
            ..reward
        };
        reversal.set_state(state);
        self.post(&reversal, LedgerAccount::CommissionExpense, from, LedgerReason::Refunded);
        self.rewards.push(reversal);
        settled
    }
}
