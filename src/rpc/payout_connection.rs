//! Connections to payout providers on the wire. The credentials are sealed here, and only what is sealed goes on.

use std::borrow::Cow;
use std::sync::Arc;

use uuid::Uuid;

use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::wire_enum::WireEnum;
use super::call::{Call, page};
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::rule::{RemovePayoutConnection, SetPayoutConnection};
use crate::error::{Error, FieldPaths};
use crate::pb::{self, provider_credentials::Credentials};
use crate::secrets::credentials::ProviderCredentials;
use crate::store;
use crate::store::list::{ListOrder, Walk};

/// The providers that an account can be connected to.
pub(super) const PROVIDERS: [PayoutProvider; 3] =
    [PayoutProvider::PayPal, PayoutProvider::Stripe, PayoutProvider::Wise];

impl Change for pb::SetPayoutConnectionRequest {
    type Rule = SetPayoutConnection;
    type Kept = ();

    const PATHS: FieldPaths = &[(Field::Credentials, "credentials.stripe.secret_key")];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetPayoutConnectionRequest,
            self,
            credentials: canonical_credentials(self.credentials.as_ref());
            as_sent: request_id,
        )
    }

    fn read(&self, asking: &Asking<'_>) -> Result<(SetPayoutConnection, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let credentials = read_credentials(&mut fields, "credentials", self.credentials.as_ref());
        let credentials = fields.complete(credentials)?;
        let sealed = credentials.seal(asking.secrets, asking.account_id).map_err(|_| Error::SecretsKeyMissing)?;
        let is_for_tests = match &credentials {
            ProviderCredentials::Stripe { secret_key, .. } => Some(secret_key.contains("_test_")),
            ProviderCredentials::PayPal { .. } | ProviderCredentials::Wise { .. } => None,
        };
        let (provider, hint) = (credentials.provider(), credentials.hint());
        Ok((SetPayoutConnection { provider, hint, sealed, is_for_tests }, ()))
    }

    fn render(
        connection: Arc<PayoutConnection>,
        replayed: bool,
        (): (),
        _asking: &Asking<'_>,
    ) -> pb::SetPayoutConnectionResponse {
        pb::SetPayoutConnectionResponse { payout_connection: Some(render(&connection)), replayed }
    }
}

fn read_credentials(
    fields: &mut Fields,
    field: &str,
    sent: Option<&pb::ProviderCredentials>,
) -> Option<ProviderCredentials> {
    let sent = fields.required(field, sent)?;
    let Some(credentials) = &sent.credentials else {
        fields.wrong(field, "must have one of paypal, stripe and wise");
        return None;
    };
    fields.within(field, |fields| match credentials {
        Credentials::Paypal(sent) => fields.within("paypal", |fields| {
            let client_id = secret(fields, "client_id", &sent.client_id);
            let client_secret = secret(fields, "client_secret", &sent.client_secret);
            let webhook_id = optional_secret(fields, "webhook_id", &sent.webhook_id);
            Some(ProviderCredentials::PayPal { client_id, client_secret, webhook_id })
        }),
        Credentials::Stripe(sent) => fields.within("stripe", |fields| {
            let secret_key = secret(fields, "secret_key", &sent.secret_key);
            const PREFIXES: [&str; 4] = ["sk_live_", "rk_live_", "sk_test_", "rk_test_"];
            if !secret_key.is_empty() && !PREFIXES.iter().any(|prefix| secret_key.starts_with(prefix)) {
                fields.wrong(
                    "secret_key",
                    "must be a secret or a restricted key, which begins with sk_ or rk_ and live_ or test_",
                );
            }
            let webhook_secret = optional_secret(fields, "webhook_secret", &sent.webhook_secret);
            if !webhook_secret.is_empty() && !webhook_secret.starts_with("whsec_") {
                fields.wrong("webhook_secret", "must be the signing secret of a webhook, which begins with whsec_");
            }
            Some(ProviderCredentials::Stripe { secret_key, webhook_secret })
        }),
        Credentials::Wise(sent) => fields.within("wise", |fields| {
            let token = secret(fields, "api_token", &sent.api_token);
            if sent.profile_number <= 0 {
                fields.wrong("profile_number", "must be the number of a profile at Wise, which is above zero");
            }
            let source_currency = fields.currency("source_currency_code", &sent.source_currency_code)?;
            Some(ProviderCredentials::Wise { token, profile_id: sent.profile_number, source_currency })
        }),
    })
}

/// A secret of a provider. It travels in a header, so it is printable ASCII.
fn secret(fields: &mut Fields, field: &str, text: &str) -> String {
    let secret = optional_secret(fields, field, text);
    if secret.is_empty() {
        fields.wrong(field, "is required");
    }
    secret
}

