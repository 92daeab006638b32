//! Documents of payouts: self-billing invoices, which the merchant writes for the affiliate, and what statements have in common with them.
//!
//! | from | may become |
//! |---|---|
//! | draft | final; it goes away when the payout ends without payment |
//! | final | void |
//! | void | nothing else |
//!
//! A draft has no number. A final one has the next number of the account and the year, and its content never changes. A void one keeps both.

use std::sync::Arc;

use super::account::Account;
use super::affiliate::{Affiliate, PostalAddress};
use super::billing_profile::BillingProfile;
use super::calendar::{Calendar, Day, Quarter};
use super::conversion::{Conversion, ConversionKind};
use super::id::{AccountId, AffiliateId, PayoutDocumentId, PayoutId, RewardId};
pub use super::invoice_tax::{InvoiceTax, TaxTreatment};
use super::money::Money;
use super::payout_method::Sealed;
use super::reward::Reward;
use super::tax_number::TaxNumberKind;
use super::tax_profile::TaxDetails;
use super::text_enum::text_enum;
use super::time::Time;

text_enum! {
    /// The state of a document.
    PayoutDocumentState {
        /// Its payout is not paid.
        Draft = "draft",
        /// Its payout is paid.
        Finalized = "finalized",
        /// Its payout was paid, and the payment was undone or came back.
        Voided = "voided",
    }
}

text_enum! {
    /// How a document is returned.
    PayoutDocumentFormat {
        /// As messages.
        Data = "data",
        /// As a PDF.
        Pdf = "pdf",
    }
}

/// Who writes a document, or for whom it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct DocumentParty {
    pub name: String,
    /// The lines of the address.
    pub address: Vec<String>,
    /// As it may be shown to everybody. May be empty.
    pub tax_number: String,
}

impl DocumentParty {
    /// The merchant, without a billing profile by the account's name.
    pub fn issuer(account: &Account, billing: Option<&BillingProfile>) -> Self {
        let Some(billing) = billing else {
            return Self { name: account.display_name.clone(), ..Self::default() };
        };
        let tax_number = if billing.vat_id.is_empty() { &billing.tax_number } else { &billing.vat_id };
        Self {
            name: billing.legal_name.clone(),
            address: address_lines(&billing.address),
            tax_number: tax_number.clone(),
        }
    }

    /// The affiliate, without a tax profile by its own profile. The tax number is left out, because it is sealed.
    pub fn payee(affiliate: &Affiliate, tax: Option<&TaxDetails>) -> Self {
        if let Some(tax) = tax {
            let address = address_lines(&tax.address);
            return Self { name: tax.legal_name.clone(), address, tax_number: String::new() };
        }
        let own = format!("{} {}", affiliate.first_name, affiliate.last_name);
        let names = [affiliate.profile.company.as_str(), own.trim(), affiliate.email.as_str()];
        let name = names.into_iter().find(|name| !name.is_empty()).unwrap_or_default();
        let address = address_lines(&affiliate.profile.address);
        Self { name: name.to_owned(), address, tax_number: String::new() }
    }
}

/// The affiliate's tax number, if invoices show it. Those of persons in the United States are shown nowhere.
pub fn shown_tax_number(tax: &TaxDetails) -> Option<&Sealed> {
    let number = tax.number.as_ref()?;
    matches!(number.kind, TaxNumberKind::Vat | TaxNumberKind::Foreign).then_some(&number.sealed)
}

fn address_lines(address: &PostalAddress) -> Vec<String> {
    let town = format!("{} {}", address.postal_code, address.city);
    let lines = [address.street.as_str(), town.trim(), address.region.as_str(), address.country_code.as_str()];
    lines.into_iter().filter(|line| !line.is_empty()).map(ToOwned::to_owned).collect()
}

