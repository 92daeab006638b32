//! The rules of affiliates.

mod erase;
mod upline;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use erase::EraseAffiliate;
pub use upline::SetUpline;

use super::context::{Context, Rule};
use super::enrollment::{self, NewEnrollment};
use super::enrollment_bonus;
use super::welcome;
use crate::domain::affiliate::{
    Affiliate, AffiliateOutcome, AffiliateSelector, AffiliateState, Password, PendingRewards, Profile,
};
use crate::domain::affiliate_group::AffiliateGroup;
use crate::domain::enrollment::Enrollment;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, AffiliateGroupId, AffiliateId};
use crate::domain::refusal::{Field, Refusal, Resource};
use crate::domain::set::Needs;

/// Make an affiliate and enroll it.
#[derive(Debug, Clone)]
pub struct CreateAffiliate {
    /// The merchant's own id for the affiliate.
    pub external_id: Option<String>,
    /// The email address in lower case. Empty for an affiliate that is created with a coupon and named by `external_id`.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Contact details and online profiles.
    pub profile: Profile,
    /// SHA-256 of the affiliate's token.
    pub token_hash: [u8; 32],
    /// The password, if it has one.
    pub password: Option<Password>,
    /// The state to begin in.
    pub state: AffiliateState,
    /// Whether the email address is known to be the affiliate's.
    pub email_verified: bool,
    /// Who brought the affiliate.
    pub upline: Option<AffiliateSelector>,
    /// The group to put the affiliate into.
    pub group_id: Option<AffiliateGroupId>,
    /// Whether it is never welcomed by a mail.
    pub skip_welcome: bool,
    /// The affiliate's first enrollment.
    pub enrollment: NewEnrollment,
}

impl CreateAffiliate {
    /// Adds the rows that [`make`] needs, except the program.
    pub(super) fn needs_of_names(&self, account: AccountId, needs: &mut Needs) {
        self.names().for_each(|(_, name)| needs.affiliate(account, &name));
        if let Some(upline) = &self.upline {
            needs.affiliate_with_uplines(account, upline);
        }
        if let Some(group_id) = self.group_id {
            needs.row::<AffiliateGroup>((account, group_id));
        }
        self.enrollment.needs_of_codes(account, needs);
    }

    /// The identifiers that no other affiliate of the account may have.
    fn names(&self) -> impl Iterator<Item = (Field, AffiliateSelector)> {
        unique_names(Some(&self.email), self.external_id.as_ref())
    }
}

/// These identifiers, with their fields.
fn unique_names(
    email: Option<&String>,
    external_id: Option<&String>,
) -> impl Iterator<Item = (Field, AffiliateSelector)> {
    let email = email.filter(|email| !email.is_empty()).cloned();
    let email = email.map(|email| (Field::Email, AffiliateSelector::Email(email)));
    let external_id = external_id.cloned().map(|id| (Field::ExternalId, AffiliateSelector::ExternalId(id)));
    email.into_iter().chain(external_id)
}

impl Rule for CreateAffiliate {
    type Answer = Arc<AffiliateOutcome>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        self.needs_of_names(account, needs);
        needs.program(account, self.enrollment.program_id);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        make(context, self, &self.enrollment).map(Arc::new)
    }
}

/// Creates an affiliate and enrolls it.
pub(super) fn make(
    context: &mut Context<'_>,
    wanted: &CreateAffiliate,
    enrollment: &NewEnrollment,
) -> Result<AffiliateOutcome, Refusal> {
    for (field, name) in wanted.names() {
        name_is_free(context, field, &name, None)?;
    }
    let upline_id = match &wanted.upline {
        Some(upline) => Some(upline::checked(context, upline, None)?),
        None => None,
    };
    if let Some(group_id) = wanted.group_id {
        context.set.active_group(context.account_id, group_id)?;
    }
    let affiliate = Affiliate {
        id: AffiliateId::new(context.ids),
        account_id: context.account_id,
        external_id: wanted.external_id.clone(),
        email: wanted.email.clone(),
        first_name: wanted.first_name.clone(),
        last_name: wanted.last_name.clone(),
        profile: with_labels(context, &wanted.profile, enrollment)?,
        token_hash: wanted.token_hash,
        password: wanted.password.clone(),
        state: wanted.state,
        state_reason: String::new(),
        state_changed_at: None,
        pending_rewards: None,
        email_verified: wanted.email_verified,
        former_email: None,
        upline_id,
        group_id: wanted.group_id,
        past_uplines: Vec::new(),
        awaits_welcome: !wanted.skip_welcome && wanted.state != AffiliateState::Active,
        version: 1,
        created_at: context.now,
        updated_at: context.now,
    };
    let affiliate = context.put(affiliate);
    context.tell(EventKind::AffiliateCreated, EventImage::Affiliate(Arc::clone(&affiliate)));
    let made = enrollment::make(context, &affiliate, enrollment)?;
    if !wanted.skip_welcome && affiliate.state == AffiliateState::Active {
        welcome::send(context, &affiliate, &made.enrollment.enrollment)?;
    }
    Ok(AffiliateOutcome { affiliate, enrollment: made.enrollment, coupon: made.coupon })
}

