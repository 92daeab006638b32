//! Commands of a shop: clicks, sign-ups, sales, refunds, cancellations.

use std::collections::BTreeMap;

use headwater_client::pb;
use pb::ConversionKind as Kind;

use super::{Generator, NOBODYS, pick};
use crate::model::command::Command;
use crate::model::world::World;

/// A customer's names; either may be missing.
struct Who {
    external_id: String,
    email: String,
}

/// A visitor's traces; each may be missing.
struct Brought {
    tid: String,
    ref_id: String,
    coupon_code: String,
}

impl Generator {
    pub(super) fn event(&mut self, world: &World, elapsed: i64, label: u32) -> Command {
        match self.rng.u32(0..100) {
            0..17 => Command::Click(self.click(world, elapsed, label)),
            17..33 => Command::Lead(self.sign_up(world, elapsed, label)),
            33..62 => Command::Sale(self.sale(world, elapsed, label)),
            62..65 => Command::Appointment(self.appointment(world, elapsed, label)),
            65..69 => Command::CustomEvent(self.custom_event(world, elapsed, label)),
            69..96 => Command::Refund(self.refund(world, elapsed, label)),
            _ => Command::Cancellation(self.cancellation(label)),
        }
    }

    /// One of a few customers, known by external_id, email address or both; rarely by names of two different people.
    fn who(&mut self) -> Who {
        let number = self.rng.u32(0..12);
        let other = if self.rng.u32(0..12) == 0 { self.rng.u32(0..12) } else { number };
        let (by_external_id, by_email) = match self.rng.u32(0..10) {
            0..4 => (true, false),
            4..7 => (false, true),
            7..9 => (true, true),
            _ => (false, false),
        };
        let email = if self.rng.u32(0..10) == 0 {
            format!(" C{other}@shop.Example ")
        } else {
            format!("c{other}@shop.example")
        };
        Who {
            external_id: if by_external_id { format!("u-{number}") } else { String::new() },
            email: if by_email { email } else { String::new() },
        }
    }

    /// The code of an existing link, or a text that may be one.
    fn brought_code(&mut self, world: &World) -> String {
        let rng = &mut self.rng;
        match rng.u32(0..10) {
            0 => format!("Code-{}", rng.u32(0..30)),
            1 => "no such code".to_owned(),
            _ if world.links.is_empty() => "none".to_owned(),
            _ => world.links[rng.usize(..world.links.len())].code.clone(),
        }
    }

    /// An existing visitor, usually one of a few, so that some click often.
    fn tid(&mut self, world: &World) -> String {
        let rng = &mut self.rng;
        match rng.u32(0..20) {
            0 => format!("clk{NOBODYS}"),
            1 => "from-another-tool".to_owned(),
            _ if world.clicks.is_empty() => String::new(),
            2..12 => world.clicks[rng.usize(..world.clicks.len().min(3))].tid.clone(),
            _ => world.clicks[rng.usize(..world.clicks.len())].tid.clone(),
        }
    }

    fn brought(&mut self, world: &World) -> Brought {
        Brought {
            tid: self.seldom(25, |generator| generator.tid(world)),
            ref_id: self.seldom(20, |generator| generator.brought_code(world)),
            coupon_code: self.seldom(25, Self::coupon_code),
        }
    }

    /// An event_id: usually a new one, sometimes one that a refund may name before its sale.
    fn event_id(&mut self, kind: &str, label: u32) -> String {
        match self.rng.u32(0..80) {
            0 => String::new(),
            1..10 => format!("{kind}-{}", self.rng.u32(0..40)),
            _ => format!("{kind}-of-{label}"),
        }
    }

