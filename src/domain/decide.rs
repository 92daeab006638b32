//! The one entry for writes: recognise a repeated request, or find the command's rule, apply it, and absorb what it changed.

use super::account;
use super::affiliate;
use super::click;
use super::command::{Command, Envelope, Outcome};
use super::conversion::ConversionImage;
use super::coupon;
use super::enrollment;
use super::event::{EventType, NewEvent};
use super::id::{AccountId, AffiliateId, EventId, IdSource, ProgramId};
use super::lead;
use super::link;
use super::program;
use super::refund;
use super::refusal::Refusal;
use super::request::{Fingerprint, REQUEST_ID_KEPT_DAYS, Request, RequestKey};
use super::reward;
use super::sale;
use super::time::Time;
use super::working_set::{Changes, WorkingSet};

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// Whether it was given before and nothing was done now.
    pub replayed: bool,
}

/// What every rule is given beside its command.
pub(super) struct Context<'run> {
    pub(super) set: &'run WorkingSet,
    pub(super) account_id: AccountId,
    pub(super) now: Time,
    pub(super) ids: &'run mut dyn IdSource,
    cause_id: String,
}

/// What an event is about, beside its type.
pub(super) struct About {
    pub(super) subject_id: String,
    pub(super) program_id: Option<ProgramId>,
    pub(super) affiliate_id: Option<AffiliateId>,
}

impl About {
    /// A subject that belongs to no program and no affiliate.
    pub(super) fn subject(id: impl ToString) -> Self {
        Self { subject_id: id.to_string(), program_id: None, affiliate_id: None }
    }
}

impl Context<'_> {
    /// A fact that happened now to something other than a conversion.
    pub(super) fn event(&mut self, event_type: EventType, about: About) -> NewEvent {
        NewEvent {
            id: EventId::new(self.ids),
            account_id: self.account_id,
            event_type,
            subject_id: about.subject_id,
            program_id: about.program_id,
            affiliate_id: about.affiliate_id,
            occurred_at: self.now,
            image: None,
            cause_id: self.cause_id.clone(),
        }
    }

    /// A fact about a conversion, with the image that it leaves.
    pub(super) fn conversion_event(
        &mut self,
        event_type: EventType,
        occurred_at: Time,
        image: ConversionImage,
    ) -> NewEvent {
        let credit = image.conversion.credit;
        let about = About {
            subject_id: image.conversion.id.to_string(),
            program_id: credit.map(|credit| credit.program_id),
            affiliate_id: credit.map(|credit| credit.affiliate_id),
        };
        NewEvent { occurred_at, image: Some(image), ..self.event(event_type, about) }
    }
}

/// Carries out one command on the set, or refuses it and leaves the set as it was.
///
/// # Errors
/// The rule that the command broke.
pub fn decide(
    set: &mut WorkingSet,
    envelope: &Envelope,
    now: Time,
    ids: &mut dyn IdSource,
) -> Result<Decision, Refusal> {
    if let Some(fingerprint) = &envelope.fingerprint
        && let Some(decision) = answered_before(set, envelope.account_id, fingerprint, now)?
    {
        return Ok(decision);
    }
    let mut context = Context { set, account_id: envelope.account_id, now, ids, cause_id: envelope.cause_id() };
    let (outcome, mut changes) = apply(&mut context, &envelope.command)?;
    if let Some(fingerprint) = &envelope.fingerprint {
        changes.requests.push(Request {
            key: request_key(envelope.account_id, fingerprint),
            content_hash: fingerprint.content_hash,
            effect: outcome.effect(),
            outcome: outcome.clone(),
            created_at: now,
            expires_at: (!fingerprint.is_kept_for_ever).then(|| now.plus_days(REQUEST_ID_KEPT_DAYS)),
        });
    }
    set.absorb(changes);
    Ok(Decision { outcome, replayed: false })
}

fn request_key(account_id: AccountId, fingerprint: &Fingerprint) -> RequestKey {
    RequestKey { account_id, scope: fingerprint.scope.clone(), key: fingerprint.key.clone() }
}

fn answered_before(
    set: &WorkingSet,
    account_id: AccountId,
    fingerprint: &Fingerprint,
    now: Time,
) -> Result<Option<Decision>, Refusal> {
    let Some(request) = set.request(&request_key(account_id, fingerprint))? else { return Ok(None) };
    if request.expires_at.is_some_and(|expires_at| expires_at <= now) {
        return Ok(None);
    }
    if request.content_hash != fingerprint.content_hash {
        return Err(Refusal::IdempotencyMismatch {
            field: fingerprint.key_field(),
            key: fingerprint.key.clone(),
            first_id: request.outcome.effect_id(),
        });
    }
    Ok(Some(Decision { outcome: request.outcome.clone(), replayed: true }))
}

fn apply(context: &mut Context<'_>, command: &Command) -> Result<(Outcome, Changes), Refusal> {
    match command {
        Command::RegisterAccount(command) => account::register(context, command),
        Command::UpdateAccount(command) => account::update(context, command),
        Command::CreateApiKey(command) => account::create_key(context, command),
        Command::RevokeApiKey(command) => account::revoke_key(context, command),
        Command::CreateProgram(command) => program::create(context, command),
        Command::UpdateProgram(command) => program::update(context, command),
        Command::ArchiveProgram(command) => program::archive(context, command),
        Command::CreateAffiliate(command) => affiliate::create(context, command),
        Command::Enroll(command) => enrollment::enroll(context, command),
        Command::UpdateEnrollment(command) => enrollment::update(context, command),
        Command::EndEnrollment(command) => enrollment::end(context, command),
        Command::CreateLink(command) => link::create(context, command),
        Command::RevokeLink(command) => link::revoke(context, command),
        Command::AssignCoupon(command) => coupon::assign(context, command),
        Command::RemoveCoupon(command) => coupon::remove(context, command),
        Command::RecordClick(command) => click::record(context, command),
        Command::RecordLead(command) => lead::record(context, command),
        Command::RecordSale(command) => sale::record(context, command),
        Command::RecordRefund(command) => refund::record(context, command),
        Command::RecordCancellation(command) => lead::record_cancellation(context, command),
        Command::ApproveRewards(command) => reward::approve(context, command),
        Command::DenyRewards(command) => reward::deny(context, command),
    }
}
