//! The money that an account's payouts through one provider are paid from, as far as their sending must know it: in which currencies
//! payouts wait for it, and when they were last told to ask again.
//!
//! While payouts wait in a currency, no further one is sent in it. From time to time one of them is sent, to see whether there is money
//! again: the probe. When it succeeds, all others go on.

use super::id::AccountId;
use super::money::{Currency, Money};
use super::payout::PayoutProvider;
use super::time::Time;

/// The pauses before the probes, in minutes. The last one is repeated for ever.
const PROBE_PAUSES_MINUTES: [i64; 3] = [15, 60, 360];

/// Payouts in a currency wait for money.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct FundsWait {
    pub currency: Currency,
    pub since: Time,
    /// When the next probe is due.
    pub probe_at: Time,
    /// How many probes were begun.
    pub probe_count: i32,
    /// What the last payout that found too little would have needed, with the fees.
    pub needed: Money,
    /// The balance at the provider then, if the provider told it.
    pub available: Option<Money>,
}

impl FundsWait {
    /// A wait that begins now.
    pub fn new(currency: Currency, needed: Money, available: Option<Money>, now: Time) -> Self {
        let probe_at = now.plus_micros(probe_pause_micros(0));
        Self { currency, since: now, probe_at, probe_count: 0, needed, available }
    }

    /// Begins a probe.
    pub fn probe(&mut self, now: Time) {
        self.probe_count = self.probe_count.saturating_add(1);
        self.probe_at = now.plus_micros(probe_pause_micros(self.probe_count));
    }
}

/// How long after the probe with this number the next one is due.
fn probe_pause_micros(probe_count: i32) -> i64 {
    let place = usize::try_from(probe_count).unwrap_or_default().min(PROBE_PAUSES_MINUTES.len() - 1);
    PROBE_PAUSES_MINUTES[place].saturating_mul(60 * Time::MICROS_PER_SECOND)
}

/// See the head of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutPurse {
    pub account_id: AccountId,
    pub provider: PayoutProvider,
    /// How often its payouts were woken. Those that have not seen the last time are due. A number, because servers have different clocks.
    pub wake_count: i64,
    /// One for each currency in which payouts wait.
    pub waits: Vec<FundsWait>,
}

impl PayoutPurse {
    /// A purse in which nobody waits.
    pub const fn new(account_id: AccountId, provider: PayoutProvider) -> Self {
        Self { account_id, provider, wake_count: 0, waits: Vec::new() }
    }

    /// Makes the payouts due that the provider has, or that wait for money.
    pub fn wake(&mut self) {
        self.wake_count = self.wake_count.saturating_add(1);
    }

    /// The wait in a currency.
    pub fn wait(&self, currency: Currency) -> Option<&FundsWait> {
        self.waits.iter().find(|wait| wait.currency == currency)
    }

    /// The wait in a currency, to change it.
    pub fn wait_mut(&mut self, currency: Currency) -> Option<&mut FundsWait> {
        self.waits.iter_mut().find(|wait| wait.currency == currency)
    }

    /// Ends the wait in a currency. Returns it if there was one.
    pub fn end_wait(&mut self, currency: Currency) -> Option<FundsWait> {
        let place = self.waits.iter().position(|wait| wait.currency == currency)?;
        Some(self.waits.remove(place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_come_after_a_quarter_of_an_hour_an_hour_and_then_every_six_hours() {
        let start = Time::from_micros(0);
        let needed = Money::new(500, "USD".parse().unwrap());
        let mut wait = FundsWait::new(needed.currency, needed, None, start);
        let mut minutes = Vec::new();
        let mut now = start;
        for _ in 0..5 {
            minutes.push((wait.probe_at.micros() - now.micros()) / 60_000_000);
            now = wait.probe_at;
            wait.probe(now);
        }
        assert_eq!(minutes, [15, 60, 360, 360, 360]);
        wait.probe_count = i32::MAX;
        wait.probe(now);
        assert_eq!(wait.probe_at, now.plus_micros(360 * 60_000_000));
    }
}
