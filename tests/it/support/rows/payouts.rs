//! Payouts.

use std::sync::Arc;

use headwater::domain::affiliate::PostalAddress;
use headwater::domain::billing_profile::BillingProfile;
use headwater::domain::id::{
    ApiKeyId, PayoutDocumentId, PayoutExportId, PayoutId, PayoutReconciliationId, PayoutRunId, PayoutScheduleId,
    RewardId,
};
use headwater::domain::payout::{
    Payout, PayoutPolicy, PayoutProblem, PayoutProvider, PayoutState, ProblemKind, Reopening, Sending,
};
use headwater::domain::payout_attempt::{NextStep, PayoutAttempt};
use headwater::domain::payout_connection::PayoutConnection;
use headwater::domain::payout_document::{
    DocumentContent, DocumentLine, DocumentLineKind, DocumentNumber, DocumentParty, InvoiceTax, PayoutDocument,
    PayoutDocumentCount, PayoutDocumentState, TaxTreatment,
};
use headwater::domain::payout_export::{PayoutExport, PayoutFileFormat};
use headwater::domain::payout_method::{
    MethodChoice, PayoutDestination, PayoutMethod, PayoutMethodKind, PendingChoice, Sealed,
};
use headwater::domain::payout_purse::{FundsWait, PayoutPurse};
use headwater::domain::payout_reconciliation::{
    DifferenceKind, PaymentThere, PayoutDifference, PayoutHere, PayoutReconciliation, ProviderPaymentState,
    ReconciliationState,
};
use headwater::domain::payout_run::{PayoutRun, PayoutRunState, RunPlan};
use headwater::domain::payout_schedule::{Cutoff, PayoutSchedule, PayoutScheduleState};
use headwater::domain::tax_number::TaxNumberKind;
use headwater::domain::tax_profile::{
    PayeeKind, TaxDetails, TaxForm, TaxNumber, TaxProfile, TaxProfileState, TaxReview,
};
use headwater::domain::timing::{Recurrence, Timing};

use super::{ACCOUNT, NOW, affiliate, usd, uuid};

pub(crate) fn payout() -> Payout {
    Payout {
        id: PayoutId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        affiliate_id: affiliate().id,
        amount: usd(1_250),
        provider: PayoutProvider::Manual,
        destination: None,
        is_test: false,
        state: PayoutState::Paid,
        reward_count: 2,
        reference: "TRX 17".to_owned(),
        note: "November".to_owned(),
        message: "Thank you".to_owned(),
        paid_at: Some(NOW),
        run_id: None,
        created_by: None,
        approved_by: None,
        approved_at: None,
        cancelled_at: None,
        sending: None,
        export_id: None,
        document_id: None,
        document_number: String::new(),
        reopenings: Vec::new(),
        created_at: NOW.plus_days(1),
        updated_at: NOW.plus_days(1),
    }
}

/// A payout that was approved by another key and is not paid.
pub(crate) fn open_payout() -> Payout {
    Payout {
        id: PayoutId::from_uuid(uuid(2)),
        state: PayoutState::Ready,
        reference: String::new(),
        paid_at: None,
        run_id: Some(payout_run().id),
        created_by: Some(ApiKeyId::from_uuid(uuid(1))),
        approved_by: Some(ApiKeyId::from_uuid(uuid(2))),
        approved_at: Some(NOW.plus_days(2)),
        ..payout()
    }
}

pub(crate) fn cancelled_payout() -> Payout {
    Payout { state: PayoutState::Cancelled, cancelled_at: Some(NOW.plus_days(3)), ..open_payout() }
}

/// A payout that waits for money, after an attempt that found too little.
pub(crate) fn waiting_payout() -> Payout {
    let problem = PayoutProblem::new(ProblemKind::NotAuthorized, "AUTHORIZATION_ERROR", "d1e2b3");
    Payout {
        provider: PayoutProvider::PayPal,
        state: PayoutState::AwaitingFunds,
        sending: Some(Arc::new(Sending {
            attempt_count: 2,
            provider_payment_id: "BATCH7".to_owned(),
            fee: Some(usd(25)),
            problem: Some(problem),
            awaiting_since: Some(NOW.plus_days(4)),
            needed: Some(usd(1_275)),
            available: Some(usd(3)),
            returned: Some(usd(1_200)),
            cancel_requested_at: Some(NOW.plus_days(5)),
        })),
        ..open_payout()
    }
}

pub(crate) fn payout_attempt() -> PayoutAttempt {
    let first = PayoutAttempt::first(ACCOUNT, open_payout().id, PayoutProvider::PayPal, NOW);
    PayoutAttempt {
        number: 2,
        next_step: NextStep::LookUp,
        first_try_at: Some(NOW),
        last_try_at: Some(NOW.plus_days(1)),
        provider_payment_id: "BATCH7".to_owned(),
        is_probe: true,
        tries: 3,
        lease_id: uuid(7),
        is_under_way: true,
        seen_wake: 4,
        doubt_code: "INTERNAL_ERROR".to_owned(),
        doubt_debug_id: "d1e2b3".to_owned(),
        ..first
    }
}

