//! The rules of reconciliations. One is asked for, or begins by itself each day. A worker reads what the provider has, outside of any
//! transaction, and the record of its findings is one command. Money is changed by none of them.

use std::fmt::Write;
use std::sync::Arc;

use uuid::Uuid;

use super::context::{Context, Rule};
use crate::domain::account::Account;
use crate::domain::event::{EventImage, EventKind};
use crate::domain::id::{AccountId, PayoutReconciliationId};
use crate::domain::mail::Letter;
use crate::domain::payout::PayoutProvider;
use crate::domain::payout_connection::PayoutConnection;
use crate::domain::payout_reconciliation::{
    Findings, INTERVAL_DAYS, LEASE_MICROS, PERIOD_DAYS, PayoutDifference, PayoutReconciliation, Reading,
    ReconciliationState, SETTLING_MICROS, TRIES_MAX, pause_micros,
};
use crate::domain::refusal::Refusal;
use crate::domain::set::Needs;
use crate::domain::time::Time;

/// How many differences a mail names.
const MAILED_MAX: usize = 10;

/// Begin a reconciliation that a person asks for.
#[derive(Debug, Clone)]
pub struct ReconcilePayouts {
    /// The provider.
    pub provider: PayoutProvider,
    /// The first moment of the period. `None`: the usual days before its end.
    pub start_at: Option<Time>,
    /// The first moment after the period. `None`: now.
    pub end_at: Option<Time>,
}

impl Rule for ReconcilePayouts {
    type Answer = Arc<PayoutReconciliation>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutConnection>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let connection = Arc::clone(context.set.payout_connection(context.account_id, self.provider)?);
        if let Some(payout_reconciliation_id) = connection.open_reconciliation_id {
            return Err(Refusal::PayoutReconciliationRunning { payout_reconciliation_id });
        }
        Ok(begin(context, &connection, self.start_at, self.end_at))
    }
}

/// Begin the daily reconciliation of a connection. For the worker. Nothing is begun if another server has begun it.
#[derive(Debug, Clone)]
pub struct ReconcileDaily {
    /// The provider.
    pub provider: PayoutProvider,
    /// When it was due.
    pub due_at: Time,
}

impl Rule for ReconcileDaily {
    type Answer = Arc<PayoutConnection>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutConnection>((account, self.provider));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let connection = Arc::clone(context.set.payout_connection(context.account_id, self.provider)?);
        if connection.next_reconciliation_at != Some(self.due_at) {
            return Ok(connection);
        }
        // However late it is, one is enough.
        let next_reconciliation_at = Some(context.now.plus_days(INTERVAL_DAYS));
        let connection = context.put(PayoutConnection { next_reconciliation_at, ..connection.as_ref().clone() });
        if connection.open_reconciliation_id.is_none() {
            begin(context, &connection, None, None);
        }
        Ok(connection)
    }
}

/// Makes a reconciliation, and notes it at its connection.
fn begin(
    context: &mut Context<'_>,
    connection: &PayoutConnection,
    start_at: Option<Time>,
    end_at: Option<Time>,
) -> Arc<PayoutReconciliation> {
    let settled = context.now.plus_micros(-SETTLING_MICROS);
    let end_at = end_at.map_or(settled, |end_at| end_at.min(settled));
    let id = PayoutReconciliationId::new(context.ids);
    context.put(PayoutConnection { open_reconciliation_id: Some(id), ..connection.clone() });
    context.put(PayoutReconciliation {
        id,
        account_id: context.account_id,
        provider: connection.provider,
        state: ReconciliationState::Running,
        start_at: start_at.unwrap_or(end_at.plus_days(-PERIOD_DAYS)).min(end_at),
        end_at,
        payment_count: 0,
        payout_count: 0,
        unread_count: 0,
        looked_at_count: 0,
        difference_count: 0,
        new_difference_count: 0,
        differences: Vec::new(),
        problem_code: String::new(),
        tries: 0,
        lease_id: Uuid::nil(),
        next_at: Some(context.now),
        created_by: context.key_id,
        created_at: context.now,
        ended_at: None,
    })
}

/// Begin the reading of a reconciliation, or go on with it. For the worker. Nothing is begun if another server has begun it meanwhile.
#[derive(Debug, Clone)]
pub struct BeginReconciliation {
    /// The reconciliation.
    pub id: PayoutReconciliationId,
    /// The lease before.
    pub after: Uuid,
    /// The lease of this reading. It was begun if the reconciliation has it.
    pub lease_id: Uuid,
    /// Whether the lease before was the caller's own.
    pub goes_on: bool,
}

impl Rule for BeginReconciliation {
    type Answer = Arc<PayoutReconciliation>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<PayoutReconciliation>((account, self.id));
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.get::<PayoutReconciliation, _>(self.id)?);
        if before.lease_id != self.after || before.next_at.is_none() {
            return Ok(before);
        }
        Ok(context.put(PayoutReconciliation {
            lease_id: self.lease_id,
            next_at: Some(context.now.plus_micros(LEASE_MICROS)),
            tries: before.tries.saturating_add(i32::from(!self.goes_on)),
            ..before.as_ref().clone()
        }))
    }
}

/// Record what a reading found. For the worker. Nothing is changed if another server has begun a reading meanwhile.
#[derive(Debug, Clone)]
pub struct RecordReconciliation {
    /// The reconciliation.
    pub id: PayoutReconciliationId,
    /// Its provider.
    pub provider: PayoutProvider,
    /// The lease of the reading.
    pub lease_id: Uuid,
    /// The reconciliation of the connection before this one, whose differences are known.
    pub previous_id: Option<PayoutReconciliationId>,
    /// Its result.
    pub reading: Reading,
}

