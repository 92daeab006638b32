//! Refunds. At any time, the part of a reward that was taken back is the refunded share of its sale.

use headwater_client::pb;
use pb::{ConversionKind as Kind, ConversionOutcome as Outcome, EventKind, LedgerReason};
use tonic::Code;

use super::reversal::Because;
use super::reward::{minor, summary};
use super::{CLOCK_DIFFERENCE_MAX, Conversion, Ruling, World, email, refused};
use crate::model::command::micros;
use crate::model::reply::{Refused, Reply};

/// How many of a customer's sales are considered for a refund that names none.
const SALES_MAX: usize = 100;

impl World {
    pub(super) fn record_refund(&mut self, request: &pb::RecordRefundRequest) -> Ruling {
        let amount = request.amount.clone().unwrap_or_default();
        if request.sale_event_id.is_empty() {
            let email = email(&request.email);
            let lead = self.customer(&request.external_id, &email);
            self.begin_commit_for_new_name(lead, &request.external_id, &email);
        }
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
        sales.retain(|place| is_sale(&self.conversions[*place]));
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
        // A sale that is later than the refund is better than none, because some senders know only the day of a refund.
        let latest = request.occur_time.as_ref().map_or(self.now, micros) + CLOCK_DIFFERENCE_MAX;
        let rank = |place: &usize| {
            let occurred = self.conversions[*place].occurred;
            (occurred <= latest, occurred, *place)
        };
        match fitting.max_by_key(rank) {
            Some(place) => Ok(Some(place)),
            None => refused(Code::FailedPrecondition, "NO_SALE_TO_REFUND", &[]),
        }
    }

    pub(super) fn left(&self, sale: usize) -> i64 {
        let sale = &self.conversions[sale].row;
        minor(sale.amount.as_ref()) - minor(sale.refunded_amount.as_ref())
    }

    fn check_fits(&self, place: usize, amount: &pb::Money) -> Result<(), Refused> {
        let sale = &self.conversions[place].row;
        let currency = sale.amount.as_ref().map(|amount| amount.currency_code.as_str()).unwrap_or_default();
        let left = self.left(place);
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

    /// Books the refunds that waited for a sale, in order of occurrence. Each takes at most what is left. One in another currency
    /// goes on waiting.
    pub(super) fn book_waiting_refunds(&mut self, sale: usize) {
        let event_id = self.conversions[sale].row.event_id.clone();
        let waits =
            |refund: &Conversion| refund.row.outcome() == Outcome::Waiting && refund.row.sale_event_id == event_id;
        let mut waiting: Vec<usize> =
            (0..self.conversions.len()).filter(|place| waits(&self.conversions[*place])).collect();
        waiting.sort_by_key(|place| self.conversions[*place].occurred);
        for refund in waiting {
            let sold = self.conversions[sale].row.amount.clone().unwrap_or_default();
            let amount = self.conversions[refund].row.amount.clone().unwrap_or_default();
            // A refund of nothing is one of a free order.
            let fits =
                amount.currency_code == sold.currency_code && (amount.amount_minor != 0 || sold.amount_minor == 0);
            if fits {
                let excess = (-amount.amount_minor - self.left(sale)).max(0);
                let row = &mut self.conversions[refund].row;
                row.version += 1;
                row.excess_amount = (excess > 0).then_some(pb::Money { amount_minor: excess, ..amount });
                self.book(sale, refund);
            }
        }
    }

    /// Books a refund against its sale, except what it exceeds the sale by.
    fn book(&mut self, sale: usize, refund: usize) {
        let was_told = self.is_in_feed(refund);
        let occurred = self.conversions[refund].occurred;
        let own = self.conversions[refund].row.clone();
        let excess = minor(own.excess_amount.as_ref());
        let row = &mut self.conversions[sale].row;
        row.version += 1;
        if let Some(refunded) = &mut row.refunded_amount {
            refunded.amount_minor += -minor(own.amount.as_ref()) - excess;
        }
        let row = row.clone();
        self.conversions[refund].row = pb::Conversion {
            id: own.id.clone(),
            kind: own.kind,
            event_id: own.event_id,
            amount: own.amount.clone(),
            excess_amount: own.excess_amount,
            refunded_amount: None,
            sale_conversion_id: row.id.clone(),
            sale_event_id: row.event_id.clone(),
            channel: pb::SaleChannel::Unspecified.into(),
            refund_id: own.refund_id,
            candidates: Vec::new(),
            occur_time: own.occur_time,
            create_time: own.create_time,
            version: own.version,
            ..row.clone()
        };
        let is_sale_told = self.is_in_feed(sale);
        let mut settled = Vec::new();
        // The part that exceeds the sale takes nothing back.
        let base = own.amount.map(|amount| pb::Money { amount_minor: amount.amount_minor + excess, ..amount });
        let because = Because { conversion_id: &own.id, base, reason: LedgerReason::Refunded };
        for place in 0..self.rewards.len() {
            let reward = &self.rewards[place];
            if reward.conversion_id == row.id && reward.reverses_reward_id.is_empty() {
                let part = self.refunded_part(place, &row);
                self.take_back(place, part, &because, &mut settled);
            }
        }
        if was_told || is_sale_told {
            let kind = if excess > 0 { EventKind::RefundExceededSale } else { EventKind::RefundRecorded };
            self.tell_of(kind, refund, occurred);
        }
        if is_sale_told {
            self.tell_of(EventKind::SaleRefunded, sale, occurred);
        }
        self.tell_settled(sale, &settled);
    }
}
