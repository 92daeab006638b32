//! RewardService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::auth::permission::{ADMINISTRATION, READING, READING_MONEY};
use crate::pb;
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};
use crate::rpc::feed::FeedStreams;
use crate::rpc::fraud_replay::FraudReplayStream;
use crate::rpc::simulation::SimulationStream;

/// Rewards, balances and the ledger.
pub(in crate::rpc) struct RewardHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
    pub(in crate::rpc) streams: Arc<FeedStreams>,
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
    own {
        SimulateTerms, READING;
        ReplayFraudRules, READING_MONEY;
    }

    type SimulateTermsStream = SimulationStream;
    type ReplayFraudRulesStream = FraudReplayStream;

    async fn simulate_terms(
        &self,
        mut request: Request<pb::SimulateTermsRequest>,
    ) -> Result<Response<SimulationStream>, Status> {
        let call = self.rpc.call_of(&mut request)?;
        let name = call.name.clone();
        let stream = rpc::simulation::open(call, request.into_inner(), self.streams.draining()).await;
        stream.map(Response::new).map_err(|error| error.into_status(&name))
    }
    async fn replay_fraud_rules(
        &self,
        mut request: Request<pb::ReplayFraudRulesRequest>,
    ) -> Result<Response<FraudReplayStream>, Status> {
        let call = self.rpc.call_of(&mut request)?;
        let name = call.name.clone();
        let stream = rpc::fraud_replay::open(call, request.into_inner(), self.streams.draining()).await;
        stream.map(Response::new).map_err(|error| error.into_status(&name))
    }
}
