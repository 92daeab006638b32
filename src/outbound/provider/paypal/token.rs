//! Access tokens of PayPal: one is used until shortly before it ends, or until PayPal refuses it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Mutex;

use super::super::answer::{NoUse, number, usable, word};
use super::{PayPalSettings, Trouble};
use crate::domain::time::Time;
use crate::outbound::client::{Call, Client};
use crate::outbound::provider::outcome::{Failure, FailureReason};

/// A token is not used in its last minute.
const MARGIN_SECONDS: i64 = 60;

/// A token, and the time until which it is used.
#[derive(Debug, Clone)]
struct Token {
    secret: SecretString,
    until: Time,
}

/// The token of one client id. Callers that need one at the same time share one request for it.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<Option<Token>>);

impl Tokens {
    /// A token that has not ended.
    pub(super) async fn get(
        &self,
        client: &Client,
        settings: &PayPalSettings,
        now: Time,
    ) -> Result<SecretString, Trouble> {
        let mut kept = self.0.lock().await;
        if let Some(token) = kept.as_ref().filter(|token| now < token.until) {
            return Ok(token.secret.clone());
        }
        let token = request(client, settings, now).await?;
        let secret = token.secret.clone();
        *kept = Some(token);
        Ok(secret)
    }

    /// Forgets this token, which PayPal has refused. One that came after it is kept.
    pub(super) async fn forget(&self, refused: &SecretString) {
        let mut kept = self.0.lock().await;
        if kept.as_ref().is_some_and(|token| token.secret.expose_secret() == refused.expose_secret()) {
            *kept = None;
        }
    }
}

async fn request(client: &Client, settings: &PayPalSettings, now: Time) -> Result<Token, Trouble> {
    let pair = format!("{}:{}", settings.client_id, settings.client_secret.expose_secret());
    let Ok(credentials) = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(pair))) else {
        return Err(Trouble::Refused(Failure::of(FailureReason::NotAuthorized, "unusable_client_id")));
    };
    let call = Call::new(Method::POST, &["v1", "oauth2", "token"])
        .secret(AUTHORIZATION, credentials)
        .body("application/x-www-form-urlencoded", "grant_type=client_credentials");
    // Without a token nothing was asked for yet, whatever went wrong.
    let reply = usable(client.send(&settings.address, call).await).map_err(|no_use| match no_use {
        NoUse::Later(after) => Trouble::NoUse(NoUse::Later(after)),
        NoUse::Doubt(doubt) => Trouble::NoUse(NoUse::Later(doubt.after)),
    })?;
    let token = reply.body["access_token"].as_str().filter(|_| reply.is_success());
    match (token, number(&reply.body["expires_in"])) {
        (Some(token), Some(seconds)) => Ok(Token {
            secret: SecretString::from(token),
            until: now.plus_micros((seconds - MARGIN_SECONDS).max(0).saturating_mul(Time::MICROS_PER_SECOND)),
        }),
        _ if reply.is_success() => Err(Trouble::NoUse(NoUse::Later(None))),
        _ => {
            let code = word(&reply.body["error"]).or_else(|| word(&reply.body["name"]));
            let code = code.unwrap_or_else(|| reply.answer.status.as_str().to_owned());
            Err(Trouble::Refused(Failure::of(FailureReason::NotAuthorized, &code)))
        }
    }
}
