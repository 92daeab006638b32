//! Sales and refunds on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, KEY_LENGTH_MAX, NAME_LENGTH_MAX, Warnings};
use super::call::render::id_or_empty;
use super::call::wire_enum::WireEnum;
use super::lead::{customer, referral};
use super::{conversion, coupon, customer_reward, line, reward};
use crate::domain::account::KeyKind;
use crate::domain::conversion::{ConversionKind, OrderDetails, RefundOutcome, SaleChannel, SaleOutcome};
use crate::domain::line::COLLECTIONS_MAX;
use crate::domain::request::RecordedKind;
use crate::domain::rule::{RecordRefund, RecordSale, line_skus};
use crate::error::Error;
use crate::pb;

const QUANTITY_MAX: i32 = 1_000_000;

impl Change for pb::RecordSaleRequest {
    type Rule = RecordSale;
    type Kept = Warnings;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Sale, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordSaleRequest,
            self,
            email: canonical::email(&self.email),
            tid: canonical::tid(&self.tid),
            ref_id: canonical::code(&self.ref_id),
            coupon_code: canonical::coupon_code(&self.coupon_code),
            occur_time: canonical::time(self.occur_time.as_ref()),
            channel: canonical::default_number(self.channel, SaleChannel::Online.number()),
            first_name: canonical::description(&self.first_name),
            last_name: canonical::description(&self.last_name),
            plan: canonical::description(&self.plan),
            quantity: canonical::default_number(self.quantity, 1),
            order_number: canonical::description(&self.order_number),
            metadata: canonical::described_values(&self.metadata),
            collections: canonical::set(&self.collections),
            lines: line::canonical_sale_lines(&self.lines),
            country_code: canonical::country_code(&self.country_code);
            as_sent: event_id, external_id, amount, mrr, order_id, item_sku,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordSale, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let mut referral = referral(&mut fields, &self.tid, &self.ref_id, &self.coupon_code);
        let has_other_name = !self.external_id.is_empty() || !referral.is_traceless();
        let mut customer = customer(&mut fields, &self.email, &self.external_id, has_other_name);
        customer.country_code = fields.told_country("country_code", &self.country_code);
        if !has_other_name && self.email.trim().is_empty() {
            fields.wrong("email", "is required, or one of external_id, tid, ref_id and coupon_code in its place");
        }
        let amount = fields.money("amount", self.amount.as_ref());
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let channel = fields.or_without(|fields| fields.optional_value("channel", self.channel));
        referral.channel = Some(channel.unwrap_or(SaleChannel::Online));
        let first_name = fields.description("first_name", &self.first_name, NAME_LENGTH_MAX);
        let last_name = fields.description("last_name", &self.last_name, NAME_LENGTH_MAX);
        let mrr = self.mrr.as_ref();
        let mrr = fields.or_without(|fields| fields.optional_money("mrr", mrr));
        referral.item_sku = fields.or_without(|fields| fields.key("item_sku", &self.item_sku)).unwrap_or_default();
        let lines = line::sale_lines(&mut fields, &self.lines, amount);
        referral.line_skus = line_skus(&lines);
        let order = OrderDetails {
            coupon_code: referral.coupon_code.clone().unwrap_or_default(),
            item_sku: referral.item_sku.clone(),
            plan: fields.description("plan", &self.plan, KEY_LENGTH_MAX),
            quantity: quantity(&mut fields, self.quantity),
            order_id: fields.or_without(|fields| fields.key("order_id", &self.order_id)).unwrap_or_default(),
            order_number: fields.description("order_number", &self.order_number, KEY_LENGTH_MAX),
            metadata: fields.described_metadata("metadata", &self.metadata),
            lines,
            collections: fields.told_set("collections", &self.collections, COLLECTIONS_MAX),
            country_code: customer.country_code.clone(),
            ..OrderDetails::default()
        };
        let warnings = fields.take_warnings();
        let amount = fields.complete(amount)?;
        let rule = RecordSale {
            kind: ConversionKind::Sale,
            event_id,
            customer,
            referral,
            amount: Some(amount),
            occurred_at,
            channel: channel.unwrap_or(SaleChannel::Online),
            first_name,
            last_name,
            mrr,
            order: Box::new(order),
        };
        Ok((rule, warnings))
    }

    fn render(sale: SaleOutcome, replayed: bool, mut warnings: Warnings, _asking: &Asking) -> pb::RecordSaleResponse {
        warn(&sale, "sale", &mut warnings);
        pb::RecordSaleResponse {
            outcome: conversion::outcome_of(&sale.credits).number(),
            conversion_id: sale.conversion_id.into(),
            lead_id: id_or_empty(sale.lead_id),
            credits: conversion::credits(&sale.credits),
            rewards: sale.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
            customer_reward: sale.customer_reward.as_ref().map(customer_reward::render),
        }
    }
}

