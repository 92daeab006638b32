//! The books of all fakes: every movement of money, and what each receiver truly got. Knows no provider's rules.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The account that all money comes from: the world outside.
pub(crate) const OUTSIDE: &str = "outside";

/// What a movement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A balance was set from outside.
    Funding,
    /// A receiver got money.
    Payment,
    /// A receiver lost money that it had got.
    Return,
    /// The provider earned money.
    Fee,
    /// Money of the sender or of the receiver moved, and the receiver has neither more nor less.
    Internal,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Funding => "funding",
            Kind::Payment => "payment",
            Kind::Return => "return",
            Kind::Fee => "fee",
            Kind::Internal => "internal",
        }
    }
}

/// One movement from an account to another.
#[derive(Debug)]
struct Entry {
    at_ms: i64,
    kind: Kind,
    from: String,
    to: String,
    currency: String,
    amount_minor: i64,
    /// The provider's object that moved it: a payout item, a transfer.
    object: String,
}

/// All movements, and the balances after them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Vec<Entry>,
    balances: BTreeMap<(String, String), i128>,
}

/// A movement to be written.
pub(crate) struct Movement<'a> {
    pub(crate) kind: Kind,
    pub(crate) from: &'a str,
    pub(crate) to: &'a str,
    pub(crate) currency: &'a str,
    pub(crate) amount_minor: i64,
    pub(crate) object: &'a str,
}

impl Ledger {
    /// Writes a movement. Nothing moves where the amount is zero.
    pub(crate) fn post(&mut self, at_ms: i64, movement: &Movement<'_>) {
        let Movement { kind, from, to, currency, amount_minor, object } = *movement;
        if amount_minor == 0 {
            return;
        }
        *self.balances.entry((from.to_owned(), currency.to_owned())).or_default() -= i128::from(amount_minor);
        *self.balances.entry((to.to_owned(), currency.to_owned())).or_default() += i128::from(amount_minor);
        self.entries.push(Entry {
            at_ms,
            kind,
            from: from.to_owned(),
            to: to.to_owned(),
            currency: currency.to_owned(),
            amount_minor,
            object: object.to_owned(),
        });
    }

    /// What the account has.
    pub(crate) fn balance(&self, account: &str, currency: &str) -> i64 {
        let balance = self.balances.get(&(account.to_owned(), currency.to_owned())).copied().unwrap_or(0);
        minor(balance)
    }

    /// Whether the account ever had money in the currency.
    pub(crate) fn holds(&self, account: &str, currency: &str) -> bool {
        self.balances.contains_key(&(account.to_owned(), currency.to_owned()))
    }

    /// What the account had at a time.
    pub(crate) fn balance_at(&self, account: &str, currency: &str, at_ms: i64) -> i64 {
        let mut balance = 0_i128;
        for entry in self.entries.iter().filter(|entry| entry.currency == currency && entry.at_ms <= at_ms) {
            if entry.to == account {
                balance += i128::from(entry.amount_minor);
            }
            if entry.from == account {
                balance -= i128::from(entry.amount_minor);
            }
        }
        minor(balance)
    }

    /// Currencies that the account has or had money in.
    pub(crate) fn currencies(&self, account: &str) -> Vec<String> {
        let own = self.balances.keys().filter(|(name, _)| name == account);
        own.map(|(_, currency)| currency.clone()).collect()
    }

    /// Makes the balance this much, with money from outside or to it.
    pub(crate) fn set_balance(&mut self, at_ms: i64, account: &str, currency: &str, amount_minor: i64) {
        let change = amount_minor.saturating_sub(self.balance(account, currency));
        let (from, to) = if change >= 0 { (OUTSIDE, account) } else { (account, OUTSIDE) };
        let amount_minor = change.saturating_abs();
        self.post(at_ms, &Movement { kind: Kind::Funding, from, to, currency, amount_minor, object: "balance" });
        self.balances.entry((account.to_owned(), currency.to_owned())).or_default();
    }

    /// For each receiver and currency: what it has got, without what was taken back, and from which objects.
    pub(crate) fn received(&self, provider: Option<&str>, receiver: Option<&str>) -> Value {
        let mut receipts: BTreeMap<(&str, &str), BTreeMap<&str, i128>> = BTreeMap::new();
        for entry in &self.entries {
            let (account, amount) = match entry.kind {
                Kind::Payment => (&entry.to, i128::from(entry.amount_minor)),
                Kind::Return => (&entry.from, -i128::from(entry.amount_minor)),
                Kind::Funding | Kind::Fee | Kind::Internal => continue,
            };
            let objects = receipts.entry((account, &entry.currency)).or_default();
            *objects.entry(&entry.object).or_default() += amount;
        }
        let mut rows = Vec::new();
        for ((account, currency), objects) in receipts {
            let (of, name) = account.split_once("/receiver/").unwrap_or(("", account));
            if provider.is_some_and(|wanted| wanted != of) || receiver.is_some_and(|wanted| wanted != name) {
                continue;
            }
            let total: i128 = objects.values().sum();
            let kept: Vec<_> = objects.iter().filter(|(_, amount)| **amount != 0).collect();
            let listed: Vec<_> =
                kept.iter().map(|(id, amount)| json!({"id": id, "amount_minor": minor(**amount)})).collect();
            rows.push(json!({
                "provider": of, "receiver": name, "currency": currency,
                "amount_minor": minor(total), "object_count": kept.len(), "objects": listed,
            }));
        }
        Value::Array(rows)
    }

    /// The balances of all accounts.
    pub(crate) fn all_balances(&self) -> Value {
        let rows = self.balances.iter().map(|((account, currency), amount)| {
            json!({"account": account, "currency": currency, "amount_minor": minor(*amount)})
        });
        Value::Array(rows.collect())
    }

    /// All movements, oldest first.
    pub(crate) fn all_entries(&self) -> Value {
        let rows = self.entries.iter().map(|entry| {
            json!({
                "time": crate::clock::text(entry.at_ms), "kind": entry.kind.name(), "from": entry.from, "to": entry.to,
                "currency": entry.currency, "amount_minor": entry.amount_minor, "object": entry.object,
            })
        });
        Value::Array(rows.collect())
    }
}

/// An amount as JSON can say it.
fn minor(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(if amount < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_back_is_not_received() {
        let mut ledger = Ledger::default();
        ledger.set_balance(0, "paypal/sender/a", "USD", 1000);
        let mut move_money = |kind, from, to, amount_minor, object| {
            ledger.post(1, &Movement { kind, from, to, currency: "USD", amount_minor, object });
        };
        move_money(Kind::Payment, "paypal/sender/a", "paypal/receiver/b", 300, "one");
        move_money(Kind::Payment, "paypal/sender/a", "paypal/receiver/b", 200, "two");
        move_money(Kind::Return, "paypal/receiver/b", "paypal/sender/a", 300, "one");
        let received = ledger.received(Some("paypal"), None);
        assert_eq!(received[0]["amount_minor"], 200);
        assert_eq!(received[0]["object_count"], 1);
        assert_eq!(ledger.balance("paypal/sender/a", "USD"), 800);
        assert_eq!(ledger.balance_at("paypal/sender/a", "USD", 0), 1000);
        ledger.set_balance(2, "paypal/sender/a", "USD", 0);
        let sum: i128 = ledger.balances.values().sum();
        assert_eq!(sum, 0);
    }
}
