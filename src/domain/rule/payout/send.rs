//! The beginning of a step to send a payout. It is committed before the provider is called.

use std::sync::Arc;

use uuid::Uuid;

use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::payout::{Payout, PayoutProblem, PayoutProvider, PayoutState, ProblemKind, Sending};
use crate::domain::payout_attempt::{LEASE_MICROS, NextStep, PayoutAttempt};
use crate::domain::payout_purse::PayoutPurse;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;

/// How long a payout of a suspended account is left alone. The end of the suspension wakes it before.
const HELD_DAYS: i32 = 1;

/// Makes the first attempt of a payout that is ready, if Headwater sends it.
pub(super) fn enqueue(context: &mut Context<'_>, payout: &Payout) {
    if payout.provider.is_sent() && payout.state == PayoutState::Ready {
        let attempt = PayoutAttempt::first(payout.account_id, payout.id, payout.provider, context.now);
        context.put(attempt);
    }
}

/// Begin the next step of a payout. For the worker. Nothing is begun if another server has begun a step, or if the payout waits for money.
#[derive(Debug, Clone)]
pub struct BeginPayoutStep {
    /// The payout.
    pub payout_id: PayoutId,
    /// The payout's provider.
    pub provider: PayoutProvider,
    /// The lease of the step before.
    pub after: Uuid,
    /// The lease of this step. The step was begun if the attempt has it.
    pub lease_id: Uuid,
}

impl Rule for BeginPayoutStep {
    type Answer = Arc<Payout>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<Payout>((account, self.payout_id));
        needs.row::<PayoutAttempt>((account, self.payout_id));
        needs.row::<PayoutPurse>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let payout = Arc::clone(context.get::<Payout, _>(self.payout_id)?);
        let Some(attempt) = context.set.payout_attempt(context.account_id, self.payout_id)?.cloned() else {
            return Ok(payout);
        };
        if attempt.lease_id != self.after || attempt.next_at.is_none() {
            return Ok(payout);
        }
        let mut attempt = attempt.as_ref().clone();
        if attempt.next_step == NextStep::Submit && !may_be_sent(payout.state) {
            // Whatever the attempt says, what was paid, given up or put into a file is never sent.
            return Err(Refusal::PayoutState { payout_id: payout.id, from: payout.state, to: PayoutState::Sending });
        }
        let mut purse = context.set.payout_purse(context.account_id, self.provider)?;
        attempt.seen_wake = purse.wake_count;
        let is_suspended = context.set.account(context.account_id)?.suspended_at.is_some();
        if is_suspended && attempt.next_step == NextStep::Submit {
            attempt.next_at = Some(context.now.plus_days(HELD_DAYS));
            context.put(attempt);
            return Ok(hold(context, &payout));
        }
        if attempt.has_made_nothing() && !may_send(context, &mut purse, &payout, &mut attempt) {
            context.put(attempt);
            return wait_with_others(context, &payout);
        }
        let sent = Sent { attempt_count: attempt.number, is_submission: attempt.next_step == NextStep::Submit };
        self.lease(context, &mut attempt);
        context.put(attempt);
        Ok(begin(context, &payout, &sent))
    }
}

/// Whether the provider may be asked to pay a payout in this state.
fn may_be_sent(state: PayoutState) -> bool {
    matches!(state, PayoutState::Ready | PayoutState::AwaitingFunds | PayoutState::NeedsAttention)
        || state.is_at_provider()
}

/// What a step changes in the payout.
struct Sent {
    attempt_count: i32,
    /// Whether it asks the provider to pay.
    is_submission: bool,
}

impl BeginPayoutStep {
    fn lease(&self, context: &Context<'_>, attempt: &mut PayoutAttempt) {
        attempt.lease_id = self.lease_id;
        attempt.next_at = Some(context.now.plus_micros(LEASE_MICROS));
        attempt.is_under_way = true;
        attempt.tries = attempt.tries.saturating_add(1);
        if attempt.next_step == NextStep::Submit {
            attempt.first_try_at = attempt.first_try_at.or(Some(context.now));
            attempt.last_try_at = Some(context.now);
        }
        // If nothing is heard of this step, only a look-up may follow.
        if attempt.next_step != NextStep::Watch {
            attempt.next_step = NextStep::LookUp;
        }
    }
}

