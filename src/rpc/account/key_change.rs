//! Changing and revoking API keys.

use std::borrow::Cow;
use std::sync::Arc;

use super::{api_key, log_operator, places};
use crate::domain::account::ApiKey;
use crate::domain::refusal::Field;
use crate::domain::rule::{RevokeApiKey, UpdateApiKey};
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::Call;
use crate::rpc::call::canonical::{self, Mask, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};

/// Changes a key. On this instance, the change has its effect at once.
pub(in crate::rpc) async fn update(
    call: Call,
    message: pb::UpdateApiKeyRequest,
) -> Result<pb::UpdateApiKeyResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    check_own_address(&call, &rule)?;
    log_operator(&call, None);
    let (key, replayed) = call.carry_out(&message, rule).await?;
    log_operator(&call, Some((&key, replayed)));
    // A replayed answer is not the key as it is now, and has no hash.
    if !replayed {
        call.rpc.authenticator.changed(Arc::clone(&key));
    }
    Ok(pb::UpdateApiKeyRequest::render(key, replayed, (), &asking))
}

/// Refuses networks with which the calling key would not work where it is called from.
fn check_own_address(call: &Call, rule: &UpdateApiKey) -> Result<(), Error> {
    let mut fields = Fields::default();
    if let (Some(networks), Some(address)) = (&rule.allowed_networks, call.principal.client.address)
        && rule.id == call.principal.key_id
        && !rule.allow_lockout
        && !networks.is_empty()
        && !networks.iter().any(|network| network.contains(&address))
    {
        let problem = format!("leave out {address}, from which this key makes this call; add it, or set allow_lockout");
        fields.wrong("api_key.allowed_networks", problem);
    }
    fields.finish()
}

impl Change for pb::UpdateApiKeyRequest {
    type Rule = UpdateApiKey;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::ApiKeyId, "api_key.id"), (Field::AllowedOrigins, "api_key.allowed_origins")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateApiKeyRequest,
            self,
            api_key: canonical::inside(self.api_key.as_ref(), |key| canonical_update(key, mask)),
            update_mask: mask.canonical();
            as_sent: request_id, allow_lockout,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(UpdateApiKey, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let known = ["display_name", "expire_time", "allowed_networks", "allowed_origins"];
        let paths = fields.update_mask(self.update_mask.as_ref(), &known);
        let Some(values) = fields.required("api_key", self.api_key.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("api_key", |fields| {
            let id = fields.id("id", &values.id);
            let has = |path| paths.contains(&path);
            let display_name =
                has("display_name").then(|| fields.line("display_name", &values.display_name, NAME_LENGTH_MAX));
            let expires_at = has("expire_time").then(|| {
                let expires_at = fields.time("expire_time", values.expire_time.as_ref());
                if expires_at.is_some_and(|expires_at| expires_at <= asking.now) {
                    fields.wrong("expire_time", "must be in the future; RevokeApiKey ends a key now");
                }
                expires_at
            });
            let allowed_networks = has("allowed_networks").then(|| places::networks(fields, &values.allowed_networks));
            let allowed_origins = has("allowed_origins").then(|| places::origins(fields, &values.allowed_origins));
            let allow_lockout = self.allow_lockout;
            Some(UpdateApiKey { id: id?, display_name, expires_at, allowed_networks, allowed_origins, allow_lockout })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(key: Arc<ApiKey>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateApiKeyResponse {
        pb::UpdateApiKeyResponse { api_key: Some(api_key(&key)), replayed }
    }
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::ApiKey, mask: Mask<'_>) -> Cow<'message, pb::ApiKey> {
    canonical!(
        pb::ApiKey,
        sent,
        kind: canonical::unread(&sent.kind),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        text_prefix: canonical::unread(&sent.text_prefix),
        create_time: canonical::unread(&sent.create_time),
        expire_time: mask.field("expire_time", &sent.expire_time, |time| canonical::time(time.as_ref())),
        revoke_time: canonical::unread(&sent.revoke_time),
        last_use_time: canonical::unread(&sent.last_use_time),
        update_time: canonical::unread(&sent.update_time),
        allowed_networks: mask.field("allowed_networks", &sent.allowed_networks, |sent| places::canonical_networks(sent)),
        allowed_origins: mask.field("allowed_origins", &sent.allowed_origins, |sent| places::canonical_origins(sent));
        as_sent: id,
    )
}

/// Revokes a key. On this instance, the key stops working at once.
pub(in crate::rpc) async fn revoke(
    call: Call,
    message: pb::RevokeApiKeyRequest,
) -> Result<pb::RevokeApiKeyResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    log_operator(&call, None);
    let (key, replayed) = call.carry_out(&message, rule).await?;
    log_operator(&call, Some((&key, replayed)));
    if !replayed {
        call.rpc.authenticator.changed(Arc::clone(&key));
    }
    Ok(pb::RevokeApiKeyRequest::render(key, replayed, (), &asking))
}

impl Change for pb::RevokeApiKeyRequest {
    type Rule = RevokeApiKey;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::RevokeApiKeyRequest, self; as_sent: request_id, api_key_id, allow_lockout)
    }

    fn read(&self, _asking: &Asking) -> Result<(RevokeApiKey, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let id = fields.id("api_key_id", &self.api_key_id);
        Ok((RevokeApiKey { id: fields.complete(id)?, allow_lockout: self.allow_lockout }, ()))
    }

    fn render(key: Arc<ApiKey>, replayed: bool, (): (), _asking: &Asking) -> pb::RevokeApiKeyResponse {
        pb::RevokeApiKeyResponse { api_key: Some(api_key(&key)), replayed }
    }
}
