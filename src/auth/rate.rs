//! The limits of calls per minute: of each address, and of each key. Knows nothing of what a call does. The numbers are of this server
//! alone: servers on one database count for themselves.

use std::hash::Hash;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::clock::Clock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use moka::sync::Cache;
use tokio::time::Instant;

use super::Principal;
use crate::clock;
use crate::domain::account::KeyKind;
use crate::domain::id::{AccountId, ApiKeyId};
use crate::error::{Error, LimitedBy};
use crate::transport::connections::network;

/// How many keys or addresses are counted at a time, at about 200 bytes each. The calls of others are not limited, so that a flood of
/// addresses costs no memory and refuses nobody else.
const COUNTED_MAX: u64 = 100_000;

/// For how long a key or an address is counted after its last call. Whoever made no call for a minute may make a whole burst again.
const COUNTED_FOR: Duration = Duration::from_secs(120);

/// How many calls may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallRate {
    /// How many calls a minute; 0 for any number.
    pub per_minute: u32,
    /// How many calls at once after a pause. Never more than in a minute.
    pub burst: u32,
}

impl CallRate {
    /// The rate for the limiter. `None` for any number of calls.
    fn quota(self) -> Option<Quota> {
        let per_minute = NonZeroU32::new(self.per_minute)?;
        let burst = NonZeroU32::new(self.burst.min(self.per_minute)).unwrap_or(NonZeroU32::MIN);
        Some(Quota::per_minute(per_minute).allow_burst(burst))
    }
}

/// The limits of calls per minute.
pub struct CallRates {
    addresses: Counters<IpAddr>,
    address_rate: CallRate,
    /// Everybody can read a publishable key in a web page. Each address has its own number of its calls, so that one visitor cannot
    /// use up the calls of all others.
    keys: Counters<(ApiKeyId, Option<IpAddr>)>,
    key_rate: CallRate,
    /// The calls of strangers who register accounts.
    registrations: Counters<IpAddr>,
    registration_rate: CallRate,
}

impl CallRates {
    /// Limits each address, each key, and the registrations from each address to so many calls. An operator may have set another number
    /// for the keys of an account.
    pub fn new(address_rate: CallRate, key_rate: CallRate, registration_rate: CallRate) -> Self {
        let (addresses, keys, registrations) = (Counters::new(), Counters::new(), Counters::new());
        Self { addresses, address_rate, keys, key_rate, registrations, registration_rate }
    }

    /// Counts a call by which somebody who is no operator registers an account, or refuses it.
    pub(super) fn count_registration(&self, address: Option<IpAddr>) -> Result<(), Error> {
        let Some(address) = address.map(network) else { return Ok(()) };
        self.registrations.count(address, self.registration_rate, LimitedBy::Address)
    }

    /// Counts a call from this address, or refuses it.
    pub(super) fn count_address(&self, address: Option<IpAddr>) -> Result<(), Error> {
        let Some(address) = address.map(network) else { return Ok(()) };
        self.addresses.count(address, self.address_rate, LimitedBy::Address)
    }

    /// Counts a call with this key, or refuses it. Operator keys have no limit, because operators change limits.
    pub(super) fn count_key(&self, principal: &Principal) -> Result<(), Error> {
        if principal.account_id == AccountId::SERVER {
            return Ok(());
        }
        let per_minute = match principal.calls_per_minute {
            0 => self.key_rate.per_minute,
            own => own,
        };
        let rate = CallRate { per_minute, ..self.key_rate };
        let visitor = principal.client.address.filter(|_| principal.kind == KeyKind::Publishable).map(network);
        self.keys.count((principal.key_id, visitor), rate, LimitedBy::Key)
    }
}

/// The calls of keys or of addresses.
struct Counters<K>(Cache<K, Arc<Counter>>);

/// The calls of one key or address.
struct Counter {
    rate: CallRate,
    limiter: RateLimiter<NotKeyed, InMemoryState, SinceStart, NoOpMiddleware<Duration>>,
}

