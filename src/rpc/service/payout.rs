//! PayoutService.

use std::sync::Arc;

use crate::auth::permission::{ADMINISTRATION, PAYING, READING_MONEY};
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};

/// Payouts.
pub(in crate::rpc) struct PayoutHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" PayoutService(payout_service_server) for PayoutHandlers {
        CreatePayout = write change, PAYING;
        PreviewPayoutRun = read rpc::payout_run::preview, READING_MONEY;
        CreatePayoutRun = write rpc::payout_run::create, PAYING;
        CancelPayoutRun = write rpc::payout_run::cancel, PAYING;
        GetPayoutRun = read rpc::payout_run::get, READING_MONEY;
        CreatePayoutSchedule = write change, PAYING;
        UpdatePayoutSchedule = write change, PAYING;
        ArchivePayoutSchedule = write change, PAYING;
        GetPayoutSchedule = read rpc::payout_schedule::get, READING_MONEY;
        ListPayoutSchedules = read rpc::payout_schedule::list, READING_MONEY;
        ApprovePayouts = write change, PAYING;
        ConfirmPayouts = write change, PAYING;
        CancelPayout = write change, PAYING;
        SetPayoutMethod = write change, PAYING;
        RemovePayoutMethod = write change, PAYING;
        GetPayoutMethod = read rpc::payout_method::get, READING_MONEY;
        SetTaxProfile = write change, PAYING;
        GetTaxProfile = read rpc::tax_profile::get, READING_MONEY;
        ConfirmTaxProfile = write change, ADMINISTRATION;
        RefuseTaxProfile = write change, ADMINISTRATION;
        RemoveTaxProfile = write change, PAYING;
        ListTaxProfiles = read rpc::tax_profile::list, READING_MONEY;
        SetBillingProfile = write change, ADMINISTRATION;
        GetBillingProfile = read rpc::billing_profile::get, READING_MONEY;
        ListYearlyTotals = read rpc::yearly_total::list, READING_MONEY;
        SetPayoutConnection = write change, ADMINISTRATION;
        RemovePayoutConnection = write change, ADMINISTRATION;
        GetPayoutConnection = read rpc::payout_connection::get, ADMINISTRATION;
        ListPayoutConnections = read rpc::payout_connection::list, ADMINISTRATION;
        ReconcilePayouts = write rpc::payout_reconciliation::reconcile, PAYING;
        GetPayoutReconciliation = read rpc::payout_reconciliation::get, READING_MONEY;
        ListPayoutReconciliations = read rpc::payout_reconciliation::list, READING_MONEY;
        RetryPayout = write change, PAYING;
        NotifyFundsAdded = write change, PAYING;
        ExportPayoutFile = write rpc::payout_file::export, PAYING;
        ImportPayoutResults = write rpc::payout::import, PAYING;
        ReopenPayout = write change, PAYING;
        GetPayoutDocument = read rpc::payout_document::get, READING_MONEY;
        ListPayoutDocuments = read rpc::payout_document::list, READING_MONEY;
        GetAmountOwed = read rpc::payout::owed::get, READING_MONEY;
        MarkPaid = write change, PAYING;
        GetPayout = read rpc::payout::get, READING_MONEY;
        ListPayouts = read rpc::payout::list, READING_MONEY;
    }
}
