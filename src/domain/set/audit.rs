//! Entries of the audit log in the working set. They are only written.

use super::kind::Kind;
use crate::domain::audit::AuditEntry;
use crate::domain::id::{AccountId, AuditEntryId};

impl Kind for AuditEntry {
    type Key = (AccountId, AuditEntryId);

    const NAME: &'static str = "audit entry";

    fn key(&self) -> Self::Key {
        (self.account_id, self.id)
    }
}
