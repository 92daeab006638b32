//! The record of a step's result: what became of the payout, its rewards and its money, and which step may follow. `payout_attempt.rs` says
//! what each result proves.

use std::sync::Arc;

use uuid::Uuid;

use super::close::release;
use super::{document, move_rewards, post, post_fee, purse};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::ledger::{LedgerAccount, LedgerReason};
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutProblem, PayoutProvider, PayoutState, ProblemKind, Sending};
use crate::domain::payout_attempt::{
    FoundPayment, FoundState, NextStep, PayoutAttempt, Rhythm, StepResult, UNLIKE_LOOKS_MAX, WATCHES_MAX,
};
use crate::domain::payout_purse::PayoutPurse;
use crate::domain::refusal::Refusal;
use crate::domain::reward::RewardState;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// Record the result of a step. For the worker. Nothing is changed if another server has begun a step meanwhile.
#[derive(Debug, Clone)]
pub struct RecordPayoutStep {
    /// The payout.
    pub payout_id: PayoutId,
    /// The payout's provider.
    pub provider: PayoutProvider,
    /// The lease of the step.
    pub lease_id: Uuid,
    /// What the step was.
    pub step: NextStep,
    /// The first and the last try with an unknown effect before the step.
    pub tries_before: Option<(Time, Time)>,
    /// Its result.
    pub result: StepResult,
}

impl Rule for RecordPayoutStep {
    type Answer = Arc<Payout>;

    fn weight(&self) -> usize {
        10
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<Payout>((account, self.payout_id));
        needs.row::<PayoutAttempt>((account, self.payout_id));
        needs.row::<PayoutPurse>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let payout = Arc::clone(context.get::<Payout, _>(self.payout_id)?);
        let attempt = context.set.payout_attempt(context.account_id, self.payout_id)?.cloned();
        let Some(attempt) = attempt.filter(|attempt| attempt.lease_id == self.lease_id) else { return Ok(payout) };
        let (attempt, sending) = (attempt.as_ref().clone(), payout.sending.as_deref().cloned().unwrap_or_default());
        let mut record = Record { context, payout: payout.as_ref().clone(), sending, attempt };
        record.attempt.is_under_way = false;
        match payout.state {
            PayoutState::Paid => record.note_watched(&self.result)?,
            state if state.is_released() => record.attempt.next_at = None,
            _ => record.note(self)?,
        }
        Ok(record.finish(&payout))
    }
}

/// A payout with its attempt while a result is recorded.
struct Record<'rule, 'run> {
    context: &'rule mut Context<'run>,
    payout: Payout,
    sending: Sending,
    attempt: PayoutAttempt,
}

impl Record<'_, '_> {
    fn finish(self, before: &Arc<Payout>) -> Arc<Payout> {
        let Self { context, payout, sending, attempt } = self;
        context.put(attempt);
        if payout.state == before.state && before.sending.as_deref() == Some(&sending) {
            return Arc::clone(before);
        }
        context.put(Payout { sending: Some(Arc::new(sending)), updated_at: context.now, ..payout })
    }

    /// Notes what a look at a paid payout saw. Only money that came back matters. Nothing makes it be sent again.
    fn note_watched(&mut self, result: &StepResult) -> Result<(), Refusal> {
        self.attempt.next_step = NextStep::Watch;
        match result {
            StepResult::Found(FoundPayment { state: FoundState::Returned, returned, .. }) => self.returned(*returned),
            StepResult::Found(FoundPayment { state: FoundState::Failed(_) | FoundState::Cancelled, .. }) => {
                self.returned(None)
            }
            _ => {
                self.watch();
                Ok(())
            }
        }
    }

    fn note(&mut self, command: &RecordPayoutStep) -> Result<(), Refusal> {
        match &command.result {
            StepResult::Accepted { provider_payment_id } => self.accepted(provider_payment_id),
            StepResult::Drafted { provider_payment_id } => self.drafted(provider_payment_id),
            StepResult::Found(payment) => self.found(payment),
            StepResult::Short { needed, available } => self.short(*needed, *available),
            StepResult::Refused(problem) => self.refused(problem),
            // A payment that does not fit was made under the key, whatever a list says.
            StepResult::Absent if self.is_unlike() => self.other_payment(""),
            StepResult::Absent => {
                self.try_anew();
                Ok(())
            }
            StepResult::Later { after_micros } => {
                self.take_back(command);
                self.look_again(Rhythm::Doubt, *after_micros);
                Ok(())
            }
            StepResult::Unknown { after_micros, code, debug_id } => {
                self.unknown(*after_micros, code, debug_id);
                Ok(())
            }
            StepResult::OtherPayment { provider_payment_id } => self.other_payment(provider_payment_id),
            StepResult::NotConnected => self.not_connected(command),
            StepResult::CancelAsked { is_refused } => {
                if *is_refused {
                    self.sending.cancel_requested_at = None;
                }
                self.attempt.tries = 0;
                self.attempt.next_at = Some(self.context.now);
                Ok(())
            }
        }
    }

