//! The networks and origins that a key works from. Knows nothing of who calls.

use std::net::IpAddr;

use ipnet::IpNet;
use url::{Origin, Url};

use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};

/// How many networks or origins one key may have.
const PLACES_MAX: usize = 100;

/// The networks, each once, in the order of their addresses.
pub(super) fn networks(fields: &mut Fields, texts: &[String]) -> Vec<IpNet> {
    places(fields, "allowed_networks", texts, network, "must be a network such as 203.0.113.0/24 or 2001:db8::/32")
}

/// The origins, each once, in alphabetical order.
pub(super) fn origins(fields: &mut Fields, texts: &[String]) -> Vec<String> {
    places(fields, "allowed_origins", texts, origin, "must be an origin such as https://shop.example, without a path")
}

/// The networks as they are stored.
pub(super) fn canonical_networks(sent: &[String]) -> Option<Vec<String>> {
    canonical(sent, |text| network(text).map(|network| network.to_string()))
}

/// The origins as they are stored.
pub(super) fn canonical_origins(sent: &[String]) -> Option<Vec<String>> {
    canonical(sent, origin)
}

fn places<T: Ord>(
    fields: &mut Fields,
    field: &str,
    texts: &[String],
    parse: impl Fn(&str) -> Option<T>,
    problem: &str,
) -> Vec<T> {
    if texts.len() > PLACES_MAX {
        fields.wrong(field, format!("has {} values; at most {PLACES_MAX} are taken", texts.len()));
        return Vec::new();
    }
    let mut places = Vec::new();
    for (number, text) in texts.iter().enumerate() {
        match parse(text) {
            Some(place) => places.push(place),
            None => fields.wrong(&format!("{field}[{number}]"), problem),
        }
    }
    places.sort_unstable();
    places.dedup();
    places
}

fn canonical(sent: &[String], parse: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    // A list with a wrong text is refused before its form matters.
    let mut texts: Vec<String> = sent.iter().map(|text| parse(text)).collect::<Option<_>>()?;
    texts.sort_unstable();
    texts.dedup();
    (texts != sent).then_some(texts)
}

/// A network without the bits of a host in it. An address of IPv4 in the form of IPv6 is one of IPv4, as for callers.
fn network(text: &str) -> Option<IpNet> {
    let text = text.trim();
    let network = match text.parse::<IpAddr>() {
        Ok(address) => IpNet::from(address.to_canonical()),
        Err(_) => text.parse::<IpNet>().ok()?,
    };
    Some(network.trunc())
}

/// An origin as browsers write it: the scheme, the host, and a port that is not the scheme's own.
fn origin(text: &str) -> Option<String> {
    let text = text.trim();
    let url = Url::parse(text).ok()?;
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let is_web = matches!(url.scheme(), "http" | "https");
    let origin = match url.origin() {
        origin @ Origin::Tuple(..) if is_bare && is_web => origin.ascii_serialization(),
        _ => return None,
    };
    (origin.len() <= NAME_LENGTH_MAX).then_some(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_origins_have_one_spelling() {
        for (sent, stored) in [
            ("203.0.113.7", Some("203.0.113.7/32")),
            (" 203.0.113.7/24 ", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.7", Some("203.0.113.7/32")),
            ("2001:DB8::1/32", Some("2001:db8::/32")),
            ("203.0.113.7/33", None),
            ("203.0.113", None),
            ("", None),
        ] {
            assert_eq!(network(sent).map(|network| network.to_string()).as_deref(), stored, "{sent}");
        }
        for (sent, stored) in [
            ("https://Shop.example", Some("https://shop.example")),
            (" https://shop.example:443/ ", Some("https://shop.example")),
            ("http://localhost:3000", Some("http://localhost:3000")),
            ("https://dänke.example", Some("https://xn--dnke-loa.example")),
            ("https://shop.example/path", None),
            ("https://shop.example?x", None),
            ("https://me@shop.example", None),
            ("file:///etc", None),
            ("shop.example", None),
            ("null", None),
            ("", None),
        ] {
            assert_eq!(origin(sent).as_deref(), stored, "{sent}");
        }
    }
}