impl<K: Hash + Eq + Send + Sync + 'static> Counters<K> {
    fn new() -> Self {
        Self(Cache::builder().max_capacity(COUNTED_MAX).time_to_idle(COUNTED_FOR).build())
    }

    fn count(&self, key: K, rate: CallRate, limited_by: LimitedBy) -> Result<(), Error> {
        let Some(quota) = rate.quota() else { return Ok(()) };
        let counter = match self.0.get(&key) {
            Some(counter) if counter.rate == rate => counter,
            _ => {
                let new = || {
                    let limiter = RateLimiter::direct_with_clock(quota, SinceStart::now());
                    Arc::new(Counter { rate, limiter })
                };
                // A call at the same time may have begun to count.
                self.0.entry(key).or_insert_with_if(new, |counter| counter.rate != rate).into_value()
            }
        };
        counter.limiter.check().map_err(|refused| {
            let wait = refused.wait_time_from(counter.limiter.clock().now());
            // Whole milliseconds, rounded up, because the caller is told no finer time.
            let retry_after =
                Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX));
            Error::RateLimited { limited_by, calls_per_minute: rate.per_minute, retry_after }
        })
    }
}

/// The server's monotonic clock, from some moment on.
#[derive(Debug, Clone)]
pub(super) struct SinceStart(Instant);

impl SinceStart {
    /// From now on.
    pub(super) fn now() -> Self {
        Self(clock::monotonic_now())
    }
}

impl Clock for SinceStart {
    type Instant = Duration;

    fn now(&self) -> Duration {
        clock::monotonic_now().saturating_duration_since(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waits(result: Result<(), Error>) -> Option<u64> {
        match result {
            Ok(()) => None,
            Err(Error::RateLimited { retry_after, .. }) => Some(retry_after.as_millis().try_into().unwrap()),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn calls_beyond_a_rate_are_refused_until_the_time_that_is_told() {
        let none = CallRate { per_minute: 0, burst: 0 };
        let rates = CallRates::new(CallRate { per_minute: 60, burst: 3 }, none, none);
        let count = |address: &str| waits(rates.count_address(Some(address.parse().unwrap())));
        for _ in 0..3 {
            assert_eq!(count("192.0.2.7"), None);
        }
        assert_eq!(count("192.0.2.7"), Some(1_000));
        assert_eq!(count("::ffff:192.0.2.7"), Some(1_000), "it is the same address");
        assert_eq!(count("192.0.2.8"), None);
        tokio::time::advance(Duration::from_millis(999)).await;
        assert_eq!(count("192.0.2.7"), Some(1), "a refused call does not count");
        tokio::time::advance(Duration::from_millis(1)).await;
        assert_eq!(count("192.0.2.7"), None);
        assert_eq!(count("192.0.2.7"), Some(1_000));
        tokio::time::advance(Duration::from_secs(600)).await;
        let taken = (0..10).filter(|_| count("192.0.2.7").is_none()).count();
        assert_eq!(taken, 3, "a pause gives no more than a burst");
        // One customer has a whole network of IPv6.
        for host in ["2001:db8::1", "2001:db8::2", "2001:db8::3"] {
            assert_eq!(count(host), None);
        }
        assert_eq!(count("2001:db8::4"), Some(1_000));
        assert_eq!(count("2001:db8:0:1::4"), None);
        assert_eq!(waits(rates.count_address(None)), None);
    }

    #[test]
    fn a_rate_of_any_size_is_taken() {
        let burst = |per_minute, burst| CallRate { per_minute, burst }.quota().map(|quota| quota.burst_size().get());
        assert_eq!(burst(0, 5), None);
        assert_eq!(burst(50, 100), Some(50));
        assert_eq!(burst(50, 0), Some(1));
        assert_eq!(burst(u32::MAX, u32::MAX), Some(u32::MAX));
    }

    #[test]
    fn counters_have_bounded_memory() {
        let none = CallRate { per_minute: 0, burst: 0 };
        let rates = CallRates::new(CallRate { per_minute: 1, burst: 1 }, none, none);
        for number in 0..(COUNTED_MAX as u32 + 20_000) {
            rates.count_address(Some(IpAddr::from(number.to_be_bytes()))).unwrap();
        }
        rates.addresses.0.run_pending_tasks();
        assert!(rates.addresses.0.entry_count() <= COUNTED_MAX);
    }
}