/// Why a ref_id or a tid credits nobody.
const KNOWN_CUSTOMER_TEXT: &str =
    "credits nobody, because the customer had bought before, and the affiliate's program pays for new customers only";

/// Adds what the rule found to the warnings of a request.
pub(super) fn warn(outcome: &SaleOutcome, noun: &str, warnings: &mut Warnings) {
    if let Some(other) = outcome.other_lead_id {
        let explanation =
            format!("is the address of another lead, {other}; the {noun} is that of the external_id's lead");
        warnings.push(pb::Warning { field: "email".to_owned(), explanation });
    }
    if let Some(fault) = outcome.coupon_fault {
        let explanation = coupon::fault_text(fault).to_owned();
        warnings.push(pb::Warning { field: "coupon_code".to_owned(), explanation });
    }
    let names = [("ref_id", outcome.is_known_by_ref_id), ("tid", outcome.is_known_by_tid)];
    for (field, _) in names.into_iter().filter(|(_, is_known)| *is_known) {
        let explanation = KNOWN_CUSTOMER_TEXT.to_owned();
        warnings.push(pb::Warning { field: field.to_owned(), explanation });
    }
    if outcome.is_undeclared {
        let explanation = "is not declared in the custom_kinds of the program's terms, so nobody is credited";
        warnings.push(pb::Warning { field: "custom_kind".to_owned(), explanation: explanation.to_owned() });
    }
}

/// How many were bought. It is only stored, so a number that is out of range becomes the nearest one.
pub(super) fn quantity(fields: &mut Fields, sent: i32) -> i32 {
    let kept = if sent == 0 { 1 } else { sent.clamp(1, QUANTITY_MAX) };
    if sent != 0 && sent != kept {
        fields.warn("quantity", format!("must be 1 to {QUANTITY_MAX}; {kept} was kept"));
    }
    kept
}

impl Change for pb::RecordRefundRequest {
    type Rule = RecordRefund;
    type Kept = Warnings;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Event(RecordedKind::Refund, &self.event_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RecordRefundRequest,
            self,
            email: canonical::email(&self.email),
            occur_time: canonical::time(self.occur_time.as_ref());
            as_sent: event_id, sale_event_id, external_id, amount, refund_id, commission_adjustment, lines, refunded_total,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RecordRefund, Warnings), Error> {
        let mut fields = Fields::default();
        let event_id = fields.required_key("event_id", &self.event_id);
        let sale_event_id = fields.key("sale_event_id", &self.sale_event_id);
        let has_other_name = sale_event_id.is_some() || !self.external_id.is_empty();
        let customer = customer(&mut fields, &self.email, &self.external_id, has_other_name);
        if sale_event_id.is_none() && self.email.trim().is_empty() && self.external_id.is_empty() {
            fields.wrong("sale_event_id", "is required, or one of email and external_id in its place");
        }
        let amount = fields.optional_money("amount", self.amount.as_ref());
        let refunded_total = fields.optional_money("refunded_total", self.refunded_total.as_ref());
        if self.refunded_total.is_some() {
            check_total(&mut fields, self);
        } else if self.lines.is_empty() {
            fields.required("amount", self.amount.as_ref());
        } else if sale_event_id.is_none() {
            fields.wrong("sale_event_id", "is required with lines, because line_ids are those of one sale");
        }
        let (lines, of_lines) = line::refund_lines(&mut fields, &self.lines, amount.map(|amount| amount.currency));
        let amount = amount.or(of_lines);
        let adjustment = self.commission_adjustment.as_ref();
        let commission_adjustment = fields.optional_difference("commission_adjustment", adjustment);
        // A key in a shop's system records what happened. What is given beyond the terms is the owner's decision.
        if adjustment.is_some() && asking.key_kind != KeyKind::Admin {
            fields.wrong("commission_adjustment", "is taken from admin keys only; leave it out, or use such a key");
        }
        if let (Some(amount), Some(adjustment)) = (amount, commission_adjustment)
            && amount.currency != adjustment.currency
        {
            fields.wrong("commission_adjustment.currency_code", format!("must be {}, as in amount", amount.currency));
        }
        let refund_id = fields.or_without(|fields| fields.key("refund_id", &self.refund_id)).unwrap_or_default();
        let occurred_at = fields.occur_time("occur_time", self.occur_time.as_ref(), asking.now);
        let warnings = fields.take_warnings();
        fields.finish()?;
        let rule = RecordRefund {
            event_id,
            sale_event_id,
            customer,
            amount,
            refunded_total,
            lines,
            refund_id,
            commission_adjustment,
            occurred_at,
        };
        Ok((rule, warnings))
    }