text_enum! {
    /// What a line of a document is for.
    DocumentLineKind {
        /// An event.
        Commission = "commission",
        /// An event of an affiliate below.
        Downline = "downline",
        /// A refund took back, or the undoing of a refund gave back.
        TakenBack = "taken_back",
        /// A correction changed an earlier commission.
        Correction = "correction",
        /// A click.
        Click = "click",
        /// A bonus.
        Bonus = "bonus",
        /// A submission to a bounty.
        Submission = "submission",
        /// A person gave it.
        ByHand = "by_hand",
    }
}

/// A reward as a document has it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct DocumentLine {
    pub reward_id: RewardId,
    /// The day of the event, in the account's time zone.
    pub day: Day,
    pub kind: DocumentLineKind,
    /// The name of the rule that was taken, or the reason that a person gave. May be empty.
    pub rule: String,
    /// The merchant's own id of the event. Empty if there is none.
    pub event_id: String,
    /// The amount of the event. `None` if it has none.
    pub event_amount: Option<Money>,
    /// In minor units of the document's currency. Below zero if it takes back.
    pub amount_minor: i64,
}

impl DocumentLine {
    /// The line of a reward. `conversion` is the reward's, if it has one.
    pub fn of(reward: &Reward, conversion: Option<&Conversion>, calendar: &mut Calendar) -> Self {
        let occurred_at = conversion.map(|conversion| conversion.occurred_at);
        let occurred_at = occurred_at.or_else(|| reward.click.as_ref().map(|click| click.occurred_at));
        Self {
            reward_id: reward.id,
            day: calendar.day(Quarter::of(occurred_at.unwrap_or(reward.created_at))),
            kind: kind_of(reward, conversion),
            rule: rule_of(reward),
            event_id: conversion.map(|conversion| conversion.event_id.clone()).unwrap_or_default(),
            event_amount: conversion.and_then(|conversion| conversion.amount),
            amount_minor: reward.value.amount_minor,
        }
    }
}

fn kind_of(reward: &Reward, conversion: Option<&Conversion>) -> DocumentLineKind {
    if reward.reverses.is_some() {
        return DocumentLineKind::TakenBack;
    }
    if let Some(by_hand) = &reward.by_hand {
        let is_bonus = by_hand.threshold.is_some() || by_hand.bonus_terms_version > 0;
        return match (by_hand.submission_id, is_bonus) {
            (Some(_), _) => DocumentLineKind::Submission,
            (None, true) => DocumentLineKind::Bonus,
            (None, false) => DocumentLineKind::ByHand,
        };
    }
    if reward.click.is_some() {
        return DocumentLineKind::Click;
    }
    if reward.upline().is_some() {
        return DocumentLineKind::Downline;
    }
    match conversion.map(|conversion| conversion.kind) {
        Some(ConversionKind::Correction) => DocumentLineKind::Correction,
        Some(ConversionKind::Refund | ConversionKind::RefundUndo | ConversionKind::DisputeResolution) => {
            DocumentLineKind::TakenBack
        }
        _ => DocumentLineKind::Commission,
    }
}

fn rule_of(reward: &Reward) -> String {
    if let Some(by_hand) = &reward.by_hand {
        return by_hand.reason.clone();
    }
    let rule_taken = reward.calculation.as_ref().and_then(|calculation| calculation.rule_taken.as_ref());
    rule_taken.map(|rule| rule.name.as_ref().to_owned()).unwrap_or_default()
}

/// What a document says, as it was when the document became final. Nothing that happens later changes it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct DocumentContent {
    /// In the account's time zone.
    pub issued_on: Day,
    /// The merchant.
    pub issuer: DocumentParty,
    /// The affiliate.
    pub payee: DocumentParty,
    pub tax: InvoiceTax,
    /// The amount without tax, in minor units.
    pub net_minor: i64,
    /// In minor units.
    pub tax_minor: i64,
    /// The merchant's text about the payment. May be empty.
    pub payment_terms: String,
    /// In the order of the rewards' ids. They add up to the amount.
    pub lines: Vec<DocumentLine>,
}

