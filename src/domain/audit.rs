//! The audit log: who changed what, with which key, from where, and when. Its rows are only added.

use std::net::IpAddr;

use super::account::KeyKind;
use super::id::{AccountId, ApiKeyId, AuditEntryId};
use super::time::Time;

/// Who asks for a change, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Actor {
    pub key_id: ApiKeyId,
    pub key_kind: KeyKind,
    /// `None` if the transport has no addresses.
    pub address: Option<IpAddr>,
    /// The called method, such as `headwater.v1.AccountService/UpdateAccount`.
    pub method: &'static str,
    /// The call's id in the log.
    pub call_id: String,
}

/// One call that changed something.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct AuditEntry {
    pub id: AuditEntryId,
    /// The account in which the call had its effect.
    pub account_id: AccountId,
    pub key_id: ApiKeyId,
    pub key_kind: KeyKind,
    pub address: Option<IpAddr>,
    pub method: String,
    /// The id of what the call created or changed first, as text. Empty when it changed nothing.
    pub subject_id: String,
    pub call_id: String,
    pub created_at: Time,
}

impl AuditEntry {
    /// The entry of a call by this actor that has its effect now.
    pub fn new(id: AuditEntryId, account_id: AccountId, actor: &Actor, subject_id: String, now: Time) -> Self {
        Self {
            id,
            account_id,
            key_id: actor.key_id,
            key_kind: actor.key_kind,
            address: actor.address,
            method: actor.method.to_owned(),
            subject_id,
            call_id: actor.call_id.clone(),
            created_at: now,
        }
    }
}