    fn render(
        refund: RefundOutcome,
        replayed: bool,
        mut warnings: Warnings,
        _asking: &Asking,
    ) -> pb::RecordRefundResponse {
        if let Some(known) = refund.known_total {
            let explanation =
                format!("is no more than the {known} that is known to be refunded; nothing was taken back");
            warnings.push(pb::Warning { field: "refunded_total".to_owned(), explanation });
        }
        pb::RecordRefundResponse {
            outcome: refund.outcome.number(),
            conversion_id: refund.conversion_id.to_string(),
            sale_conversion_id: id_or_empty(refund.sale_id),
            rewards: refund.rewards.iter().map(reward::summary).collect(),
            replayed,
            warnings,
        }
    }
}

/// A total is that of one sale, and says neither what one refund took nor from which lines.
fn check_total(fields: &mut Fields, message: &pb::RecordRefundRequest) {
    if message.amount.is_some() {
        fields.wrong("refunded_total", "must not be set beside amount; send one of the two");
    }
    if message.sale_event_id.is_empty() {
        fields.wrong("sale_event_id", "is required with refunded_total, because a total is that of one sale");
    }
    if !message.lines.is_empty() {
        fields
            .wrong("lines", "must be empty with refunded_total, because a total says nothing about lines; send amount");
    }
    if message.commission_adjustment.is_some() {
        fields.wrong("commission_adjustment", "must not be set with refunded_total; send amount");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rule::SentRefId;
    use crate::domain::time::Time;

    const NOW: Time = Time::from_micros(1_700_000_000_000_000);

    fn read<M: Change<Kept = Warnings>>(message: &M) -> Result<M::Rule, Error> {
        message.read(&Asking::new(NOW, KeyKind::Admin)).map(|(rule, _)| rule)
    }

    fn sale() -> pb::RecordSaleRequest {
        pb::RecordSaleRequest {
            event_id: "order-1".to_owned(),
            email: "Jo@Example.com".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..Default::default()
        }
    }

    fn metadata(entries: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
        entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
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
            amount: Some(pb::Money { amount_minor: -1, currency_code: "dollars".to_owned() }),
            occur_time: Some(prost_types::Timestamp { seconds: 1_700_000_601, nanos: 0 }),
            ..Default::default()
        };
        let wrong = ["event_id", "external_id", "amount.currency_code", "amount.amount_minor", "occur_time"];
        assert_eq!(wrong_fields(&message), wrong);
        assert_eq!(wrong_fields(&pb::RecordSaleRequest::default()), ["event_id", "email", "amount"]);
    }

    #[test]
    fn what_only_describes_a_sale_spoils_none() {
        let message = pb::RecordSaleRequest {
            email: "no address".to_owned(),
            external_id: "17".to_owned(),
            channel: 7,
            first_name: "x".repeat(201),
            last_name: "Lee\nJones".to_owned(),
            plan: "p".repeat(129),
            mrr: Some(pb::Money { amount_minor: -1, currency_code: "USD".to_owned() }),
            quantity: 5_000_000,
            order_id: "o\0".to_owned(),
            order_number: "9".repeat(200),
            metadata: [("shelf".to_owned(), "7\0".to_owned()), ("k".repeat(41), "x".to_owned())].into(),
            tid: "t".repeat(200),
            coupon_code: "LE\u{200b}NA10\n".to_owned(),
            ..sale()
        };
        let (rule, warnings) = message.read(&Asking::new(NOW, KeyKind::Admin)).unwrap();
        let told: Vec<_> =
            warnings.iter().map(|warning| format!("{}: {}", warning.field, warning.explanation)).collect();
        let left_out = format!(
            "metadata: has the key `{}`; send keys of 1 to 40 characters, without blanks around them; the entry was left out",
            "k".repeat(41)
        );
        assert_eq!(
            told,
            [
                "tid: has 200 characters; the first 128 were kept",
                "coupon_code: had characters that are not text; they were removed",
                "email: must be an email address such as jo@example.com; it was left out",
                "channel: must be one of SALE_CHANNEL_ONLINE, SALE_CHANNEL_POINT_OF_SALE; it was left out",
                "first_name: has 201 characters; the first 200 were kept",
                "last_name: had characters that are not text; they were removed",
                "mrr.amount_minor: must be zero or more; it was left out",
                "plan: has 129 characters; the first 128 were kept",
                "quantity: must be 1 to 1000000; 1000000 was kept",
                "order_id: must not contain control characters; it was left out",
                "order_number: has 200 characters; the first 128 were kept",
                &left_out,
                "metadata[shelf]: had characters that are not text; they were removed",
            ]
        );
        assert_eq!((rule.customer.email, rule.customer.external_id.as_deref()), (None, Some("17")));
        assert_eq!((rule.last_name.as_str(), rule.mrr, rule.order.quantity), ("Lee Jones", None, QUANTITY_MAX));
        assert_eq!(rule.referral.coupon_code.as_deref(), Some("LENA10"));
    }

    #[test]
    fn requests_that_mean_the_same_have_one_canonical_form() {
        let canonical = pb::RecordSaleRequest {
            email: "jo@example.com".to_owned(),
            first_name: "Jo".to_owned(),
            ref_id: "lena".to_owned(),
            coupon_code: "DANKEF\u{dc}R10".to_owned(),
            metadata: metadata(&[("shelf", "7")]),
            ..sale()
        };
        assert!(matches!(canonical.canonical(), Cow::Borrowed(_)), "a canonical message is not copied");
        let same = pb::RecordSaleRequest {
            email: " JO@example.com.".to_owned(),
            first_name: "Jo ".to_owned(),
            ref_id: "Lena".to_owned(),
            coupon_code: " dankefu\u{308}r10".to_owned(),
            quantity: 1,
            channel: pb::SaleChannel::Online.into(),
            metadata: metadata(&[("shelf", " 7\0"), ("empty", " ")]),
            ..sale()
        };
        assert_eq!(same.canonical().as_ref(), &canonical);
        for other in [
            pb::RecordSaleRequest { quantity: 2, ..canonical.clone() },
            pb::RecordSaleRequest { channel: pb::SaleChannel::PointOfSale.into(), ..canonical.clone() },
            pb::RecordSaleRequest { email: "joe@example.com".to_owned(), ..canonical.clone() },
            pb::RecordSaleRequest { first_name: "JO".to_owned(), ..canonical.clone() },
            pb::RecordSaleRequest { metadata: metadata(&[("shelf", "8")]), ..canonical.clone() },
            pb::RecordSaleRequest { metadata: metadata(&[("Shelf", "7")]), ..canonical.clone() },
            pb::RecordSaleRequest { metadata: metadata(&[]), ..canonical.clone() },
        ] {
            assert_ne!(other.canonical().as_ref(), &canonical);
        }
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
        assert_eq!(command.referral.ref_id, Some(SentRefId::Code("jo".to_owned())));
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
    fn only_an_owner_adjusts_the_commission_of_a_refund() {
        let money = |amount_minor, code: &str| Some(pb::Money { amount_minor, currency_code: code.to_owned() });
        let refund = |commission_adjustment| pb::RecordRefundRequest {
            event_id: "refund-1".to_owned(),
            sale_event_id: "order-1".to_owned(),
            amount: money(500, "USD"),
            commission_adjustment,
            ..Default::default()
        };
        let asking = |key_kind| Asking::new(NOW, key_kind);
        for (key_kind, adjustment, wrong) in [
            (KeyKind::Admin, money(-800, "USD"), None),
            (KeyKind::Tracking, None, None),
            (KeyKind::Tracking, money(800, "USD"), Some("commission_adjustment")),
            (KeyKind::Admin, money(800, "EUR"), Some("commission_adjustment.currency_code")),
        ] {
            match (refund(adjustment).read(&asking(key_kind)), wrong) {
                (Ok((rule, _)), None) => assert_eq!(rule.event_id, "refund-1"),
                (Err(Error::InvalidFields(violations)), Some(field)) => assert_eq!(violations[0].field, field),
                (other, _) => panic!("{other:?}"),
            }
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
