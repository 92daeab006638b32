//! PayPal's callbacks: an RSA signature of the transmission's id and time, the webhook's id, and the CRC-32 of the raw body, with a
//! certificate whose address is in a header. The caller fetches the certificate.

use std::time::Duration;

use http::HeaderMap;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, DnsName, ServerName, TrustAnchor, UnixTime};
use serde_json::Value;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage, anchor_from_trusted_cert};

use super::{CallbackProvider, DeliveryId, Forgery, Genuine, News, only, only_base64, payment, text};

const ID: &str = "paypal-transmission-id";
const TIME: &str = "paypal-transmission-time";
const SIGNATURE: &str = "paypal-transmission-sig";
const CERTIFICATE_URL: &str = "paypal-cert-url";
const ALGORITHM: &str = "paypal-auth-algo";

/// The only algorithm that PayPal has ever used.
const RSA_SHA256: &str = "SHA256withRSA";

/// The names in the certificates, live and in the sandbox.
const NAMES: [&str; 2] = ["messageverificationcerts.paypal.com", "messageverificationcerts.sandbox.paypal.com"];

/// The longest id of a transmission, time or certificate.
const TEXT_LENGTH_MAX: usize = 100;

/// The most certificates of a chain.
const CHAIN_LENGTH_MAX: usize = 8;

/// What the headers of a callback say.
#[derive(Debug)]
pub struct Transmission<'a> {
    id: &'a str,
    time: &'a str,
    signature: Vec<u8>,
    /// Where the certificate is.
    pub certificate_url: &'a str,
}

impl<'a> Transmission<'a> {
    /// Reads the headers.
    ///
    /// # Errors
    /// [`Forgery::Header`].
    pub fn read(headers: &'a HeaderMap) -> Result<Self, Forgery> {
        let word = |name| {
            only(headers, name).and_then(|text| if is_word(text) { Ok(text) } else { Err(Forgery::Header(name)) })
        };
        if only(headers, ALGORITHM)? != RSA_SHA256 {
            return Err(Forgery::Header(ALGORITHM));
        }
        Ok(Self {
            id: word(ID)?,
            time: word(TIME)?,
            signature: only_base64(headers, SIGNATURE)?,
            certificate_url: only(headers, CERTIFICATE_URL)?,
        })
    }
}

/// Whether it is of the characters of ids and times. The bars between the signed texts are none of them, so that one text cannot
/// reach into the next.
fn is_word(text: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b'.' | b'+' | b'_');
    (1..=TEXT_LENGTH_MAX).contains(&text.len()) && text.bytes().all(is_letter)
}

/// The id of a certificate whose address is this one and the id. Nothing else of a URL is ever looked at.
pub fn certificate_id<'a>(url: &'a str, address: &str) -> Option<&'a str> {
    let id = url.strip_prefix(address)?.strip_prefix('/')?;
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    ((1..=TEXT_LENGTH_MAX).contains(&id.len()) && id.bytes().all(is_letter)).then_some(id)
}

/// A certificate and those between it and its root.
#[derive(Debug)]
pub struct Chain(Vec<CertificateDer<'static>>);

impl Chain {
    /// The certificates of a PEM text, the signer's first. `None` if there is none or one is malformed.
    pub fn from_pem(pem: &[u8]) -> Option<Self> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(pem).collect::<Result<_, _>>().ok()?;
        (1..=CHAIN_LENGTH_MAX).contains(&chain.len()).then_some(Self(chain))
    }
}

