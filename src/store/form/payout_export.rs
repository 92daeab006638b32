//! The form of an export of payouts.

use super::field::Text;
use crate::domain::id::{AccountId, ApiKeyId, PayoutExportId, PayoutId};
use crate::domain::money::Money;
use crate::domain::payout_export::{PayoutExport, PayoutFileFormat};
use crate::domain::time::Time;

form! {
    /// An export. Answers do not have the file, which is in a column of its own.
    PayoutExportForm<'a> of PayoutExport {
        id: PayoutExportId,
        account_id: AccountId,
        format: PayoutFileFormat,
        payout_ids: Vec<PayoutId>,
        total: Money,
        sha256: Text<'a>,
        created_at: Time,
    }
    unless_empty {
        created_by: Option<ApiKeyId>,
    }
    left_out {
        file: None,
    }
}
