//! Clicks, sign-ups, sales and cancellations.

use headwater_client::pb;
use pb::event::Subject;
use pb::{AttributionSource as Source, ConversionKind as Kind, ConversionOutcome as Outcome, EventKind};
use prost_types::Timestamp;

use super::faults::is_amount;
use super::history::{Binding, is_as_sale, recorded, state_of_new};
use super::{Click, Conversion, Ruling, Traces, World, email, email_as_sent, missing};
use crate::model::command::{micros, stamp};
use crate::model::reply::Reply;

/// The share of a credit that is the only one.
pub(super) const WHOLE_PPM: i32 = 1_000_000;

impl World {
    fn occurred(&self, sent: Option<&Timestamp>) -> i64 {
        sent.map_or(self.now, micros)
    }

    pub(super) fn record_click(&mut self, request: &pb::RecordClickRequest) -> Ruling {
        let code = request.ref_id.trim().to_lowercase();
        let Some(link) = self.links.iter().find(|link| link.code == code).cloned() else {
            return missing("LINK_NOT_FOUND");
        };
        let Some(enrollment) = self.enrollment(&link.enrollment_id) else { return missing("LINK_NOT_FOUND") };
        let occurred = self.occurred(request.occur_time.as_ref());
        let enrollment = self.serving(enrollment, occurred, false);
        let is_revoked = link.revoke_time.as_ref().is_some_and(|revoked| micros(revoked) <= occurred);
        if is_revoked || self.over(enrollment, occurred, false).is_some() {
            return missing("LINK_NOT_FOUND");
        }
        let id = self.fresh("clk");
        let is_known = self.clicks.iter().any(|click| click.tid == request.tid);
        let tid = if is_known { request.tid.clone() } else { id.clone() };
        self.clicks.push(Click { id: id.clone(), tid: tid.clone(), link_id: link.id.clone(), enrollment, occurred });
        self.effect.clone_from(&id);
        if is_known && request.occur_time.is_some() {
            self.judge_visitor(&tid, occurred);
        }
        Ok(Reply::Click(pb::RecordClickResponse {
            click_id: id,
            tid,
            destination_url: self.destination(&link, &self.enrollments[enrollment]),
            affiliate_id: link.affiliate_id,
            payment: pb::ClickPayment::NoRule.into(),
            ..Default::default()
        }))
    }

    /// The lead with this external_id, or else the one with this email address.
    pub(super) fn customer(&self, external_id: &str, email: &str) -> Option<usize> {
        self.lead_by(|lead| &lead.external_id, external_id).or_else(|| self.lead_by(|lead| &lead.email, email))
    }

    fn lead_by(&self, name: impl Fn(&pb::Lead) -> &String, wanted: &str) -> Option<usize> {
        self.leads.iter().position(|lead| !wanted.is_empty() && name(lead) == wanted)
    }

    pub(super) fn new_lead(&mut self, external_id: &str, sent_email: &str, state: pb::LeadState) -> usize {
        let lead = pb::Lead {
            id: self.fresh("led"),
            external_id: external_id.to_owned(),
            email: email(sent_email),
            email_as_sent: email_as_sent(sent_email),
            state: state.into(),
            create_time: Some(stamp(self.now)),
            ..pb::Lead::default()
        };
        self.leads.push(lead);
        self.leads.len() - 1
    }

    /// Whether a lead gets a name that nobody had. What happened under that name is then its own.
    fn learns_name(&self, lead: usize, external_id: &str, email: &str) -> bool {
        let (row, is_new) = (&self.leads[lead], |own: &str, sent: &str| own.is_empty() && !sent.is_empty());
        is_new(&row.external_id, external_id) && self.lead_by(|lead| &lead.external_id, external_id).is_none()
            || is_new(&row.email, email) && self.lead_by(|lead| &lead.email, email).is_none()
    }

