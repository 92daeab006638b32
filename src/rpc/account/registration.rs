//! Registering accounts: by operators at once, by others once they have shown that mail to the address reaches them.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;

use super::{account, api_key, shown_once};
use crate::auth::key;
use crate::domain::account::{ApiKey, KeyKind, RegistrationOutcome};
use crate::domain::rule::RegisterAccount;
use crate::error::{Error, FieldViolation};
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, KEY_LENGTH_MAX, NAME_LENGTH_MAX};
use crate::rpc::call::{Call, RegisteredBy};

/// Registers an account.
pub(in crate::rpc) async fn register(
    call: Call,
    message: pb::RegisterAccountRequest,
) -> Result<pb::RegisterAccountResponse, Error> {
    let asking = call.asking();
    let (rule, text) = message.read(&asking)?;
    if call.principal.kind == KeyKind::ServerOperator {
        let (answer, replayed) = call.carry_out(&message, rule).await?;
        return Ok(pb::RegisterAccountRequest::render(answer, replayed, text, &asking));
    }
    let rpc = &call.rpc;
    if rpc.registration == RegisteredBy::Nobody {
        return Err(Error::RegistrationClosed);
    }
    let token = message.email_token.trim();
    if token.is_empty() {
        rpc.app.mail_registration(&rule.email).await?;
        return Ok(pb::RegisterAccountResponse { awaits_email_token: true, ..Default::default() });
    }
    if !rpc.app.is_registration_token(&rule.email, token) {
        let description = "is no token of this address, or has expired; repeat the call without it to get another one";
        let violation = FieldViolation { field: "email_token".to_owned(), description: description.to_owned() };
        return Err(Error::InvalidFields(vec![violation]));
    }
    let invitation = call.principal.invitation();
    let rule = RegisterAccount { invitation: invitation.map(|key| key.id), ..rule };
    let scoped = pb::RegisterAccountRequest { request_id: own_request_id(&message.request_id, token), ..message };
    let (answer, replayed) = call.carry_out(&scoped, rule).await?;
    if let Some(invitation) = invitation {
        let used_up = ApiKey { revoked_at: Some(call.now()), ..invitation.as_ref().clone() };
        rpc.authenticator.changed(Arc::new(used_up));
    }
    Ok(pb::RegisterAccountRequest::render(answer, replayed, text, &asking))
}

/// The request id, apart from those of all other callers: only who has the token can repeat a call.
fn own_request_id(request_id: &str, token: &str) -> String {
    if request_id.is_empty() {
        return String::new();
    }
    let [a, b, c, d, ..] = key::hash(token);
    format!("{request_id} {:08x}", u32::from_be_bytes([a, b, c, d]))
}

impl Change for pb::RegisterAccountRequest {
    type Rule = RegisterAccount;
    type Kept = SecretString;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RegisterAccountRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            email: canonical::email(&self.email),
            email_token: canonical::trimmed(&self.email_token),
            time_zone: super::time_zone(&self.time_zone);
            as_sent: request_id, test_account,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(RegisterAccount, SecretString), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let display_name = fields.required_line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let email = fields.email("email", &self.email);
        let is_operator = asking.key_kind == KeyKind::ServerOperator;
        if !is_operator {
            fields.line("email_token", &self.email_token, KEY_LENGTH_MAX);
        } else if !self.email_token.trim().is_empty() {
            fields.wrong("email_token", "an operator needs none; leave it out");
        }
        let time_zone = fields.time_zone("time_zone", &self.time_zone);
        let (email, time_zone) = fields.complete((email, time_zone))?;
        let (text, key) = key::generate(KeyKind::Admin);
        // The address of an operator's account is verified afterwards.
        let token = is_operator.then(key::verification_token);
        let is_test = self.test_account;
        Ok((RegisterAccount { display_name, email, time_zone, key, token, invitation: None, is_test }, text))
    }

    fn render(
        answer: Arc<RegistrationOutcome>,
        replayed: bool,
        text: SecretString,
        _asking: &Asking,
    ) -> pb::RegisterAccountResponse {
        pb::RegisterAccountResponse {
            account: Some(account(&answer.account)),
            api_key: Some(api_key(&answer.key)),
            api_key_text: shown_once(&text, replayed),
            replayed,
            awaits_email_token: false,
        }
    }
}