/// The number of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DocumentNumber {
    /// The year of the day on which the document became final, in the account's time zone.
    pub year: i32,
    /// 1, 2, 3 ... in the account and the year.
    pub sequence: i64,
    /// The merchant's beginning of numbers. May be empty.
    pub prefix: String,
}

impl std::fmt::Display for DocumentNumber {
    /// As `INV-2026-00017`.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}{:04}-{:05}", self.prefix, self.year, self.sequence)
    }
}

impl DocumentNumber {
    /// The number with this text. `None` if it is the text of none.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, sequence) = text.rsplit_once('-')?;
        let (prefix, year) = rest.split_at_checked(rest.len().checked_sub(4)?)?;
        let number = Self { year: year.parse().ok()?, sequence: sequence.parse().ok()?, prefix: prefix.to_owned() };
        (number.to_string() == text).then_some(number)
    }
}

/// A self-billing invoice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutDocument {
    pub id: PayoutDocumentId,
    pub account_id: AccountId,
    pub payout_id: PayoutId,
    pub affiliate_id: AffiliateId,
    /// What is paid.
    pub amount: Money,
    pub state: PayoutDocumentState,
    /// `None` for a draft.
    pub number: Option<DocumentNumber>,
    /// `None` for a draft.
    pub content: Option<Arc<DocumentContent>>,
    /// The affiliate's tax number, if the document must show it. Only who has the server's secrets key can open it.
    pub payee_tax_number: Option<Sealed>,
    pub finalized_at: Option<Time>,
    pub voided_at: Option<Time>,
    pub created_at: Time,
    pub updated_at: Time,
}

/// How many documents of a year have a number.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutDocumentCount {
    pub account_id: AccountId,
    pub year: i32,
    /// The last sequence that was given.
    pub last_sequence: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(prefix: &str, sequence: i64) -> DocumentNumber {
        DocumentNumber { year: 2026, sequence, prefix: prefix.to_owned() }
    }

    #[test]
    fn numbers_are_written_and_read() {
        assert_eq!(number("INV-", 17).to_string(), "INV-2026-00017");
        for (prefix, sequence) in [("", 1), ("INV-", 99_999), ("A/", 100_000), ("2025-", 3), ("Rechnung Ü", 4)] {
            let number = number(prefix, sequence);
            assert_eq!(DocumentNumber::parse(&number.to_string()), Some(number));
        }
        for wrong in [
            "",
            "-",
            "2026",
            "2026-",
            "2026-1",
            "2026-000017",
            "226-00001",
            "2026--0001",
            "é26-00001",
            "INV-2026-00017 ",
        ] {
            assert_eq!(DocumentNumber::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn net_and_tax_add_up_to_what_is_paid() {
        let with_rate = |rate_ppm| InvoiceTax { treatment: TaxTreatment::Rate, rate_ppm, note: String::new() };
        assert_eq!(with_rate(190_000).split(11_900), Ok((10_000, 1_900)));
        assert_eq!(with_rate(190_000).split(1), Ok((1, 0)));
        assert_eq!(with_rate(200_000).split(100), Ok((83, 17)));
        assert_eq!(with_rate(0).split(100), Ok((100, 0)));
        for rate_ppm in [0, 1, 55_000, 190_000, 255_000, 1_000_000] {
            for amount_minor in (1..500).chain([i64::MAX]) {
                let (net_minor, tax_minor) = with_rate(rate_ppm).split(amount_minor).unwrap();
                assert!(net_minor >= 0 && tax_minor >= 0, "{amount_minor} at {rate_ppm}");
                assert_eq!(net_minor + tax_minor, amount_minor);
            }
        }
        for treatment in [TaxTreatment::Untaxed, TaxTreatment::ReverseCharge] {
            let tax = InvoiceTax { treatment, ..InvoiceTax::default() };
            assert_eq!(tax.split(11_900), Ok((11_900, 0)));
        }
    }
}