pub(crate) fn payout_purse() -> PayoutPurse {
    let wait = FundsWait { probe_count: 2, ..FundsWait::new("USD".parse().unwrap(), usd(1_275), Some(usd(3)), NOW) };
    PayoutPurse { wake_count: 4, waits: vec![wait], ..PayoutPurse::new(ACCOUNT, PayoutProvider::PayPal) }
}

/// The payments of [`reopened_payout`] that were undone.
pub(crate) fn reopenings() -> Vec<Reopening> {
    let first = Reopening {
        reopened_at: NOW.plus_days(2),
        reopened_by: Some(ApiKeyId::from_uuid(uuid(1))),
        reason: "sent back".to_owned(),
        paid_at: Some(NOW),
        reference: "TRX 17".to_owned(),
    };
    let second = Reopening { reopened_by: None, paid_at: None, reference: String::new(), ..first.clone() };
    vec![first, second]
}

pub(crate) fn reopened_payout() -> Payout {
    Payout { export_id: Some(payout_export().id), reopenings: reopenings(), ..open_payout() }
}

/// The payout of [`payout_document`].
pub(crate) fn invoiced_payout() -> Payout {
    let document = payout_document();
    Payout {
        id: document.payout_id,
        document_id: Some(document.id),
        document_number: "INV-2026-00017".to_owned(),
        ..payout()
    }
}

