//! AccountService: names the handler of each method.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{Rpc, account};
use crate::pb;
use crate::pb::server::account_service_server::AccountService;

/// Accounts and API keys.
pub(super) struct AccountHandlers(pub(super) Arc<Rpc>);

#[tonic::async_trait]
impl AccountService for AccountHandlers {
    async fn register_account(
        &self,
        request: Request<pb::RegisterAccountRequest>,
    ) -> Result<Response<pb::RegisterAccountResponse>, Status> {
        self.0.write(request, account::register).await
    }

    async fn get_account(
        &self,
        request: Request<pb::GetAccountRequest>,
    ) -> Result<Response<pb::GetAccountResponse>, Status> {
        self.0.read(request, account::get).await
    }

    async fn update_account(
        &self,
        request: Request<pb::UpdateAccountRequest>,
    ) -> Result<Response<pb::UpdateAccountResponse>, Status> {
        self.0.write(request, account::update).await
    }

    async fn create_api_key(
        &self,
        request: Request<pb::CreateApiKeyRequest>,
    ) -> Result<Response<pb::CreateApiKeyResponse>, Status> {
        self.0.write(request, account::create_key).await
    }

    async fn list_api_keys(
        &self,
        request: Request<pb::ListApiKeysRequest>,
    ) -> Result<Response<pb::ListApiKeysResponse>, Status> {
        self.0.read(request, account::list_keys).await
    }

    async fn revoke_api_key(
        &self,
        request: Request<pb::RevokeApiKeyRequest>,
    ) -> Result<Response<pb::RevokeApiKeyResponse>, Status> {
        self.0.write(request, account::revoke_key).await
    }

    async fn check_api_key(
        &self,
        request: Request<pb::CheckApiKeyRequest>,
    ) -> Result<Response<pb::CheckApiKeyResponse>, Status> {
        self.0.read(request, account::check_key).await
    }
}
