//! ImportPayoutResults: what became of payouts that the owner paid by a file.

use std::sync::Arc;

use super::close::{check_size, pay, release, want_rewards};
use super::{document, parties};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutId};
use crate::domain::money::Money;
use crate::domain::payout::{Payout, PayoutProblem, PayoutProvider, PayoutState, ProblemKind, Sending};
use crate::domain::payout_attempt::PayoutAttempt;
use crate::domain::payout_export::WrongFileField;
use crate::domain::refusal::Refusal;
use crate::domain::rule::context::{Context, Rule};
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// What became of a payout.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct PayoutResult {
    pub payout_id: PayoutId,
    pub kind: PayoutResultKind,
    /// The amount that the file has for it. `None`: the file has none.
    pub amount: Option<Money>,
    /// The name of the transfer. May be empty.
    pub reference: String,
    /// A text for the payout's note. May be empty.
    pub reason: String,
}

/// The kinds of results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PayoutResultKind {
    /// The affiliate got the money.
    Paid,
    /// The affiliate did not get the money and will not.
    Failed(PayoutProblem),
    /// The money came back, whether somebody had said that it was paid or not.
    Returned(PayoutProblem),
    /// Nothing that changes the payout.
    Noted,
}

/// The kind of problem behind a code of a bank: a reason of ISO 20022, or of the rules of ACH.
pub fn problem_of_code(code: &str) -> ProblemKind {
    match code {
        // Wrong, closed and blocked accounts, wrong banks, and accounts of another kind.
        "AC01" | "AC02" | "AC03" | "AC04" | "AC05" | "AC06" | "AC07" | "AC14" | "BE06" | "RC01" | "RC04" | "RC07"
        | "R02" | "R03" | "R04" | "R12" | "R13" | "R14" | "R15" | "R16" | "R20" | "R28" | "R34" => {
            ProblemKind::ReceiverInvalid
        }
        "BE04" | "BE07" | "BE22" => ProblemKind::ReceiverNotReady,
        "MS02" | "R23" => ProblemKind::ReceiverRefused,
        "AC13" | "AC15" | "AC16" | "AG01" | "AG03" => ProblemKind::ReceiverLimited,
        "AM04" | "AM23" | "R01" | "R09" => ProblemKind::InsufficientFunds,
        "AM02" | "AM13" | "AM14" | "AM21" | "AM06" | "AM07" => ProblemKind::SenderLimited,
        "AM01" | "AM09" | "AM12" => ProblemKind::AmountNotPossible,
        "AM03" | "AM11" | "CURR" => ProblemKind::CurrencyNotPossible,
        "DS01" | "DS02" | "DS04" | "DS0A" | "DS0B" | "DS0G" | "DS0H" | "DU01" | "R10" | "R29" => {
            ProblemKind::NotAuthorized
        }
        "FRAD" | "LEGL" | "RR01" | "RR02" | "RR03" | "RR04" => ProblemKind::Compliance,
        "AM05" | "DU02" | "DU03" | "DU04" | "DU05" | "FF01" | "FF03" | "DT01" | "R17" | "R24" | "R26" => {
            ProblemKind::Malformed
        }
        _ => ProblemKind::NotPaid,
    }
}

/// Record what became of payouts: all of them or none.
#[derive(Debug, Clone)]
pub struct ImportPayoutResults {
    /// Each payout once.
    pub results: Vec<PayoutResult>,
    /// When those that were paid were. `None`: now.
    pub paid_at: Option<Time>,
}

impl Rule for ImportPayoutResults {
    type Answer = Vec<Arc<Payout>>;

    fn weight(&self) -> usize {
        self.results.len().saturating_mul(10).max(1)
    }

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.payouts.extend(self.results.iter().map(|result| (account, result.payout_id)));
        needs.payout_attempts.extend(self.results.iter().map(|result| (account, result.payout_id)));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let (mut changed, mut refused) = (Vec::new(), Vec::new());
        for result in &self.results {
            match result.check(context) {
                Ok(true) => changed.push(result.payout_id),
                Ok(false) => {}
                Err(refusal @ Refusal::NotLoaded(_)) => return Err(refusal),
                Err(refusal) => refused.push((result.payout_id, refusal)),
            }
        }
        match refused.len() {
            0 => {}
            1 => return Err(refused.remove(0).1),
            _ => return Err(Refusal::PayoutFile { wrong: refused.iter().map(wrong).collect() }),
        }
        check_size(context, &changed)?;
        want_rewards(context, &changed)?;
        parties::want(context, &changed)?;
        self.results.iter().map(|result| self.record(context, result)).collect()
    }
}

