//! Stripe's callbacks: `Stripe-Signature: t=1700000000,v1=...`, an HMAC of the time and the raw body.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use sha2::Sha256;

use super::{CallbackProvider, DeliveryId, Forgery, Genuine, News, only, payment, text};

const SIGNATURE: &str = "stripe-signature";

/// How far the time of a signature may be away from now.
const TOLERANCE_SECONDS: u64 = 300;

/// How many signatures of a header are looked at. Stripe sends two while a secret is replaced.
const SIGNATURES_MAX: usize = 8;

/// The news of an event. A shop may send all its events here.
fn news(event: &Value) -> News {
    let kind = text(event, "/type");
    match kind.split_once('.') {
        Some(("balance" | "topup", _)) => News::Funds,
        Some(("transfer", _)) => payment(text(event, "/data/object/transfer_group")),
        Some(("account" | "capability" | "payout", _)) => News::SomePayment,
        _ => News::Other,
    }
}

/// Checks a callback with the secrets of its endpoints. `now_seconds` are since 1970.
///
/// # Errors
/// [`Forgery`].
pub fn verify(
    headers: &HeaderMap,
    body: &[u8],
    secrets: &[SecretString],
    now_seconds: i64,
) -> Result<Genuine, Forgery> {
    let (time, signatures) = parse(only(headers, SIGNATURE)?).ok_or(Forgery::Header(SIGNATURE))?;
    if now_seconds.abs_diff(time.seconds) > TOLERANCE_SECONDS {
        return Err(Forgery::Time);
    }
    let is_signed_with = |secret: &SecretString| {
        let Ok(keyed) = Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()) else { return false };
        // The time is taken as it was written, because these bytes were signed.
        let keyed = keyed.chain_update(time.text).chain_update(b".").chain_update(body);
        signatures.iter().any(|signature| keyed.clone().verify_slice(signature).is_ok())
    };
    if !secrets.iter().any(is_signed_with) {
        return Err(Forgery::Signature);
    }
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    // A repeat has another time and so another signature, but the same id.
    let signed = Some(text(&event, "/id")).filter(|id| !id.is_empty()).map_or(body, str::as_bytes);
    Ok(Genuine { delivery_id: DeliveryId::of(CallbackProvider::Stripe, signed), news: news(&event) })
}

/// The time of a signature.
struct SignedAt<'a> {
    text: &'a str,
    seconds: i64,
}

/// The time and the signatures of the header. `None` if one is missing, or if there are two times.
fn parse(header: &str) -> Option<(SignedAt<'_>, Vec<[u8; 32]>)> {
    let (mut time, mut signatures) = (None, Vec::new());
    for part in header.split(',') {
        match part.trim().split_once('=')? {
            ("t", text) => {
                let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
                if time.is_some() || !is_number {
                    return None;
                }
                time = Some(SignedAt { text, seconds: text.parse().ok()? });
            }
            ("v1", text) if signatures.len() < SIGNATURES_MAX => signatures.extend(bytes_of(text)),
            // Other schemes, such as v0 of test events, are no proof.
            _ => {}
        }
    }
    time.filter(|_| !signatures.is_empty()).map(|time| (time, signatures))
}

