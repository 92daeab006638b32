//! The calls that create and change leads by hand.

use std::borrow::Cow;
use std::sync::Arc;

use super::attribution::{canonical_referrer, referrer};
use crate::domain::lead::{Lead, LeadState};
use crate::domain::refusal::Field;
use crate::domain::rule::{CreateLead, UpdateLead};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::canonical::{self, Mask, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX, email_as_sent};
use crate::rpc::call::selector;
use crate::rpc::call::wire_enum::WireEnum;
use crate::rpc::lead::{customer, render, require_name};

/// The fields that UpdateLead may change.
const CHANGEABLE: [&str; 9] =
    ["email", "external_id", "first_name", "last_name", "state", "plan", "first_sale_time", "metadata", "country_code"];

impl Change for pb::CreateLeadRequest {
    type Rule = CreateLead;
    type Kept = ();

    const PATHS: FieldPaths = super::attribution::REFERRER_PATHS;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateLeadRequest,
            self,
            email: canonical::email(&self.email),
            first_name: canonical::trimmed(&self.first_name),
            last_name: canonical::trimmed(&self.last_name),
            state: canonical::default_number(self.state, LeadState::SignedUp.number()),
            plan: canonical::trimmed(&self.plan),
            first_sale_time: canonical::time(self.first_sale_time.as_ref()),
            metadata: canonical::trimmed_values(&self.metadata),
            country_code: canonical::country_code(&self.country_code),
            referrer: canonical::inside(self.referrer.as_ref(), canonical_referrer),
            referral_time: canonical::time(self.referral_time.as_ref());
            as_sent: request_id, external_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(CreateLead, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let mut customer = customer(&mut fields, &self.email, &self.external_id, false);
        customer.country_code = fields.country("country_code", &self.country_code).unwrap_or_default();
        require_name(&mut fields, &self.email, &self.external_id);
        let first_name = fields.line("first_name", &self.first_name, NAME_LENGTH_MAX);
        let last_name = fields.line("last_name", &self.last_name, NAME_LENGTH_MAX);
        let state = fields.optional_value("state", self.state).unwrap_or(LeadState::SignedUp);
        let plan = fields.line("plan", &self.plan, NAME_LENGTH_MAX);
        let first_sale_at = fields.occur_time("first_sale_time", self.first_sale_time.as_ref(), asking.now);
        let metadata = fields.metadata("metadata", &self.metadata);
        let has_referrer = self.referrer.as_ref().is_some_and(|sent| *sent != pb::Referrer::default());
        let sent = self.referrer.as_ref().filter(|_| has_referrer);
        let referrer = sent.and_then(|sent| referrer(&mut fields, "referrer", Some(sent)));
        let referred_at = fields.occur_time("referral_time", self.referral_time.as_ref(), asking.now);
        if self.referral_time.is_some() && !has_referrer {
            fields.wrong("referral_time", "needs a referrer; send one, or leave this out");
        }
        fields.finish()?;
        let rule =
            CreateLead { customer, first_name, last_name, state, plan, first_sale_at, metadata, referrer, referred_at };
        Ok((rule, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::CreateLeadResponse {
        pb::CreateLeadResponse { lead: Some(render(&lead)), replayed }
    }
}

impl Change for pb::UpdateLeadRequest {
    type Rule = UpdateLead;
    type Kept = ();

    const PATHS: FieldPaths =
        &[(Field::Lead, "selector"), (Field::Email, "lead.email"), (Field::ExternalId, "lead.external_id")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateLeadRequest,
            self,
            lead: canonical::inside(self.lead.as_ref(), |lead| canonical_values(lead, mask)),
            update_mask: mask.canonical(),
            selector: canonical::inside(self.selector.as_ref(), selector::canonical_lead);
            as_sent: request_id,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(UpdateLead, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let lead = selector::lead(&mut fields, "selector", self.selector.as_ref());
        let paths = fields.update_mask(self.update_mask.as_ref(), &CHANGEABLE);
        let has = |path: &str| paths.contains(&path);
        // A field that is emptied is not sent, so the values may be empty as a whole.
        let empty = pb::Lead::default();
        let sent = self.lead.as_ref().unwrap_or(&empty);
        let rule = fields.within("lead", |fields| {
            let email = has("email").then(|| {
                let email = fields.optional_email("email", &sent.email);
                email.map(|email| {
                    let as_sent = email_as_sent(&sent.email, &email);
                    (email, as_sent)
                })
            });
            let external_id = has("external_id").then(|| fields.key("external_id", &sent.external_id));
            let mut line = |path: &str, text: &str| has(path).then(|| fields.line(path, text, NAME_LENGTH_MAX));
            let first_name = line("first_name", &sent.first_name);
            let last_name = line("last_name", &sent.last_name);
            let plan = line("plan", &sent.plan);
            let state = if has("state") { fields.value_of("state", sent.state, LeadState::VALUES) } else { None };
            let first_sale_at = has("first_sale_time")
                .then(|| fields.occur_time("first_sale_time", sent.first_sale_time.as_ref(), asking.now));
            let metadata = has("metadata").then(|| fields.metadata("metadata", &sent.metadata));
            let country_code =
                has("country_code").then(|| fields.country("country_code", &sent.country_code).unwrap_or_default());
            Some(UpdateLead {
                lead: lead?,
                email,
                external_id,
                first_name,
                last_name,
                state,
                plan,
                first_sale_at,
                metadata,
                country_code,
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(lead: Arc<Lead>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateLeadResponse {
        pb::UpdateLeadResponse { lead: Some(render(&lead)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_values<'message>(sent: &'message pb::Lead, mask: Mask<'_>) -> Cow<'message, pb::Lead> {
    canonical!(
        pb::Lead,
        sent,
        id: canonical::unread(&sent.id),
        email: mask.field("email", &sent.email, |email| canonical::email(email)),
        external_id: mask.field("external_id", &sent.external_id, |_| None),
        first_name: mask.field("first_name", &sent.first_name, |name| canonical::trimmed(name)),
        last_name: mask.field("last_name", &sent.last_name, |name| canonical::trimmed(name)),
        state: mask.field("state", &sent.state, |_| None),
        credits: canonical::unread(&sent.credits),
        country_code: mask.field("country_code", &sent.country_code, |code| canonical::country_code(code)),
        bind_time: canonical::unread(&sent.bind_time),
        plan: mask.field("plan", &sent.plan, |plan| canonical::trimmed(plan)),
        mrr: canonical::unread(&sent.mrr),
        first_sale_time: mask.field("first_sale_time", &sent.first_sale_time, |time| canonical::time(time.as_ref())),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        referral_time: canonical::unread(&sent.referral_time),
        email_as_sent: canonical::unread(&sent.email_as_sent),
        metadata: mask.field("metadata", &sent.metadata, canonical::trimmed_values),
        merged_lead_ids: canonical::unread(&sent.merged_lead_ids),
        merged_into_lead_id: canonical::unread(&sent.merged_into_lead_id),
        suspicion: canonical::unread(&sent.suspicion),
        customer_rewards: canonical::unread(&sent.customer_rewards),
        delete_time: canonical::unread(&sent.delete_time);
        as_sent:
    )
}
