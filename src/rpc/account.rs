//! Accounts and API keys on the wire.

mod key_change;
mod operation;
mod payout_policy;
mod places;
mod registration;

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};

pub(super) use key_change::{revoke as revoke_key, update as update_key};
pub(super) use operation::{create_admin_key, list, resume, set_call_limit, suspend};
pub(super) use registration::register;

use super::METHODS;
use super::call::canonical::{self, Mask, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, KEY_LENGTH_MAX, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, RegisteredBy, page};
use crate::auth::key;
use crate::auth::permission;
use crate::domain::account::{Account, ApiKey, KeyKind};
use crate::domain::calendar::{UTC, zone_name};
use crate::domain::id::{AccountId, ApiKeyId};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{CreateApiKey, UpdateAccount, VerifyAccountEmail, WantedEmail};
use crate::domain::time::Time;
use crate::error::{CallName, Error, FieldPaths};
use crate::pb;
use crate::store;

const COUPONS_MAX: std::ops::RangeInclusive<i32> = 1..=10_000;

pub(super) async fn get(call: Call, _: pb::GetAccountRequest) -> Result<pb::GetAccountResponse, Error> {
    let id = call.account_id();
    let found = store::account::find(call.store(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Account, id))?;
    Ok(pb::GetAccountResponse { account: Some(account(&found)) })
}

impl Change for pb::UpdateAccountRequest {
    type Rule = UpdateAccount;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Email, "account.email"), (Field::TimeZone, "account.time_zone")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        canonical!(
            pb::UpdateAccountRequest,
            self,
            account: canonical::inside(self.account.as_ref(), |account| canonical_update(account, mask)),
            update_mask: mask.canonical();
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateAccount, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let known = ["display_name", "email", "max_active_coupons_per_affiliate", "payout_policy", "time_zone"];
        let paths = fields.update_mask(self.update_mask.as_ref(), &known);
        let mut rule = UpdateAccount::default();
        if let Some(values) = fields.required("account", self.account.as_ref()) {
            fields.within("account", |fields| {
                if paths.contains(&"display_name") {
                    let display_name = fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX);
                    rule.display_name = Some(display_name);
                }
                if paths.contains(&"email") {
                    let wanted = |email| WantedEmail { email, token: Some(key::verification_token()) };
                    rule.email = fields.email("email", &values.email).map(wanted);
                }
                if paths.contains(&"max_active_coupons_per_affiliate") {
                    let limit = values.max_active_coupons_per_affiliate;
                    let limit = fields.number("max_active_coupons_per_affiliate", limit, COUPONS_MAX);
                    rule.max_active_coupons_per_affiliate = Some(limit);
                }
                if paths.contains(&"payout_policy") {
                    rule.payout_policy = Some(payout_policy::read(fields, values.payout_policy.as_ref()));
                }
                if paths.contains(&"time_zone") {
                    rule.time_zone = fields.time_zone("time_zone", &values.time_zone);
                }
            });
        }
        fields.finish()?;
        Ok((rule, ()))
    }

    fn render(updated: Arc<Account>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateAccountResponse {
        pb::UpdateAccountResponse { account: Some(account(&updated)), replayed }
    }
}

/// Changes an account. Where strangers may have one, the mail to an address that it wants to have is limited as that of registrations.
pub(super) async fn update(call: Call, message: pb::UpdateAccountRequest) -> Result<pb::UpdateAccountResponse, Error> {
    let asking = call.asking();
    let (mut rule, ()) = message.read(&asking)?;
    if let Some(wanted) = &mut rule.email
        && call.rpc.registration == RegisteredBy::Everybody
        && !call.rpc.app.may_mail(call.account_id(), &wanted.email)
    {
        wanted.token = None;
    }
    let (account, replayed) = call.carry_out(&message, rule).await?;
    Ok(pb::UpdateAccountRequest::render(account, replayed, (), &asking))
}

impl Change for pb::VerifyAccountEmailRequest {
    type Rule = VerifyAccountEmail;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::VerifyAccountEmailRequest,
            self,
            verification_token: canonical::trimmed(&self.verification_token);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(VerifyAccountEmail, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let token = fields.required_line("verification_token", &self.verification_token, KEY_LENGTH_MAX);
        fields.finish()?;
        Ok((VerifyAccountEmail { token }, ()))
    }

    fn render(verified: Arc<Account>, replayed: bool, (): (), _asking: &Asking) -> pb::VerifyAccountEmailResponse {
        pb::VerifyAccountEmailResponse { account: Some(account(&verified)), replayed }
    }
}

