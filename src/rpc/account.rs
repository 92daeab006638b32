//! Accounts and API keys on the wire.

use secrecy::{ExposeSecret, SecretString};

use super::parse::{Fields, NAME_LENGTH_MAX};
use super::render::timestamp;
use super::wire_enum::WireEnum;
use super::{Call, page, unexpected_outcome};
use crate::auth::key;
use crate::auth::permission;
use crate::domain::account::{Account, ApiKey, CreateApiKey, KeyKind, RegisterAccount, RevokeApiKey, UpdateAccount};
use crate::domain::command::{Command, Outcome};
use crate::domain::id::AccountId;
use crate::domain::refusal::{Refusal, Resource};
use crate::error::Error;
use crate::pb;
use crate::store;

const COUPONS_MAX: std::ops::RangeInclusive<i32> = 1..=10_000;

pub(super) async fn register(
    call: Call,
    message: pb::RegisterAccountRequest,
) -> Result<pb::RegisterAccountResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let display_name = fields.required_line("display_name", &message.display_name, NAME_LENGTH_MAX);
    let Some(email) = fields.email("email", &message.email) else { return Err(fields.into_error()) };
    fields.finish()?;
    let (text, new_key) = key::generate(KeyKind::Admin);
    let command = RegisterAccount { display_name, email, key: new_key };
    let answer = call.submit(fingerprint, Command::RegisterAccount(command)).await?;
    let Outcome::Registered { account: registered, key } = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::RegisterAccountResponse {
        account: Some(account(&registered)),
        api_key: Some(api_key(&key)),
        api_key_text: shown_once(&text, answer.replayed),
        replayed: answer.replayed,
    })
}

pub(super) async fn get(call: Call, _: pb::GetAccountRequest) -> Result<pb::GetAccountResponse, Error> {
    let id = call.account_id();
    let found = store::account::find(call.store(), id).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::Account, id))?;
    Ok(pb::GetAccountResponse { account: Some(account(&found)) })
}

pub(super) async fn update(call: Call, message: pb::UpdateAccountRequest) -> Result<pb::UpdateAccountResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let command = parse_update(&message)?;
    let answer = call.submit(fingerprint, Command::UpdateAccount(command)).await?;
    let Outcome::Account(updated) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::UpdateAccountResponse { account: Some(account(&updated)), replayed: answer.replayed })
}

fn parse_update(message: &pb::UpdateAccountRequest) -> Result<UpdateAccount, Error> {
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let paths = fields
        .update_mask(message.update_mask.as_ref(), &["display_name", "email", "max_active_coupons_per_affiliate"]);
    let mut command = UpdateAccount { display_name: None, email: None, max_active_coupons_per_affiliate: None };
    let values = fields.required("account", message.account.as_ref());
    if let Some(values) = values {
        fields.within("account", |fields| {
            if paths.contains(&"display_name") {
                let display_name = fields.required_line("display_name", &values.display_name, NAME_LENGTH_MAX);
                command.display_name = Some(display_name);
            }
            if paths.contains(&"email") {
                command.email = fields.email("email", &values.email);
            }
            if paths.contains(&"max_active_coupons_per_affiliate") {
                let limit = values.max_active_coupons_per_affiliate;
                let limit = fields.number("max_active_coupons_per_affiliate", limit, COUPONS_MAX);
                command.max_active_coupons_per_affiliate = Some(limit);
            }
        });
    }
    fields.finish()?;
    Ok(command)
}