    /// Makes the next step due after a pause.
    fn look_again(&mut self, rhythm: Rhythm, after_micros: Option<i64>) {
        let pause_micros = self.attempt.pause_micros(rhythm, after_micros);
        self.attempt.next_at = Some(self.context.now.plus_micros(pause_micros));
    }

    /// Watches a paid payout for some time.
    fn watch(&mut self) {
        let pause_micros = self.attempt.pause_micros(Rhythm::Watch, None);
        let is_over = self.attempt.tries >= WATCHES_MAX;
        self.attempt.next_at = (!is_over).then(|| self.context.now.plus_micros(pause_micros));
    }

    /// Restores a step that was certainly not carried out.
    fn take_back(&mut self, command: &RecordPayoutStep) {
        self.attempt.next_step = command.step;
        if command.step == NextStep::Submit {
            self.attempt.first_try_at = command.tries_before.map(|(first, _)| first);
            self.attempt.last_try_at = command.tries_before.map(|(_, last)| last);
        }
    }

    fn accepted(&mut self, provider_payment_id: &str) -> Result<(), Refusal> {
        self.name(provider_payment_id);
        if self.attempt.provider.takes_funds_first() {
            self.prove_funds()?;
        }
        self.enter(PayoutState::Processing, Rhythm::Processing)
    }

    fn drafted(&mut self, provider_payment_id: &str) -> Result<(), Refusal> {
        self.name(provider_payment_id);
        let is_new =
            self.sending.problem.as_ref().is_none_or(|problem| problem.kind != ProblemKind::ConfirmationNeeded);
        self.enter(PayoutState::OnHold, Rhythm::Waiting)?;
        self.sending.problem = Some(PayoutProblem::of(ProblemKind::ConfirmationNeeded));
        if is_new {
            self.tell(EventKind::PayoutNeedsAttention);
        }
        Ok(())
    }

    /// Notes the provider's name for the payment.
    fn name(&mut self, provider_payment_id: &str) {
        provider_payment_id.clone_into(&mut self.attempt.provider_payment_id);
        provider_payment_id.clone_into(&mut self.sending.provider_payment_id);
        self.attempt.next_step = NextStep::LookUp;
        self.attempt.doubt_code.clear();
        self.attempt.doubt_debug_id.clear();
    }

    /// Whether the provider has told a payment under the key that is not what was asked for.
    fn is_unlike(&self) -> bool {
        self.sending.problem.as_ref().is_some_and(|problem| problem.kind == ProblemKind::OtherPayment)
    }

    /// The provider has a payment under the key, and its amount, currency or receiver is another one. It may have paid this payout, so it is
    /// looked up under its own name, and nothing is sent. A person looks if that goes on.
    fn other_payment(&mut self, provider_payment_id: &str) -> Result<(), Refusal> {
        let is_new = !self.is_unlike();
        if is_new {
            self.attempt.tries = 1;
        }
        let known = if provider_payment_id.is_empty() {
            self.sending.provider_payment_id.clone()
        } else {
            provider_payment_id.to_owned()
        };
        self.name(&known);
        let problem = PayoutProblem::new(ProblemKind::OtherPayment, &known, "");
        if self.attempt.tries >= UNLIKE_LOOKS_MAX {
            return self.need_attention(problem);
        }
        self.sending.problem = Some(problem);
        self.look_again(Rhythm::Doubt, None);
        if is_new {
            self.tell(EventKind::PayoutUpdated);
        }
        Ok(())
    }

    fn found(&mut self, payment: &FoundPayment) -> Result<(), Refusal> {
        self.name(&payment.provider_payment_id);
        if self.is_unlike() {
            self.sending.problem = None;
        }
        self.sending.fee = payment.fee.or(self.sending.fee);
        match &payment.state {
            FoundState::Unfunded => {
                self.attempt.next_step = NextStep::Submit;
                self.look_again(Rhythm::Doubt, None);
                Ok(())
            }
            FoundState::Processing => {
                if self.attempt.provider.takes_funds_first() {
                    self.prove_funds()?;
                }
                self.enter(PayoutState::Processing, Rhythm::Processing)
            }
            FoundState::Unclaimed => {
                self.prove_funds()?;
                self.enter(PayoutState::Unclaimed, Rhythm::Waiting)
            }
            FoundState::OnHold => {
                self.prove_funds()?;
                self.enter(PayoutState::OnHold, Rhythm::Waiting)
            }
            FoundState::Paid => {
                self.prove_funds()?;
                self.paid()
            }
            FoundState::Failed(problem) => self.refused(problem),
            FoundState::Cancelled => self.cancelled(),
            FoundState::Returning => {
                self.sending.problem = Some(PayoutProblem::of(ProblemKind::Returning));
                self.look_again(Rhythm::Waiting, None);
                Ok(())
            }
            FoundState::Returned => self.returned(payment.returned),
        }
    }

