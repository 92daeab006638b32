//! A callback of a payout provider: its signature is checked on the raw body with the account's secret, and a right one wakes the
//! account's payouts. A wrong one and one of an unknown account are answered alike and after the same work.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Path, Request, State};
use futures::future::BoxFuture;
use http::StatusCode;
use http::header::{CONNECTION, CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderValue};
use ipnet::IpNet;
use secrecy::SecretString;

use super::certificate::{Certificates, NoCertificate};
use super::nudge::Nudges;
use super::{Bodies, REQUEST_TIMEOUT};
use crate::auth::client::Client;
use crate::clock::{self, Clock};
use crate::domain::id::AccountId;
use crate::inbound::callback::paypal::Transmission;
use crate::inbound::callback::wise::WiseKey;
use crate::inbound::callback::{CallbackProvider, Forgery, Genuine, paypal, stripe, wise};
use crate::sampled::Sampled;
use crate::transport::http1::Peer;

static REFUSED: Sampled = Sampled::new(|callbacks, last| {
    tracing::warn!(callbacks, last, "callbacks of payout providers were refused");
});

static NOT_CHECKED: Sampled = Sampled::new(|callbacks, last| {
    tracing::warn!(callbacks, last, "callbacks of payout providers could not be checked; their senders will try again");
});

/// By which an account recognises the callbacks of a provider.
#[derive(Debug, Clone)]
pub enum CallbackSecret {
    /// PayPal's.
    PayPal {
        /// The id that PayPal gave to the webhook.
        webhook_id: String,
    },
    /// Stripe's.
    Stripe {
        /// The signing secrets of the endpoints.
        signing_secrets: Vec<SecretString>,
    },
    /// Wise's.
    Wise {
        /// The account's profile.
        profile_id: i64,
        /// Whether it is one of the sandbox.
        is_test: bool,
    },
}

/// The secret cannot be read now.
#[derive(Debug, thiserror::Error)]
#[error("the account's secret cannot be read: {0}")]
pub struct NoSecret(pub String);

/// Where the secrets of accounts are.
pub trait CallbackSecrets: Send + Sync {
    /// The secret of an account's connection to a provider. `None` if there is no such connection.
    fn secret(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
    ) -> BoxFuture<'_, Result<Option<CallbackSecret>, NoSecret>>;
}

/// The keys that Wise signs with.
#[derive(Debug, Clone)]
#[expect(missing_docs, reason = "named after Wise's environments")]
pub struct WiseKeys {
    pub live: WiseKey,
    pub sandbox: WiseKey,
}

/// Everything that callbacks are received with.
pub struct Callbacks {
    secrets: Arc<dyn CallbackSecrets>,
    nudges: Nudges,
    certificates: Certificates,
    wise_keys: WiseKeys,
    clock: Arc<dyn Clock>,
    /// The proxies whose word about the sender's address is believed.
    trusted_proxies: Vec<IpNet>,
    bodies: Bodies,
    /// A secret that nobody knows, for unknown accounts.
    decoy: String,
}

/// Why a callback is not taken.
enum Refusal {
    Forged(Forgery),
    /// It may be right, and cannot be checked now.
    Later(String),
}

impl From<Forgery> for Refusal {
    fn from(forgery: Forgery) -> Self {
        Self::Forged(forgery)
    }
}

impl Callbacks {
    /// Callbacks of the accounts that have these secrets. Right ones go to `nudges`.
    pub fn new(
        secrets: Arc<dyn CallbackSecrets>,
        nudges: Nudges,
        certificates: Certificates,
        wise_keys: WiseKeys,
        clock: Arc<dyn Clock>,
        trusted_proxies: &[IpNet],
    ) -> Self {
        Self {
            secrets,
            nudges,
            certificates,
            wise_keys,
            clock,
            trusted_proxies: trusted_proxies.to_vec(),
            bodies: Bodies::default(),
            decoy: clock::random_base62(32),
        }
    }

