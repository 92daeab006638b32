//! Wise's callbacks: `X-Signature-SHA256`, an RSA signature of the raw body with the one key that Wise has for all its customers.

use http::HeaderMap;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use webpki::RawPublicKeyEntity;
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;

use super::{CallbackProvider, DeliveryId, Forgery, Genuine, News, only_base64, text};

const SIGNATURE: &str = "x-signature-sha256";

/// Where events have the profile: some kinds in the resource, others beside it.
const PROFILES: [&str; 2] = ["/data/profile_id", "/data/resource/profile_id"];

/// The keys that Wise signs with. They are public:
/// <https://docs.wise.com/guides/developer/webhooks/event-handling>.
const LIVE_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAvO8vXV+JksBzZAY6GhSO
XdoTCfhXaaiZ+qAbtaDBiu2AGkGVpmEygFmWP4Li9m5+Ni85BhVvZOodM9epgW3F
bA5Q1SexvAF1PPjX4JpMstak/QhAgl1qMSqEevL8cmUeTgcMuVWCJmlge9h7B1CS
D4rtlimGZozG39rUBDg6Qt2K+P4wBfLblL0k4C4YUdLnpGYEDIth+i8XsRpFlogx
CAFyH9+knYsDbR43UJ9shtc42Ybd40Afihj8KnYKXzchyQ42aC8aZ/h5hyZ28yVy
Oj3Vos0VdBIs/gAyJ/4yyQFCXYte64I7ssrlbGRaco4nKF3HmaNhxwyKyJafz19e
HwIDAQAB
-----END PUBLIC KEY-----
";
const SANDBOX_KEY: &str = "-----BEGIN PUBLIC KEY-----
MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwpb91cEYuyJNQepZAVfP
ZIlPZfNUefH+n6w9SW3fykqKu938cR7WadQv87oF2VuT+fDt7kqeRziTmPSUhqPU
ys/V2Q1rlfJuXbE+Gga37t7zwd0egQ+KyOEHQOpcTwKmtZ81ieGHynAQzsn1We3j
wt760MsCPJ7GMT141ByQM+yW1Bx+4SG3IGjXWyqOWrcXsxAvIXkpUD/jK/L958Cg
nZEgz0BSEh0QxYLITnW1lLokSx/dTianWPFEhMC9BgijempgNXHNfcVirg1lPSyg
z7KqoKUN0oHqWLr2U1A+7kqrl6O2nx3CKs1bj1hToT1+p4kcMoHXA7kA+VBLUpEs
VwIDAQAB
-----END PUBLIC KEY-----
";

/// A public key of Wise.
#[derive(Debug, Clone)]
pub struct WiseKey(SubjectPublicKeyInfoDer<'static>);

/// The text is no public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a public RSA key in PEM format, which begins with -----BEGIN PUBLIC KEY-----")]
pub struct NoKey;

impl WiseKey {
    /// The key in a PEM text.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, NoKey> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).map_err(|_| NoKey)?.into_owned();
        RawPublicKeyEntity::try_from(&key).map_err(|_| NoKey)?;
        Ok(Self(key))
    }

    /// The key of Wise itself.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn live() -> Result<Self, NoKey> {
        Self::from_pem(LIVE_KEY.as_bytes())
    }

    /// The key of Wise's sandbox.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn sandbox() -> Result<Self, NoKey> {
        Self::from_pem(SANDBOX_KEY.as_bytes())
    }
}

/// The news of an event. None has our key.
fn news(event: &Value) -> News {
    match text(event, "/event_type").split_once('#') {
        // Each payment takes money from the balance, which is no news.
        Some(("balances", _)) if text(event, "/data/transaction_type") == "debit" => News::Other,
        Some(("balances", _)) => News::Funds,
        Some(("transfers", _)) => News::SomePayment,
        _ => News::Other,
    }
}

/// Checks a callback to the owner of this profile. Everybody can let Wise send genuine callbacks of his own profile to any address,
/// so one that names another profile is refused.
///
/// # Errors
/// [`Forgery`].
pub fn verify(headers: &HeaderMap, body: &[u8], key: &WiseKey, profile_id: i64) -> Result<Genuine, Forgery> {
    let signature = only_base64(headers, SIGNATURE)?;
    let key = RawPublicKeyEntity::try_from(&key.0).map_err(|_| Forgery::Signature)?;
    key.verify_signature(RSA_PKCS1_2048_8192_SHA256, body, &signature).map_err(|_| Forgery::Signature)?;
    let event: Value = serde_json::from_slice(body).unwrap_or_default();
    let profiles = PROFILES.iter().filter_map(|place| event.pointer(place));
    if profiles.into_iter().any(|profile| profile.as_i64() != Some(profile_id)) {
        return Err(Forgery::Profile);
    }
    // The header with the delivery's id is not signed.
    Ok(Genuine { delivery_id: DeliveryId::of(CallbackProvider::Wise, body), news: news(&event) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_wise_are_keys() {
        assert!(WiseKey::live().is_ok() && WiseKey::sandbox().is_ok());
        for wrong in ["", "x", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"] {
            assert_eq!(WiseKey::from_pem(wrong.as_bytes()).err(), Some(NoKey), "{wrong}");
        }
    }

    #[test]
    fn an_event_says_where_to_look() {
        for (event, expected) in [
            (r#"{"event_type":"balances#update","data":{"transaction_type":"credit"}}"#, News::Funds),
            (r#"{"event_type":"balances#update","data":{"transaction_type":"debit"}}"#, News::Other),
            (r#"{"event_type":"transfers#state-change","data":{"resource":{"id":1}}}"#, News::SomePayment),
            (r#"{"event_type":"profiles#verification"}"#, News::Other),
            ("[]", News::Other),
        ] {
            assert_eq!(news(&serde_json::from_str(event).unwrap()), expected, "{event}");
        }
    }
}
