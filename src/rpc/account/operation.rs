//! What operators do with accounts. Their commands run in the account that the operator names, so that the account's feed has the
//! events.

use std::borrow::Cow;
use std::sync::Arc;

use secrecy::SecretString;

use super::{account, api_key, shown_once};
use crate::auth::key;
use crate::domain::account::{Account, AccountSelector, ApiKey, KeyKind};
use crate::domain::id::AccountId;
use crate::domain::refusal::{Refusal, Resource};
use crate::domain::rule::{CreateApiKey, ResumeAccount, Rule, SetAccountCallLimit, SuspendAccount};
use crate::error::Error;
use crate::pb;
use crate::rpc::call::canonical::{self, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::rpc::call::{Call, page, selector};
use crate::store;

/// A million calls a second.
const CALLS_PER_MINUTE: std::ops::RangeInclusive<i32> = 0..=60_000_000;

pub(in crate::rpc) async fn list(
    call: Call,
    message: pb::ListAccountsRequest,
) -> Result<pb::ListAccountsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    let states = fields.values("states", &message.states);
    fields.finish()?;
    let filter = pb::ListAccountsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let accounts = store::account::list(call.store(), &states, page.walk()).await?;
    call.works_on(accounts.len()).await;
    let (accounts, next_page_token) = page.fill(accounts, |row| row.id.uuid(), |row| account(&row));
    Ok(pb::ListAccountsResponse { accounts, next_page_token })
}

/// A message that names an account, and changes it.
trait Operation: Change {
    fn account(&self) -> Option<&pb::AccountSelector>;
}

/// Carries out an operator's rule in the account that the message names.
async fn operate<M: Operation>(
    call: &Call,
    message: &M,
    rule: M::Rule,
) -> Result<(AccountId, <M::Rule as Rule>::Answer, bool), Error> {
    let mut fields = Fields::default();
    let selector = selector::account(&mut fields, "account", message.account());
    let selector = fields.complete(selector)?;
    let found = match &selector {
        AccountSelector::Id(id) => store::account::find(call.store(), *id).await?,
        AccountSelector::Email(email) => store::account::find_by_email(call.store(), email).await?,
    };
    let account_id = found.ok_or_else(|| Refusal::not_found(Resource::Account, selector))?.id;
    // These are warnings, so that they are seen at every usual level. The first one comes before the command is carried out, because
    // the caller may leave during the command.
    let (request_id, operator_key_id) = (&*call.name.request_id, call.principal.key_id);
    tracing::warn!(request_id, method = M::NAME, %operator_key_id, %account_id, "an operator asks to change an account");
    let (answer, replayed) = call.carry_out_in(account_id, message, rule).await?;
    tracing::warn!(request_id, method = M::NAME, %operator_key_id, %account_id, replayed, "an operator changed an account");
    Ok((account_id, answer, replayed))
}

/// Makes an admin key for an account.
pub(in crate::rpc) async fn create_admin_key(
    call: Call,
    message: pb::CreateAdminApiKeyRequest,
) -> Result<pb::CreateAdminApiKeyResponse, Error> {
    let asking = call.asking();
    let (rule, text) = message.read(&asking)?;
    let (_, key, replayed) = operate(&call, &message, rule).await?;
    Ok(pb::CreateAdminApiKeyRequest::render(key, replayed, text, &asking))
}

impl Operation for pb::CreateAdminApiKeyRequest {
    fn account(&self) -> Option<&pb::AccountSelector> {
        self.account.as_ref()
    }
}

impl Change for pb::CreateAdminApiKeyRequest {
    type Rule = CreateApiKey;
    type Kept = SecretString;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::CreateAdminApiKeyRequest,
            self,
            account: canonical::inside(self.account.as_ref(), selector::canonical_account),
            display_name: canonical::trimmed(&self.display_name);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(CreateApiKey, SecretString), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let account = selector::account(&mut fields, "account", self.account.as_ref());
        let display_name = fields.line("display_name", &self.display_name, NAME_LENGTH_MAX);
        fields.complete(account)?;
        let (text, key) = key::generate(KeyKind::Admin);
        Ok((CreateApiKey::new(KeyKind::Admin, display_name, key), text))
    }

    fn render(key: Arc<ApiKey>, replayed: bool, text: SecretString, _asking: &Asking) -> pb::CreateAdminApiKeyResponse {
        pb::CreateAdminApiKeyResponse {
            account_id: key.account_id.to_string(),
            api_key: Some(api_key(&key)),
            api_key_text: shown_once(&text, replayed),
            replayed,
        }
    }
}

