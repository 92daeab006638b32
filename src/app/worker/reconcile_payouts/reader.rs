//! Reads the payments of a period from a provider, page by page, and compares them with the payouts. What it keeps in memory are ids, and the
//! differences up to a limit.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use uuid::Uuid;

use super::submit;
use crate::app::worker::approve_due::UpkeepError;
use crate::app::worker::driver::Stopping;
use crate::app::{App, SubmitError};
use crate::clock::RandomIds;
use crate::domain::id::{IdSource, PayoutId};
use crate::domain::payout::PayoutState;
use crate::domain::payout_reconciliation::{
    DifferenceKind, Findings, PaymentThere, PayoutDifference, PayoutHere, PayoutReconciliation, ProviderPaymentState,
    compare,
};
use crate::domain::rule::{BeginReconciliation, WakePayouts};
use crate::outbound::provider::{Listing, NotRead, PaymentKey, PaymentState, Provider, SeenPayment, key_uuid};
use crate::store;
use crate::store::StoreError;
use crate::store::payout_reconciliation::{SentPayout, Which};

/// How many payments of a period are read at most, so that the ids fit into memory.
const PAYMENTS_MAX: i64 = 1_000_000;

/// How many payments without a payout are kept until all attempts were looked through.
const UNRESOLVED_MAX: usize = 10_000;

/// How many payouts are read from the database at a time.
const PAGE_SIZE: u64 = 200;

/// How many payments are read one by one at once.
const CALLS_AT_ONCE: usize = 4;

/// The most attempts of a payout whose keys are tried.
const ATTEMPTS_MAX: i32 = 10_000;

/// How often the lease is taken again. Much shorter than it lasts.
const RENEWAL: Duration = Duration::from_secs(2 * 60);

/// Why a reading has no findings.
pub(super) enum Stop {
    /// The provider does not answer.
    NotRead(NotRead),
    /// The period has more payments than can be compared.
    TooMany,
    /// Another server reads it, or this one stops.
    Ended,
    Error(UpkeepError),
}

impl From<NotRead> for Stop {
    fn from(not_read: NotRead) -> Self {
        Self::NotRead(not_read)
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Error(error.into())
    }
}

impl From<SubmitError> for Stop {
    fn from(error: SubmitError) -> Self {
        Self::Error(error.into())
    }
}

/// See the head of the file.
pub(super) struct Reader<'worker> {
    app: &'worker App,
    provider: Arc<dyn Provider>,
    row: PayoutReconciliation,
    stopping: Stopping,
    renewed_at: Duration,
    findings: Findings,
    /// The payouts that were compared with a payment of the list.
    compared: HashSet<PayoutId>,
    /// The payments whose keys are UUIDs of no payout.
    unresolved: BTreeMap<Uuid, SeenPayment>,
}

impl<'worker> Reader<'worker> {
    /// Reads for this reconciliation, whose lease is the caller's.
    pub(super) fn new(
        app: &'worker App,
        provider: Arc<dyn Provider>,
        row: PayoutReconciliation,
        stopping: Stopping,
    ) -> Self {
        Self {
            renewed_at: app.clock().monotonic(),
            app,
            provider,
            row,
            stopping,
            findings: Findings::default(),
            compared: HashSet::new(),
            unresolved: BTreeMap::new(),
        }
    }

    /// The lease as it is now.
    pub(super) const fn lease_id(&self) -> Uuid {
        self.row.lease_id
    }

    /// Compares both sides.
    pub(super) async fn read_all(&mut self) -> Result<Findings, Stop> {
        if self.row.start_at >= self.row.end_at {
            // Nothing is old enough yet.
            return Ok(Findings::default());
        }
        self.read_list().await?;
        self.resolve().await?;
        self.read_payouts().await?;
        Ok(std::mem::take(&mut self.findings))
    }

    /// Takes the lease again before it ends.
    async fn go_on(&mut self) -> Result<(), Stop> {
        if self.stopping.is_stopping() {
            return Err(Stop::Ended);
        }
        if self.app.clock().monotonic().saturating_sub(self.renewed_at) < RENEWAL {
            return Ok(());
        }
        let (account_id, id, lease_id) = (self.row.account_id, self.row.id, RandomIds.next_uuid());
        let begin = BeginReconciliation { id, after: self.row.lease_id, lease_id, goes_on: true };
        submit(self.app, account_id, begin.into()).await?;
        let found = store::payout_reconciliation::find(self.app.store(), account_id, id).await?;
        if found.is_none_or(|found| found.lease_id != lease_id) {
            return Err(Stop::Ended);
        }
        self.row.lease_id = lease_id;
        self.renewed_at = self.app.clock().monotonic();
        Ok(())
    }