/// An invoice that became void.
pub(crate) fn payout_document() -> PayoutDocument {
    PayoutDocument {
        id: PayoutDocumentId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        payout_id: PayoutId::from_uuid(uuid(3)),
        affiliate_id: payout().affiliate_id,
        amount: usd(1_250),
        state: PayoutDocumentState::Voided,
        number: Some(DocumentNumber { year: 2026, sequence: 17, prefix: "INV-".to_owned() }),
        content: Some(Arc::new(document_content())),
        payee_tax_number: Some(Sealed::new(*b"sealed")),
        finalized_at: Some(NOW),
        voided_at: Some(NOW.plus_days(1)),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

/// An invoice of a payout that is not paid.
pub(crate) fn draft_document() -> PayoutDocument {
    PayoutDocument {
        id: PayoutDocumentId::from_uuid(uuid(2)),
        payout_id: open_payout().id,
        state: PayoutDocumentState::Draft,
        number: None,
        content: None,
        payee_tax_number: None,
        finalized_at: None,
        voided_at: None,
        ..payout_document()
    }
}

pub(crate) fn payout_document_count() -> PayoutDocumentCount {
    PayoutDocumentCount { account_id: ACCOUNT, year: 2026, last_sequence: 17 }
}

pub(crate) fn invoice_tax() -> InvoiceTax {
    InvoiceTax { treatment: TaxTreatment::Rate, rate_ppm: 190_000, note: "19 % USt.".to_owned() }
}

pub(crate) fn document_content() -> DocumentContent {
    let line = |number: u128, amount_minor: i64| DocumentLine {
        reward_id: RewardId::from_uuid(uuid(number)),
        day: "2026-11-27".parse().unwrap(),
        kind: DocumentLineKind::Commission,
        rule: "autumn".to_owned(),
        event_id: format!("order-{number}"),
        event_amount: Some(usd(12_500)),
        amount_minor,
    };
    let taken = DocumentLine {
        kind: DocumentLineKind::TakenBack,
        rule: String::new(),
        event_id: String::new(),
        event_amount: None,
        ..line(2, -50)
    };
    DocumentContent {
        issued_on: "2026-11-28".parse().unwrap(),
        issuer: DocumentParty {
            name: "Shop Ltd".to_owned(),
            address: vec!["Main Street 1".to_owned(), "Springfield".to_owned()],
            tax_number: "DE123456789".to_owned(),
        },
        payee: DocumentParty { name: "Ann Ample".to_owned(), ..DocumentParty::default() },
        tax: invoice_tax(),
        net_minor: 1_050,
        tax_minor: 200,
        payment_terms: "by transfer".to_owned(),
        lines: vec![line(1, 1_300), taken],
    }
}

/// A file that is kept.
pub(crate) fn payout_export() -> PayoutExport {
    PayoutExport {
        id: PayoutExportId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        format: PayoutFileFormat::Sepa,
        payout_ids: vec![open_payout().id, payout().id],
        total: usd(2_500),
        sha256: "5a".repeat(32),
        file: Some(Sealed::new(*b"sealed")),
        created_by: Some(ApiKeyId::from_uuid(uuid(1))),
        created_at: NOW,
    }
}

/// A run with a maximum that was cancelled.
pub(crate) fn cancelled_payout_run() -> PayoutRun {
    PayoutRun {
        id: PayoutRunId::from_uuid(uuid(2)),
        state: PayoutRunState::Cancelled,
        maximum_total: Some(usd(2_000)),
        cancelled_by: Some(ApiKeyId::from_uuid(uuid(2))),
        cancelled_at: Some(NOW.plus_days(2)),
        ..payout_run()
    }
}

/// A run of a schedule.
pub(crate) fn planned_payout_run() -> PayoutRun {
    let plan = RunPlan {
        schedule_id: payout_schedule().id,
        planned_at: NOW.plus_days(1),
        due_until: Some(NOW.plus_days(-14)),
        needs_approval: true,
    };
    PayoutRun { id: PayoutRunId::from_uuid(uuid(3)), plan: Some(plan), ..payout_run() }
}

pub(crate) fn payout_schedule() -> PayoutSchedule {
    PayoutSchedule {
        id: PayoutScheduleId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        state: PayoutScheduleState::Active,
        display_name: "Twice a month".to_owned(),
        timing: Timing { recurrence: Recurrence::MonthDays(vec![1, 15]), minute_of_day: 540 },
        currency: "USD".parse().unwrap(),
        affiliate_ids: Some(vec![affiliate().id]),
        minimum: Some(usd(1_000)),
        maximum_total: Some(usd(50_000)),
        provider: Some(PayoutProvider::PayPal),
        cutoff: Some(Cutoff::NetDays { days: 15 }),
        needs_approval: true,
        note: "Bonus round".to_owned(),
        message: "Thank you".to_owned(),
        set_by: Some(ApiKeyId::from_uuid(uuid(1))),
        next_run_at: Some(NOW.plus_days(1)),
        last_run_id: Some(payout_run().id),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
        archived_at: None,
    }
}

/// One that is archived and has no more than it must have.
pub(crate) fn archived_payout_schedule() -> PayoutSchedule {
    PayoutSchedule {
        id: PayoutScheduleId::from_uuid(uuid(2)),
        state: PayoutScheduleState::Archived,
        timing: Timing {
            recurrence: Recurrence::Cycle { interval_days: 14, first: "2026-11-27".parse().unwrap() },
            minute_of_day: 0,
        },
        affiliate_ids: None,
        minimum: None,
        maximum_total: None,
        provider: None,
        cutoff: Some(Cutoff::MonthBefore),
        needs_approval: false,
        note: String::new(),
        message: String::new(),
        set_by: None,
        next_run_at: None,
        last_run_id: None,
        archived_at: Some(NOW.plus_days(2)),
        ..payout_schedule()
    }
}

pub(crate) fn payout_policy() -> PayoutPolicy {
    PayoutPolicy { net_days: 15, approval_above: vec![usd(50_000)], ..PayoutPolicy::default() }
}

pub(crate) fn payout_run() -> PayoutRun {
    PayoutRun {
        id: PayoutRunId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        state: PayoutRunState::Creating,
        currency: "USD".parse().unwrap(),
        affiliate_ids: Some(vec![affiliate().id]),
        minimum: Some(usd(1_000)),
        maximum_total: None,
        provider: None,
        plan: None,
        note: "November".to_owned(),
        message: "Thank you".to_owned(),
        cursor: Some(affiliate().id),
        payout_count: 1,
        total: usd(1_250),
        created_by: Some(ApiKeyId::from_uuid(uuid(1))),
        cancelled_by: None,
        cancelled_at: None,
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

pub(crate) fn destination() -> PayoutDestination {
    PayoutDestination { kind: PayoutMethodKind::Iban, hint: "DE…3000".to_owned(), sealed: Sealed::new([1; 60]) }
}

fn choice() -> MethodChoice {
    MethodChoice { destination: destination(), fingerprint: [7; 32], set_at: NOW }
}

/// A method that is changed soon.
pub(crate) fn payout_method() -> PayoutMethod {
    PayoutMethod {
        account_id: ACCOUNT,
        affiliate_id: affiliate().id,
        current: Some(choice()),
        pending: Some(PendingChoice {
            choice: MethodChoice { fingerprint: [8; 32], ..choice() },
            effective_at: NOW.plus_days(3),
        }),
        override_reason: "asked by phone".to_owned(),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

pub(crate) fn payout_connection() -> PayoutConnection {
    PayoutConnection {
        account_id: ACCOUNT,
        provider: PayoutProvider::Stripe,
        hint: "…4242".to_owned(),
        sealed: Sealed::new([2; 60]),
        next_reconciliation_at: Some(NOW.plus_days(2)),
        open_reconciliation_id: None,
        last_reconciliation_id: Some(payout_reconciliation().id),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

/// Differences of every form.
pub(crate) fn payout_differences() -> Vec<PayoutDifference> {
    let here = PayoutHere {
        payout_id: payout().id,
        state: PayoutState::Paid,
        amount: usd(1_250),
        fee: Some(usd(25)),
        returned: Some(usd(200)),
    };
    let there = PaymentThere {
        state: ProviderPaymentState::Returned,
        amount: Some(usd(1_250)),
        fee: Some(usd(26)),
        returned: Some(usd(1_000)),
    };
    let first = PayoutDifference {
        kind: DifferenceKind::ReturnedThere,
        here: Some(here),
        there,
        provider_payment_id: "tr_1".to_owned(),
        key: "pay_1-a1".to_owned(),
        is_looked_at: true,
    };
    let there = PaymentThere { state: ProviderPaymentState::Paid, amount: None, fee: None, returned: None };
    let second = PayoutDifference {
        kind: DifferenceKind::UnknownPayment,
        here: None,
        there,
        provider_payment_id: String::new(),
        key: String::new(),
        is_looked_at: false,
    };
    vec![first, second]
}

/// A completed reconciliation.
pub(crate) fn payout_reconciliation() -> PayoutReconciliation {
    PayoutReconciliation {
        id: PayoutReconciliationId::from_uuid(uuid(1)),
        account_id: ACCOUNT,
        provider: PayoutProvider::Stripe,
        state: ReconciliationState::Completed,
        start_at: NOW.plus_days(-7),
        end_at: NOW,
        payment_count: 12,
        payout_count: 11,
        unread_count: 1,
        looked_at_count: 1,
        difference_count: 2,
        new_difference_count: 1,
        differences: payout_differences(),
        problem_code: "rate_limit".to_owned(),
        tries: 2,
        lease_id: uuid(5),
        next_at: None,
        created_by: Some(ApiKeyId::from_uuid(uuid(1))),
        created_at: NOW,
        ended_at: Some(NOW.plus_days(1)),
    }
}

/// A reconciliation that is running.
pub(crate) fn running_payout_reconciliation() -> PayoutReconciliation {
    PayoutReconciliation {
        id: PayoutReconciliationId::from_uuid(uuid(2)),
        state: ReconciliationState::Running,
        payment_count: 0,
        payout_count: 0,
        unread_count: 0,
        looked_at_count: 0,
        difference_count: 0,
        new_difference_count: 0,
        differences: Vec::new(),
        problem_code: String::new(),
        next_at: Some(NOW.plus_days(1)),
        created_by: None,
        ended_at: None,
        ..payout_reconciliation()
    }
}

fn street() -> PostalAddress {
    PostalAddress {
        street: "Main Street 1".to_owned(),
        city: "Springfield".to_owned(),
        region: "IL".to_owned(),
        postal_code: "62701".to_owned(),
        country_code: "US".to_owned(),
    }
}

/// The content of a profile that was refused.
pub(crate) fn tax_details() -> TaxDetails {
    TaxDetails {
        payee_kind: PayeeKind::Individual,
        legal_name: "Ada Ample".to_owned(),
        address: street(),
        residence_country: "US".to_owned(),
        form: TaxForm::W9,
        signed_on: Some("2025-11-27".parse().unwrap()),
        number: Some(TaxNumber { kind: TaxNumberKind::Ssn, hint: "…789".to_owned(), sealed: Sealed::new([3; 60]) }),
        state: TaxProfileState::Refused,
        review: TaxReview {
            reviewed_by: Some(ApiKeyId::from_uuid(uuid(1))),
            reviewed_at: Some(NOW.plus_days(1)),
            refusal_reason: "the name is another".to_owned(),
        },
    }
}

/// The content of a profile without a number that nobody has looked at.
pub(crate) fn bare_tax_details() -> TaxDetails {
    TaxDetails {
        form: TaxForm::NoForm,
        signed_on: None,
        number: None,
        state: TaxProfileState::Received,
        review: TaxReview::default(),
        ..tax_details()
    }
}

pub(crate) fn tax_profile() -> TaxProfile {
    TaxProfile {
        account_id: ACCOUNT,
        affiliate_id: affiliate().id,
        details: Some(tax_details()),
        version: 2,
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}

pub(crate) fn billing_profile() -> BillingProfile {
    BillingProfile {
        account_id: ACCOUNT,
        legal_name: "Shop Ltd".to_owned(),
        address: street(),
        vat_id: "DE123456789".to_owned(),
        tax_number: "12/345/67890".to_owned(),
        invoice_prefix: "SB-".to_owned(),
        payment_terms: "14 days".to_owned(),
        created_at: NOW,
        updated_at: NOW.plus_days(1),
    }
}
