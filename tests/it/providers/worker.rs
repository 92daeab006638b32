//! A worker that pays one payout by the rules of the trait: a slow model of the one in the server. Its memory is what would be stored.

use headwater::outbound::provider::{
    Attempt, Failure, FailureReason, LookUp, NotMade, Payment, PaymentState, Remedy, Submission,
};

use super::bench::Bench;

/// How a payout ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    Paid,
    Failed(FailureReason),
    /// The money came back, or is on its way back.
    CameBack(PaymentState),
    /// A person must look. It never happens to a worker that follows the rules.
    Alarm(String),
}

/// The next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Submit,
    LookUp,
}

/// See the head of the file.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) attempt: Attempt,
    next: Next,
    pub(super) end: Option<End>,
    /// Whether a refusal of the owner's key is taken as mended, and tried again.
    owner_mends: bool,
}

impl Worker {
    pub(super) fn new(attempt: Attempt) -> Self {
        Self { attempt, next: Next::Submit, end: None, owner_mends: false }
    }

    /// A worker whose owner mends what only an owner can mend.
    pub(super) fn with_owner(attempt: Attempt) -> Self {
        Self { owner_mends: true, ..Self::new(attempt) }
    }

    /// Does the next step. A crash loses the answer.
    pub(super) async fn step(&mut self, bench: &Bench, crashes: bool) {
        match self.next {
            _ if self.end.is_some() => {}
            Next::Submit => {
                // The intent is stored before the call.
                let attempt = self.attempt.clone();
                let before = self.attempt.earlier;
                self.attempt = bench.tried(&attempt);
                self.next = Next::LookUp;
                let submission = bench.provider.submit(&attempt, bench.now()).await;
                if !crashes {
                    self.submitted(submission, before);
                }
            }
            Next::LookUp => {
                let look_up = bench.provider.look_up(&self.attempt, bench.now()).await;
                if !crashes {
                    self.looked_up(look_up);
                }
            }
        }
    }

    /// Steps until the end, with some minutes between the steps.
    pub(super) async fn run(&mut self, bench: &mut Bench, steps_max: usize) {
        for _ in 0..steps_max {
            self.step(bench, false).await;
            if self.end.is_some() {
                return;
            }
            bench.pass(400).await;
        }
    }

    fn submitted(&mut self, submission: Submission, before: Option<headwater::outbound::provider::EarlierTries>) {
        match submission {
            Submission::Accepted { provider_id } | Submission::Drafted { provider_id } => {
                self.attempt.provider_id = Some(provider_id);
            }
            Submission::Paid(payment) | Submission::Duplicate(payment) => self.found(payment),
            Submission::InsufficientFunds { .. } => self.try_anew(),
            Submission::Failed(failure) => self.failed(failure),
            Submission::Later { .. } => {
                self.attempt.earlier = before;
                self.next = Next::Submit;
            }
            Submission::Unknown(_) => {}
            Submission::OtherPayment(id) => self.end = Some(End::Alarm(format!("another payment: {id:?}"))),
        }
    }

    fn looked_up(&mut self, look_up: LookUp) {
        match look_up {
            LookUp::Found(payment) => self.found(payment),
            LookUp::NotMade(NotMade::Absent | NotMade::InsufficientFunds { .. }) => self.try_anew(),
            LookUp::NotMade(NotMade::Failed(failure)) => self.failed(failure),
            LookUp::Unknown(_) | LookUp::Later { .. } => {}
            LookUp::OtherPayment(id) => self.end = Some(End::Alarm(format!("another payment: {id:?}"))),
        }
    }

    fn found(&mut self, payment: Payment) {
        self.attempt.provider_id = Some(payment.provider_id);
        match payment.state {
            PaymentState::Unfunded => self.next = Next::Submit,
            PaymentState::Processing | PaymentState::Unclaimed | PaymentState::OnHold => self.next = Next::LookUp,
            PaymentState::Paid => self.end = Some(End::Paid),
            PaymentState::Failed(failure) => self.failed(failure),
            PaymentState::Cancelled => self.try_anew(),
            state => self.end = Some(End::CameBack(state)),
        }
    }

    fn failed(&mut self, failure: Failure) {
        match failure.reason.remedy() {
            Remedy::NewAttempt => self.try_anew(),
            Remedy::Owner if self.owner_mends => self.try_anew(),
            _ => self.end = Some(End::Failed(failure.reason)),
        }
    }

    /// The attempt is proved to have made nothing.
    fn try_anew(&mut self) {
        self.attempt.number += 1;
        self.attempt.earlier = None;
        self.attempt.provider_id = None;
        self.next = Next::Submit;
    }
}
