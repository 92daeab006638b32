//! Access tokens: made for a client id and its secret, and valid for some hours.

use base64::Engine;
use serde_json::json;

use super::{PayPal, Sender};
use crate::exchange::{Answer, Request};
use crate::world::Common;

const SCOPES: &str = "https://uri.paypal.com/payments/payouts https://uri.paypal.com/services/reporting/search/read \
                      https://uri.paypal.com/services/reporting/balances/read openid";

#[derive(Debug)]
pub(super) struct Token {
    client_id: String,
    until_ms: i64,
}

impl PayPal {
    pub(super) fn token(&mut self, common: &mut Common, request: &Request) -> Answer {
        let refused = |description: &str| {
            Answer::json(401, &json!({"error": "invalid_client", "error_description": description}))
        };
        let Some((client_id, secret)) = credentials(request) else { return refused("Client Authentication failed") };
        let is_grant = url::form_urlencoded::parse(&request.body)
            .any(|pair| pair == ("grant_type".into(), "client_credentials".into()));
        if !is_grant {
            let body = json!({"error": "unsupported_grant_type", "error_description": "Grant Type is NULL"});
            return Answer::json(400, &body);
        }
        if self.sender(&client_id, &secret).secret != secret {
            return refused("Client Authentication failed");
        }
        let token = format!("A21AA{}", common.ids.upper(88));
        let now = common.clock.now_ms();
        let until_ms = now.saturating_add(self.settings.token_seconds.saturating_mul(1000));
        let body = json!({
            "scope": SCOPES, "access_token": token, "token_type": "Bearer",
            "app_id": "APP-80W284485P519543T", "expires_in": self.settings.token_seconds,
            "nonce": format!("{}{}", crate::clock::text(now), common.ids.upper(20)),
        });
        self.tokens.insert(token, Token { client_id, until_ms });
        Answer::json(200, &body)
    }

    /// The sender of this client id, which is made if it is new.
    pub(super) fn sender(&mut self, client_id: &str, secret: &str) -> &mut Sender {
        self.senders.entry(client_id.to_owned()).or_insert_with(|| Sender {
            secret: secret.to_owned(),
            address: format!("sender@{client_id}.example").to_lowercase(),
            refusal: None,
        })
    }

    /// The client id that the request's token was made for.
    pub(super) fn authenticate(&self, common: &Common, request: &Request) -> Result<String, Answer> {
        let now = common.clock.now_ms();
        let token = request.bearer().and_then(|token| self.tokens.get(token));
        match token.filter(|token| token.until_ms > now) {
            Some(token) => Ok(token.client_id.clone()),
            None => {
                let description = "Token signature verification failed";
                let body = json!({"error": "invalid_token", "error_description": description});
                Err(Answer::json(401, &body))
            }
        }
    }

    pub(crate) fn expire_tokens(&mut self) {
        self.tokens.clear();
    }
}

/// Client id and secret of HTTP Basic.
fn credentials(request: &Request) -> Option<(String, String)> {
    let encoded = request.header("authorization")?.strip_prefix("Basic ")?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(encoded.trim()).ok()?;
    let text = String::from_utf8(decoded).ok()?;
    let (client_id, secret) = text.split_once(':')?;
    let is_whole = !client_id.is_empty() && !secret.is_empty();
    is_whole.then(|| (client_id.to_owned(), secret.to_owned()))
}
