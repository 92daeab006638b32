//! Callbacks of payout providers: whether the provider has sent one, and whether it is about payouts. A genuine callback says only that
//! it is worth to look, and at what: nothing else of its content is used, because callbacks come late, twice and out of order, and because
//! PayPal's signature holds no more of the body than a CRC-32.

pub mod paypal;
pub mod stripe;
pub mod wise;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderMap;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Who sends callbacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "named after the companies")]
pub enum CallbackProvider {
    PayPal,
    Stripe,
    Wise,
}

impl CallbackProvider {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::PayPal, Self::Stripe, Self::Wise];

    /// Its name in the address of a callback.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PayPal => "paypal",
            Self::Stripe => "stripe",
            Self::Wise => "wise",
        }
    }
}

/// Recognises a repeat of a callback. Made of signed bytes alone, so that nobody can make a new one of an old callback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DeliveryId([u8; 32]);

impl DeliveryId {
    fn of(provider: CallbackProvider, signed: &[u8]) -> Self {
        let digest = Sha256::new().chain_update(provider.name()).chain_update([0]).chain_update(signed);
        Self(digest.finalize().into())
    }

    /// Some delivery.
    #[cfg(test)]
    pub(crate) fn for_test(number: u32) -> Self {
        Self::of(CallbackProvider::Stripe, &number.to_be_bytes())
    }
}

/// What a callback says is worth a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The payment that has this key of ours.
    Payment(String),
    /// Some payment.
    SomePayment,
    /// There may be more money for payouts.
    Funds,
    /// Nothing of payouts.
    Other,
}

/// A callback that the provider has sent.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Genuine {
    /// By which a repeat is recognised.
    pub delivery_id: DeliveryId,
    pub news: News,
}

/// Why a callback is not taken. The sender learns nothing of it, and the log has no more than the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forgery {
    /// A header that the provider always sends.
    #[error("the header {0} is missing, repeated or malformed")]
    Header(&'static str),
    /// Signed too long ago, or in the future.
    #[error("the signature's time is more than five minutes away from this server's clock")]
    Time,
    /// No signature by this key.
    #[error("the signature is not that of the provider for this account")]
    Signature,
    /// The certificate is not fetched.
    #[error("the certificate is not at an address of PayPal")]
    CertificateAddress,
    /// The certificate cannot be trusted.
    #[error("the certificate is not PayPal's, or is not valid now")]
    Certificate,
    /// The provider's callback to somebody else.
    #[error("the callback is about another profile")]
    Profile,
}

/// The value of a header that must be there once. Two values could be read in two ways.
fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, Forgery> {
    let mut values = headers.get_all(name).iter();
    match (values.next().map(http::HeaderValue::to_str), values.next()) {
        (Some(Ok(text)), None) => Ok(text),
        _ => Err(Forgery::Header(name)),
    }
}

/// The same, in base64.
fn only_base64(headers: &HeaderMap, name: &'static str) -> Result<Vec<u8>, Forgery> {
    BASE64_STANDARD.decode(only(headers, name)?).map_err(|_| Forgery::Header(name))
}

/// The text at a place in a JSON body, such as `/data/object/id`. Empty if there is none.
fn text<'a>(body: &'a Value, place: &str) -> &'a str {
    body.pointer(place).and_then(Value::as_str).unwrap_or_default()
}

/// News of the payment with this key, or of some payment where the body has no key.
fn payment(key: &str) -> News {
    if key.is_empty() { News::SomePayment } else { News::Payment(key.to_owned()) }
}