    /// Updates a lead from a request. Names that it already has are kept, and names of another lead are not taken.
    fn describe(&mut self, lead: usize, external_id: &str, sent_email: &str, first_name: &str, last_name: &str) {
        let email = email(sent_email);
        let is_external_id_free = self.lead_by(|lead| &lead.external_id, external_id).is_none();
        let is_email_free = self.lead_by(|lead| &lead.email, &email).is_none();
        let lead = &mut self.leads[lead];
        if lead.external_id.is_empty() && is_external_id_free {
            external_id.clone_into(&mut lead.external_id);
        }
        if lead.email.is_empty() && is_email_free {
            lead.email = email;
            lead.email_as_sent = email_as_sent(sent_email);
        }
        if !first_name.is_empty() {
            first_name.clone_into(&mut lead.first_name);
        }
        if !last_name.is_empty() {
            last_name.clone_into(&mut lead.last_name);
        }
    }

    /// Adds an event if the lead is new or has changed.
    pub(super) fn touch(&mut self, lead: usize, before: Option<&pb::Lead>) {
        if before == Some(&self.leads[lead]) {
            return;
        }
        self.tell_of_lead(if before.is_some() { EventKind::LeadUpdated } else { EventKind::LeadCreated }, lead);
    }

    pub(super) fn tell_of_lead(&mut self, kind: EventKind, lead: usize) {
        self.leads[lead].update_time = Some(stamp(self.now));
        let (email, email_as_sent, external_id, first_name, last_name) = Default::default();
        let image = pb::Lead { email, email_as_sent, external_id, first_name, last_name, ..self.leads[lead].clone() };
        self.tell(kind, Subject::Lead(image));
    }

    /// Whether the customer cancelled after this time, by what is told.
    fn is_cancelled_after(&self, lead: usize, occurred: i64) -> bool {
        self.cancelled.get(&self.leads[lead].id).is_some_and(|cancelled| *cancelled > occurred)
    }

    /// Whether the customer has bought after this time, by what is told.
    fn has_bought_after(&self, lead: usize, request: &pb::RecordCancellationRequest, occurred: i64) -> bool {
        let (row, email) = (&self.leads[lead], email(&request.email));
        let unreferred = self.unreferred(Some(lead), &[&request.external_id, &row.external_id], &[&email, &row.email]);
        let own = (0..self.conversions.len()).filter(|place| self.conversions[*place].row.lead_id == row.id);
        let mut sales = unreferred.into_iter().chain(own).map(|place| &self.conversions[place]);
        sales.any(|sale| sale.row.kind() == Kind::Sale && sale.occurred > occurred)
    }

    pub(super) fn has_bought(&mut self, lead: usize, occurred: i64) {
        let is_over = self.is_cancelled_after(lead, occurred);
        let lead = &mut self.leads[lead];
        if !is_over {
            lead.set_state(pb::LeadState::Active);
        }
        let since = lead.first_sale_time.as_ref().map_or(occurred, |since| micros(since).min(occurred));
        lead.first_sale_time = Some(stamp(since));
    }

    pub(super) fn new_conversion(&mut self, kind: Kind, event_id: &str, occurred: i64) -> Conversion {
        let row = pb::Conversion {
            id: self.fresh("cnv"),
            kind: kind.into(),
            event_id: event_id.to_owned(),
            outcome: Outcome::NotReferred.into(),
            occur_time: Some(stamp(occurred)),
            create_time: Some(stamp(self.now)),
            version: 1,
            ..pb::Conversion::default()
        };
        self.effect.clone_from(&row.id);
        let (traces, external_id, email) = Default::default();
        Conversion { row, occurred, traces, external_id, email, other_lead_id: String::new(), met: None }
    }