    fn click(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordClickRequest {
        let ref_id = self.brought_code(world);
        // A click that is told late may have led to what its visitor did since.
        let is_late = self.rng.u32(0..4) == 0;
        pb::RecordClickRequest {
            event_id: self.seldom(40, |generator| generator.event_id("click", label)),
            ref_id: if self.rng.u32(0..40) == 0 { String::new() } else { ref_id },
            tid: self.seldom(if is_late { 100 } else { 70 }, |generator| generator.tid(world)),
            occur_time: if is_late { self.near_the_past(world, elapsed) } else { self.occur_time(world, elapsed) },
            referrer_url: String::new(),
            landing_url: String::new(),
            sub_id: String::new(),
        }
    }

    fn sign_up(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordLeadRequest {
        let (who, brought) = (self.who(), self.brought(world));
        pb::RecordLeadRequest {
            event_id: self.event_id("lead", label),
            email: who.email,
            external_id: who.external_id,
            tid: brought.tid,
            ref_id: brought.ref_id,
            coupon_code: brought.coupon_code,
            first_name: self.seldom(20, |_| format!("First {label}")),
            last_name: self.seldom(20, |_| format!("Last {label}")),
            state: pick(&mut self.rng, &[0, 0, 0, 1, 2]),
            occur_time: self.occur_time(world, elapsed),
            metadata: metadata(label),
            // The model knows no country.
            country_code: String::new(),
        }
    }

    fn appointment(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordAppointmentRequest {
        let (who, brought) = (self.who(), self.brought(world));
        pb::RecordAppointmentRequest {
            event_id: self.event_id("appointment", label),
            email: who.email,
            external_id: who.external_id,
            tid: brought.tid,
            ref_id: brought.ref_id,
            coupon_code: brought.coupon_code,
            first_name: self.seldom(10, |_| format!("Caller {label}")),
            last_name: String::new(),
            occur_time: self.occur_time(world, elapsed),
            metadata: metadata(label),
        }
    }

    fn custom_event(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordCustomEventRequest {
        let (who, brought) = (self.who(), self.brought(world));
        pb::RecordCustomEventRequest {
            event_id: self.event_id("custom", label),
            custom_kind: pick(&mut self.rng, &["demo", "demo", "Trial", "undeclared"]).to_owned(),
            email: who.email,
            external_id: who.external_id,
            tid: brought.tid,
            ref_id: brought.ref_id,
            coupon_code: brought.coupon_code,
            first_name: self.seldom(10, |_| format!("Tester {label}")),
            last_name: String::new(),
            amount: self.maybe(30, |generator| generator.money(0)),
            occur_time: self.occur_time(world, elapsed),
            metadata: metadata(label),
        }
    }

    fn money(&mut self, least: i64) -> pb::Money {
        let rng = &mut self.rng;
        let amount_minor = match rng.u32(0..100) {
            0..60 => pick(rng, &[5, 10, 33, 50, 99, 100, 150, 250, 999, 1_000, 4_800]),
            60..90 => rng.i64(1..5_000),
            90..97 => rng.i64(1..1_000_000_000),
            97 => 1_000_000_000_000_000,
            98 => 1_000_000_000_000_001,
            _ => least - 1,
        };
        let currency_code = pick(rng, &["USD", "USD", "USD", "USD", "USD", "USD", "USD", "EUR", "JPY", "KWD"]);
        let currency_code = if rng.u32(0..150) == 0 { "usd" } else { currency_code };
        pb::Money { amount_minor, currency_code: currency_code.to_owned() }
    }

    fn sale(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordSaleRequest {
        let (who, brought) = (self.who(), self.brought(world));
        let amount = self.money(0);
        pb::RecordSaleRequest {
            lines: Vec::new(),
            event_id: self.awaited_sale(world).unwrap_or_else(|| self.event_id("sale", label)),
            email: who.email,
            external_id: who.external_id,
            tid: brought.tid,
            ref_id: brought.ref_id,
            coupon_code: brought.coupon_code,
            amount: (self.rng.u32(0..150) > 0).then_some(amount),
            occur_time: self.occur_time(world, elapsed),
            channel: pick(&mut self.rng, &[0, 0, 1, 2]),
            first_name: self.seldom(10, |_| format!("Buyer {label}")),
            last_name: String::new(),
            plan: self.seldom(20, |_| format!("plan-{label}")),
            mrr: self.maybe(15, |generator| generator.money(0)),
            quantity: pick(&mut self.rng, &[0, 0, 0, 1, 3]),
            order_id: self.seldom(20, |_| format!("order-{label}")),
            order_number: self.seldom(10, |_| format!("#{label}")),
            item_sku: self.seldom(10, |_| format!("item-{label}")),
            metadata: metadata(label),
            // The model knows no collections and no country.
            collections: Vec::new(),
            country_code: String::new(),
        }
    }

    /// The amount of a refund: a part of what is left, all of it, or sometimes more.
    fn refunded(&mut self, sale: &pb::Conversion) -> pb::Money {
        let sold = sale.amount.clone().unwrap_or_default();
        let left = sold.amount_minor - sale.refunded_amount.as_ref().map_or(0, |refunded| refunded.amount_minor);
        let rng = &mut self.rng;
        let amount_minor = match rng.u32(0..20) {
            0..9 if left > 1 => rng.i64(1..left),
            9..13 if left > 2 => left / 3,
            13 => left + 1,
            14 => sold.amount_minor,
            _ => left.max(1),
        };
        let is_other = rng.u32(0..40) == 0;
        pb::Money { amount_minor, currency_code: if is_other { "KWD".to_owned() } else { sold.currency_code } }
    }

    fn refund(&mut self, world: &World, elapsed: i64, label: u32) -> pb::RecordRefundRequest {
        let mut who = Who { external_id: String::new(), email: String::new() };
        let mut sale_event_id = String::new();
        let amount;
        let sales: Vec<&pb::Conversion> = world.event_ids(Kind::Sale).collect();
        let drawn = self.rng.u32(0..20);
        if drawn < 13 && !sales.is_empty() {
            // Recent sales are refunded in several parts.
            let recent = &sales[sales.len().saturating_sub(8)..];
            let sale = if self.rng.u32(0..3) > 0 { pick(&mut self.rng, recent) } else { pick(&mut self.rng, &sales) };
            sale_event_id.clone_from(&sale.event_id);
            amount = self.refunded(sale);
        } else if drawn < 16 {
            sale_event_id = format!("sale-{}", self.rng.u32(0..40));
            amount = self.money(0);
        } else {
            who = self.who();
            amount = pb::Money { amount_minor: self.rng.i64(1..60), currency_code: "USD".to_owned() };
        }
        if self.rng.u32(0..15) == 0 {
            who = self.who();
        }
        pb::RecordRefundRequest {
            event_id: self.event_id("refund", label),
            sale_event_id,
            email: who.email,
            external_id: who.external_id,
            amount: (self.rng.u32(0..150) > 0).then_some(amount),
            refund_id: self.seldom(30, |_| format!("refund-id-{label}")),
            occur_time: self.occur_time(world, elapsed),
            ..Default::default()
        }
    }

    pub(super) fn lead(&mut self, world: &World) -> pb::LeadSelector {
        use pb::lead_selector::Selector;
        let rng = &mut self.rng;
        let selector = match rng.u32(0..4) {
            0 => Selector::Id(super::some_id(rng, "led", world.leads.iter().map(|row| &row.id))),
            1 => Selector::Email(format!("C{}@shop.example", rng.u32(0..12))),
            _ => Selector::ExternalId(format!("u-{}", rng.u32(0..12))),
        };
        pb::LeadSelector { selector: Some(selector) }
    }

    pub(super) fn delete_lead(&mut self, world: &World, label: u32) -> Command {
        let lead = Some(self.lead(world));
        Command::DeleteLead(pb::DeleteLeadRequest { request_id: self.request_id(label), lead })
    }

    fn cancellation(&mut self, label: u32) -> pb::RecordCancellationRequest {
        let who = self.who();
        pb::RecordCancellationRequest {
            event_id: self.event_id("cancellation", label),
            email: who.email,
            external_id: who.external_id,
            // The model does not know which sales a late one is compared with.
            occur_time: None,
        }
    }
}

/// The merchant's own texts of every fourth event.
fn metadata(label: u32) -> BTreeMap<String, String> {
    let texts = [("shelf", format!("{label}")), ("order_id", format!("order-{}", label / 2))];
    let texts = texts.map(|(key, text)| (key.to_owned(), text));
    if label.is_multiple_of(4) { texts.into() } else { BTreeMap::new() }
}
