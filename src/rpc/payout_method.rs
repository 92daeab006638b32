//! Payout methods on the wire. The details of a destination are sealed here, and only what is sealed goes on.

mod details;

use std::borrow::Cow;
use std::sync::Arc;

use super::call::Call;
use super::call::canonical::{self, canonical};
use super::call::change::{Asking, Change, RepeatKey};
use super::call::parse::{Fields, NAME_LENGTH_MAX};
use super::call::render::timestamp;
use super::call::selector;
use super::call::wire_enum::WireEnum;
use crate::domain::account::KeyKind;
use crate::domain::payout_method::{MethodChoice, PayoutMethod};
use crate::domain::rule::{RemovePayoutMethod, SetPayoutMethod};
use crate::domain::time::Time;
use crate::error::Error;
use crate::pb;
use crate::store;

impl Change for pb::SetPayoutMethodRequest {
    type Rule = SetPayoutMethod;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::SetPayoutMethodRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            details: details::canonical(self.details.as_ref()),
            override_reason: canonical::trimmed(&self.override_reason);
            as_sent: request_id, effective_now,
        )
    }

    fn read(&self, asking: &Asking<'_>) -> Result<(SetPayoutMethod, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let details = details::read(&mut fields, "details", self.details.as_ref());
        if self.effective_now && asking.key_kind != KeyKind::Admin {
            fields.wrong("effective_now", "is for admin keys alone; leave it out, and the change waits");
        }
        let reason = if self.effective_now {
            Some(fields.required_line("override_reason", &self.override_reason, NAME_LENGTH_MAX))
        } else {
            if !self.override_reason.trim().is_empty() {
                fields.wrong("override_reason", "must be empty without effective_now");
            }
            None
        };
        let (affiliate, details) = fields.complete((affiliate, details))?;
        let (destination, fingerprint) =
            details.seal(asking.secrets, asking.account_id).map_err(|_| Error::SecretsKeyMissing)?;
        let older_fingerprints = details.older_fingerprints(asking.secrets, asking.account_id);
        let override_reason = reason;
        Ok((SetPayoutMethod { affiliate, destination, fingerprint, older_fingerprints, override_reason }, ()))
    }

    fn render(method: Arc<PayoutMethod>, replayed: bool, (): (), asking: &Asking<'_>) -> pb::SetPayoutMethodResponse {
        pb::SetPayoutMethodResponse { payout_method: Some(render(&method.at(asking.now))), replayed }
    }
}

impl Change for pb::RemovePayoutMethodRequest {
    type Rule = RemovePayoutMethod;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RemovePayoutMethodRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking<'_>) -> Result<(RemovePayoutMethod, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        Ok((RemovePayoutMethod { affiliate: fields.complete(affiliate)? }, ()))
    }

    fn render(
        method: Arc<PayoutMethod>,
        replayed: bool,
        (): (),
        asking: &Asking<'_>,
    ) -> pb::RemovePayoutMethodResponse {
        pb::RemovePayoutMethodResponse { payout_method: Some(render(&method.at(asking.now))), replayed }
    }
}

pub(super) async fn get(call: Call, message: pb::GetPayoutMethodRequest) -> Result<pb::GetPayoutMethodResponse, Error> {
    let mut fields = Fields::default();
    let affiliate = selector::affiliate(&mut fields, "affiliate", message.affiliate.as_ref());
    let affiliate = fields.complete(affiliate)?;
    let affiliate_id = call.affiliate(&affiliate).await?.id;
    let method = store::payout_method::find(call.store(), call.account_id(), affiliate_id).await?;
    let none = || pb::PayoutMethod { affiliate_id: affiliate_id.to_string(), ..Default::default() };
    let method = method.map_or_else(none, |method| render(&method.at(call.now())));
    Ok(pb::GetPayoutMethodResponse { payout_method: Some(method) })
}

/// A method as stored in the feed, without personal data and without what a person wrote.
pub(super) fn image(method: &PayoutMethod) -> pb::PayoutMethod {
    let without_hint = |destination| pb::PayoutDestination { hint: String::new(), ..destination };
    let method = render(method);
    pb::PayoutMethod {
        current: method.current.map(without_hint),
        pending: method.pending.map(without_hint),
        override_reason: String::new(),
        ..method
    }
}

fn render(method: &PayoutMethod) -> pb::PayoutMethod {
    let destination = |choice: &MethodChoice| pb::PayoutDestination {
        kind: choice.destination.kind.number(),
        hint: choice.destination.hint.clone(),
        set_time: Some(timestamp(choice.set_at)),
    };
    let effective_at: Option<Time> = method.pending.as_ref().map(|pending| pending.effective_at);
    pb::PayoutMethod {
        affiliate_id: method.affiliate_id.to_string(),
        current: method.current.as_ref().map(destination),
        pending: method.pending.as_ref().map(|pending| destination(&pending.choice)),
        pending_effective_time: effective_at.map(timestamp),
        override_reason: method.override_reason.clone(),
        create_time: Some(timestamp(method.created_at)),
        update_time: Some(timestamp(method.updated_at)),
    }
}
