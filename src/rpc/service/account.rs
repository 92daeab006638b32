//! AccountService.

use std::sync::Arc;

use crate::auth::permission::{
    ADMINISTRATION, EVERY_KIND, KEY_ADMINISTRATION, KEY_READING, OPERATION, READING, REGISTRATION,
};
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};

/// Accounts and API keys.
pub(in crate::rpc) struct AccountHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
}

service! {
    "headwater.v1" AccountService(account_service_server) for AccountHandlers {
        RegisterAccount = write rpc::account::register, REGISTRATION;
        GetAccount = read rpc::account::get, READING;
        UpdateAccount = write rpc::account::update, ADMINISTRATION;
        VerifyAccountEmail = write change, ADMINISTRATION;
        ListAccounts = read rpc::account::list, OPERATION;
        SuspendAccount = write rpc::account::suspend, OPERATION;
        ResumeAccount = write rpc::account::resume, OPERATION;
        SetAccountCallLimit = write rpc::account::set_call_limit, OPERATION;
        CreateApiKey = write rpc::account::create_key, KEY_ADMINISTRATION;
        CreateAdminApiKey = write rpc::account::create_admin_key, OPERATION;
        GetApiKey = read rpc::account::get_key, KEY_READING;
        ListApiKeys = read rpc::account::list_keys, KEY_READING;
        UpdateApiKey = write rpc::account::update_key, KEY_ADMINISTRATION;
        RevokeApiKey = write rpc::account::revoke_key, KEY_ADMINISTRATION;
        ListAuditEntries = read rpc::audit::list, KEY_READING;
        CheckApiKey = read rpc::account::check_key, EVERY_KIND;
        GetServerInfo = read rpc::server_info::get, EVERY_KIND;
    }
}