/// The authorities whose certificates are trusted.
#[derive(Debug)]
pub struct Roots(Vec<TrustAnchor<'static>>);

impl Roots {
    /// These certificates; those that cannot be read are left out.
    pub fn new<'a>(certificates: impl IntoIterator<Item = &'a CertificateDer<'a>>) -> Self {
        let anchors = certificates.into_iter().filter_map(|certificate| anchor_from_trusted_cert(certificate).ok());
        Self(anchors.map(|anchor| anchor.to_owned()).collect())
    }

    /// Whether nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The news of an event.
fn news(event: &Value) -> News {
    let kind = text(event, "/event_type");
    if kind.starts_with("PAYMENT.PAYOUTS-ITEM.") {
        payment(text(event, "/resource/payout_item/sender_item_id"))
    } else if kind.starts_with("PAYMENT.PAYOUTSBATCH.") {
        payment(text(event, "/resource/batch_header/sender_batch_header/sender_batch_id"))
    } else {
        News::Other
    }
}

/// Checks a callback to the webhook with this id. `now_seconds` are since 1970.
///
/// # Errors
/// [`Forgery`].
pub fn verify(
    transmission: &Transmission<'_>,
    body: &[u8],
    webhook_id: &str,
    chain: &Chain,
    roots: &Roots,
    now_seconds: u64,
) -> Result<Genuine, Forgery> {
    let Some((first, between)) = chain.0.split_first() else { return Err(Forgery::Certificate) };
    let certificate = EndEntityCert::try_from(first).map_err(|_| Forgery::Certificate)?;
    let now = UnixTime::since_unix_epoch(Duration::from_secs(now_seconds));
    let usage = KeyUsage::server_auth();
    certificate
        .verify_for_usage(ALL_VERIFICATION_ALGS, &roots.0, between, now, usage, None, None)
        .map_err(|_| Forgery::Certificate)?;
    // Many others have a certificate of the same authorities.
    let is_named = |name: &&str| {
        let name = DnsName::try_from(*name).map(ServerName::DnsName);
        name.is_ok_and(|name| certificate.verify_is_valid_for_subject_name(&name).is_ok())
    };
    if !NAMES.iter().any(is_named) {
        return Err(Forgery::Certificate);
    }
    let Transmission { id, time, signature, .. } = transmission;
    let signed = format!("{id}|{time}|{webhook_id}|{}", crc32fast::hash(body));
    certificate
        .verify_signature(RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), signature)
        .map_err(|_| Forgery::Signature)?;
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    Ok(Genuine { delivery_id: DeliveryId::of(CallbackProvider::PayPal, id.as_bytes()), news: news(&event) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_id_below_the_address_is_fetched() {
        let address = "https://api.paypal.com/v1/notifications/certs";
        let id = |url| certificate_id(url, address);
        assert_eq!(
            id("https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594"),
            Some("CERT-360caa42-fca2a594")
        );
        for wrong in [
            "https://api.paypal.com/v1/notifications/certs",
            "https://api.paypal.com/v1/notifications/certs/",
            "https://api.paypal.com/v1/notifications/certs/a/b",
            "https://api.paypal.com/v1/notifications/certs/../../../x",
            "https://api.paypal.com/v1/notifications/certs/..",
            "https://api.paypal.com/v1/notifications/certs/%2e%2e",
            "https://api.paypal.com/v1/notifications/certs/a?b",
            "https://api.paypal.com/v1/notifications/certs/a#b",
            "https://api.paypal.com/v1/notifications/certsx/a",
            "https://api.paypal.com@evil.example/v1/notifications/certs/a",
            "https://api.paypal.com.evil.example/v1/notifications/certs/a",
            "https://evil.example/?https://api.paypal.com/v1/notifications/certs/a",
            "http://api.paypal.com/v1/notifications/certs/a",
            "HTTPS://api.paypal.com/v1/notifications/certs/a",
            " https://api.paypal.com/v1/notifications/certs/a",
        ] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn an_event_says_where_to_look() {
        for (event, expected) in [
            (
                r#"{"event_type":"PAYMENT.PAYOUTS-ITEM.RETURNED","resource":{"payout_item":{"sender_item_id":"pay_1-a1"}}}"#,
                News::Payment("pay_1-a1".to_owned()),
            ),
            (
                r#"{"event_type":"PAYMENT.PAYOUTSBATCH.DENIED","resource":{"batch_header":{"sender_batch_header":{"sender_batch_id":"b"}}}}"#,
                News::Payment("b".to_owned()),
            ),
            (r#"{"event_type":"PAYMENT.PAYOUTS-ITEM.HELD","resource":{}}"#, News::SomePayment),
            (r#"{"event_type":"PAYMENT.CAPTURE.COMPLETED"}"#, News::Other),
            ("7", News::Other),
        ] {
            assert_eq!(news(&serde_json::from_str(event).unwrap()), expected, "{event}");
        }
    }

    #[test]
    fn no_text_reaches_into_the_next() {
        for (text, expected) in [
            ("b1d1f2c0-1d0d-11f0-8c5a-1b2c3d4e5f60", true),
            ("2026-11-28T13:00:00Z", true),
            ("2026-11-28T13:00:00.5+01:00", true),
            ("", false),
            ("a|b", false),
            ("a b", false),
            (&"a".repeat(101), false),
        ] {
            assert_eq!(is_word(text), expected, "{text}");
        }
    }
}