    /// Enters a state in which the provider has the payment.
    fn enter(&mut self, state: PayoutState, rhythm: Rhythm) -> Result<(), Refusal> {
        let before = self.payout.state;
        if before != state {
            self.attempt.tries = 1;
            self.sending.problem = None;
            self.become_state(state)?;
            // What the provider works on may still be refused for lack of money. Until then a payout that waited goes on waiting in silence.
            if state != PayoutState::Processing || self.attempt.provider.takes_funds_first() {
                self.resume();
            }
            if self.sending.awaiting_since.is_none() {
                let is_sent = before == PayoutState::Sending;
                self.tell(if is_sent { EventKind::PayoutSent } else { EventKind::PayoutUpdated });
            }
        }
        self.look_again(rhythm, None);
        if self.sending.cancel_requested_at.is_some() {
            self.attempt.next_step = NextStep::Cancel;
        }
        Ok(())
    }

    fn become_state(&mut self, state: PayoutState) -> Result<(), Refusal> {
        let from = self.payout.state;
        if from != state && !from.may_become(state) {
            return Err(Refusal::PayoutState { payout_id: self.payout.id, from, to: state });
        }
        self.payout.state = state;
        Ok(())
    }

    /// Tells the payout as it is now.
    fn tell(&mut self, kind: EventKind) {
        let image = Payout {
            sending: Some(Arc::new(self.sending.clone())),
            updated_at: self.context.now,
            ..self.payout.clone()
        };
        self.context.tell(kind, EventImage::Payout(Arc::new(image)));
    }

    /// Ends the payout's wait for money, if it waited.
    fn resume(&mut self) {
        if self.sending.awaiting_since.take().is_some() {
            (self.sending.needed, self.sending.available) = (None, None);
            self.tell(EventKind::PayoutResumed);
        }
    }

    fn paid(&mut self) -> Result<(), Refusal> {
        self.sending.problem = None;
        self.sending.cancel_requested_at = None;
        self.become_state(PayoutState::Paid)?;
        self.payout.paid_at = Some(self.context.now);
        let id = self.payout.id;
        let rewards = self.context.set.rewards_of_payout(self.context.account_id, id)?;
        self.resume();
        self.payout = document::finalize(self.context, self.payout.clone(), &rewards)?;
        post(
            self.context,
            &self.payout,
            LedgerAccount::PayoutInFlight,
            LedgerAccount::ProviderCash,
            LedgerReason::Paid,
        );
        self.pay_fee();
        self.tell(EventKind::PayoutPaid);
        move_rewards(self.context, rewards, RewardState::Paid, Some(id))?;
        self.attempt.tries = 1;
        self.attempt.next_step = NextStep::Watch;
        self.watch();
        Ok(())
    }

    /// Posts what the provider took on top of the amount.
    fn pay_fee(&mut self) {
        if let Some(fee) = self.sending.fee.filter(|fee| fee.amount_minor > 0) {
            post_fee(self.context, &self.payout, fee);
        }
    }

    /// The money came back, as a whole or less a part that the provider kept.
    fn returned(&mut self, returned: Option<Money>) -> Result<(), Refusal> {
        let amount = self.payout.amount;
        let was_paid = self.payout.state == PayoutState::Paid;
        let came_back = returned.filter(|returned| returned.currency == amount.currency).unwrap_or(amount);
        let came_back_minor = came_back.amount_minor.clamp(0, amount.amount_minor);
        self.sending.returned = Some(Money::new(came_back_minor, amount.currency));
        self.prove_funds()?;
        self.resume();
        self.end(PayoutState::Returned, None)?;
        if !was_paid {
            self.pay_fee();
        }
        let kept_minor = amount.amount_minor - came_back_minor;
        if kept_minor > 0 {
            post_fee(self.context, &self.payout, Money::new(kept_minor, amount.currency));
        }
        Ok(())
    }

