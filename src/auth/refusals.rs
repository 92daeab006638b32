//! Counts refused calls and logs them as numbers, because anybody can cause as many as they like. The log shows an integration that is
//! broken, and somebody who tries out keys. Knows no key.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};

use tonic::transport::server::{TcpConnectInfo, TlsConnectInfo};
use tonic::{Code, Status};

use crate::error::CallName;
use crate::sampled::Sampled;

static REFUSED_KEYS: Sampled = Sampled::new(|calls, last| {
    let frequent = TALLY.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (most_frequent_address, its_calls_at_least) = frequent.unzip();
    tracing::warn!(
        calls,
        last,
        most_frequent_address,
        its_calls_at_least,
        "calls were refused: no key, or a key that does not work"
    );
});

static REFUSED: Sampled = Sampled::new(|calls, last| {
    tracing::warn!(calls, last, "calls were refused: wrong fields, keys of the wrong kind or unknown methods");
});

static LIMITED: Sampled = Sampled::new(|calls, last| {
    tracing::warn!(calls, last, "calls were refused: an address or a key made more calls a minute than it may");
});

/// The callers whose keys were refused since the last line.
static TALLY: Mutex<Tally> = Mutex::new(Tally(None));

/// The address of a call's peer. It is the proxy's address if there is a proxy.
pub(super) fn peer(extensions: &http::Extensions) -> Option<SocketAddr> {
    let plain = extensions.get::<TcpConnectInfo>();
    let info = plain.or_else(|| extensions.get::<TlsConnectInfo<TcpConnectInfo>>().map(TlsConnectInfo::get_ref));
    info.and_then(TcpConnectInfo::remote_addr)
}

/// Counts a status that says that the request was wrong in itself. Refusals by the rules of the business are no such status.
pub(super) fn count(status: &Status, name: &CallName, address: Option<IpAddr>) {
    let is_key = status.code() == Code::Unauthenticated;
    if !is_key && !matches!(status.code(), Code::InvalidArgument | Code::PermissionDenied | Code::Unimplemented) {
        return;
    }
    // Not the message, which may have parts of the request.
    let last = format!("{:?}, {}", status.code(), described(name, address));
    if is_key {
        if let Some(address) = address {
            TALLY.lock().unwrap_or_else(PoisonError::into_inner).add(origin(address));
        }
        REFUSED_KEYS.note(&last);
    } else {
        REFUSED.note(&last);
    }
}

/// Counts a call that was refused because of the limits of calls per minute.
pub(super) fn count_limited(name: &CallName, address: Option<IpAddr>) {
    let mut last = described(name, address);
    if let Some((key_id, account_id)) = &name.key {
        // Writing to a text cannot fail.
        let _ = write!(last, ", key {key_id} of {account_id}");
    }
    LIMITED.note(&last);
}

/// The call in the log.
fn described(name: &CallName, address: Option<IpAddr>) -> String {
    let mut text = format!("method {}, request id {}", name.method, name.request_id);
    if let Some(address) = address {
        // Writing to a text cannot fail.
        let _ = write!(text, ", address {address}");
    }
    text
}

/// Whom an address belongs to. One customer of a provider has at least 2^64 addresses of IPv6.
fn origin(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

/// Finds the most frequent address among any number, in bounded memory (the algorithm of Misra and Gries). An address with more than
/// one call in [`ADDRESSES_MAX`] is found.
struct Tally(Option<HashMap<IpAddr, u64>>);

/// How many addresses are counted at a time.
const ADDRESSES_MAX: usize = 64;

impl Tally {
    fn add(&mut self, address: IpAddr) {
        let counts = self.0.get_or_insert_default();
        if let Some(count) = counts.get_mut(&address) {
            *count += 1;
        } else if counts.len() < ADDRESSES_MAX {
            counts.insert(address, 1);
        } else {
            // Each of the counted addresses gives one call away against this one.
            counts.retain(|_, count| {
                *count -= 1;
                *count > 0
            });
        }
    }

    /// The most frequent address and the least number of calls that it made. Begins anew.
    fn take(&mut self) -> Option<(String, u64)> {
        let (address, calls) = self.0.take()?.into_iter().max_by_key(|(_, calls)| *calls)?;
        let text = match address {
            IpAddr::V6(address) => format!("{address}/64"),
            IpAddr::V4(address) => address.to_string(),
        };
        Some((text, calls))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_frequent_address_is_found_among_many() {
        let mut tally = Tally(None);
        assert_eq!(tally.take(), None);
        for number in 0..100_000_u32 {
            tally.add(IpAddr::from(number.to_be_bytes()));
            if number % 10 == 0 {
                tally.add("192.0.2.7".parse().unwrap());
            }
        }
        let held = tally.0.as_ref().unwrap().len();
        assert!(held <= ADDRESSES_MAX, "{held}");
        let (address, calls) = tally.take().unwrap();
        assert_eq!(address, "192.0.2.7");
        assert!((8_000..=10_000).contains(&calls), "{calls}");
        assert_eq!(tally.take(), None, "it begins anew");
    }

    #[test]
    fn addresses_of_one_customer_count_as_one() {
        let mut tally = Tally(None);
        for address in ["2001:db8::1", "2001:db8::ffff:1:2:3", "::ffff:192.0.2.7"] {
            tally.add(origin(address.parse().unwrap()));
        }
        assert_eq!(tally.take(), Some(("2001:db8::/64".to_owned(), 2)));
    }
}
