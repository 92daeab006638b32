//! Appointments and custom events. They are attributed as sales are, and earn nothing.

use headwater_client::pb;
use pb::ConversionKind as Kind;

use super::{Ruling, World};
use crate::model::reply::Reply;

impl World {
    pub(super) fn record_appointment(&mut self, request: &pb::RecordAppointmentRequest) -> Ruling {
        let shared = pb::RecordSaleRequest {
            event_id: request.event_id.clone(),
            email: request.email.clone(),
            external_id: request.external_id.clone(),
            tid: request.tid.clone(),
            ref_id: request.ref_id.clone(),
            coupon_code: request.coupon_code.clone(),
            first_name: request.first_name.clone(),
            last_name: request.last_name.clone(),
            occur_time: request.occur_time,
            metadata: request.metadata.clone(),
            ..Default::default()
        };
        let place = self.record_as_sale(Kind::Appointment, &shared, "");
        let image = self.image(place);
        Ok(Reply::Appointment(pb::RecordAppointmentResponse {
            outcome: image.outcome,
            conversion_id: image.id,
            lead_id: image.lead_id,
            credits: image.credits,
            ..Default::default()
        }))
    }

    pub(super) fn record_custom_event(&mut self, request: &pb::RecordCustomEventRequest) -> Ruling {
        let shared = pb::RecordSaleRequest {
            event_id: request.event_id.clone(),
            email: request.email.clone(),
            external_id: request.external_id.clone(),
            tid: request.tid.clone(),
            ref_id: request.ref_id.clone(),
            coupon_code: request.coupon_code.clone(),
            first_name: request.first_name.clone(),
            last_name: request.last_name.clone(),
            amount: request.amount.clone(),
            occur_time: request.occur_time,
            metadata: request.metadata.clone(),
            ..Default::default()
        };
        let place = self.record_as_sale(Kind::CustomEvent, &shared, &request.custom_kind.to_lowercase());
        let image = self.image(place);
        Ok(Reply::CustomEvent(pb::RecordCustomEventResponse {
            outcome: image.outcome,
            conversion_id: image.id,
            lead_id: image.lead_id,
            credits: image.credits,
            ..Default::default()
        }))
    }
}
