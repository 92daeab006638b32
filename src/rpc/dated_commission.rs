//! Commissions for a time of an enrollment's or a coupon's own on the wire.

use std::borrow::Cow;

use super::call::canonical::{self, canonical};
use super::call::parse::Fields;
use super::call::render::timestamp;
use super::program::terms::{commission, optional_commission};
use crate::domain::dated_commission::DatedCommission;
use crate::domain::rule::NewDatedCommission;
use crate::pb;

const FIELD: &str = "dated_commission";

/// Reads the one that is added. `undated` is the field for one without dates.
pub(super) fn read(fields: &mut Fields, sent: &pb::DatedCommission, undated: &str) -> NewDatedCommission {
    fields.within(FIELD, |fields| {
        if sent.start_time.is_none() && sent.end_time.is_none() {
            fields.wrong("end_time", format!("is required without start_time; set {undated} for one without dates"));
        }
        let commission = optional_commission(fields, "commission", sent.commission.as_ref());
        let starts_at = fields.time("start_time", sent.start_time.as_ref());
        let ends_at = fields.time("end_time", sent.end_time.as_ref());
        if starts_at.zip(ends_at).is_some_and(|(starts_at, ends_at)| ends_at <= starts_at) {
            fields.wrong("end_time", "must be later than start_time: it is the first moment after the commission");
        }
        NewDatedCommission { commission, starts_at, ends_at }
    })
}

/// The one that is added, in the form that all of the same meaning have.
pub(super) fn canonical(sent: &pb::DatedCommission) -> Cow<'_, pb::DatedCommission> {
    canonical!(
        pb::DatedCommission,
        sent,
        number: (sent.number != 0).then_some(0),
        start_time: canonical::time(sent.start_time.as_ref()),
        end_time: canonical::time(sent.end_time.as_ref()),
        create_time: canonical::unread(&sent.create_time),
        withdraw_time: canonical::unread(&sent.withdraw_time);
        as_sent: commission,
    )
}

/// One of them as a message.
pub(super) fn render(dated: &DatedCommission) -> pb::DatedCommission {
    pb::DatedCommission {
        number: dated.number,
        commission: dated.commission.map(commission),
        start_time: Some(timestamp(dated.starts_at)),
        end_time: dated.ends_at.map(timestamp),
        create_time: Some(timestamp(dated.created_at)),
        withdraw_time: dated.withdrawn_at.map(timestamp),
    }
}