impl Rule for RecordReconciliation {
    type Answer = Arc<PayoutReconciliation>;

    fn needs(&self, account: AccountId, needs: &mut Needs) {
        needs.row::<Account>(account);
        needs.row::<PayoutConnection>((account, self.provider));
        needs.row::<PayoutReconciliation>((account, self.id));
        if let Some(previous_id) = self.previous_id {
            needs.row::<PayoutReconciliation>((account, previous_id));
        }
    }

    fn apply(&self, context: &mut Context<'_>) -> Result<Self::Answer, Refusal> {
        let before = Arc::clone(context.get::<PayoutReconciliation, _>(self.id)?);
        if before.lease_id != self.lease_id || before.next_at.is_none() {
            return Ok(before);
        }
        let row = before.as_ref().clone();
        match &self.reading {
            Reading::Whole(findings) => self.complete(context, row, findings),
            Reading::Later { after_micros, code } if row.tries < TRIES_MAX => {
                let next_at = context.now.plus_micros(pause_micros(row.tries, *after_micros));
                Ok(context.put(PayoutReconciliation { next_at: Some(next_at), problem_code: code.clone(), ..row }))
            }
            Reading::Later { code, .. } | Reading::Failed { code } => {
                let row = PayoutReconciliation { problem_code: code.clone(), ..row };
                self.end(context, row, ReconciliationState::Failed)
            }
        }
    }
}

impl RecordReconciliation {
    /// Ends it, and lets the connection have the next one.
    fn end(
        &self,
        context: &mut Context<'_>,
        row: PayoutReconciliation,
        state: ReconciliationState,
    ) -> Result<Arc<PayoutReconciliation>, Refusal> {
        let connection = context.set.find::<PayoutConnection>(&(context.account_id, self.provider))?.cloned();
        // A connection that was made anew meanwhile knows nothing of it.
        if let Some(connection) = connection.filter(|found| found.open_reconciliation_id == Some(self.id)) {
            let is_whole = state == ReconciliationState::Completed;
            context.put(PayoutConnection {
                open_reconciliation_id: None,
                last_reconciliation_id: if is_whole { Some(self.id) } else { connection.last_reconciliation_id },
                ..connection.as_ref().clone()
            });
        }
        Ok(context.put(PayoutReconciliation { state, next_at: None, ended_at: Some(context.now), ..row }))
    }

    fn complete(
        &self,
        context: &mut Context<'_>,
        row: PayoutReconciliation,
        findings: &Findings,
    ) -> Result<Arc<PayoutReconciliation>, Refusal> {
        let previous = match self.previous_id {
            Some(id) => Some(Arc::clone(context.get::<PayoutReconciliation, _>(id)?)),
            None => None,
        };
        let known = previous.iter().flat_map(|previous| &previous.differences);
        let is_new = |difference: &&PayoutDifference| !known.clone().any(|other| other.is_same(difference));
        let new: Vec<PayoutDifference> = findings.differences.iter().filter(is_new).cloned().collect();
        let row = PayoutReconciliation {
            payment_count: findings.payment_count,
            payout_count: findings.payout_count,
            unread_count: findings.unread_count,
            looked_at_count: findings.looked_at_count,
            difference_count: findings.difference_count,
            new_difference_count: i64::try_from(new.len()).unwrap_or(i64::MAX),
            differences: findings.differences.clone(),
            problem_code: String::new(),
            ..row
        };
        let row = self.end(context, row, ReconciliationState::Completed)?;
        if !new.is_empty() {
            context.tell(EventKind::PayoutDifferencesFound, EventImage::PayoutReconciliation(Arc::clone(&row)));
            mail_owner(context, &row, &new)?;
        }
        Ok(row)
    }
}

/// Writes to the owner, unless the address was never verified.
fn mail_owner(context: &mut Context<'_>, row: &PayoutReconciliation, new: &[PayoutDifference]) -> Result<(), Refusal> {
    let account = Arc::clone(context.set.account(context.account_id)?);
    if account.email_verified_at.is_none() {
        return Ok(());
    }
    let provider = row.provider.display_name();
    let mut body = format!(
        "Hello,\n\nHeadwater has compared its payouts with the payments at {provider}. They differ in {} places that were not known \
         before:\n\n",
        new.len()
    );
    for difference in new.iter().take(MAILED_MAX) {
        // Writing to a text cannot fail.
        let _ = writeln!(body, "- {}", in_words(difference));
    }
    if new.len() > MAILED_MAX {
        let _ = writeln!(body, "- and {} more", new.len() - MAILED_MAX);
    }
    let _ = write!(
        body,
        "\nNo money was changed. GetPayoutReconciliation shows all of it, for the id {}. Headwater looks at open payouts again by \
         itself. A person must look at the rest.\n",
        row.id
    );
    let subject = format!("Payouts and payments at {provider} differ");
    context.mail(Letter { recipient: account.email.clone(), subject, body });
    Ok(())
}

fn in_words(difference: &PayoutDifference) -> String {
    let payment = match difference.provider_payment_id.as_str() {
        "" => "the payment".to_owned(),
        id => format!("the payment {id}"),
    };
    let told = difference.there.amount.map(|amount| format!(" of {amount}")).unwrap_or_default();
    let there = difference.there.state;
    match &difference.here {
        Some(here) => format!(
            "{}: payout {} of {} is {}, and {payment}{told} is {there}",
            difference.kind.as_str().replace('_', " "),
            here.payout_id,
            here.amount,
            here.state
        ),
        None => format!("unknown payment: {payment}{told} is {there}, and no payout has its key"),
    }
}