    /// Checks a callback with the account's secret, or with one that nobody knows.
    async fn check(
        &self,
        provider: CallbackProvider,
        account_id: Option<AccountId>,
        headers: &HeaderMap,
        body: &[u8],
        address: Option<IpAddr>,
    ) -> Result<Genuine, Refusal> {
        let secret = match account_id {
            Some(account_id) => {
                let secret = self.secrets.secret(account_id, provider).await;
                secret.map_err(|problem| Refusal::Later(problem.to_string()))?
            }
            None => None,
        };
        let now_seconds = self.clock.now().micros().div_euclid(crate::domain::time::Time::MICROS_PER_SECOND);
        match secret.unwrap_or_else(|| self.decoy(provider)) {
            CallbackSecret::Stripe { signing_secrets } => {
                Ok(stripe::verify(headers, body, &signing_secrets, now_seconds)?)
            }
            CallbackSecret::Wise { profile_id, is_test } => {
                let key = if is_test { &self.wise_keys.sandbox } else { &self.wise_keys.live };
                Ok(wise::verify(headers, body, key, profile_id)?)
            }
            CallbackSecret::PayPal { webhook_id } => {
                let transmission = Transmission::read(headers)?;
                let chain = self.certificates.get(transmission.certificate_url, address).await;
                let chain = chain.map_err(|problem| match problem {
                    NoCertificate::Foreign => Refusal::Forged(Forgery::CertificateAddress),
                    NoCertificate::Absent => Refusal::Forged(Forgery::Certificate),
                    NoCertificate::Later => Refusal::Later(problem.to_string()),
                })?;
                let (roots, now_seconds) = (self.certificates.roots(), now_seconds.unsigned_abs());
                Ok(paypal::verify(&transmission, body, &webhook_id, &chain, roots, now_seconds)?)
            }
        }
    }

    fn decoy(&self, provider: CallbackProvider) -> CallbackSecret {
        match provider {
            CallbackProvider::PayPal => CallbackSecret::PayPal { webhook_id: self.decoy.clone() },
            CallbackProvider::Stripe => {
                CallbackSecret::Stripe { signing_secrets: vec![SecretString::from(self.decoy.clone())] }
            }
            // No profile has this number. Callbacks that Wise has sent for others are refused by it.
            CallbackProvider::Wise => CallbackSecret::Wise { profile_id: i64::MIN, is_test: false },
        }
    }
}

/// Receives a callback. The answer has a status alone.
pub(super) async fn receive(
    State(callbacks): State<Arc<Callbacks>>,
    Path((provider, account_id)): Path<(String, String)>,
    request: Request,
) -> (HeaderMap, StatusCode) {
    let status = answer(&callbacks, &provider, &account_id, request).await;
    let mut headers = HeaderMap::new();
    // The rest of a body that was not read is not waited for.
    if matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::PAYLOAD_TOO_LARGE) {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
    (headers, status)
}

async fn answer(callbacks: &Callbacks, provider: &str, account_id: &str, request: Request) -> StatusCode {
    let Some(provider) = CallbackProvider::ALL.into_iter().find(|known| known.name() == provider) else {
        return StatusCode::NOT_FOUND;
    };
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) || parts.headers.contains_key(CONTENT_ENCODING) {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE;
    }
    let peer = parts.extensions.get::<Peer>().map(|peer| peer.0);
    let address = Client::of(&parts.headers, peer, &callbacks.trusted_proxies).address;
    let body = match callbacks.bodies.receive(&parts.headers, body, address).await {
        Ok(body) => body,
        Err(status) => return status,
    };
    let account_id = account_id.parse::<AccountId>().ok();
    let check = callbacks.check(provider, account_id, &parts.headers, &body.bytes, address);
    let refusal = match (tokio::time::timeout(REQUEST_TIMEOUT, check).await, account_id) {
        (Ok(Ok(genuine)), Some(account_id)) => {
            callbacks.nudges.take(account_id, provider, genuine);
            return StatusCode::OK;
        }
        (Ok(Ok(_)), None) => Refusal::Forged(Forgery::Signature),
        (Ok(Err(refusal)), _) => refusal,
        (Err(_), _) => Refusal::Later("it took too long".to_owned()),
    };
    // An id that is none may be anything, so it is not logged.
    let account = account_id.map_or_else(|| "no account".to_owned(), |account_id| account_id.to_string());
    match refusal {
        Refusal::Forged(forgery) => {
            REFUSED.note(&format!("{} to {account}: {forgery}", provider.name()));
            StatusCode::UNAUTHORIZED
        }
        Refusal::Later(problem) => {
            NOT_CHECKED.note(&format!("{} to {account}: {problem}", provider.name()));
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

/// Whether the content is JSON, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let essence = value.to_str().ok().and_then(|text| text.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}