    pub(super) fn record_lead(&mut self, request: &pb::RecordLeadRequest) -> Ruling {
        let occurred = request.occur_time.as_ref().map_or_else(|| self.arrival(&request.tid), micros);
        let email = email(&request.email);
        let state = match request.state() {
            pb::LeadState::Unspecified => pb::LeadState::SignedUp,
            state => state,
        };
        let known = self.customer(&request.external_id, &email);
        let before = known.map(|lead| self.leads[lead].clone());
        let lead = known.unwrap_or_else(|| self.new_lead(&request.external_id, &request.email, state));
        let is_told_more = self.learns_name(lead, &request.external_id, &email);
        self.describe(lead, &request.external_id, &request.email, &request.first_name, &request.last_name);
        if self.leads[lead].state() == pb::LeadState::Subscribed {
            self.leads[lead].set_state(state);
        }
        let mut answer = pb::RecordLeadResponse { lead_id: self.leads[lead].id.clone(), ..Default::default() };
        let binding = self.binding_of(lead);
        if binding.as_ref().is_some_and(|binding| binding.bound <= occurred) {
            self.effect.clone_from(&answer.lead_id);
            match is_told_more {
                true => self.judge_again(lead, before.as_ref(), None),
                false => self.touch(lead, before.as_ref()),
            }
        } else {
            let mut made = self.new_conversion(Kind::Lead, &request.event_id, occurred);
            made.traces = traces(&request.tid, &request.ref_id, &request.coupon_code);
            made.row.lead_id.clone_from(&answer.lead_id);
            made.row.coupon_code.clone_from(&made.traces.coupon_code);
            made.row.metadata.clone_from(&request.metadata);
            answer.conversion_id.clone_from(&made.row.id);
            self.conversions.push(made);
            let place = self.conversions.len() - 1;
            match binding {
                Some(_) => self.judge_again(lead, before.as_ref(), Some(place)),
                None => self.sign_up(lead, before.as_ref(), place),
            }
        }
        answer.credits.clone_from(&self.leads[lead].credits);
        answer.set_outcome(if answer.credits.is_empty() { Outcome::NotReferred } else { Outcome::Attributed });
        Ok(Reply::Lead(answer))
    }

    /// A sign-up of a customer who is not bound.
    fn sign_up(&mut self, lead: usize, before: Option<&pb::Lead>, place: usize) {
        let judgement = self.judge(None, None, place);
        let occurred = self.conversions[place].occurred;
        let row = &mut self.conversions[place].row;
        row.candidates = judgement.candidates;
        let binding = judgement.claim.map(|claim| claim.binding(occurred));
        if let Some(binding) = &binding {
            row.set_outcome(Outcome::Attributed);
            row.credits = vec![binding.credit.clone()];
        }
        self.bind(lead, binding.clone());
        self.touch(lead, before);
        if let Some(binding) = binding {
            self.tell_of(EventKind::LeadRecorded, place, occurred);
            self.credit_unreferred(lead, &binding);
        }
    }

    /// The indexes of a customer's sales that nobody referred, in order of occurrence, without sales of other leads.
    pub(super) fn unreferred(&self, lead: Option<usize>, external_ids: &[&str], emails: &[&str]) -> Vec<usize> {
        let lead_id = lead.map(|lead| self.leads[lead].id.as_str()).unwrap_or_default();
        let is_named = |name: &String, wanted: &[&str]| !name.is_empty() && wanted.contains(&name.as_str());
        let mut places: Vec<usize> = (0..self.conversions.len())
            .filter(|place| {
                let sale = &self.conversions[*place];
                is_as_sale(sale.row.kind())
                    && sale.row.outcome() == Outcome::NotReferred
                    && (is_named(&sale.external_id, external_ids) || is_named(&sale.email, emails))
                    && (sale.row.lead_id.is_empty() || sale.row.lead_id == lead_id)
            })
            .collect();
        places.sort_by_key(|place| self.conversions[*place].occurred);
        places
    }

    pub(super) fn record_sale(&mut self, request: &pb::RecordSaleRequest) -> Ruling {
        let place = self.record_as_sale(Kind::Sale, request, "");
        let answer = self.sale_answer(place);
        self.book_waiting_refunds(place);
        Ok(Reply::Sale(answer))
    }

