//! Changes of affiliates on the wire: their identifiers and details, their state, and their token.

use std::borrow::Cow;
use std::sync::Arc;

use super::{new_token, password, profile, render};
use crate::domain::affiliate::{Affiliate, AffiliateSelector, AffiliateState, PendingRewards};
use crate::domain::id::RewardId;
use crate::domain::refusal::Field;
use crate::domain::reward::RewardState;
use crate::domain::rule::{
    ChangeAffiliateState, Command, DenyRewards, Envelope, HoldRewards, RotateAffiliateToken, UpdateAffiliate,
};
use crate::domain::time::Interval;
use crate::error::{Error, FieldPaths};
use crate::pb;
use crate::rpc::call::canonical::{self, Mask, canonical};
use crate::rpc::call::change::{Asking, Change, RepeatKey};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};
use crate::rpc::call::{Call, selector};
use crate::store;
use crate::store::list::Walk;
use crate::store::reward::RewardQuery;

/// The maximum length of the reason of a rejection or a deactivation, as of a denial.
const REASON_LENGTH_MAX: usize = 500;

/// How many rewards are denied or held in one transaction.
const SETTLED_AT_ONCE: u64 = 500;

const UPDATE_PATHS: [&str; 9] = [
    "email",
    "external_id",
    "first_name",
    "last_name",
    "profile",
    "email_verified",
    "metadata",
    "group_id",
    "password",
];

/// The paths of an update whose affiliate is selected by another name than the id.
pub(super) const SELECTED_PATHS: FieldPaths = &[
    (Field::Affiliate, "selector"),
    (Field::GroupId, "affiliate.group_id"),
    (Field::Etag, "affiliate.etag"),
    (Field::Email, "affiliate.email"),
    (Field::ExternalId, "affiliate.external_id"),
];

impl Change for pb::UpdateAffiliateRequest {
    type Rule = UpdateAffiliate;
    type Kept = ();

    const PATHS: FieldPaths = &[
        (Field::Affiliate, "affiliate.id"),
        (Field::GroupId, "affiliate.group_id"),
        (Field::Etag, "affiliate.etag"),
        (Field::Email, "affiliate.email"),
        (Field::ExternalId, "affiliate.external_id"),
    ];

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        let mask = Mask::of(self.update_mask.as_ref());
        let has_selector = self.selector.is_some();
        canonical!(
            pb::UpdateAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), |sent| canonical_update(sent, mask, has_selector)),
            update_mask: mask.canonical(),
            password: canonical::secret(&self.password),
            temporary_password: canonical::secret(&self.temporary_password),
            selector: canonical::inside(self.selector.as_ref(), selector::canonical_affiliate);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(UpdateAffiliate, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let paths = fields.update_mask(self.update_mask.as_ref(), &UPDATE_PATHS);
        let has = |path: &str| paths.contains(&path);
        let selected = selector::optional_affiliate(&mut fields, "selector", self.selector.as_ref());
        password::check_new(&mut fields, &self.password, &self.temporary_password);
        for (field, sent) in [("password", &self.password), ("temporary_password", &self.temporary_password)] {
            // Not ignored like other fields, because the caller would hand out a password that does not work.
            if !sent.is_empty() && !has("password") {
                fields.wrong(field, "is not read unless update_mask names `password`; add that to the mask");
            }
        }
        let Some(values) = fields.required("affiliate", self.affiliate.as_ref()) else {
            return Err(fields.into_error());
        };
        let rule = fields.within("affiliate", |fields| {
            let affiliate = match self.selector {
                Some(_) => selected,
                None => fields.id("id", &values.id).map(AffiliateSelector::Id),
            };
            let email = if has("email") { fields.email("email", &values.email) } else { None };
            let external_id = has("external_id").then(|| fields.key("external_id", &values.external_id));
            let first_name = has("first_name").then(|| fields.line("first_name", &values.first_name, NAME_LENGTH_MAX));
            let last_name = has("last_name").then(|| fields.line("last_name", &values.last_name, NAME_LENGTH_MAX));
            let sent = values.profile.clone().unwrap_or_default();
            let profile = has("profile").then(|| fields.within("profile", |fields| profile::read(fields, &sent)));
            let metadata = has("metadata").then(|| fields.metadata("metadata", &values.metadata));
            let email_verified = has("email_verified").then_some(values.email_verified);
            let group_id = has("group_id").then(|| fields.optional_id("group_id", &values.group_id));
            Some(UpdateAffiliate {
                affiliate: affiliate?,
                etag: etag(&values.etag),
                email,
                external_id,
                first_name,
                last_name,
                profile,
                metadata,
                email_verified,
                group_id,
                // It takes time to hash one, see `update`.
                password: has("password").then_some(None),
            })
        });
        Ok((fields.complete(rule)?, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::UpdateAffiliateResponse {
        pb::UpdateAffiliateResponse { affiliate: Some(render(&answer)), replayed }
    }
}

/// Changes an affiliate. If it does not exist, the error names the field that was to select it.
pub(in crate::rpc) async fn update(
    call: Call,
    message: pb::UpdateAffiliateRequest,
) -> Result<pb::UpdateAffiliateResponse, Error> {
    let asking = call.asking();
    let (mut rule, ()) = message.read(&asking)?;
    if let Some(password) = &mut rule.password {
        *password = password::hashed(&call, &message.password, &message.temporary_password).await?;
    }
    let answer = call.carry_out(&message, rule).await;
    let (affiliate, replayed) = match &message.selector {
        Some(_) => answer.map_err(|error| error.with_paths(SELECTED_PATHS))?,
        None => answer?,
    };
    Ok(pb::UpdateAffiliateRequest::render(affiliate, replayed, (), &asking))
}

/// The values of an update. Fields outside the mask are not read, and the id is not read beside a selector.
fn canonical_update<'message>(
    sent: &'message pb::Affiliate,
    mask: Mask<'_>,
    has_selector: bool,
) -> Cow<'message, pb::Affiliate> {
    canonical!(
        pb::Affiliate,
        sent,
        id: if has_selector { canonical::unread(&sent.id) } else { None },
        external_id: mask.field("external_id", &sent.external_id, |_| None),
        email: mask.field("email", &sent.email, |email| canonical::email(email)),
        first_name: mask.field("first_name", &sent.first_name, |text| canonical::trimmed(text)),
        last_name: mask.field("last_name", &sent.last_name, |text| canonical::trimmed(text)),
        profile: mask.field("profile", &sent.profile, |sent| canonical::inside(sent.as_ref(), profile::canonical)),
        create_time: canonical::unread(&sent.create_time),
        update_time: canonical::unread(&sent.update_time),
        state: canonical::unread(&sent.state),
        state_reason: canonical::unread(&sent.state_reason),
        state_time: canonical::unread(&sent.state_time),
        pending_rewards: canonical::unread(&sent.pending_rewards),
        upline_affiliate_id: canonical::unread(&sent.upline_affiliate_id),
        past_uplines: canonical::unread(&sent.past_uplines),
        has_password: canonical::unread(&sent.has_password),
        password_change_required: canonical::unread(&sent.password_change_required),
        group_id: mask.field("group_id", &sent.group_id, |_| None),
        email_verified: mask.field("email_verified", &sent.email_verified, |_| None),
        metadata: mask.field("metadata", &sent.metadata, canonical::trimmed_values);
        as_sent: etag,
    )
}