    /// The provider's side: finds the payout of each payment.
    async fn read_list(&mut self) -> Result<(), Stop> {
        let (start_at, end_at) = (self.row.start_at, self.row.end_at);
        let mut page: Option<String> = None;
        loop {
            self.go_on().await?;
            let now = self.app.clock().now();
            let (payments, next) = match self.provider.list(start_at, end_at, page.as_deref(), now).await? {
                Listing::NotPossible => return Ok(()),
                Listing::Page { payments, next } => (payments, next),
            };
            let is_within = |made_at| start_at <= made_at && made_at < end_at;
            self.take_page(payments.into_iter().filter(|one| one.made_at.is_none_or(is_within)).collect()).await?;
            if self.findings.payment_count > PAYMENTS_MAX || self.unresolved.len() > UNRESOLVED_MAX {
                return Err(Stop::TooMany);
            }
            // A page that repeats itself would be read for ever.
            if next.is_none() || next == page {
                return Ok(());
            }
            page = next;
        }
    }

    async fn take_page(&mut self, payments: Vec<SeenPayment>) -> Result<(), Stop> {
        let ids: Vec<PayoutId> = payments.iter().filter_map(payout_id).collect();
        let sent = store::payout_reconciliation::sent(self.app.store(), self.row.account_id, self.row.provider, &ids);
        let sent: BTreeMap<PayoutId, SentPayout> = sent.await?.into_iter().map(|sent| (sent.payout.id, sent)).collect();
        for payment in payments {
            match (payout_id(&payment).and_then(|id| sent.get(&id)), &payment.key) {
                (Some(sent), _) => self.take(sent, &payment).await?,
                (None, PaymentKey::Payout { .. }) => self.take_unknown(&payment),
                (None, PaymentKey::Uuid(key)) => _ = self.unresolved.insert(*key, payment),
                (None, PaymentKey::Other) => {}
            }
        }
        Ok(())
    }

    /// Finds the payouts of UUIDs that further attempts have. Only ours have the versions of the rest.
    async fn resolve(&mut self) -> Result<(), Stop> {
        let mut after = None;
        while !self.unresolved.is_empty() {
            self.go_on().await?;
            let page = self.page(Which::SentAgain, after).await?;
            let Some(last) = page.last().map(|sent| sent.payout.id) else { break };
            after = Some(last);
            for sent in page {
                for number in 2..=sent.attempt.number.min(ATTEMPTS_MAX) {
                    let key = key_uuid(sent.payout.id, number.unsigned_abs());
                    if let Some(payment) = self.unresolved.remove(&key) {
                        self.take(&sent, &payment).await?;
                    }
                }
            }
        }
        for (key, payment) in std::mem::take(&mut self.unresolved) {
            if matches!(key.get_version_num(), 7 | 8) {
                self.take_unknown(&payment);
            }
        }
        Ok(())
    }

    async fn page(&self, which: Which, after: Option<PayoutId>) -> Result<Vec<SentPayout>, Stop> {
        let (account_id, provider) = (self.row.account_id, self.row.provider);
        let page =
            store::payout_reconciliation::page(self.app.store(), account_id, provider, which, after, PAGE_SIZE).await?;
        Ok(page)
    }

    /// Our side: reads the payments of payouts that the list did not have.
    async fn read_payouts(&mut self) -> Result<(), Stop> {
        let which = Which::SentIn { start_at: self.row.start_at, end_at: self.row.end_at };
        let mut after = None;
        loop {
            self.go_on().await?;
            let page = self.page(which, after).await?;
            let Some(last) = page.last().map(|sent| sent.payout.id) else { return Ok(()) };
            after = Some(last);
            let missing: Vec<SentPayout> =
                page.into_iter().filter(|sent| !self.compared.contains(&sent.payout.id)).collect();
            for part in missing.chunks(CALLS_AT_ONCE) {
                self.go_on().await?;
                let now = self.app.clock().now();
                let provider = &self.provider;
                let mut calls = Vec::with_capacity(CALLS_AT_ONCE);
                for sent in part {
                    calls.push(provider.read(&sent.attempt.provider_payment_id, now));
                }
                let read = join_all(calls).await;
                for (sent, payment) in part.iter().zip(read) {
                    self.take_read(sent, payment).await?;
                }
            }
        }
    }

    async fn take_read(
        &mut self,
        sent: &SentPayout,
        payment: Result<Option<SeenPayment>, NotRead>,
    ) -> Result<(), Stop> {
        match payment {
            Ok(Some(payment)) => self.compare(sent, &payment_there(&payment), &payment.provider_id, &payment.key).await,
            Ok(None) => {
                let absent =
                    PaymentThere { state: ProviderPaymentState::Absent, amount: None, fee: None, returned: None };
                self.compare(sent, &absent, &sent.attempt.provider_payment_id, &PaymentKey::Other).await
            }
            Err(NotRead::Unreadable { code }) => {
                tracing::warn!(payout_id = %sent.payout.id, code, "a payment cannot be compared");
                self.findings.unread_count += 1;
                Ok(())
            }
            Err(not_read) => Err(not_read.into()),
        }
    }

