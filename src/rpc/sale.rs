//! Sales and refunds on the wire.

use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Amounts, Fields, KEY_LENGTH_MAX, NAME_LENGTH_MAX};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::lead::{customer, referral};
use super::{conversion, reward};
use crate::domain::conversion::{OrderDetails, RefundOutcome, SaleChannel, SaleOutcome};
use crate::domain::request::RecordedKind;
use crate::domain::rule::{RecordRefund, RecordSale};
use crate::error::Error;
use crate::pb;

const QUANTITY_MAX: i32 = 1_000_000;

impl Change for pb::RecordSaleRequest {
    type Rule = RecordSale;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Sale, &self.event_id)
    }

    fn read(&self, asking: &Asking) -> Result<(RecordSale, ()), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let customer = customer(&mut fields, &self.email, &self.external_id);
        let referral = referral(&mut fields, &self.tid, &self.ref_id, &self.coupon_code);
        let names = [&self.email, &self.external_id, &self.tid, &self.ref_id, &self.coupon_code];
        if names.iter().all(|name| name.trim().is_empty()) {
            fields.wrong("email", "is required, or one of external_id, tid, ref_id and coupon_code in its place");
        }
        let amount = fields.money("amount", self.amount.as_ref(), Amounts::Positive);
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let channel = fields.optional_value("channel", self.channel).unwrap_or(SaleChannel::Online);
        let first_name = fields.line("first_name", &self.first_name, NAME_LENGTH_MAX);
        let last_name = fields.line("last_name", &self.last_name, NAME_LENGTH_MAX);
        let mrr = fields.optional_money("mrr", self.mrr.as_ref(), Amounts::NotNegative);
        let order = OrderDetails {
            coupon_code: referral.coupon_code.clone().unwrap_or_default(),
            plan: fields.line("plan", &self.plan, KEY_LENGTH_MAX),
            quantity: fields.number("quantity", if self.quantity == 0 { 1 } else { self.quantity }, 1..=QUANTITY_MAX),
            order_id: fields.key("order_id", &self.order_id).unwrap_or_default(),
            order_number: fields.line("order_number", &self.order_number, KEY_LENGTH_MAX),
            refund_id: String::new(),
        };
        let amount = fields.complete(amount)?;
        let rule = RecordSale {
            event_id,
            customer,
            referral,
            amount,
            occurred_at,
            channel,
            first_name,
            last_name,
            mrr,
            order,
        };
        Ok((rule, ()))
    }

    fn render(sale: SaleOutcome, replayed: bool, (): (), _asking: &Asking) -> pb::RecordSaleResponse {
        pb::RecordSaleResponse {
            outcome: conversion::outcome_of(&sale.credits).number(),
            conversion_id: sale.conversion_id.to_string(),
            lead_id: id_or_empty(sale.lead_id),
            credits: conversion::credits(&sale.credits),
            rewards: sale.rewards.iter().map(reward::summary).collect(),
            replayed,
        }
    }
}

