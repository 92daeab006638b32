//! The audit log.

use serde_json::json;

use super::{Case, case};

pub(super) fn cases() -> Vec<Case> {
    vec![
        case("AccountService/ListAuditEntries", json!({}))
            .list()
            .reference(json!({"api_key_id": "${api_key_id}"}))
            .wrong(json!({"page_size": -1, "order": 99, "api_key_id": "key_1"})),
    ]
}
