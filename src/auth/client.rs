//! Where a caller is: its address and the web page that it runs on. Knows the headers that say so, and which proxies to believe.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use http::header::{HeaderMap, HeaderName, ORIGIN};
use ipnet::IpNet;

use crate::domain::account::{ApiKey, KeyKind};
use crate::domain::time::Time;

/// The header to which each proxy appends the address that a request came to it from.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Where a caller is.
#[derive(Debug, Clone, Default)]
pub struct Client {
    /// The caller's address. `None` if the transport has no addresses.
    pub address: Option<IpAddr>,
    /// The origin of the web page, as its browser sent it.
    pub origin: Option<Arc<str>>,
}

impl Client {
    /// The client of a request that came from this peer. The header with the client's address is believed only of these proxies,
    /// because anybody can send it.
    pub fn of(headers: &HeaderMap, peer: Option<SocketAddr>, proxies: &[IpNet]) -> Self {
        let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok()).map(Arc::from);
        Self { address: peer.map(|peer| address(headers, peer.ip().to_canonical(), proxies)), origin }
    }

    /// Whether this client may use the key now.
    pub fn may_use(&self, key: &ApiKey, now: Time) -> bool {
        key.is_valid(now)
            && key.admits(self.address)
            && (key.kind != KeyKind::Publishable || key.admits_origin(self.origin.as_deref()))
    }
}

/// The last address that no trusted proxy has, because everything before it may be invented.
fn address(headers: &HeaderMap, peer: IpAddr, proxies: &[IpNet]) -> IpAddr {
    let is_proxy = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut address = peer;
    let values = headers.get_all(FORWARDED_FOR).into_iter().filter_map(|value| value.to_str().ok());
    let mut forwarded: Vec<&str> = values.flat_map(|value| value.split(',')).map(str::trim).collect();
    while is_proxy(&address) {
        // An entry that is no address was not written by a proxy that writes addresses.
        match forwarded.pop().and_then(|text| text.parse::<IpAddr>().ok()) {
            Some(before) => address = before.to_canonical(),
            None => break,
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use http::header::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&'static str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_static(value));
        }
        let proxies: Vec<IpNet> = proxies.iter().map(|network| network.parse().unwrap()).collect();
        let peer = SocketAddr::new(peer.parse().unwrap(), 1);
        Client::of(&headers, Some(peer), &proxies).address.unwrap().to_string()
    }

    #[test]
    fn the_header_is_believed_of_trusted_proxies_only() {
        let proxies = ["10.0.0.0/8", "::1/128"];
        assert_eq!(client("203.0.113.7", &["192.0.2.1"], &proxies), "203.0.113.7");
        assert_eq!(client("10.0.0.1", &[], &proxies), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1"], &proxies), "192.0.2.1");
        assert_eq!(client("::1", &["192.0.2.1"], &proxies), "192.0.2.1");
        assert_eq!(client("::ffff:10.0.0.1", &["::ffff:192.0.2.1"], &proxies), "192.0.2.1");
        // The caller has sent 198.51.100.1 itself.
        assert_eq!(client("10.0.0.1", &["198.51.100.1, 192.0.2.1"], &proxies), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1", "192.0.2.1, 10.2.3.4"], &proxies), "192.0.2.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1, unknown"], &proxies), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["192.0.2.1"], &[]), "10.0.0.1");
    }
}