/// Suspends an account. On this instance, it takes effect at once.
pub(in crate::rpc) async fn suspend(
    call: Call,
    message: pb::SuspendAccountRequest,
) -> Result<pb::SuspendAccountResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (account_id, suspended, replayed) = operate(&call, &message, rule).await?;
    call.rpc.authenticator.account_changed(account_id);
    Ok(pb::SuspendAccountRequest::render(suspended, replayed, (), &asking))
}

impl Operation for pb::SuspendAccountRequest {
    fn account(&self) -> Option<&pb::AccountSelector> {
        self.account.as_ref()
    }
}

impl Change for pb::SuspendAccountRequest {
    type Rule = SuspendAccount;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SuspendAccountRequest,
            self,
            account: canonical::inside(self.account.as_ref(), selector::canonical_account),
            suspension_reason: canonical::trimmed(&self.suspension_reason);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(SuspendAccount, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let account = selector::account(&mut fields, "account", self.account.as_ref());
        let reason = fields.required_line("suspension_reason", &self.suspension_reason, NAME_LENGTH_MAX);
        fields.complete(account)?;
        Ok((SuspendAccount { reason }, ()))
    }

    fn render(suspended: Arc<Account>, replayed: bool, (): (), _asking: &Asking) -> pb::SuspendAccountResponse {
        pb::SuspendAccountResponse { account: Some(account(&suspended)), replayed }
    }
}

/// Ends the suspension of an account. On this instance, it takes effect at once.
pub(in crate::rpc) async fn resume(
    call: Call,
    message: pb::ResumeAccountRequest,
) -> Result<pb::ResumeAccountResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (account_id, resumed, replayed) = operate(&call, &message, rule).await?;
    call.rpc.authenticator.account_changed(account_id);
    Ok(pb::ResumeAccountRequest::render(resumed, replayed, (), &asking))
}

impl Operation for pb::ResumeAccountRequest {
    fn account(&self) -> Option<&pb::AccountSelector> {
        self.account.as_ref()
    }
}

impl Change for pb::ResumeAccountRequest {
    type Rule = ResumeAccount;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ResumeAccountRequest,
            self,
            account: canonical::inside(self.account.as_ref(), selector::canonical_account);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ResumeAccount, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let account = selector::account(&mut fields, "account", self.account.as_ref());
        fields.complete(account)?;
        Ok((ResumeAccount {}, ()))
    }

    fn render(resumed: Arc<Account>, replayed: bool, (): (), _asking: &Asking) -> pb::ResumeAccountResponse {
        pb::ResumeAccountResponse { account: Some(account(&resumed)), replayed }
    }
}

/// Sets how many calls a minute each key of an account may make. On this instance, it takes effect at once.
pub(in crate::rpc) async fn set_call_limit(
    call: Call,
    message: pb::SetAccountCallLimitRequest,
) -> Result<pb::SetAccountCallLimitResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let (account_id, limited, replayed) = operate(&call, &message, rule).await?;
    call.rpc.authenticator.account_changed(account_id);
    Ok(pb::SetAccountCallLimitRequest::render(limited, replayed, (), &asking))
}

impl Operation for pb::SetAccountCallLimitRequest {
    fn account(&self) -> Option<&pb::AccountSelector> {
        self.account.as_ref()
    }
}

impl Change for pb::SetAccountCallLimitRequest {
    type Rule = SetAccountCallLimit;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetAccountCallLimitRequest,
            self,
            account: canonical::inside(self.account.as_ref(), selector::canonical_account);
            as_sent: request_id, calls_per_minute,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(SetAccountCallLimit, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let account = selector::account(&mut fields, "account", self.account.as_ref());
        let calls_per_minute = fields.number("calls_per_minute", self.calls_per_minute, CALLS_PER_MINUTE);
        fields.complete(account)?;
        Ok((SetAccountCallLimit { calls_per_minute }, ()))
    }

    fn render(limited: Arc<Account>, replayed: bool, (): (), _asking: &Asking) -> pb::SetAccountCallLimitResponse {
        pb::SetAccountCallLimitResponse { account: Some(account(&limited)), replayed }
    }
}