fn optional_secret(fields: &mut Fields, field: &str, text: &str) -> String {
    let secret = fields.line(field, text, NAME_LENGTH_MAX);
    if !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
        fields.wrong(field, "must have no blanks, and no characters that are not ASCII");
    }
    secret
}

/// Credentials without the secrets, because these could be guessed from a hash of the request.
fn canonical_credentials(sent: Option<&pb::ProviderCredentials>) -> Option<Option<pb::ProviderCredentials>> {
    let any = |text: &str| canonical::secret(text).unwrap_or_else(|| text.to_owned());
    let credentials = match sent?.credentials.as_ref()? {
        Credentials::Paypal(sent) => Credentials::Paypal(pb::PayPalCredentials {
            client_id: sent.client_id.trim().to_owned(),
            client_secret: any(&sent.client_secret),
            webhook_id: any(&sent.webhook_id),
        }),
        Credentials::Stripe(sent) => Credentials::Stripe(pb::StripeCredentials {
            secret_key: any(&sent.secret_key),
            webhook_secret: any(&sent.webhook_secret),
        }),
        Credentials::Wise(sent) => {
            Credentials::Wise(pb::WiseCredentials { api_token: any(&sent.api_token), ..sent.clone() })
        }
    };
    Some(Some(pb::ProviderCredentials { credentials: Some(credentials) }))
}

impl Change for pb::RemovePayoutConnectionRequest {
    type Rule = RemovePayoutConnection;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(pb::RemovePayoutConnectionRequest, self; as_sent: request_id, provider)
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(RemovePayoutConnection, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let provider = fields.value_of("provider", self.provider, &PROVIDERS);
        Ok((RemovePayoutConnection { provider: fields.complete(provider)? }, ()))
    }

    fn render(
        connection: Arc<PayoutConnection>,
        replayed: bool,
        (): (),
        _asking: &Asking<'_>,
    ) -> pb::RemovePayoutConnectionResponse {
        pb::RemovePayoutConnectionResponse { payout_connection: Some(render(&connection)), replayed }
    }
}

pub(super) async fn get(
    call: Call,
    message: pb::GetPayoutConnectionRequest,
) -> Result<pb::GetPayoutConnectionResponse, Error> {
    let mut fields = Fields::default();
    let provider = fields.value_of("provider", message.provider, &PROVIDERS);
    let provider = fields.complete(provider)?;
    let found = store::payout_connection::find(call.store(), call.account_id(), provider).await?;
    let found = found.ok_or_else(|| Refusal::not_found(Resource::PayoutConnection, provider))?;
    Ok(pb::GetPayoutConnectionResponse { payout_connection: Some(render(&found)) })
}

/// The connections in the order of their providers' names. The walk is along the places of the providers in the closed set, because a
/// connection has no id.
pub(super) async fn list(
    call: Call,
    message: pb::ListPayoutConnectionsRequest,
) -> Result<pb::ListPayoutConnectionsResponse, Error> {
    let mut fields = Fields::default();
    let shape = page::shape(&mut fields, message.page_size, message.order);
    fields.finish()?;
    let filter = pb::ListPayoutConnectionsRequest { page_size: 0, page_token: String::new(), ..message.clone() };
    let page = call.page(&filter, shape, &message.page_token).await?;
    let mut found = store::payout_connection::list(call.store(), call.account_id()).await?;
    found.sort_unstable_by_key(place);
    let Walk { order, after, limit } = page.walk();
    match order {
        ListOrder::OldestFirst => found.retain(|row| after.is_none_or(|after| place(row) > after)),
        ListOrder::NewestFirst => {
            found.reverse();
            found.retain(|row| after.is_none_or(|after| place(row) < after));
        }
    }
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    call.works_on(found.len()).await;
    let (payout_connections, next_page_token) = page.fill(found, place, |row| render(&row));
    Ok(pb::ListPayoutConnectionsResponse { payout_connections, next_page_token })
}

/// The place of a connection in a list.
fn place(connection: &PayoutConnection) -> Uuid {
    Uuid::from_u128(u128::from(connection.provider.number().unsigned_abs()))
}

/// A connection as a message, which has no secrets.
pub(super) fn render(connection: &PayoutConnection) -> pb::PayoutConnection {
    pb::PayoutConnection {
        provider: connection.provider.number(),
        hint: connection.hint.clone(),
        next_reconciliation_time: connection.next_reconciliation_at.map(timestamp),
        create_time: Some(timestamp(connection.created_at)),
        update_time: Some(timestamp(connection.updated_at)),
    }
}
