//! Compares what the fake's own ledger says with what was owed, and with the merchant's ledger.

use std::collections::HashMap;

use headwater_client::pb;
use pb::reward_value::Amount;
use serde_json::Value;
use testkit::client::Client;

use super::fake::Fake;
use super::owed::{Merchant, owed_minor, receiver};
use crate::audit::verify;

/// The most faults that are kept in words.
const TOLD_MAX: usize = 20;

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Audit {
    pub(super) payouts: usize,
    /// Affiliates that got what they were owed by one payment.
    pub(super) once: usize,
    /// Affiliates that got more than one payment.
    pub(super) twice: usize,
    /// Affiliates that got none.
    pub(super) missing: usize,
    /// Everything that is not as it must be.
    pub(super) faults: Vec<String>,
}

impl Audit {
    pub(super) fn is_clean(&self) -> bool {
        self.once == self.payouts && self.twice + self.missing == 0 && self.faults.is_empty()
    }

    fn fault(&mut self, text: String) {
        if self.faults.len() < TOLD_MAX {
            self.faults.push(text);
        }
    }
}

pub(super) async fn audit(fake: &Fake, merchant: &Merchant, url: &str) -> anyhow::Result<Audit> {
    let mut audit = Audit { payouts: merchant.affiliates, ..Audit::default() };
    let rows = fake.call("GET", "ledger/received?provider=paypal", "").await?;
    let rows = rows.as_array().cloned().unwrap_or_default();
    let got: HashMap<&str, (i64, u64)> = rows.iter().filter_map(received).collect();
    for number in 0..merchant.affiliates {
        let receiver = receiver(number);
        match got.get(receiver.as_str()) {
            None => audit.missing += 1,
            Some((amount_minor, 1)) if *amount_minor == owed_minor(number) => audit.once += 1,
            Some((amount_minor, count)) => {
                audit.twice += usize::from(*count > 1);
                audit.fault(format!("{receiver} got {amount_minor} by {count} payments"));
            }
        }
    }
    if got.len() != merchant.affiliates {
        audit.fault(format!("{} receivers got money", got.len()));
    }
    let balances = fake.call("GET", "ledger/balances", "").await?;
    let is_of_fees = |row: &&Value| row["account"] == "paypal/fees";
    let fees = balances.as_array().into_iter().flatten().filter(is_of_fees);
    let fees: i64 = fees.filter_map(|row| row["amount_minor"].as_i64()).sum();
    let owed = (0..merchant.affiliates).map(owed_minor).sum();
    compare_books(&mut audit, &mut Client::connect(url, &merchant.keys[0]).await?, owed, fees).await?;
    Ok(audit)
}

/// The receiver of a row of the fake, what it got, and by how many payments.
fn received(row: &Value) -> Option<(&str, (i64, u64))> {
    Some((row["receiver"].as_str()?, (row["amount_minor"].as_i64()?, row["object_count"].as_u64()?)))
}

/// The merchant's ledger must verify, and say that this much was paid, that these were the fees, and that nothing is owed or in flight.
async fn compare_books(audit: &mut Audit, client: &mut Client, owed: i64, fees: i64) -> anyhow::Result<()> {
    let report = verify(client).await?;
    report.differences.into_iter().for_each(|difference| audit.fault(difference));
    if !report.ok {
        audit.fault("the ledger does not verify".to_owned());
    }
    let mut totals: HashMap<pb::LedgerAccount, i64> = HashMap::new();
    for total in &report.totals {
        if let Some(Amount::Cash(money)) = total.value.as_ref().and_then(|value| value.amount.as_ref()) {
            *totals.entry(total.ledger_account()).or_default() += money.amount_minor;
        }
    }
    let total = |account| totals.get(&account).copied().unwrap_or_default();
    use pb::LedgerAccount::{AffiliatePayable, PayoutInFlight, ProviderCash, ProviderFee};
    let said =
        [total(ProviderCash) + total(ProviderFee), -total(ProviderFee), total(PayoutInFlight), total(AffiliatePayable)];
    if said != [owed, fees, 0, 0] {
        audit.fault(format!(
            "the ledger says {said:?} of paid, fees, in flight and owed, and the provider {owed} and {fees}"
        ));
    }
    Ok(())
}