/// Whether the payout may be sent now. While others wait for money, only a probe may. Else notes when to look again.
fn may_send(context: &mut Context<'_>, purse: &mut PayoutPurse, payout: &Payout, attempt: &mut PayoutAttempt) -> bool {
    let Some(wait) = purse.wait_mut(payout.amount.currency).filter(|_| !attempt.is_probe) else { return true };
    if wait.probe_at > context.now {
        attempt.next_at = Some(wait.probe_at);
        return false;
    }
    wait.probe(context.now);
    attempt.is_probe = true;
    context.put(purse.clone());
    true
}

/// Leaves a payout as it is and says that it waits for the end of the suspension. A step that was begun before is still looked up, because
/// only the provider knows what became of it.
fn hold(context: &mut Context<'_>, payout: &Arc<Payout>) -> Arc<Payout> {
    let sending = payout.sending.as_deref().cloned().unwrap_or_default();
    if sending.is_held() {
        return Arc::clone(payout);
    }
    let problem = Some(PayoutProblem::of(ProblemKind::AccountSuspended));
    let payout = context.put(Payout {
        sending: Some(Arc::new(Sending { problem, ..sending })),
        updated_at: context.now,
        ..payout.as_ref().clone()
    });
    context.tell(EventKind::PayoutUpdated, EventImage::Payout(Arc::clone(&payout)));
    payout
}

/// Whether the payout waited for the end of a suspension, which is over.
fn resume_held(sending: &mut Sending) -> bool {
    let was_held = sending.is_held();
    if was_held {
        sending.problem = None;
    }
    was_held
}

/// The payout while a step is under way.
fn begin(context: &mut Context<'_>, payout: &Arc<Payout>, sent: &Sent) -> Arc<Payout> {
    let is_at_rest =
        matches!(payout.state, PayoutState::Ready | PayoutState::AwaitingFunds | PayoutState::NeedsAttention);
    let mut sending = payout.sending.as_deref().cloned().unwrap_or_default();
    let was_held = resume_held(&mut sending);
    if !(is_at_rest || was_held || sent.is_submission && sending.attempt_count != sent.attempt_count) {
        return Arc::clone(payout);
    }
    context.put(Payout {
        state: if is_at_rest { PayoutState::Sending } else { payout.state },
        sending: Some(Arc::new(Sending { attempt_count: sent.attempt_count, ..sending })),
        updated_at: context.now,
        ..payout.as_ref().clone()
    })
}

/// Lets a payout wait for money together with the others of its currency, without a call of its own.
fn wait_with_others(context: &mut Context<'_>, payout: &Arc<Payout>) -> Result<Arc<Payout>, Refusal> {
    let mut sending = payout.sending.as_deref().cloned().unwrap_or_default();
    let was_held = resume_held(&mut sending);
    if payout.state == PayoutState::AwaitingFunds && !was_held {
        return Ok(Arc::clone(payout));
    }
    if payout.state != PayoutState::AwaitingFunds && !payout.state.may_become(PayoutState::AwaitingFunds) {
        return Err(Refusal::PayoutState { payout_id: payout.id, from: payout.state, to: PayoutState::AwaitingFunds });
    }
    let is_new = sending.awaiting_since.is_none();
    let awaiting_since = sending.awaiting_since.or(Some(context.now));
    let payout = context.put(Payout {
        state: PayoutState::AwaitingFunds,
        sending: Some(Arc::new(Sending { awaiting_since, ..sending })),
        updated_at: context.now,
        ..payout.as_ref().clone()
    });
    if is_new {
        context.tell(EventKind::PayoutAwaitingFunds, EventImage::Payout(Arc::clone(&payout)));
    }
    Ok(payout)
}