/// The 32 bytes of 64 hexadecimal digits.
fn bytes_of(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = value(pair[0])? << 4 | value(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: i64 = 1_700_000_000;
    const BODY: &[u8] = br#"{"id":"evt_1","object":"event","type":"balance.available"}"#;

    fn signature(secret: &str, time: &str, body: &[u8]) -> String {
        let keyed = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        let tag = keyed.chain_update(time).chain_update(b".").chain_update(body).finalize().into_bytes();
        tag.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn check(header: &str, body: &[u8]) -> Result<Genuine, Forgery> {
        let mut headers = HeaderMap::new();
        headers.insert(SIGNATURE, HeaderValue::from_str(header).unwrap());
        verify(&headers, body, &["whsec_old".into(), "whsec_new".into()], NOW)
    }

    #[test]
    fn one_right_signature_of_one_secret_is_enough() {
        let time = NOW.to_string();
        let right = signature("whsec_new", &time, BODY);
        let wrong = signature("whsec_other", &time, BODY);
        for header in [
            format!("t={time},v1={right}"),
            format!("t={time},v1={wrong},v1={right}"),
            format!("v1={right}, t={time}, v0={wrong}"),
            format!("t={time},v1={}", signature("whsec_old", &time, BODY)),
        ] {
            assert_eq!(check(&header, BODY).unwrap().news, News::Funds, "{header}");
        }
        for header in [format!("t={time},v1={wrong}"), format!("t={time},v1={wrong},v0={right}")] {
            assert_eq!(check(&header, BODY), Err(Forgery::Signature), "{header}");
        }
    }

    #[test]
    fn a_changed_byte_of_body_or_time_is_noticed() {
        let time = NOW.to_string();
        let right = signature("whsec_new", &time, BODY);
        for at in 0..BODY.len() {
            let mut body = BODY.to_vec();
            body[at] ^= 1;
            assert_eq!(check(&format!("t={time},v1={right}"), &body), Err(Forgery::Signature));
        }
        for other in [format!("0{time}"), (NOW + 1).to_string()] {
            assert_eq!(check(&format!("t={other},v1={right}"), BODY), Err(Forgery::Signature), "{other}");
        }
        // The point between time and body cannot be moved.
        let moved = signature("whsec_new", "1", &[b"700000000.", BODY].concat());
        assert!(check(&format!("t={time},v1={moved}"), BODY).is_err());
    }

    #[test]
    fn five_minutes_are_the_limit_on_both_sides() {
        let at = |time: i64| check(&format!("t={time},v1={}", signature("whsec_new", &time.to_string(), BODY)), BODY);
        for right in [NOW - 300, NOW, NOW + 300] {
            assert!(at(right).is_ok(), "{right}");
        }
        for wrong in [NOW - 301, NOW + 301, 0, i64::MAX] {
            assert_eq!(at(wrong), Err(Forgery::Time), "{wrong}");
        }
    }

    #[test]
    fn malformed_headers_are_refused() {
        let time = NOW.to_string();
        let right = signature("whsec_new", &time, BODY);
        for header in [
            String::new(),
            format!("v1={right}"),
            format!("t={time}"),
            format!("t={time},v1={}", &right[..62]),
            format!("t={time},v1={}xy", &right[..62]),
            format!("t={time},t={time},v1={right}"),
            format!("t=+{time},v1={right}"),
            format!("t=99999999999999999999,v1={right}"),
            format!("t={time};v1={right}"),
        ] {
            assert_eq!(check(&header, BODY), Err(Forgery::Header(SIGNATURE)), "{header}");
        }
        let mut twice = HeaderMap::new();
        for _ in 0..2 {
            twice.append(SIGNATURE, HeaderValue::from_str(&format!("t={time},v1={right}")).unwrap());
        }
        assert_eq!(verify(&twice, BODY, &["whsec_new".into()], NOW), Err(Forgery::Header(SIGNATURE)));
        assert_eq!(verify(&HeaderMap::new(), BODY, &["whsec_new".into()], NOW), Err(Forgery::Header(SIGNATURE)));
    }

    #[test]
    fn a_repeat_is_recognised_and_an_event_says_where_to_look() {
        let event = |body: &[u8], time: i64| {
            check(&format!("t={time},v1={}", signature("whsec_new", &time.to_string(), body)), body).unwrap()
        };
        assert_eq!(event(BODY, NOW).delivery_id, event(BODY, NOW + 9).delivery_id);
        for (body, news) in [
            (&br#"{"id":"evt_2","type":"topup.succeeded","data":{"object":{"type":"x"}}}"#[..], News::Funds),
            (
                br#"{"id":"evt_2","type":"transfer.reversed","data":{"object":{"transfer_group":"pay_1"}}}"#,
                News::Payment("pay_1".to_owned()),
            ),
            (br#"{"id":"evt_2","type":"transfer.created","data":{"object":{}}}"#, News::SomePayment),
            (br#"{"id":"evt_2","type":"payout.failed"}"#, News::SomePayment),
            (br#"{"id":"evt_2","type":"charge.succeeded"}"#, News::Other),
            (br#"{"id":"evt_2","type":"xpayout.paid"}"#, News::Other),
            (br#"{"type":["payout.paid"]}"#, News::Other),
            (b"no JSON", News::Other),
            (b"\xff\xfe", News::Other),
        ] {
            assert_eq!(event(body, NOW).news, news);
            assert_ne!(event(body, NOW).delivery_id, event(BODY, NOW).delivery_id);
        }
    }
}