/// The profile in which the answers to the program's questions have the questions as labels, unless they have others.
fn with_labels(context: &Context<'_>, profile: &Profile, enrollment: &NewEnrollment) -> Result<Profile, Refusal> {
    let program = context.set.active_program(context.account_id, enrollment.program_id)?;
    let mut profile = profile.clone();
    for field in profile.custom_fields.iter_mut().filter(|field| field.label.is_empty()) {
        if let Some(question) = program.questions.iter().find(|question| question.key == field.key) {
            field.label.clone_from(&question.label);
        }
    }
    Ok(profile)
}

/// Change an affiliate. A field that is `None` keeps its value.
#[derive(Debug, Clone)]
pub struct UpdateAffiliate {
    /// The affiliate to change.
    pub affiliate: AffiliateSelector,
    /// Refuse unless this is the affiliate's etag.
    pub etag: Option<String>,
    /// The email address in lower case.
    pub email: Option<String>,
    /// The merchant's own id for the affiliate. `Some(None)`: none.
    pub external_id: Option<Option<String>>,
    /// May be empty.
    pub first_name: Option<String>,
    /// May be empty.
    pub last_name: Option<String>,
    /// Everything of the profile but the metadata.
    pub profile: Option<Profile>,
    /// The merchant's own texts by key.
    pub metadata: Option<BTreeMap<String, String>>,
    /// Whether the email address is known to be the affiliate's. `None`: not if the address changes.
    pub email_verified: Option<bool>,
    /// The group to put the affiliate into. `Some(None)`: none.
    pub group_id: Option<Option<AffiliateGroupId>>,
    /// The password. `Some(None)`: none.
    pub password: Option<Option<Password>>,
}

impl UpdateAffiliate {
    fn names(&self) -> impl Iterator<Item = (Field, AffiliateSelector)> {
        unique_names(self.email.as_ref(), self.external_id.as_ref().and_then(Option::as_ref))
    }
}

impl Rule for UpdateAffiliate {
    type Answer = Arc<Affiliate>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
        self.names().for_each(|(_, name)| needs.affiliate(account, &name));
        if let Some(Some(group_id)) = self.group_id {
            needs.row::<AffiliateGroup>((account, group_id));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.living_affiliate(context.account_id, &self.affiliate)?);
        check_etag(&before, self.etag.as_ref())?;
        for (field, name) in self.names() {
            name_is_free(context, field, &name, Some(before.id))?;
        }
        let mut affiliate = before.as_ref().clone();
        if let Some(email) = &self.email {
            affiliate.set_email(email, context.now);
        }
        if let Some(external_id) = &self.external_id {
            affiliate.external_id.clone_from(external_id);
        }
        if let Some(first_name) = &self.first_name {
            affiliate.first_name.clone_from(first_name);
        }
        if let Some(last_name) = &self.last_name {
            affiliate.last_name.clone_from(last_name);
        }
        if let Some(profile) = &self.profile {
            affiliate.profile = Profile { metadata: affiliate.profile.metadata, ..profile.clone() };
        }
        if let Some(metadata) = &self.metadata {
            affiliate.profile.metadata.clone_from(metadata);
        }
        if let Some(group_id) = self.group_id {
            // One that is in the group already stays in it, also if the group was archived.
            if let Some(id) = group_id.filter(|_| group_id != affiliate.group_id) {
                context.set.active_group(context.account_id, id)?;
            }
            affiliate.group_id = group_id;
        }
        if let Some(password) = &self.password {
            affiliate.password.clone_from(password);
        }
        affiliate.email_verified = self.email_verified.unwrap_or(affiliate.email_verified);
        Ok(put_changed(context, EventKind::AffiliateUpdated, affiliate))
    }
}