/// One of several wrong results.
fn wrong((payout_id, refusal): &(PayoutId, Refusal)) -> WrongFileField {
    WrongFileField { payout_id: Some(*payout_id), field: "result".to_owned(), problem: refusal.to_string() }
}

impl ImportPayoutResults {
    fn record(&self, context: &mut Context<'_>, result: &PayoutResult) -> Result<Arc<Payout>, Refusal> {
        let payout = Arc::clone(context.get::<Payout, _>(result.payout_id)?);
        if result.is_known(&payout) {
            return Ok(payout);
        }
        let noted = Payout { note: result.note(&payout.note), ..payout.as_ref().clone() };
        match &result.kind {
            PayoutResultKind::Paid => pay(context, &payout, &result.reference, self.paid_at),
            PayoutResultKind::Failed(problem) | PayoutResultKind::Returned(problem) => end(context, noted, problem),
            PayoutResultKind::Noted => {
                let payout = context.put(Payout { updated_at: context.now, ..noted });
                context.tell(EventKind::PayoutUpdated, EventImage::Payout(Arc::clone(&payout)));
                Ok(payout)
            }
        }
    }
}

/// Ends a payout that the bank did not pay, or whose money came back. Its rewards are approved again.
fn end(context: &mut Context<'_>, payout: Payout, problem: &PayoutProblem) -> Result<Arc<Payout>, Refusal> {
    let was_paid = payout.state == PayoutState::Paid;
    let payout = document::withdraw(context, payout)?;
    if let Some(attempt) = context.set.payout_attempt(context.account_id, payout.id)?.cloned() {
        context.put(PayoutAttempt { next_at: None, ..attempt.as_ref().clone() });
    }
    let sending = payout.sending.as_deref().cloned().unwrap_or_default();
    let returned = was_paid.then_some(payout.amount);
    let (state, kind) = match was_paid {
        true => (PayoutState::Returned, EventKind::PayoutReturned),
        false => (PayoutState::Failed, EventKind::PayoutFailed),
    };
    let payout = context.put(Payout {
        state,
        sending: Some(Arc::new(Sending { problem: Some(problem.clone()), returned, ..sending })),
        updated_at: context.now,
        ..payout
    });
    context.tell(kind, EventImage::Payout(Arc::clone(&payout)));
    release(context, &payout, was_paid)?;
    Ok(payout)
}

impl PayoutResult {
    /// Whether the result changes the payout, if it can.
    fn check(&self, context: &Context<'_>) -> Result<bool, Refusal> {
        let payout = context.get::<Payout, _>(self.payout_id)?;
        if let Some(amount) = self.amount.filter(|amount| *amount != payout.amount) {
            let wrong = WrongFileField {
                payout_id: Some(payout.id),
                field: "amount".to_owned(),
                problem: format!(
                    "is {amount} in the file, and {} here; the file is about another payment",
                    payout.amount
                ),
            };
            return Err(Refusal::PayoutFile { wrong: vec![wrong] });
        }
        if self.is_known(payout) {
            return Ok(false);
        }
        let next = match self.kind {
            PayoutResultKind::Noted => return Ok(true),
            PayoutResultKind::Paid => PayoutState::Paid,
            PayoutResultKind::Failed(_) => PayoutState::Failed,
            // A provider tells itself what comes back.
            PayoutResultKind::Returned(_)
                if payout.state == PayoutState::Paid && payout.provider == PayoutProvider::Manual =>
            {
                return Ok(true);
            }
            PayoutResultKind::Returned(_) => PayoutState::Failed,
        };
        // A person pays only what is ready or in a file. The others are not approved, or a provider may have them.
        if matches!(payout.state, PayoutState::Ready | PayoutState::Exported) {
            return Ok(true);
        }
        Err(Refusal::PayoutState { payout_id: payout.id, from: payout.state, to: next })
    }

    /// Whether the payout has this result already.
    fn is_known(&self, payout: &Payout) -> bool {
        match (&self.kind, payout.state) {
            (PayoutResultKind::Paid, PayoutState::Paid) => {
                self.reference.is_empty() || self.reference == payout.reference
            }
            (PayoutResultKind::Failed(_), PayoutState::Failed | PayoutState::Cancelled)
            | (PayoutResultKind::Returned(_), PayoutState::Failed | PayoutState::Returned) => true,
            (PayoutResultKind::Noted, _) => {
                self.reason.is_empty() || payout.note.lines().any(|line| line == self.reason)
            }
            _ => false,
        }
    }

    /// The note of a payout with the text of the result.
    fn note(&self, note: &str) -> String {
        match (note, self.reason.as_str()) {
            (note, "") => note.to_owned(),
            ("", reason) => reason.to_owned(),
            (note, reason) => format!("{note}\n{reason}"),
        }
    }
}
