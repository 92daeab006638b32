//! Steps that change leads by hand.

use headwater::pb;
use pb::lead_selector::Selector;
use pb::reward_value::Amount;
use prost_types::Timestamp;
use tonic::Status;

use super::World;
use super::play::{Player, short};
use super::request::{customer, occur_time, time};
use super::script::Step;

/// The lead of a customer. The text is that of a customer with one name.
fn lead(text: &str) -> Option<pb::LeadSelector> {
    let (email, external_id) = customer(text);
    let selector = if external_id.is_empty() { Selector::Email(email) } else { Selector::ExternalId(external_id) };
    Some(pb::LeadSelector { selector: Some(selector) })
}

/// When the lead was referred: `referred=` counts in days from day 0.
fn referral_time(step: &Step) -> Option<Timestamp> {
    let micros = time(step.option("referred")?, None).micros();
    Some(Timestamp { seconds: micros.div_euclid(1_000_000), nanos: 0 })
}

impl<W: World> Player<'_, W> {
    /// `promise sign_up 3points`, `promise first_sale 10%` or `promise first_sale 5.00`: what the terms of the next step promise customers,
    /// in points, as a part of a price or in dollars. `enrollment-bonus 10.00`: what affiliates get when they become active, in dollars.
    pub(super) fn promise_step(&mut self, step: &Step) -> String {
        if step.verb == "enrollment-bonus" {
            let amount = Amount::Cash(super::request::money(step.word(0), "USD"));
            self.enrollment_bonus = Some(pb::RewardValue { amount: Some(amount) });
            return "ok".to_owned();
        }
        let event = match step.word(0) {
            "sign_up" => pb::CustomerRewardEvent::SignUp,
            "first_sale" => pb::CustomerRewardEvent::FirstSale,
            other => panic!("line {}: no such event: {other}", step.line_number),
        };
        let text = step.word(1);
        let amount = if let Some(points) = text.strip_suffix("points") {
            Amount::Points(points.parse().unwrap())
        } else if let Some(percent) = text.strip_suffix('%') {
            Amount::DiscountPercentPpm(percent.parse::<i32>().unwrap() * 10_000)
        } else {
            Amount::DiscountMoney(super::request::money(text, "USD"))
        };
        let value = Some(pb::RewardValue { amount: Some(amount) });
        self.promise = Some(pb::CustomerRewardPromise { event_kind: event.into(), value });
        "ok".to_owned()
    }

    /// `fulfill CUSTOMER [program=PROGRAM]`
    pub(super) async fn fulfill_step(&mut self, step: &Step) -> Result<String, Status> {
        let (lead, program_id) = (lead(step.word(0)), self.program_id(step));
        self.world.change(pb::FulfillCustomerRewardRequest { lead, program_id, ..Default::default() }).await?;
        Ok("ok".to_owned())
    }

    pub(super) async fn change_lead_step(&mut self, step: &Step) -> Result<String, Status> {
        let lead = match step.verb.as_str() {
            "create-lead" => self.create_lead(step).await?,
            "update-lead" => self.update_lead(step).await?,
            "merge" => {
                let (lead, duplicate) = (lead(step.word(0)), lead(step.word(1)));
                let request = pb::MergeLeadsRequest { lead, duplicate, ..Default::default() };
                self.world.change(request).await?.lead
            }
            "attribute" => {
                let request = pb::AttributeLeadRequest {
                    lead: lead(step.word(0)),
                    referrer: self.referrer(step.option("ref"), step.words.get(1).map(String::as_str), step),
                    reason: "asked to".to_owned(),
                    referral_time: referral_time(step),
                    ..Default::default()
                };
                self.world.change(request).await?.lead
            }
            _ => {
                let request = pb::DeleteLeadRequest { lead: lead(step.word(0)), ..Default::default() };
                self.world.change(request).await?;
                return Ok("ok".to_owned());
            }
        };
        let lead = lead.unwrap();
        let state = short(lead.state().as_str_name(), "LEAD_STATE_");
        let bound = if lead.credits.is_empty() { "unbound".to_owned() } else { self.credited(&lead.credits) };
        Ok(format!("{state} {bound}"))
    }

    async fn create_lead(&mut self, step: &Step) -> Result<Option<pb::Lead>, Status> {
        let (email, external_id) = customer(step.word(0));
        let request = pb::CreateLeadRequest {
            email,
            external_id,
            state: state(step).into(),
            first_sale_time: occur_time(step),
            referrer: self.referrer(step.option("ref"), step.option("affiliate"), step),
            referral_time: referral_time(step),
            metadata: super::rules::metadata(step),
            country_code: step.option("country").unwrap_or_default().to_owned(),
            ..Default::default()
        };
        Ok(self.world.change(request).await?.lead)
    }

    async fn update_lead(&mut self, step: &Step) -> Result<Option<pb::Lead>, Status> {
        let named = |key: &str| step.option(key).map(str::to_owned);
        let paths = ["email", "external_id", "state", "country_code"];
        let paths = paths.into_iter().filter(|path| step.option(path).is_some()).map(str::to_owned);
        let paths = paths.chain(step.option("meta").map(|_| "metadata".to_owned()));
        let request = pb::UpdateLeadRequest {
            selector: lead(step.word(0)),
            lead: Some(pb::Lead {
                email: named("email").unwrap_or_default(),
                external_id: named("external_id").unwrap_or_default(),
                state: state(step).into(),
                metadata: super::rules::metadata(step),
                country_code: named("country_code").unwrap_or_default(),
                ..Default::default()
            }),
            update_mask: Some(prost_types::FieldMask { paths: paths.collect() }),
            ..Default::default()
        };
        Ok(self.world.change(request).await?.lead)
    }

    fn referrer(&self, code: Option<&str>, affiliate: Option<&str>, step: &Step) -> Option<pb::Referrer> {
        use pb::referrer::Selector;
        let of_affiliate = || Some(Selector::Affiliate(self.selector(affiliate?)?));
        let selector = code.map(|code| Selector::RefId(code.to_owned())).or_else(of_affiliate)?;
        let program_id = if code.is_some() { String::new() } else { self.program_id(step) };
        Some(pb::Referrer { selector: Some(selector), program_id })
    }
}

fn state(step: &Step) -> pb::LeadState {
    match step.option("state") {
        None => pb::LeadState::Unspecified,
        Some("subscribed") => pb::LeadState::Subscribed,
        Some("active") => pb::LeadState::Active,
        Some("cancelled") => pb::LeadState::Cancelled,
        Some(other) => panic!("no such state: {other}"),
    }
}
