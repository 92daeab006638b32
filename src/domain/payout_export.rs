//! Files that were made of payouts. The file itself is sealed. Nothing here can open it.

use super::id::{AccountId, ApiKeyId, PayoutExportId, PayoutId};
use super::money::Money;
use super::payout_method::Sealed;
use super::text_enum::text_enum;
use super::time::Time;

/// How many days a file is kept, as long as a repeated request gets its first answer. What it was made of stays.
pub const FILE_DAYS: i32 = 30;

text_enum! {
    /// The format of a file.
    PayoutFileFormat {
        /// pain.001 for the SEPA area.
        Sepa = "sepa",
        /// ACH in the United States.
        Nacha = "nacha",
        /// For PayPal's page.
        PaypalCsv = "paypal_csv",
        /// For Wise's page.
        WiseCsv = "wise_csv",
        /// For every other way.
        PlainCsv = "plain_csv",
    }
}

/// A file that was made of payouts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutExport {
    pub id: PayoutExportId,
    pub account_id: AccountId,
    pub format: PayoutFileFormat,
    /// In the order of the file. Never empty.
    pub payout_ids: Vec<PayoutId>,
    pub total: Money,
    pub sha256: String,
    /// `None`: it was kept long enough. Left out of the answers that are stored for repeated requests.
    pub file: Option<Sealed>,
    pub created_by: Option<ApiKeyId>,
    pub created_at: Time,
}

/// A field of a payout, or of the file's settings, for which there is no file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct WrongFileField {
    /// `None`: a setting of the file.
    pub payout_id: Option<PayoutId>,
    pub field: String,
    pub problem: String,
}
