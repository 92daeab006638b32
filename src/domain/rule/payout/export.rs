//! ExportPayouts: payouts are in a file that the owner uploads at a bank. The file is made before, of what cannot change any more.

use std::sync::Arc;

use super::close::may_become;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutExportId, PayoutId};
use crate::domain::money::{Money, Overflow};
use crate::domain::payout::{Payout, PayoutProvider, PayoutState};
use crate::domain::payout_export::{PayoutExport, PayoutFileFormat, WrongFileField};
use crate::domain::payout_method::Sealed;
use crate::domain::refusal::{Field, Refusal};
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// A file.
#[derive(Debug, Clone)]
pub struct PayoutFile {
    /// Its bytes, sealed.
    pub sealed: Sealed,
    /// The SHA-256 of its bytes, in hexadecimal digits.
    pub sha256: String,
}

/// Record that payouts are in a file: all of them or none.
#[derive(Debug, Clone)]
pub struct ExportPayouts {
    /// The payouts, without repeats, in the order of the file.
    pub payout_ids: Vec<PayoutId>,
    /// The format.
    pub format: PayoutFileFormat,
    /// The file, or why there is none. A repeat is answered whatever it is.
    pub file: Result<PayoutFile, Vec<WrongFileField>>,
}

impl Rule for ExportPayouts {
    type Answer = Arc<PayoutExport>;

    fn weight(&self) -> usize {
        self.payout_ids.len().max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.payouts.extend(self.payout_ids.iter().map(|id| (account, *id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let id = PayoutExportId::new(context.ids);
        let mut total: Option<Money> = None;
        let mut exported = Vec::with_capacity(self.payout_ids.len());
        for payout_id in &self.payout_ids {
            let payout = may_become(context, *payout_id, PayoutState::Exported)?;
            if payout.provider != PayoutProvider::Manual {
                let problem =
                    format!("has payout {payout_id}, which {} pays; a file is for payouts by hand", payout.provider);
                return Err(Refusal::InvalidField { field: Field::PayoutIds, problem });
            }
            let sum_minor = total.map_or(0, |total| total.amount_minor);
            let currency = total.map_or(payout.amount.currency, |total| total.currency);
            if payout.amount.currency != currency {
                let problem =
                    format!("has payouts in {currency} and {}; a file has one currency", payout.amount.currency);
                return Err(Refusal::InvalidField { field: Field::PayoutIds, problem });
            }
            let sum_minor = sum_minor.checked_add(payout.amount.amount_minor).ok_or(Overflow)?;
            total = Some(Money::new(sum_minor, currency));
            exported.push(payout);
        }
        let nothing = || Refusal::InvalidField {
            field: Field::PayoutRunId,
            problem: "has no payout that is READY and paid by hand".to_owned(),
        };
        let total = total.ok_or_else(nothing)?;
        let file = self.file.as_ref().map_err(|wrong| Refusal::PayoutFile { wrong: wrong.clone() })?;
        let export = context.put(PayoutExport {
            id,
            account_id: context.account_id,
            format: self.format,
            payout_ids: self.payout_ids.clone(),
            total,
            sha256: file.sha256.clone(),
            file: Some(file.sealed.clone()),
            created_by: context.key_id,
            created_at: context.now,
        });
        for payout in exported {
            let payout = context.put(Payout {
                state: PayoutState::Exported,
                export_id: Some(id),
                updated_at: context.now,
                ..payout.as_ref().clone()
            });
            context.tell(EventKind::PayoutExported, EventImage::Payout(payout));
        }
        Ok(export)
    }
}