/// Creates a key of the account, or an operator key.
pub(super) async fn create_key(
    call: Call,
    message: pb::CreateApiKeyRequest,
) -> Result<pb::CreateApiKeyResponse, Error> {
    let asking = call.asking();
    let (rule, text) = message.read(&asking)?;
    log_operator(&call, None);
    let (key, replayed) = call.carry_out(&message, rule).await?;
    log_operator(&call, Some((&key, replayed)));
    Ok(pb::CreateApiKeyRequest::render(key, replayed, text, &asking))
}

/// Logs that an operator changes the operator keys, because no account's feed shows it. Before the command, `changed` is `None`: the
/// caller may leave during the command. These are warnings, so that they are seen at every usual level.
fn log_operator(call: &Call, changed: Option<(&ApiKey, bool)>) {
    if call.account_id() != AccountId::SERVER {
        return;
    }
    let CallName { request_id, method, .. } = &call.name;
    let (request_id, operator_key_id) = (&**request_id, call.principal.key_id);
    match changed {
        None => tracing::warn!(request_id, method, %operator_key_id, "an operator asks to change the operator keys"),
        Some((key, replayed)) => {
            let is_revoked = key.revoked_at.is_some();
            tracing::warn!(request_id, method, %operator_key_id, key_id = %key.id, is_revoked, replayed, "an operator changed the operator keys");
        }
    }
}

impl Change for pb::CreateApiKeyRequest {
    type Rule = CreateApiKey;
    type Kept = SecretString;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateApiKeyRequest,
            self,
            display_name: canonical::trimmed(&self.display_name),
            expire_time: canonical::time(self.expire_time.as_ref()),
            allowed_networks: places::canonical_networks(&self.allowed_networks),
            allowed_origins: places::canonical_origins(&self.allowed_origins);
            as_sent: request_id, kind,
        )
    }

    fn read(&self, asking: &Asking) -> Result<(CreateApiKey, SecretString), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        // The keys of the server are operator keys and invitations, and no account has one.
        let is_own = |kind: &KeyKind| kind.is_of_server() == asking.key_kind.is_of_server();
        let kinds: Vec<KeyKind> = KeyKind::ALL.iter().copied().filter(is_own).collect();
        let kind = fields.value_of("kind", self.kind, &kinds);
        let display_name = fields.line("display_name", &self.display_name, NAME_LENGTH_MAX);
        let expires_at = fields.time("expire_time", self.expire_time.as_ref());
        if expires_at.is_some_and(|expires_at| expires_at <= asking.now) {
            fields.wrong("expire_time", "must be in the future; leave it out for a key that does not expire");
        }
        let allowed_networks = places::networks(&mut fields, &self.allowed_networks);
        let allowed_origins = places::origins(&mut fields, &self.allowed_origins);
        if !allowed_origins.is_empty() && kind.is_some_and(|kind| kind != KeyKind::Publishable) {
            fields.wrong("allowed_origins", "only a publishable key has origins; leave them out");
        }
        let kind = fields.complete(kind)?;
        let (text, key) = key::generate(kind);
        Ok((CreateApiKey { kind, display_name, expires_at, allowed_networks, allowed_origins, key }, text))
    }

    fn render(key: Arc<ApiKey>, replayed: bool, text: SecretString, _asking: &Asking) -> pb::CreateApiKeyResponse {
        pb::CreateApiKeyResponse { api_key: Some(api_key(&key)), api_key_text: shown_once(&text, replayed), replayed }
    }
}

/// The secret. Only the first answer has it: a repeated call generates another secret, which is not stored.
fn shown_once(secret: &SecretString, replayed: bool) -> String {
    if replayed { String::new() } else { secret.expose_secret().to_owned() }
}

pub(super) async fn list_keys(call: Call, message: pb::ListApiKeysRequest) -> Result<pb::ListApiKeysResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    fields.finish()?;
    let filter =
        pb::ListApiKeysRequest { page_size: 0, page_token: String::new(), with_total_count: false, ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let keys = store::account::list_keys(call.store(), call.account_id(), page.walk()).await?;
    let ids: Vec<ApiKeyId> = keys.iter().map(|key| key.id).collect();
    let uses = store::account::last_uses(call.store(), call.account_id(), &ids).await?;
    let (api_keys, next_page_token) =
        page.fill(keys, |key| key.id.uuid(), |key| used_api_key(&key, uses.get(&key.id).copied()));
    let total_count = if message.with_total_count {
        Some(store::account::count_keys(call.store(), call.account_id()).await?)
    } else {
        None
    };
    Ok(pb::ListApiKeysResponse { api_keys, next_page_token, total_count })
}

