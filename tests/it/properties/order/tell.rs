//! Tells one event of a history.

use headwater::domain::outcome::Outcome;
use headwater::domain::refusal::Refusal;
use headwater::pb;

use super::history::{CUSTOM_KIND, Event, Traces, name_of};
use super::{Telling, Told, code, lines, ref_id, wire_time};

impl Telling {
    /// Tells an event. Returns whether it was taken.
    pub(super) fn tell(&mut self, place: usize, told: &Told) -> bool {
        let occur_time = wire_time(told.occurred_at);
        let tid = |traces: &Traces| {
            let visitor = traces.visitor.filter(|_| told.has_tid);
            visitor.map(|visitor| self.tids[visitor].clone().unwrap()).unwrap_or_default()
        };
        let ref_of = |traces: &Traces| traces.affiliate.map(ref_id).unwrap_or_default();
        let code_of = |traces: &Traces| traces.coupon.map(code).unwrap_or_default();
        let event_id = format!("event-{place}");
        let done = match &told.event {
            Event::Click { visitor, affiliate } => {
                let tid = self.tids[*visitor].clone().unwrap_or_default();
                let request =
                    pb::RecordClickRequest { ref_id: ref_id(*affiliate), tid, occur_time, ..Default::default() };
                let done = self.ask(&request);
                if let Ok(Outcome::Click(click)) = &done {
                    self.tids[*visitor] = Some(click.tid.to_string());
                }
                done
            }
            Event::Lead { customer, traces } => {
                let request = pb::RecordLeadRequest {
                    event_id,
                    external_id: name_of(*customer),
                    tid: tid(traces),
                    ref_id: ref_of(traces),
                    coupon_code: code_of(traces),
                    occur_time,
                    ..Default::default()
                };
                let done = self.ask(&request);
                let has_traces = told.has_tid || traces.affiliate.is_some() || traces.coupon.is_some();
                let is_lost =
                    |outcome: &Outcome| matches!(outcome, Outcome::Lead(lead) if lead.conversion_id.is_none());
                self.has_lost_sign_up |= has_traces && done.as_ref().is_ok_and(is_lost);
                done
            }
            Event::Sale { customer, traces, amount, is_named } => {
                let has_trace = told.has_tid || traces.affiliate.is_some() || traces.coupon.is_some();
                let external_id = if *is_named || !has_trace { name_of(*customer) } else { String::new() };
                let request = pb::RecordSaleRequest {
                    event_id,
                    external_id,
                    tid: tid(traces),
                    ref_id: ref_of(traces),
                    coupon_code: code_of(traces),
                    amount: Some(pb::Money { amount_minor: *amount, currency_code: "USD".to_owned() }),
                    lines: if self.has_lines { lines(*amount) } else { Vec::new() },
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
            Event::Appointment { customer, traces, is_named } => {
                let has_trace = told.has_tid || traces.affiliate.is_some() || traces.coupon.is_some();
                let external_id = if *is_named || !has_trace { name_of(*customer) } else { String::new() };
                let request = pb::RecordAppointmentRequest {
                    event_id,
                    external_id,
                    tid: tid(traces),
                    ref_id: ref_of(traces),
                    coupon_code: code_of(traces),
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
            Event::Correction { sale, fifths } => {
                let request = pb::CorrectSaleRequest {
                    event_id,
                    sale_event_id: format!("event-{sale}"),
                    amount: Some(pb::Money { amount_minor: *fifths, currency_code: "USD".to_owned() }),
                    lines: if self.has_lines && *fifths % 2 == 0 { lines(*fifths) } else { Vec::new() },
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
            Event::Total { sale, fifths } => {
                let request = pb::RecordRefundRequest {
                    event_id,
                    sale_event_id: format!("event-{sale}"),
                    refunded_total: Some(pb::Money { amount_minor: *fifths, currency_code: "USD".to_owned() }),
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
            Event::Undo { refund } => {
                let refund_event_id = format!("event-{refund}");
                self.ask(&pb::UndoRefundRequest { event_id, refund_event_id, occur_time, ..Default::default() })
            }
            Event::Cancellation { customer } => {
                let external_id = name_of(*customer);
                self.ask(&pb::RecordCancellationRequest { event_id, external_id, occur_time, ..Default::default() })
            }
            Event::Custom { customer, traces, is_named } => {
                let has_trace = told.has_tid || traces.affiliate.is_some() || traces.coupon.is_some();
                let external_id = if *is_named || !has_trace { name_of(*customer) } else { String::new() };
                let request = pb::RecordCustomEventRequest {
                    event_id,
                    custom_kind: CUSTOM_KIND.to_owned(),
                    external_id,
                    tid: tid(traces),
                    ref_id: ref_of(traces),
                    coupon_code: code_of(traces),
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
            Event::Refund { sale, divisor } => {
                let request = pb::RecordRefundRequest {
                    event_id,
                    sale_event_id: format!("event-{sale}"),
                    amount: Some(pb::Money { amount_minor: *divisor, currency_code: "USD".to_owned() }),
                    occur_time,
                    ..Default::default()
                };
                self.ask(&request)
            }
        };
        assert!(!matches!(done, Err(Refusal::NotLoaded(_))), "{told:?}: {done:?}");
        done.is_ok()
    }
}