pub(super) async fn create_key(
    call: Call,
    message: pb::CreateApiKeyRequest,
) -> Result<pb::CreateApiKeyResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    // Operator keys are made by the server itself alone.
    let kinds: Vec<KeyKind> = KeyKind::ALL.iter().copied().filter(|kind| *kind != KeyKind::Operator).collect();
    let kind = fields.value_of("kind", message.kind, &kinds);
    let display_name = fields.line("display_name", &message.display_name, NAME_LENGTH_MAX);
    let expires_at = fields.time("expire_time", message.expire_time.as_ref());
    if expires_at.is_some_and(|expires_at| expires_at <= call.now()) {
        fields.wrong("expire_time", "must be in the future; leave it out for a key that does not expire");
    }
    let Some(kind) = kind else { return Err(fields.into_error()) };
    fields.finish()?;
    let (text, new_key) = key::generate(kind);
    let command = CreateApiKey { kind, display_name, expires_at, key: new_key };
    let answer = call.submit(fingerprint, Command::CreateApiKey(command)).await?;
    let Outcome::ApiKey(key) = answer.outcome else { return Err(unexpected_outcome()) };
    Ok(pb::CreateApiKeyResponse {
        api_key: Some(api_key(&key)),
        api_key_text: shown_once(&text, answer.replayed),
        replayed: answer.replayed,
    })
}

/// A secret for its first answer. A repeated call made another secret, which is nobody's.
fn shown_once(secret: &SecretString, replayed: bool) -> String {
    if replayed { String::new() } else { secret.expose_secret().to_owned() }
}

pub(super) async fn list_keys(call: Call, message: pb::ListApiKeysRequest) -> Result<pb::ListApiKeysResponse, Error> {
    let mut fields = Fields::default();
    let size = page::size(&mut fields, message.page_size);
    fields.finish()?;
    let page = call.page(&pb::ListApiKeysRequest::default(), size, &message.page_token)?;
    let mut keys = store::account::list_keys(call.store(), call.account_id(), page.after, page.limit()).await?;
    let next_page_token = page.cut(&mut keys, |key| key.id.uuid());
    Ok(pb::ListApiKeysResponse { api_keys: keys.iter().map(api_key).collect(), next_page_token })
}

pub(super) async fn revoke_key(
    call: Call,
    message: pb::RevokeApiKeyRequest,
) -> Result<pb::RevokeApiKeyResponse, Error> {
    let fingerprint = call.request_key(&message.request_id, &message);
    let mut fields = Fields::default();
    fields.request_id(&message.request_id);
    let Some(id) = fields.id("api_key_id", &message.api_key_id) else { return Err(fields.into_error()) };
    fields.finish()?;
    let answer = call.submit(fingerprint, Command::RevokeApiKey(RevokeApiKey { id })).await?;
    let Outcome::ApiKey(key) = answer.outcome else { return Err(unexpected_outcome()) };
    let rendered = api_key(&key);
    call.rpc.authenticator.revoked(*key);
    Ok(pb::RevokeApiKeyResponse { api_key: Some(rendered), replayed: answer.replayed })
}

pub(super) async fn check_key(call: Call, _: pb::CheckApiKeyRequest) -> Result<pb::CheckApiKeyResponse, Error> {
    let principal = &call.caller.principal;
    let account_id =
        if principal.account_id == AccountId::SERVER { String::new() } else { principal.account_id.to_string() };
    Ok(pb::CheckApiKeyResponse {
        api_key: Some(api_key(&principal.key)),
        account_id,
        methods: permission::methods_of(principal.kind).map(ToOwned::to_owned).collect(),
    })
}

fn account(account: &Account) -> pb::Account {
    pb::Account {
        id: account.id.to_string(),
        display_name: account.display_name.clone(),
        email: account.email.clone(),
        max_active_coupons_per_affiliate: account.max_active_coupons_per_affiliate,
        create_time: Some(timestamp(account.created_at)),
        update_time: Some(timestamp(account.updated_at)),
    }
}

fn api_key(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        kind: key.kind.number(),
        display_name: key.display_name.clone(),
        prefix: key.prefix.clone(),
        create_time: Some(timestamp(key.created_at)),
        expire_time: key.expires_at.map(timestamp),
        revoke_time: key.revoked_at.map(timestamp),
    }
}
