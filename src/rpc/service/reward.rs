//! RewardService.

use std::sync::Arc;

use crate::auth::permission::{ADMINISTRATION, READING_MONEY};
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};
use crate::rpc::{ledger, reward};

/// Rewards, balances and the ledger.
pub(in crate::rpc) struct RewardHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" RewardService(reward_service_server) for RewardHandlers {
        GetReward = read reward::get, READING_MONEY;
        ListRewards = read reward::list, READING_MONEY;
        ApproveRewards = write change, ADMINISTRATION;
        DenyRewards = write change, ADMINISTRATION;
        GetBalance = read ledger::balance, READING_MONEY;
        ListLedgerEntries = read ledger::list, READING_MONEY;
        VerifyLedger = write ledger::verify, READING_MONEY;
    }
}