    /// Ends the payout without payment, and gives its rewards back.
    fn end(&mut self, state: PayoutState, problem: Option<PayoutProblem>) -> Result<(), Refusal> {
        let was_paid = self.payout.state == PayoutState::Paid;
        self.sending.problem = problem.or(self.sending.problem.take());
        self.sending.awaiting_since = None;
        self.become_state(state)?;
        self.payout = document::withdraw(self.context, self.payout.clone())?;
        self.attempt.next_at = None;
        let kind = match state {
            PayoutState::Failed => EventKind::PayoutFailed,
            PayoutState::Returned => EventKind::PayoutReturned,
            _ => {
                self.payout.cancelled_at = Some(self.context.now);
                EventKind::PayoutCancelled
            }
        };
        self.tell(kind);
        release(self.context, &self.payout, was_paid)
    }

    fn short(&mut self, needed: Money, available: Option<Money>) -> Result<(), Refusal> {
        self.attempt.begin_anew();
        let probe_at = purse::begin_wait(self.context, &self.payout, needed, available)?;
        self.attempt.next_at = Some(probe_at);
        (self.sending.needed, self.sending.available) = (Some(needed), available);
        self.sending.problem = None;
        self.sending.provider_payment_id.clear();
        let is_new = self.sending.awaiting_since.is_none();
        self.sending.awaiting_since = self.sending.awaiting_since.or(Some(self.context.now));
        self.become_state(PayoutState::AwaitingFunds)?;
        if is_new {
            self.tell(EventKind::PayoutAwaitingFunds);
        }
        Ok(())
    }

    /// Notes that a probe found money.
    fn prove_funds(&mut self) -> Result<(), Refusal> {
        if std::mem::take(&mut self.attempt.is_probe) {
            purse::end_wait(self.context, &self.payout)?;
        }
        Ok(())
    }

    /// The provider refused definitely.
    fn refused(&mut self, problem: &PayoutProblem) -> Result<(), Refusal> {
        if problem.kind == ProblemKind::Expired {
            self.try_anew();
            return Ok(());
        }
        self.pass_probe_on()?;
        self.attempt.begin_anew();
        if problem.kind.is_of_account() {
            return self.need_attention(problem.clone());
        }
        self.end(PayoutState::Failed, Some(problem.clone()))
    }

    /// Lets another payout see whether there is money, because this one does not go on.
    fn pass_probe_on(&mut self) -> Result<(), Refusal> {
        if std::mem::take(&mut self.attempt.is_probe) {
            purse::pass_probe_on(self.context, &self.payout)?;
        }
        Ok(())
    }

    /// Sends it again under another key, after proof that the key before made nothing.
    fn try_anew(&mut self) {
        let (is_probe, tries) = (self.attempt.is_probe, self.attempt.tries);
        self.attempt.begin_anew();
        (self.attempt.is_probe, self.attempt.tries) = (is_probe, tries);
        self.sending.provider_payment_id.clear();
        if self.payout.state.may_become(PayoutState::Sending) {
            self.payout.state = PayoutState::Sending;
        }
        self.look_again(Rhythm::Doubt, None);
    }

    fn cancelled(&mut self) -> Result<(), Refusal> {
        if self.sending.cancel_requested_at.is_some() {
            self.pass_probe_on()?;
            return self.end(PayoutState::Cancelled, None);
        }
        if self.payout.state == PayoutState::Sending {
            // A draft of an earlier step, which that step gave up.
            self.try_anew();
            return Ok(());
        }
        self.pass_probe_on()?;
        self.attempt.begin_anew();
        self.need_attention(PayoutProblem::of(ProblemKind::CancelledAtProvider))
    }

    /// Stops until a person acts.
    fn need_attention(&mut self, problem: PayoutProblem) -> Result<(), Refusal> {
        self.attempt.next_at = None;
        self.sending.problem = Some(problem);
        self.pass_probe_on()?;
        self.sending.awaiting_since = None;
        self.become_state(PayoutState::NeedsAttention)?;
        self.tell(EventKind::PayoutNeedsAttention);
        Ok(())
    }

    fn not_connected(&mut self, command: &RecordPayoutStep) -> Result<(), Refusal> {
        self.take_back(command);
        if self.attempt.has_made_nothing() && self.payout.state == PayoutState::Sending {
            return self.need_attention(PayoutProblem::of(ProblemKind::NotConnected));
        }
        // What the provider may have is looked up again and again, because nobody else knows what became of it.
        self.sending.problem = Some(PayoutProblem::of(ProblemKind::NotConnected));
        self.look_again(Rhythm::Waiting, None);
        Ok(())
    }

    fn unknown(&mut self, after_micros: Option<i64>, code: &str, debug_id: &str) {
        let doubt = PayoutProblem::new(ProblemKind::Unrecognized, code, debug_id);
        (self.attempt.doubt_code, self.attempt.doubt_debug_id) = (doubt.code, doubt.debug_id);
        self.look_again(Rhythm::Doubt, after_micros);
    }
}