    /// Records an event that is attributed as sales are. Only a sale has the details of an order.
    pub(super) fn record_as_sale(&mut self, kind: Kind, request: &pb::RecordSaleRequest, custom_kind: &str) -> usize {
        let occurred = request.occur_time.as_ref().map_or_else(|| self.arrival(&request.tid), micros);
        let known = self.customer(&request.external_id, &email(&request.email));
        let mut sale = self.new_conversion(kind, &request.event_id, occurred);
        sale.external_id.clone_from(&request.external_id);
        sale.email = email(&request.email);
        sale.traces = traces(&request.tid, &request.ref_id, &request.coupon_code);
        custom_kind.clone_into(&mut sale.traces.custom_kind);
        sale.row = match kind {
            Kind::Sale => sale_row(request, sale.row),
            _ => pb::Conversion {
                amount: request.amount.clone(),
                coupon_code: request.coupon_code.to_uppercase(),
                custom_kind: custom_kind.to_owned(),
                metadata: request.metadata.clone(),
                ..sale.row
            },
        };
        let other =
            self.lead_by(|lead| &lead.email, &sale.email).filter(|other| known.is_some_and(|lead| lead != *other));
        if let Some(other) = other.filter(|other| self.binding_of(*other).is_some()) {
            sale.other_lead_id.clone_from(&self.leads[other].id);
        }
        self.conversions.push(sale);
        let place = self.conversions.len() - 1;
        let binding = known.and_then(|lead| self.binding_of(lead));
        // A sale that somebody referred takes the place of a binding that is over.
        let binds_anew = binding.as_ref().is_some_and(|binding| self.is_over(binding, occurred))
            && self.judge(known, binding.as_ref(), place).claim.is_some();
        match known.zip(binding.as_ref()) {
            Some((lead, binding))
                if occurred < binding.bound
                    || binds_anew
                    || self.learns_name(lead, &request.external_id, &email(&request.email)) =>
            {
                let before = self.leads[lead].clone();
                self.conversions[place].row.lead_id.clone_from(&before.id);
                self.describe_buyer(lead, kind, request, occurred);
                self.judge_again(lead, Some(&before), Some(place));
            }
            _ => self.sell(request, known, binding, place),
        }
        place
    }

    /// A sale that changes nothing about what its customer did before.
    fn sell(&mut self, request: &pb::RecordSaleRequest, known: Option<usize>, binding: Option<Binding>, place: usize) {
        let (kind, occurred) = (self.conversions[place].row.kind(), self.conversions[place].occurred);
        let before = known.map(|lead| self.leads[lead].clone());
        let judgement = self.judge(known, binding.as_ref(), place);
        self.conversions[place].row.candidates = judgement.candidates;
        let is_named = !(request.external_id.is_empty() && email(&request.email).is_empty());
        let lead = match &judgement.claim {
            Some(_) if known.is_none() && is_named => {
                Some(self.new_lead(&request.external_id, &request.email, state_of_new(kind)))
            }
            _ => known,
        };
        let holds = binding.is_some_and(|binding| !self.is_over(&binding, occurred));
        let new_binding = judgement.claim.as_ref().filter(|_| !holds).map(|claim| claim.binding(occurred));
        if let Some(lead) = lead {
            self.conversions[place].row.lead_id.clone_from(&self.leads[lead].id);
            if new_binding.is_some() {
                self.bind(lead, new_binding.clone());
            }
            self.describe_buyer(lead, kind, request, occurred);
            self.touch(lead, before.as_ref());
        }
        let Some(claim) = judgement.claim else { return };
        self.conversions[place].row.set_outcome(Outcome::Attributed);
        self.conversions[place].row.credits = vec![claim.credit.clone()];
        if kind == Kind::Sale {
            self.earn(place, &claim);
        }
        self.tell_of(recorded(kind), place, occurred);
        if let Some((lead, binding)) = lead.zip(new_binding) {
            self.credit_unreferred(lead, &binding);
        }
    }

    /// Updates the lead of a customer who has bought.
    fn describe_buyer(&mut self, lead: usize, kind: Kind, request: &pb::RecordSaleRequest, occurred: i64) {
        self.describe(lead, &request.external_id, &request.email, &request.first_name, &request.last_name);
        if kind != Kind::Sale {
            return;
        }
        self.has_bought(lead, occurred);
        if !request.plan.is_empty() {
            self.leads[lead].plan.clone_from(&request.plan);
        }
        if request.mrr.as_ref().is_some_and(is_amount) && !self.is_cancelled_after(lead, occurred) {
            self.leads[lead].mrr.clone_from(&request.mrr);
        }
    }

