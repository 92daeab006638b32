//! From the opened details of a destination to the names that providers and files have for it.

use super::file::{Account, AccountKind};
use super::provider::Receiver;
use crate::domain::bank::BankAccountKind;
use crate::secrets::details::PayoutDetails;

/// Who gets the money of a payout that a provider sends. `None` for a destination that no provider pays to.
pub fn receiver(details: &PayoutDetails) -> Option<Receiver> {
    match details {
        PayoutDetails::PayPal { email } => Some(Receiver::PayPalEmail(email.clone())),
        PayoutDetails::Stripe { connected_account_id } => Some(Receiver::StripeAccount(connected_account_id.clone())),
        PayoutDetails::Wise { recipient_id } => Some(Receiver::WiseRecipient(*recipient_id)),
        PayoutDetails::Iban { .. } | PayoutDetails::UnitedStatesBank { .. } | PayoutDetails::Other { .. } => None,
    }
}

/// The account and its owner as files have them. The owner is empty if the details have none. `None` for a destination in words.
pub fn account(details: &PayoutDetails) -> Option<(Account, String)> {
    Some(match details {
        PayoutDetails::PayPal { email } => (Account::Email(email.clone()), String::new()),
        PayoutDetails::Stripe { connected_account_id } => {
            (Account::ProviderId(connected_account_id.clone()), String::new())
        }
        PayoutDetails::Wise { recipient_id } => (Account::ProviderId(recipient_id.to_string()), String::new()),
        PayoutDetails::Iban { iban, bic, holder } => {
            (Account::Iban { iban: iban.clone(), bic: bic.clone() }, holder.clone())
        }
        PayoutDetails::UnitedStatesBank { routing_number, number, account_kind, holder } => {
            let kind = match account_kind {
                BankAccountKind::Checking => AccountKind::Checking,
                BankAccountKind::Savings => AccountKind::Savings,
            };
            let (routing_number, number) = (routing_number.clone(), number.clone());
            (Account::UnitedStates { routing_number, number, kind }, holder.clone())
        }
        PayoutDetails::Other { .. } => return None,
    })
}
