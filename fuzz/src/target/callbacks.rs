//! Callbacks of payout providers: whatever comes, nothing is genuine without the provider's signature, and a signed body of any content is
//! read.

use headwater::inbound::callback::paypal::{Chain, Roots, Transmission, certificate_id};
use headwater::inbound::callback::wise::WiseKey;
use headwater::inbound::callback::{Forgery, paypal, stripe, wise};
use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName, HeaderValue};
use sha2::Sha256;

use crate::draw::{Draw, garbled};

const SECRET: &str = "whsec_nobody-knows";
const NOW: i64 = 1_796_083_200;
const ADDRESS: &str = "https://api.paypal.com/v1/notifications/certs";

const HEADERS: [&str; 7] = [
    "stripe-signature",
    "x-signature-sha256",
    "paypal-transmission-id",
    "paypal-transmission-time",
    "paypal-transmission-sig",
    "paypal-cert-url",
    "paypal-auth-algo",
];

const VALUES: [&str; 8] = [
    "t=1796083200,v1=0000000000000000000000000000000000000000000000000000000000000000",
    "t=1796083200,t=1,v1=,v0=00",
    "AAAA",
    "b1d1f2c0-1d0d-11f0-8c5a-1b2c3d4e5f60",
    "2026-12-01T00:00:00Z",
    "https://api.paypal.com/v1/notifications/certs/CERT-1",
    "SHA256withRSA",
    "",
];

const BODIES: [&str; 4] = [
    r#"{"id":"evt_1","type":"transfer.reversed","data":{"object":{"transfer_group":"pay_1"}}}"#,
    r#"{"event_type":"balances#update","data":{"resource":{"profile_id":7},"transaction_type":"credit"}}"#,
    r#"{"event_type":"PAYMENT.PAYOUTS-ITEM.RETURNED","resource":{"payout_item":{"sender_item_id":"pay_1-a1"}}}"#,
    "[[[[",
];

const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----\nMAoGCCqGSM49BAMC\n-----END CERTIFICATE-----\n";

/// See the head of the file.
///
/// # Panics
/// A property does not hold.
pub fn callbacks(input: &[u8]) {
    let mut draw = Draw::new(input);
    let body = draw.of(&BODIES).as_bytes().to_vec();
    let body = if draw.happens(128) { body } else { garbled(&mut draw, body) };
    let mut headers = HeaderMap::new();
    for _ in 0..draw.below(10) {
        let value = draw.of(&VALUES).as_bytes().to_vec();
        let value = if draw.happens(192) { value } else { garbled(&mut draw, value) };
        if let Ok(value) = HeaderValue::from_bytes(&value) {
            headers.append(HeaderName::from_static(draw.of::<&str>(&HEADERS)), value);
        }
    }
    assert!(stripe::verify(&headers, &body, &[SECRET.into()], NOW).is_err(), "nobody has signed it");
    let key = WiseKey::live().expect("a key");
    assert!(wise::verify(&headers, &body, &key, 7).is_err(), "nobody has signed it");
    check_paypal(&mut draw, &headers, &body);
    check_signed(&mut draw, body);
}

fn check_paypal(draw: &mut Draw<'_>, headers: &HeaderMap, body: &[u8]) {
    let Ok(transmission) = Transmission::read(headers) else { return };
    if let Some(id) = certificate_id(transmission.certificate_url, ADDRESS) {
        assert_eq!(transmission.certificate_url, format!("{ADDRESS}/{id}"));
        assert!(id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-'), "{id}");
    }
    let certificates = CERTIFICATE.repeat(1 + draw.below(3)).into_bytes();
    let pem = garbled(draw, certificates);
    let roots = Roots::new(&[]);
    if let Some(chain) = Chain::from_pem(&pem) {
        let now = NOW.unsigned_abs();
        assert!(paypal::verify(&transmission, body, "webhook", &chain, &roots, now).is_err(), "nobody is trusted");
    }
}

/// Stripe's signature is the only one that can be made here.
fn check_signed(draw: &mut Draw<'_>, mut body: Vec<u8>) {
    let keyed = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length is right");
    let tag = keyed.chain_update(format!("{NOW}.")).chain_update(&body).finalize().into_bytes();
    let digits: String = tag.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut headers = HeaderMap::new();
    headers.insert(HEADERS[0], HeaderValue::from_str(&format!("t={NOW},v1={digits}")).expect("a value"));
    let secrets = ["whsec_other".into(), SECRET.into()];
    assert!(stripe::verify(&headers, &body, &secrets, NOW + draw.number() % 301).is_ok(), "it is signed");
    if !body.is_empty() {
        let place = draw.below(body.len());
        body[place] ^= 1 << draw.below(8);
        assert_eq!(stripe::verify(&headers, &body, &secrets, NOW), Err(Forgery::Signature));
    }
}