    fn sale_answer(&self, place: usize) -> pb::RecordSaleResponse {
        let image = self.image(place);
        pb::RecordSaleResponse {
            outcome: image.outcome,
            conversion_id: image.id,
            lead_id: image.lead_id,
            credits: image.credits,
            rewards: image.rewards.iter().map(super::reward::summary).collect(),
            ..Default::default()
        }
    }

    pub(super) fn record_cancellation(&mut self, request: &pb::RecordCancellationRequest) -> Ruling {
        let occurred = self.occurred(request.occur_time.as_ref());
        let Some(lead) = self.customer(&request.external_id, &email(&request.email)) else {
            return missing("LEAD_NOT_FOUND");
        };
        if request.occur_time.is_some() {
            self.begin_commit_for_new_name(Some(lead), &request.external_id, &email(&request.email));
        }
        let before = self.leads[lead].clone();
        let is_late = request.occur_time.is_some() && self.has_bought_after(lead, request, occurred);
        let cancelled = self.cancelled.entry(before.id.clone()).or_insert(i64::MIN);
        let is_latest = occurred > *cancelled;
        *cancelled = occurred.max(*cancelled);
        let row = &mut self.leads[lead];
        if !is_late {
            row.set_state(pb::LeadState::Cancelled);
            if let Some(mrr) = &mut row.mrr {
                mrr.amount_minor = 0;
            }
        }
        if is_latest {
            // The lead keeps the time of it, which no answer shows.
            self.tell_of_lead(EventKind::LeadUpdated, lead);
        } else {
            self.touch(lead, Some(&before));
        }
        let mut made = self.new_conversion(Kind::Cancellation, &request.event_id, occurred);
        let row = self.leads[lead].clone();
        made.row.lead_id.clone_from(&row.id);
        if let Some(credit) = row.credits.first().cloned()
            && let Some(enrollment) = self.enrollment(&credit.enrollment_id)
        {
            let bound = row.bind_time.as_ref().map(micros);
            let terms_version = self.terms_of(enrollment, occurred, bound).version;
            made.row.set_outcome(Outcome::Attributed);
            made.row.credits = vec![pb::Credit { terms_version, source: Source::LeadBinding.into(), ..credit }];
        }
        let answer = pb::RecordCancellationResponse {
            outcome: made.row.outcome,
            conversion_id: made.row.id.clone(),
            lead_id: row.id,
            ..Default::default()
        };
        self.conversions.push(made);
        if answer.outcome() == Outcome::Attributed {
            self.tell_of(EventKind::CancellationRecorded, self.conversions.len() - 1, occurred);
        }
        Ok(Reply::Cancellation(answer))
    }
}

fn traces(tid: &str, ref_id: &str, coupon_code: &str) -> Traces {
    let custom_kind = String::new();
    Traces { tid: tid.to_owned(), ref_id: ref_id.to_owned(), coupon_code: coupon_code.to_uppercase(), custom_kind }
}

fn sale_row(request: &pb::RecordSaleRequest, row: pb::Conversion) -> pb::Conversion {
    let amount = request.amount.clone().unwrap_or_default();
    let channel = match request.channel() {
        pb::SaleChannel::Unspecified => pb::SaleChannel::Online,
        channel => channel,
    };
    pb::Conversion {
        refunded_amount: Some(pb::Money { amount_minor: 0, currency_code: amount.currency_code.clone() }),
        amount: Some(amount),
        channel: channel.into(),
        coupon_code: request.coupon_code.to_uppercase(),
        plan: request.plan.clone(),
        quantity: request.quantity.max(1),
        order_id: request.order_id.clone(),
        order_number: request.order_number.clone(),
        item_sku: request.item_sku.clone(),
        metadata: request.metadata.clone(),
        ..row
    }
}
