//! Clicks: rows.

use super::entity::click as table;
use crate::domain::click::Click;
use crate::domain::id::{AccountId, AffiliateId, ClickId, EnrollmentId, LinkId, ProgramId};
use crate::domain::time::Time;

pub(super) fn to_row(click: &Click) -> table::Model {
    table::Model {
        account_id: click.account_id.uuid(),
        tid: click.tid.uuid(),
        id: click.id.uuid(),
        link_id: click.link_id.uuid(),
        enrollment_id: click.enrollment_id.uuid(),
        affiliate_id: click.affiliate_id.uuid(),
        program_id: click.program_id.uuid(),
        referrer_url: click.referrer_url.clone(),
        occurred_at: click.occurred_at.micros(),
        created_at: click.created_at.micros(),
    }
}

pub(super) fn from_row(row: table::Model) -> Click {
    Click {
        id: ClickId::from_uuid(row.id),
        account_id: AccountId::from_uuid(row.account_id),
        tid: ClickId::from_uuid(row.tid),
        link_id: LinkId::from_uuid(row.link_id),
        enrollment_id: EnrollmentId::from_uuid(row.enrollment_id),
        affiliate_id: AffiliateId::from_uuid(row.affiliate_id),
        program_id: ProgramId::from_uuid(row.program_id),
        referrer_url: row.referrer_url,
        occurred_at: Time::from_micros(row.occurred_at),
        created_at: Time::from_micros(row.created_at),
    }
}