/// Change the state of an affiliate: approve, reject or deactivate it.
#[derive(Debug, Clone)]
pub struct ChangeAffiliateState {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// Refuse unless this is the affiliate's etag.
    pub etag: Option<String>,
    /// The new state. An affiliate that is in it already is not changed.
    pub to: AffiliateState,
    /// Why the affiliate is rejected or deactivated.
    pub reason: String,
    /// What becomes of the pending rewards, for a deactivation.
    pub pending_rewards: Option<PendingRewards>,
}

impl Rule for ChangeAffiliateState {
    type Answer = Arc<Affiliate>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.set.affiliate(context.account_id, &self.affiliate)?);
        check_etag(&before, self.etag.as_ref())?;
        if before.state == self.to {
            return Ok(before);
        }
        if !before.state.may_become(self.to) {
            return Err(Refusal::AffiliateState { affiliate_id: before.id, from: before.state, to: self.to });
        }
        let is_welcomed = before.awaits_welcome && self.to == AffiliateState::Active;
        let affiliate = Affiliate {
            awaits_welcome: before.awaits_welcome && !is_welcomed,
            state: self.to,
            state_reason: self.reason.clone(),
            state_changed_at: Some(context.now),
            pending_rewards: self.pending_rewards,
            ..before.as_ref().clone()
        };
        pass_on_state(context, &affiliate)?;
        if is_welcomed {
            welcome::send_late(context, &affiliate)?;
        }
        let kind = match self.to {
            AffiliateState::Rejected => EventKind::AffiliateRejected,
            AffiliateState::Inactive => EventKind::AffiliateDeactivated,
            AffiliateState::Active | AffiliateState::Applied | AffiliateState::Erased => EventKind::AffiliateApproved,
        };
        Ok(put_changed(context, kind, affiliate))
    }
}

/// Notes an affiliate's new state in all of its enrollments, ended ones too, because they may be opened again.
fn pass_on_state(context: &mut Context<'_>, affiliate: &Affiliate) -> Result<(), Refusal> {
    let enrollments = context.set.enrollments_of(context.account_id, affiliate.id)?;
    let enrollments: Vec<Arc<Enrollment>> = enrollments.into_iter().cloned().collect();
    for before in enrollments {
        // The feed shows the state with the affiliate, so there is no event about the enrollment.
        let mut enrollment = Enrollment { affiliate_state: affiliate.state, ..before.as_ref().clone() };
        enrollment.keep_past(&before, context.now);
        enrollment_bonus::pay(context, &mut enrollment)?;
        context.put(enrollment);
    }
    Ok(())
}

/// Give an affiliate another token.
#[derive(Debug, Clone)]
pub struct RotateAffiliateToken {
    /// The affiliate.
    pub affiliate: AffiliateSelector,
    /// SHA-256 of the new token.
    pub token_hash: [u8; 32],
}

impl Rule for RotateAffiliateToken {
    type Answer = Arc<Affiliate>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.affiliate(account, &self.affiliate);
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = context.set.living_affiliate(context.account_id, &self.affiliate)?;
        let affiliate = Affiliate { token_hash: self.token_hash, ..before.as_ref().clone() };
        Ok(put_changed(context, EventKind::AffiliateTokenRotated, affiliate))
    }
}

/// Writes an affiliate that was changed, and adds the event.
fn put_changed(context: &mut Context<'_>, kind: EventKind, affiliate: Affiliate) -> Arc<Affiliate> {
    let affiliate =
        context.put(Affiliate { version: affiliate.version.saturating_add(1), updated_at: context.now, ..affiliate });
    context.tell(kind, EventImage::Affiliate(Arc::clone(&affiliate)));
    affiliate
}

fn check_etag(affiliate: &Affiliate, etag: Option<&String>) -> Result<(), Refusal> {
    match etag {
        Some(etag) if *etag != affiliate.etag() => {
            Err(Refusal::EtagMismatch { resource: Resource::Affiliate, current_etag: affiliate.etag() })
        }
        _ => Ok(()),
    }
}

/// Refuses an identifier that another affiliate has. `own` is the affiliate that may have it.
fn name_is_free(
    context: &Context<'_>,
    field: Field,
    name: &AffiliateSelector,
    own: Option<AffiliateId>,
) -> Result<(), Refusal> {
    match context.set.find_affiliate(context.account_id, name)? {
        Some(other) if Some(other.id) == own => Ok(()),
        Some(other) => Err(Refusal::AlreadyExists {
            field,
            value: name.to_string(),
            resource: Resource::Affiliate,
            resource_id: other.id.to_string(),
        }),
        None => Ok(()),
    }
}
