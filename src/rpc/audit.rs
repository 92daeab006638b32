//! The audit log on the wire. `call/mod.rs` writes it.

use super::call::parse::Fields;
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::audit::AuditEntry;
use crate::error::Error;
use crate::pb;
use crate::store;

pub(super) async fn list(
    call: Call,
    message: pb::ListAuditEntriesRequest,
) -> Result<pb::ListAuditEntriesResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let key_id = fields.optional_id("api_key_id", &message.api_key_id);
    fields.finish()?;
    let filter = pb::ListAuditEntriesRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let entries = store::audit::list(call.store(), call.account_id(), key_id, page.walk()).await?;
    call.works_on(entries.len()).await;
    let (audit_entries, next_page_token) = page.fill(entries, |entry| entry.id.uuid(), |entry| render(&entry));
    Ok(pb::ListAuditEntriesResponse { audit_entries, next_page_token })
}

/// The entry as stored in the feed, without the address, which may be a person's.
pub(super) fn image(entry: &AuditEntry) -> pb::AuditEntry {
    pb::AuditEntry { address: String::new(), ..render(entry) }
}

fn render(entry: &AuditEntry) -> pb::AuditEntry {
    pb::AuditEntry {
        id: entry.id.to_string(),
        api_key_id: entry.key_id.to_string(),
        api_key_kind: entry.key_kind.number(),
        address: entry.address.map(|address| address.to_string()).unwrap_or_default(),
        called_method: entry.method.clone(),
        subject_id: entry.subject_id.clone(),
        call_id: entry.call_id.clone(),
        create_time: Some(timestamp(entry.created_at)),
    }
}
