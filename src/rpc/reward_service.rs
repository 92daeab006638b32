//! RewardService: names the handler of each method.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Rpc, ledger, reward};
use crate::pb;
use crate::pb::server::reward_service_server::RewardService;

/// Rewards, balances and the ledger.
pub(super) struct RewardHandlers(pub(super) Arc<Rpc>);

#[tonic::async_trait]
impl RewardService for RewardHandlers {
    async fn get_reward(
        &self,
        request: Request<pb::GetRewardRequest>,
    ) -> Result<Response<pb::GetRewardResponse>, Status> {
        self.0.read(request, reward::get).await
    }

    async fn list_rewards(
        &self,
        request: Request<pb::ListRewardsRequest>,
    ) -> Result<Response<pb::ListRewardsResponse>, Status> {
        self.0.read(request, reward::list).await
    }

    async fn approve_rewards(
        &self,
        request: Request<pb::ApproveRewardsRequest>,
    ) -> Result<Response<pb::ApproveRewardsResponse>, Status> {
        self.0.write(request, reward::approve).await
    }

    async fn deny_rewards(
        &self,
        request: Request<pb::DenyRewardsRequest>,
    ) -> Result<Response<pb::DenyRewardsResponse>, Status> {
        self.0.write(request, reward::deny).await
    }

    async fn get_balance(
        &self,
        request: Request<pb::GetBalanceRequest>,
    ) -> Result<Response<pb::GetBalanceResponse>, Status> {
        self.0.read(request, ledger::balance).await
    }

    async fn list_ledger_entries(
        &self,
        request: Request<pb::ListLedgerEntriesRequest>,
    ) -> Result<Response<pb::ListLedgerEntriesResponse>, Status> {
        self.0.read(request, ledger::list).await
    }

    async fn verify_ledger(
        &self,
        request: Request<pb::VerifyLedgerRequest>,
    ) -> Result<Response<pb::VerifyLedgerResponse>, Status> {
        self.0.write(request, ledger::verify).await
    }
}
