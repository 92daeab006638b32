//! The only entry for writes: it recognises a repeated request, or applies the command's rule. Knows no rule in particular.

use std::sync::Arc;

use super::command::{Command, Envelope};
use super::context::Context;
use super::threshold_bonus;
use crate::domain::audit::AuditEntry;
use crate::domain::id::{AccountId, AuditEntryId, IdSource};
use crate::domain::outcome::Outcome;
use crate::domain::refusal::Refusal;
use crate::domain::request::{Fingerprint, REQUEST_ID_KEPT_DAYS, Request, RequestKey};
use crate::domain::set::Needs;
use crate::domain::set::WorkingSet;
use crate::domain::time::Time;

/// The answer to a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The answer.
    pub outcome: Outcome,
    /// Whether it repeats an earlier answer. If so, nothing was done now.
    pub replayed: bool,
}

/// Adds the rows that must be loaded before [`decide`] can answer.
pub fn add_needs(needs: &mut Needs, envelope: &Envelope) {
    if let Some(fingerprint) = &envelope.fingerprint {
        needs.row::<Request>(request_key(envelope.account_id, fingerprint));
    }
    envelope.command.needs(envelope.account_id, needs);
}

/// Carries out one command on the set, or refuses it and rolls the set back. A trial is always rolled back.
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
    set.begin();
    match apply(set, &envelope.command, envelope, now, ids) {
        Ok(outcome) => {
            _ = set.take_wanted();
            if envelope.command.is_trial() {
                set.roll_back();
            }
            Ok(Decision { outcome, replayed: false })
        }
        Err(refusal) => {
            set.roll_back();
            if !matches!(refusal, Refusal::NotLoaded(_)) {
                _ = set.take_wanted();
            }
            Err(refusal)
        }
    }
}

fn apply(
    set: &mut WorkingSet,
    command: &Command,
    envelope: &Envelope,
    now: Time,
    ids: &mut dyn IdSource,
) -> Result<Outcome, Refusal> {
    let (account_id, cause_id) = (envelope.account_id, envelope.cause_id());
    let key_id = envelope.actor.as_ref().map(|actor| actor.key_id);
    let mut context = Context { set, account_id, now, ids, cause_id, key_id, touched: Vec::new() };
    let outcome = command.apply(&mut context)?;
    threshold_bonus::settle(&mut context)?;
    context.set.check_sums()?;
    if let Some(actor) = &envelope.actor {
        let id = AuditEntryId::new(context.ids);
        let entry = AuditEntry::new(id, context.account_id, actor, outcome.effect_id(), now);
        let entry = context.put(entry);
        context.set.new_events().for_each(|event| event.audit_entry = Some(Arc::clone(&entry)));
    }
    if let Some(fingerprint) = &envelope.fingerprint {
        context.put(Request {
            // The key belongs to the caller's account. RegisterAccount has switched the context to the new account.
            key: request_key(envelope.account_id, fingerprint),
            content_hash: fingerprint.content_hash,
            effect: outcome.effect(),
            outcome: outcome.to_keep(),
            created_at: now,
            expires_at: (!fingerprint.is_kept_for_ever).then(|| now.plus_days(REQUEST_ID_KEPT_DAYS)),
        });
    }
    Ok(outcome)
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
    let outcome = set.first_answer(request)?;
    if request.content_hash != fingerprint.content_hash {
        return Err(Refusal::IdempotencyMismatch {
            field: fingerprint.key_field(),
            key: fingerprint.key.clone(),
            first_id: outcome.effect_id(),
        });
    }
    Ok(Some(Decision { outcome, replayed: true }))
}