    /// Takes a payment of the list with its payout.
    async fn take(&mut self, sent: &SentPayout, payment: &SeenPayment) -> Result<(), Stop> {
        self.findings.payment_count += 1;
        if sent.attempt.is_under_way {
            // The step that is under way may just be recording it.
            self.compared.insert(sent.payout.id);
            return Ok(());
        }
        let there = payment_there(payment);
        let own = sent.attempt.provider_payment_id.as_str();
        if own == payment.provider_id {
            return self.compare(sent, &there, own, &payment.key).await;
        }
        if own.is_empty() && sent.payout.state != PayoutState::Paid {
            // A draft that an earlier attempt gave up is no payment.
            if there.state.is_out() || there.state == ProviderPaymentState::Returned {
                return self.compare(sent, &there, &payment.provider_id, &payment.key).await;
            }
        } else if there.state.is_out() {
            self.add(PayoutDifference {
                kind: DifferenceKind::SecondPayment,
                here: Some(PayoutHere::of(&sent.payout)),
                there,
                provider_payment_id: payment.provider_id.clone(),
                key: key_text(&payment.key),
                is_looked_at: false,
            });
        }
        Ok(())
    }

    fn take_unknown(&mut self, payment: &SeenPayment) {
        self.findings.payment_count += 1;
        let there = payment_there(payment);
        if there.state.is_out() {
            self.add(PayoutDifference {
                kind: DifferenceKind::UnknownPayment,
                here: None,
                there,
                provider_payment_id: payment.provider_id.clone(),
                key: key_text(&payment.key),
                is_looked_at: false,
            });
        }
    }

    async fn compare(
        &mut self,
        sent: &SentPayout,
        there: &PaymentThere,
        provider_payment_id: &str,
        key: &PaymentKey,
    ) -> Result<(), Stop> {
        if !self.compared.insert(sent.payout.id) || sent.attempt.is_under_way {
            return Ok(());
        }
        self.findings.payout_count += 1;
        let here = PayoutHere::of(&sent.payout);
        let compared = compare(&here, there);
        let is_looked_at = compared.is_behind && sent.attempt.next_at.is_some();
        if is_looked_at {
            let wake = WakePayouts {
                provider: self.row.provider,
                has_funds: false,
                currency: None,
                payout_id: Some(sent.payout.id),
            };
            submit(self.app, self.row.account_id, wake.into()).await?;
            self.app.wake_payouts();
            self.findings.looked_at_count += 1;
        }
        for kind in compared.kinds {
            self.add(PayoutDifference {
                kind,
                here: Some(here.clone()),
                there: there.clone(),
                provider_payment_id: provider_payment_id.to_owned(),
                key: key_text(key),
                is_looked_at,
            });
        }
        Ok(())
    }

    /// Adds a difference, unless a page that was read twice has it already.
    fn add(&mut self, difference: PayoutDifference) {
        if !self.findings.differences.contains(&difference) {
            self.findings.add(difference);
        }
    }
}

/// The payout that a key may name.
fn payout_id(payment: &SeenPayment) -> Option<PayoutId> {
    match &payment.key {
        PaymentKey::Payout { payout_id, .. } => Some(*payout_id),
        PaymentKey::Uuid(key) => Some(PayoutId::from_uuid(*key)),
        PaymentKey::Other => None,
    }
}

fn key_text(key: &PaymentKey) -> String {
    match key {
        PaymentKey::Payout { payout_id, number: Some(number) } => format!("{payout_id}-a{number}"),
        PaymentKey::Payout { payout_id, number: None } => payout_id.to_string(),
        PaymentKey::Uuid(key) => key.to_string(),
        PaymentKey::Other => String::new(),
    }
}

/// A payment in the words of the rules.
fn payment_there(payment: &SeenPayment) -> PaymentThere {
    let state = match payment.state {
        PaymentState::Unfunded => ProviderPaymentState::Unfunded,
        PaymentState::Processing => ProviderPaymentState::Processing,
        PaymentState::Unclaimed => ProviderPaymentState::Unclaimed,
        PaymentState::OnHold => ProviderPaymentState::OnHold,
        PaymentState::Paid => ProviderPaymentState::Paid,
        PaymentState::Failed(_) => ProviderPaymentState::Failed,
        PaymentState::Cancelled => ProviderPaymentState::Cancelled,
        PaymentState::Returning => ProviderPaymentState::Returning,
        PaymentState::Returned | PaymentState::Reversed => ProviderPaymentState::Returned,
    };
    PaymentThere { state, amount: payment.amount, fee: payment.fee, returned: payment.returned }
}