impl Change for pb::RecordRefundRequest {
    type Rule = RecordRefund;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Refund, &self.event_id)
    }

    fn read(&self, asking: &Asking) -> Result<(RecordRefund, ()), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let sale_event_id = fields.key("sale_event_id", &self.sale_event_id);
        let customer = customer(&mut fields, &self.email, &self.external_id);
        if sale_event_id.is_none() && self.email.trim().is_empty() && self.external_id.is_empty() {
            fields.wrong("sale_event_id", "is required, or one of email and external_id in its place");
        }
        let amount = fields.money("amount", self.amount.as_ref(), Amounts::Positive);
        let refund_id = fields.key("refund_id", &self.refund_id).unwrap_or_default();
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let amount = fields.complete(amount)?;
        Ok((RecordRefund { event_id, sale_event_id, customer, amount, refund_id, occurred_at }, ()))
    }

    fn render(refund: RefundOutcome, replayed: bool, (): (), _asking: &Asking) -> pb::RecordRefundResponse {
        pb::RecordRefundResponse {
            outcome: refund.outcome.number(),
            conversion_id: refund.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(refund.sale_id),
            rewards: refund.rewards.iter().map(reward::summary).collect(),
            replayed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::account::KeyKind;
    use crate::domain::time::Time;

    const NOW: Time = Time::from_micros(1_700_000_000_000_000);

    fn read<M: Change<Kept = ()>>(message: &M) -> Result<M::Rule, Error> {
        message.read(&Asking { now: NOW, key_kind: KeyKind::Admin }).map(|(rule, ())| rule)
    }

    fn sale() -> pb::RecordSaleRequest {
        pb::RecordSaleRequest {
            event_id: "order-1".to_owned(),
            email: "Jo@Example.com".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..Default::default()
        }
    }

    fn wrong_fields(message: &pb::RecordSaleRequest) -> Vec<String> {
        match read(message) {
            Err(Error::InvalidFields(violations)) => violations.into_iter().map(|violation| violation.field).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn fields_that_are_not_sent_have_their_defaults() {
        let command = read(&sale()).unwrap();
        assert_eq!(command.customer.email.as_deref(), Some("jo@example.com"));
        assert_eq!((command.order.quantity, command.channel, command.occurred_at), (1, SaleChannel::Online, None));
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let message = pb::RecordSaleRequest {
            email: "jo".to_owned(),
            external_id: "u\0".to_owned(),
            amount: Some(pb::Money { amount_minor: 0, currency_code: "dollars".to_owned() }),
            mrr: Some(pb::Money { amount_minor: -1, currency_code: "USD".to_owned() }),
            occur_time: Some(prost_types::Timestamp { seconds: 1_700_000_601, nanos: 0 }),
            channel: 7,
            quantity: -1,
            plan: "p".repeat(129),
            ..Default::default()
        };
        assert_eq!(
            wrong_fields(&message),
            [
                "event_id",
                "email",
                "external_id",
                "amount.currency_code",
                "amount.amount_minor",
                "occur_time",
                "channel",
                "mrr.amount_minor",
                "plan",
                "quantity",
            ]
        );
        assert_eq!(wrong_fields(&pb::RecordSaleRequest::default()), ["event_id", "email", "amount"]);
    }

    #[test]
    fn codes_and_tids_that_are_none_of_ours_spoil_no_sale() {
        let message = pb::RecordSaleRequest {
            email: String::new(),
            tid: "from-another-tool".to_owned(),
            ref_id: "Jo".to_owned(),
            coupon_code: "10% off!".to_owned(),
            ..sale()
        };
        let command = read(&message).unwrap();
        assert_eq!(command.referral.tid, Some(Err("from-another-tool".to_owned())));
        assert_eq!(command.referral.ref_id.as_deref(), Some("jo"));
        assert_eq!(command.referral.coupon_code.as_deref(), Some("10% OFF!"));
        assert_eq!(command.order.coupon_code, "10% OFF!");
    }

    #[test]
    fn an_event_may_be_ten_minutes_ahead() {
        let at = |seconds| Some(prost_types::Timestamp { seconds, nanos: 999_999_999 });
        let message = pb::RecordSaleRequest { occur_time: at(1_700_000_599), ..sale() };
        assert_eq!(read(&message).unwrap().occurred_at, Some(Time::from_micros(1_700_000_599_999_999)));
        for wrong in [1_700_000_600, -1, i64::MAX, i64::MIN] {
            assert_eq!(wrong_fields(&pb::RecordSaleRequest { occur_time: at(wrong), ..sale() }), ["occur_time"]);
        }
    }

    #[test]
    fn a_refund_names_its_sale_or_its_customer() {
        let amount = sale().amount;
        let refund = pb::RecordRefundRequest { event_id: "refund-1".to_owned(), amount, ..Default::default() };
        let Err(Error::InvalidFields(violations)) = read(&refund) else { panic!("was taken") };
        assert_eq!(violations[0].field, "sale_event_id");
        for named in [
            pb::RecordRefundRequest { sale_event_id: "order-1".to_owned(), ..refund.clone() },
            pb::RecordRefundRequest { email: "jo@example.com".to_owned(), ..refund.clone() },
            pb::RecordRefundRequest { external_id: "17".to_owned(), ..refund },
        ] {
            read(&named).unwrap();
        }
    }
}
