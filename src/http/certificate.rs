//! The certificates that PayPal signs callbacks with. They are fetched from the addresses of the settings alone, and kept for a day.
//! Anybody can name new ones in a header, so a network and all networks together may cause few fetches in a minute.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use moka::sync::Cache;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::clock;
use crate::inbound::callback::paypal::{Chain, Roots, certificate_id};
use crate::transport::connections::{Network, network};

/// How long a certificate is kept. Its dates are checked at each use.
const KEPT: Duration = Duration::from_secs(24 * 60 * 60);

/// How long it is known that there is no certificate.
const ABSENT: Duration = Duration::from_secs(60);

/// The most certificates that are kept. PayPal uses one or two at a time.
const KEPT_MAX: u64 = 64;

/// The fetches that one network may cause in a minute.
const NETWORK_FETCHES_MAX: u32 = 3;

/// The fetches in a minute.
const FETCHES_MAX: u32 = 60;

const MINUTE: Duration = Duration::from_secs(60);

/// Why there is no certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoCertificate {
    /// The address is none of PayPal's, so nothing was fetched.
    #[error("the address of the certificate is not allowed")]
    Foreign,
    /// PayPal has none there.
    #[error("there is no certificate at the address")]
    Absent,
    /// It cannot be fetched now.
    #[error("the certificate cannot be fetched now")]
    Later,
}

/// Fetches certificates.
pub trait Fetcher: Send + Sync {
    /// The addresses below which certificates are, such as `https://api.paypal.com/v1/notifications/certs`.
    fn addresses(&self) -> &[String];

    /// The PEM text of the certificate with this id below the address with this number.
    fn fetch<'a>(&'a self, address: usize, id: &'a str) -> BoxFuture<'a, Result<Bytes, NoCertificate>>;
}

/// See the head of the file.
pub struct Certificates {
    fetcher: Box<dyn Fetcher>,
    roots: Roots,
    kept: Cache<String, Arc<Chain>>,
    absent: Cache<String, ()>,
    /// One certificate is fetched at a time, so that many callbacks that name the same one cause one fetch.
    fetches: Mutex<Fetches>,
}

/// The fetches of the current minute.
struct Fetches {
    minute_began_at: Instant,
    count: u32,
    by_network: HashMap<Option<Network>, u32>,
}

impl Fetches {
    /// Counts a fetch, if there may be one.
    fn may_begin(&mut self, network: Option<Network>) -> bool {
        let now = clock::monotonic_now();
        if now.duration_since(self.minute_began_at) >= MINUTE {
            *self = Self { minute_began_at: now, count: 0, by_network: HashMap::new() };
        }
        if self.count >= FETCHES_MAX {
            return false;
        }
        let of_network = self.by_network.entry(network).or_default();
        if *of_network >= NETWORK_FETCHES_MAX {
            return false;
        }
        *of_network += 1;
        self.count += 1;
        true
    }
}

impl Certificates {
    /// Certificates that this fetches, of chains that lead to these roots.
    pub fn new(fetcher: Box<dyn Fetcher>, roots: Roots) -> Self {
        let fetches = Fetches { minute_began_at: clock::monotonic_now(), count: 0, by_network: HashMap::new() };
        Self {
            fetcher,
            roots,
            kept: Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT).build(),
            absent: Cache::builder().max_capacity(KEPT_MAX).time_to_live(ABSENT).build(),
            fetches: Mutex::new(fetches),
        }
    }

    /// The authorities that are trusted.
    pub(super) fn roots(&self) -> &Roots {
        &self.roots
    }

    /// The certificate at this address, which a callback from the network of `address` has named.
    pub(super) async fn get(&self, url: &str, address: Option<IpAddr>) -> Result<Arc<Chain>, NoCertificate> {
        if let Some(known) = self.known(url) {
            return known;
        }
        let mut addresses = self.fetcher.addresses().iter().enumerate();
        let found = addresses.find_map(|(place, address)| Some((place, certificate_id(url, address)?)));
        let (place, id) = found.ok_or(NoCertificate::Foreign)?;
        let mut fetches = self.fetches.lock().await;
        // Another callback may have fetched it meanwhile.
        if let Some(known) = self.known(url) {
            return known;
        }
        if !fetches.may_begin(address.map(network)) {
            return Err(NoCertificate::Later);
        }
        let chain = match self.fetcher.fetch(place, id).await {
            Ok(pem) => Chain::from_pem(&pem),
            Err(NoCertificate::Absent) => None,
            Err(problem) => return Err(problem),
        };
        match chain.map(Arc::new) {
            Some(chain) => {
                self.kept.insert(url.to_owned(), Arc::clone(&chain));
                Ok(chain)
            }
            None => {
                self.absent.insert(url.to_owned(), ());
                Err(NoCertificate::Absent)
            }
        }
    }

    /// What is known without a fetch.
    fn known(&self, url: &str) -> Option<Result<Arc<Chain>, NoCertificate>> {
        match self.kept.get(url) {
            Some(chain) => Some(Ok(chain)),
            None => self.absent.contains_key(url).then_some(Err(NoCertificate::Absent)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_network_and_all_together_cause_few_fetches_in_a_minute() {
        let mut fetches = Fetches { minute_began_at: clock::monotonic_now(), count: 0, by_network: HashMap::new() };
        let address = |last: u8| Some(IpAddr::from([10, 0, 0, last]));
        let allowed = |fetches: &mut Fetches, last| (0..10).filter(|_| fetches.may_begin(address(last))).count();
        assert_eq!(allowed(&mut fetches, 1), 3);
        let others: usize = (2..100).map(|last| allowed(&mut fetches, last)).sum();
        assert_eq!(others, 57);
        tokio::time::advance(MINUTE).await;
        assert_eq!(allowed(&mut fetches, 1), 3);
    }
}
