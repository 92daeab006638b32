//! Clicks, sign-ups, sales and cancellations.

use headwater_client::pb;
use pb::event::Subject;
use pb::{AttributionSource as Source, ConversionKind as Kind, ConversionOutcome as Outcome, EventKind};
use prost_types::Timestamp;

use super::attribution::Traces;
use super::faults::is_amount;
use super::{Click, Conversion, Ruling, World, email, email_as_sent, missing};
use crate::model::command::{micros, stamp};
use crate::model::reply::Reply;

/// The share of a credit that is the only one.
const WHOLE_PPM: i32 = 1_000_000;

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
        let tracks = link.state() == pb::LinkState::Active
            && self.enrollments[enrollment].state() == pb::EnrollmentState::Active
            && self.program_of(enrollment).is_active();
        if !tracks {
            return missing("LINK_NOT_FOUND");
        }
        let id = self.fresh("clk");
        let is_known = self.clicks.iter().any(|click| click.tid == request.tid);
        let tid = if is_known { request.tid.clone() } else { id.clone() };
        let occurred = self.occurred(request.occur_time.as_ref());
        self.clicks.push(Click { id: id.clone(), tid: tid.clone(), link_id: link.id.clone(), occurred });
        self.effect.clone_from(&id);
        Ok(Reply::Click(pb::RecordClickResponse {
            click_id: id,
            tid,
            destination_url: self.destination(&link),
            affiliate_id: link.affiliate_id,
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

    fn new_lead(&mut self, external_id: &str, sent_email: &str, state: pb::LeadState) -> usize {
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
    fn touch(&mut self, lead: usize, before: Option<&pb::Lead>) {
        if before == Some(&self.leads[lead]) {
            return;
        }
        self.leads[lead].update_time = Some(stamp(self.now));
        let (email, email_as_sent, external_id, first_name, last_name) = Default::default();
        let image = pb::Lead { email, email_as_sent, external_id, first_name, last_name, ..self.leads[lead].clone() };
        let kind = if before.is_some() { EventKind::LeadUpdated } else { EventKind::LeadCreated };
        self.tell(kind, Subject::Lead(image));
    }

    fn bind(&mut self, lead: usize, credit: pb::Credit, at: i64) {
        self.leads[lead].credits = vec![credit];
        self.leads[lead].bind_time = Some(stamp(at));
    }

    fn has_bought(&mut self, lead: usize, occurred: i64) {
        let lead = &mut self.leads[lead];
        lead.set_state(pb::LeadState::Active);
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
        Conversion { row, occurred, external_id: String::new(), email: String::new() }
    }

    /// The whole credit for an enrollment, under one version of its program's terms.
    fn credit(&self, source: Source, enrollment: usize, terms_version: i32) -> pb::Credit {
        let enrollment = &self.enrollments[enrollment];
        pb::Credit {
            affiliate_id: enrollment.affiliate_id.clone(),
            enrollment_id: enrollment.id.clone(),
            program_id: enrollment.program_id.clone(),
            terms_version,
            source: source.into(),
            share_ppm: WHOLE_PPM,
        }
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
        self.describe(lead, &request.external_id, &request.email, &request.first_name, &request.last_name);
        if self.leads[lead].state() == pb::LeadState::Subscribed {
            self.leads[lead].set_state(state);
        }
        let mut answer = pb::RecordLeadResponse { lead_id: self.leads[lead].id.clone(), ..Default::default() };
        if self.leads[lead].bind_time.is_some() {
            self.effect.clone_from(&answer.lead_id);
            answer.set_outcome(Outcome::Attributed);
            answer.credits.clone_from(&self.leads[lead].credits);
            self.touch(lead, before.as_ref());
            return Ok(Reply::Lead(answer));
        }
        let traces = Traces { tid: &request.tid, ref_id: &request.ref_id, coupon_code: &request.coupon_code };
        let verdict = self.attribute(None, &traces, occurred);
        let mut made = self.new_conversion(Kind::Lead, &request.event_id, occurred);
        made.row.lead_id.clone_from(&answer.lead_id);
        made.row.coupon_code = request.coupon_code.to_uppercase();
        made.row.candidates = verdict.candidates;
        if let Some((source, enrollment)) = verdict.winner {
            let terms_version = self.program_of(enrollment).terms(occurred, None).version;
            let credit = self.credit(source, enrollment, terms_version);
            made.row.set_outcome(Outcome::Attributed);
            made.row.credits = vec![credit.clone()];
            self.bind(lead, credit, occurred);
        }
        answer.outcome = made.row.outcome;
        answer.conversion_id.clone_from(&made.row.id);
        answer.credits.clone_from(&made.row.credits);
        self.conversions.push(made);
        self.touch(lead, before.as_ref());
        if let Some((_, enrollment)) = verdict.winner {
            self.tell_of(EventKind::LeadRecorded, self.conversions.len() - 1, occurred);
            let bound = self.leads[lead].clone();
            self.price_earlier_sales(lead, enrollment, occurred);
            self.touch(lead, Some(&bound));
        }
        Ok(Reply::Lead(answer))
    }

    /// The indexes of a customer's sales that nobody referred, in order of occurrence, without sales of other leads.
    pub(super) fn unreferred(&self, lead: Option<usize>, external_ids: &[&str], emails: &[&str]) -> Vec<usize> {
        let lead_id = lead.map(|lead| self.leads[lead].id.as_str()).unwrap_or_default();
        let is_named = |name: &String, wanted: &[&str]| !name.is_empty() && wanted.contains(&name.as_str());
        let mut places: Vec<usize> = (0..self.conversions.len())
            .filter(|place| {
                let sale = &self.conversions[*place];
                sale.row.kind() == Kind::Sale
                    && sale.row.outcome() == Outcome::NotReferred
                    && (is_named(&sale.external_id, external_ids) || is_named(&sale.email, emails))
                    && (sale.row.lead_id.is_empty() || sale.row.lead_id == lead_id)
            })
            .collect();
        places.sort_by_key(|place| self.conversions[*place].occurred);
        places
    }

    /// Prices a lead's purchases inside the window before it was bound.
    fn price_earlier_sales(&mut self, lead: usize, enrollment: usize, bound: i64) {
        let row = self.leads[lead].clone();
        let sales = self.unreferred(Some(lead), &[&row.external_id], &[&row.email]);
        if row.plan.is_empty() {
            let plans = sales.iter().rev().map(|place| &self.conversions[*place].row.plan);
            let plan = plans.into_iter().find(|plan| !plan.is_empty()).cloned();
            self.leads[lead].plan = plan.unwrap_or_default();
        }
        let window = self.window(enrollment, bound);
        for place in sales {
            let occurred = self.conversions[place].occurred;
            if occurred + window < bound {
                continue;
            }
            self.has_bought(lead, occurred);
            let sale = &mut self.conversions[place].row;
            sale.lead_id.clone_from(&row.id);
            sale.version += 1;
            let won = pb::AttributionCandidate {
                source: Source::LeadBinding.into(),
                evidence: Some(pb::attribution_candidate::Evidence::LeadId(row.id.clone())),
                affiliate_id: self.enrollments[enrollment].affiliate_id.clone(),
                enrollment_id: self.enrollments[enrollment].id.clone(),
                result: pb::CandidateResult::Won.into(),
            };
            sale.candidates.insert(0, won);
            self.credit_sale(place, Source::LeadBinding, enrollment, None, true);
            self.tell_of(EventKind::SaleAttributed, place, occurred);
        }
    }

    /// Credits a sale and adds its reward.
    fn credit_sale(
        &mut self,
        place: usize,
        source: Source,
        enrollment: usize,
        bound: Option<i64>,
        is_priced_late: bool,
    ) {
        let terms = self.program_of(enrollment).terms(self.conversions[place].occurred, bound).clone();
        let credit = self.credit(source, enrollment, terms.version);
        self.conversions[place].row.set_outcome(Outcome::Attributed);
        self.conversions[place].row.credits = vec![credit];
        self.earn(place, enrollment, &terms, is_priced_late);
    }

    pub(super) fn record_sale(&mut self, request: &pb::RecordSaleRequest) -> Ruling {
        let occurred = request.occur_time.as_ref().map_or_else(|| self.arrival(&request.tid), micros);
        let email = email(&request.email);
        let known = self.customer(&request.external_id, &email);
        let before = known.map(|lead| self.leads[lead].clone());
        let traces = Traces { tid: &request.tid, ref_id: &request.ref_id, coupon_code: &request.coupon_code };
        let verdict = self.attribute(known, &traces, occurred);
        let mut sale = self.new_conversion(Kind::Sale, &request.event_id, occurred);
        sale.external_id.clone_from(&request.external_id);
        sale.email.clone_from(&email);
        sale.row = sale_row(request, sale.row);
        sale.row.candidates = verdict.candidates;

        // A binding gives way if its enrollment has ended or its program is archived, unless it is later than the sale.
        let gives_way = sale.row.candidates.iter().any(|candidate| {
            let fates = [pb::CandidateResult::EnrollmentEnded, pb::CandidateResult::ProgramArchived];
            candidate.source() == Source::LeadBinding && fates.contains(&candidate.result())
        }) && known
            .and_then(|lead| self.leads[lead].bind_time.as_ref().map(micros))
            .is_some_and(|at| at <= occurred);
        // A lead that is bound in another program counts as new in this one.
        let bound = known.filter(|_| !gives_way).zip(verdict.winner).and_then(|(lead, (_, enrollment))| {
            let here = &self.enrollments[enrollment].program_id;
            let is_here = self.leads[lead].credits.iter().any(|credit| credit.program_id == *here);
            is_here.then(|| self.leads[lead].bind_time.as_ref().map(micros)).flatten()
        });
        let is_named = !(request.external_id.is_empty() && email.is_empty());
        let lead = match (known, verdict.winner) {
            (None, Some(_)) if is_named => {
                Some(self.new_lead(&request.external_id, &request.email, pb::LeadState::Active))
            }
            _ => known,
        };
        if let Some(lead) = lead {
            sale.row.lead_id.clone_from(&self.leads[lead].id);
            if let Some((source, enrollment)) = verdict.winner
                && (self.leads[lead].bind_time.is_none() || gives_way)
            {
                let terms_version = self.program_of(enrollment).terms(occurred, None).version;
                self.bind(lead, self.credit(source, enrollment, terms_version), occurred);
            }
            self.describe(lead, &request.external_id, &request.email, &request.first_name, &request.last_name);
            self.has_bought(lead, occurred);
            if !request.plan.is_empty() {
                self.leads[lead].plan.clone_from(&request.plan);
            }
            if request.mrr.as_ref().is_some_and(is_amount) {
                self.leads[lead].mrr.clone_from(&request.mrr);
            }
            self.touch(lead, before.as_ref());
        }
        self.conversions.push(sale);
        let place = self.conversions.len() - 1;
        if let Some((source, enrollment)) = verdict.winner {
            self.credit_sale(place, source, enrollment, bound, false);
            self.tell_of(EventKind::SaleRecorded, place, occurred);
        }
        let answer = self.sale_answer(place);
        self.book_waiting_refunds(place);
        Ok(Reply::Sale(answer))
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
        let before = self.leads[lead].clone();
        let row = &mut self.leads[lead];
        row.set_state(pb::LeadState::Cancelled);
        if let Some(mrr) = &mut row.mrr {
            mrr.amount_minor = 0;
        }
        self.touch(lead, Some(&before));
        let mut made = self.new_conversion(Kind::Cancellation, &request.event_id, occurred);
        let row = self.leads[lead].clone();
        made.row.lead_id.clone_from(&row.id);
        let enrollment = row.credits.first().and_then(|credit| self.enrollment(&credit.enrollment_id));
        if let Some(enrollment) = enrollment {
            let bound = row.bind_time.as_ref().map(micros);
            let terms_version = self.program_of(enrollment).terms(occurred, bound).version;
            made.row.set_outcome(Outcome::Attributed);
            made.row.credits = vec![self.credit(Source::LeadBinding, enrollment, terms_version)];
        }
        let answer = pb::RecordCancellationResponse {
            outcome: made.row.outcome,
            conversion_id: made.row.id.clone(),
            lead_id: row.id,
            ..Default::default()
        };
        self.conversions.push(made);
        if enrollment.is_some() {
            self.tell_of(EventKind::CancellationRecorded, self.conversions.len() - 1, occurred);
        }
        Ok(Reply::Cancellation(answer))
    }
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
        ..row
    }
}