/// The etag that the affiliate must have.
pub(super) fn etag(sent: &str) -> Option<String> {
    (!sent.is_empty()).then(|| sent.to_owned())
}

impl Change for pb::ApproveAffiliateRequest {
    type Rule = ChangeAffiliateState;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::ApproveAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ChangeAffiliateState, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let affiliate = fields.complete(affiliate)?;
        let etag = etag(&self.etag);
        let (to, reason) = (AffiliateState::Active, String::new());
        Ok((ChangeAffiliateState { affiliate, etag, to, reason, pending_rewards: None }, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::ApproveAffiliateResponse {
        pb::ApproveAffiliateResponse { affiliate: Some(render(&answer)), replayed }
    }
}

impl Change for pb::RejectAffiliateRequest {
    type Rule = ChangeAffiliateState;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RejectAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ChangeAffiliateState, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let reason = reason(&mut fields, &self.reason, true);
        let affiliate = fields.complete(affiliate)?;
        let (to, etag) = (AffiliateState::Rejected, etag(&self.etag));
        Ok((ChangeAffiliateState { affiliate, etag, to, reason, pending_rewards: None }, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::RejectAffiliateResponse {
        pb::RejectAffiliateResponse { affiliate: Some(render(&answer)), replayed }
    }
}

/// Reads the reason of a rejection or a deactivation.
fn reason(fields: &mut Fields, text: &str, is_required: bool) -> String {
    let reason = fields.paragraph_up_to("reason", text, REASON_LENGTH_MAX);
    if reason.is_empty() && is_required {
        fields.wrong("reason", format!("is required, up to {REASON_LENGTH_MAX} characters: the affiliate will ask"));
    }
    reason
}

impl Change for pb::DeactivateAffiliateRequest {
    type Rule = ChangeAffiliateState;
    type Kept = ();

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::DeactivateAffiliateRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate),
            reason: canonical::trimmed(&self.reason);
            as_sent: request_id, pending_rewards, etag,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(ChangeAffiliateState, ()), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let pending_rewards = fields.value_of("pending_rewards", self.pending_rewards, PendingRewards::ALL);
        let reason = reason(&mut fields, &self.reason, pending_rewards == Some(PendingRewards::Deny));
        let (affiliate, pending_rewards) = fields.complete((affiliate, pending_rewards))?;
        let (to, etag) = (AffiliateState::Inactive, etag(&self.etag));
        Ok((ChangeAffiliateState { affiliate, etag, to, reason, pending_rewards: Some(pending_rewards) }, ()))
    }

    fn render(answer: Arc<Affiliate>, replayed: bool, (): (), _asking: &Asking) -> pb::DeactivateAffiliateResponse {
        pb::DeactivateAffiliateResponse { affiliate: Some(render(&answer)), replayed }
    }
}

/// Deactivates an affiliate, then denies or holds its pending rewards if that was asked for. A repeated call goes on with those that are
/// left.
pub(in crate::rpc) async fn deactivate(
    call: Call,
    message: pb::DeactivateAffiliateRequest,
) -> Result<pb::DeactivateAffiliateResponse, Error> {
    let asking = call.asking();
    let (rule, ()) = message.read(&asking)?;
    let reason = rule.reason.clone();
    let (affiliate, replayed) = call.carry_out(&message, rule).await?;
    settle_pending(&call, &affiliate, &reason).await?;
    Ok(pb::DeactivateAffiliateRequest::render(affiliate, replayed, (), &asking))
}

/// Denies the rewards that were pending when the affiliate was deactivated, for this reason, or holds them, as the call said. Rewards of
/// later are left alone, because the affiliate may have been approved again before the call is repeated.
pub(super) async fn settle_pending(call: &Call, affiliate: &Affiliate, reason: &str) -> Result<(), Error> {
    let deny_reason = match affiliate.pending_rewards {
        Some(PendingRewards::Deny) => Some(reason),
        Some(PendingRewards::Hold) => None,
        Some(PendingRewards::Keep) | None => return Ok(()),
    };
    let Some(deactivated_at) = affiliate.state_changed_at else { return Ok(()) };
    let query = RewardQuery {
        states: vec![RewardState::Pending, RewardState::Frozen],
        affiliate_id: Some(affiliate.id),
        created: Interval { start: None, end: Some(deactivated_at.plus_micros(1)) },
        ..RewardQuery::default()
    };
    let mut walk = Walk::first(SETTLED_AT_ONCE);
    loop {
        let rewards = store::reward::list(call.store(), call.account_id(), &query, walk).await?;
        let Some(last) = rewards.last() else { return Ok(()) };
        walk.after = Some(last.id.uuid());
        // A reward that takes back from another one moves with that one.
        let ids: Vec<RewardId> =
            rewards.iter().filter(|reward| reward.reverses.is_none()).map(|reward| reward.id).collect();
        if !ids.is_empty() {
            let command = match deny_reason {
                Some(reason) => Command::from(DenyRewards { ids, reason: reason.to_owned(), skip_others: true }),
                None => HoldRewards { ids }.into(),
            };
            let envelope = Envelope { account_id: call.account_id(), fingerprint: None, actor: None, command };
            call.submit(envelope).await?;
        }
    }
}

impl Change for pb::RotateAffiliateTokenRequest {
    type Rule = RotateAffiliateToken;
    type Kept = String;

    fn repeat_key(&self) -> RepeatKey<'_> {
        RepeatKey::Request(&self.request_id)
    }

    fn canonical(&self) -> Cow<'_, Self> {
        canonical!(
            pb::RotateAffiliateTokenRequest,
            self,
            affiliate: canonical::inside(self.affiliate.as_ref(), selector::canonical_affiliate);
            as_sent: request_id,
        )
    }

    fn read(&self, _asking: &Asking) -> Result<(RotateAffiliateToken, String), Error> {
        let mut fields = Fields::default();
        fields.request_id(&self.request_id);
        let affiliate = selector::affiliate(&mut fields, "affiliate", self.affiliate.as_ref());
        let affiliate = fields.complete(affiliate)?;
        let (token, token_hash) = new_token();
        Ok((RotateAffiliateToken { affiliate, token_hash }, token))
    }

    fn render(
        answer: Arc<Affiliate>,
        replayed: bool,
        token: String,
        _asking: &Asking,
    ) -> pb::RotateAffiliateTokenResponse {
        pb::RotateAffiliateTokenResponse {
            affiliate: Some(render(&answer)),
            // A repeated call generates another token, which is not stored.
            auth_token: if replayed { String::new() } else { token },
            replayed,
        }
    }
}