pub(super) async fn get_key(call: Call, message: pb::GetApiKeyRequest) -> Result<pb::GetApiKeyResponse, Error> {
    let mut fields = Fields::default();
    let id = fields.id("api_key_id", &message.api_key_id);
    let id = fields.complete(id)?;
    let key = store::account::find_key(call.store(), call.account_id(), id).await?;
    let key = key.ok_or_else(|| Refusal::not_found(Resource::ApiKey, id))?;
    let uses = store::account::last_uses(call.store(), call.account_id(), &[id]).await?;
    Ok(pb::GetApiKeyResponse { api_key: Some(used_api_key(&key, uses.get(&id).copied())) })
}

pub(super) async fn check_key(call: Call, _: pb::CheckApiKeyRequest) -> Result<pb::CheckApiKeyResponse, Error> {
    let principal = &call.principal;
    let account_id =
        if principal.account_id == AccountId::SERVER { String::new() } else { principal.account_id.to_string() };
    Ok(pb::CheckApiKeyResponse {
        api_key: Some(api_key(&principal.key)),
        account_id,
        allowed_methods: permission::methods_of(METHODS, principal.kind).map(ToOwned::to_owned).collect(),
    })
}

/// The name of a time zone as it is stored. Without one it is UTC.
fn time_zone(sent: &str) -> Option<String> {
    let name = if sent.trim().is_empty() { UTC } else { sent.trim() };
    zone_name(name).ok().filter(|name| name != sent)
}

/// The values of an update. Fields outside the mask are not read.
fn canonical_update<'message>(sent: &'message pb::Account, mask: Mask<'_>) -> Cow<'message, pb::Account> {
    let limit = &sent.max_active_coupons_per_affiliate;
    canonical!(
        pb::Account,
        sent,
        id: canonical::unread(&sent.id),
        display_name: mask.field("display_name", &sent.display_name, |text| canonical::trimmed(text)),
        email: mask.field("email", &sent.email, |email| canonical::email(email)),
        max_active_coupons_per_affiliate: mask.field("max_active_coupons_per_affiliate", limit, |_| None),
        payout_policy: mask.field("payout_policy", &sent.payout_policy, |policy| payout_policy::canonical(policy.as_ref())),
        time_zone: mask.field("time_zone", &sent.time_zone, |name| time_zone(name)),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        state: canonical::unread(&sent.state),
        suspend_time: canonical::unread(&sent.suspend_time),
        suspension_reason: canonical::unread(&sent.suspension_reason),
        email_verify_time: canonical::unread(&sent.email_verify_time),
        pending_email: canonical::unread(&sent.pending_email),
        test_account: canonical::unread(&sent.test_account),
        calls_per_minute: canonical::unread(&sent.calls_per_minute);
        as_sent:
    )
}

/// The account as stored in the feed, without personal data.
pub(super) fn image(row: &Account) -> pb::Account {
    pb::Account { email: String::new(), pending_email: String::new(), ..account(row) }
}

fn account(account: &Account) -> pb::Account {
    pb::Account {
        id: account.id.to_string(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        max_active_coupons_per_affiliate: account.max_active_coupons_per_affiliate,
        payout_policy: account.payout_policy.as_ref().map(payout_policy::render),
        time_zone: account.time_zone().to_owned(),
        create_time: Some(timestamp(account.created_at)),
        update_time: Some(timestamp(account.updated_at)),
        state: account.state().number(),
        suspend_time: account.suspended_at.map(timestamp),
        suspension_reason: account.suspension_reason.clone(),
        email_verify_time: account.email_verified_at.map(timestamp),
        test_account: account.is_test,
        calls_per_minute: account.calls_per_minute,
        pending_email: account.pending_email().to_owned(),
    }
}

/// An API key as a message.
pub(super) fn api_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        kind: key.kind.number(),
        display_name: key.display_name.clone(),
        text_prefix: key.text_prefix.clone(),
        create_time: Some(timestamp(key.created_at)),
        expire_time: key.expires_at.map(timestamp),
        revoke_time: key.revoked_at.map(timestamp),
        last_use_time: None,
        update_time: key.updated_at.map(timestamp),
        allowed_networks: key.allowed_networks.iter().map(ToString::to_string).collect(),
        allowed_origins: key.allowed_origins.clone(),
    }
}

/// An API key as a message, with its last use. Only reads have the last use, because it is not part of the key's row.
fn used_api_key(key: &ApiKey, last_used_at: Option<Time>) -> pb::ApiKey {
    pb::ApiKey { last_use_time: last_used_at.map(timestamp), ..api_key(key) }
}
