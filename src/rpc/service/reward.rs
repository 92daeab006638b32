//! RewardService.

use std::sync::Arc;

use crate::auth::permission::{ADMINISTRATION, READING_MONEY};
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};

/// Rewards, balances and the ledger.
pub(in crate::rpc) struct RewardHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" RewardService(reward_service_server) for RewardHandlers {
        GetReward = read rpc::reward::get, READING_MONEY;
        ListRewards = read rpc::reward::list, READING_MONEY;
        ApproveRewards = write change, ADMINISTRATION;
        DenyRewards = write change, ADMINISTRATION;
        ReleaseRewards = write change, ADMINISTRATION;
        CreateReward = write change, ADMINISTRATION;
        FulfillReward = write change, ADMINISTRATION;
        GetBalance = read rpc::ledger::balance, READING_MONEY;
        ListBalances = read rpc::ledger::list_balances, READING_MONEY;
        CalculateCommissions = read rpc::statement::calculate, READING_MONEY;
        ListLedgerEntries = read rpc::ledger::list, READING_MONEY;
        QueryStats = read rpc::statistic::query, READING_MONEY;
        VerifyLedger = write rpc::ledger::verify, READING_MONEY;
    }
}
