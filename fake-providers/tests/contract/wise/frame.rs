//! Tokens, profiles, balances.

use serde_json::json;

use super::{Wise, code};
use crate::support::http;

#[tokio::test]
async fn a_request_needs_a_token() {
    let wise = Wise::start().await;
    let reply = http("GET", &format!("{}/v2/profiles", wise.base), &[], "").await;
    assert_eq!(reply.status, 401);
    let body = reply.json();
    assert!(body["error"].is_string(), "{body}");
}

#[tokio::test]
async fn a_user_has_profiles() {
    let wise = Wise::start().await;
    let profiles = wise.get("/v2/profiles").await.json();
    for profile in profiles.as_array().unwrap() {
        assert!(profile["id"].is_i64() && profile["type"].is_string(), "{profile}");
    }
}

#[tokio::test]
async fn a_foreign_profile_is_refused() {
    let wise = Wise::start().await;
    let reply = wise.get("/v4/profiles/1/balances?types=STANDARD").await;
    assert!([403, 404].contains(&reply.status), "{reply:?}");
}

#[tokio::test]
async fn balances_are_told_by_currency_and_are_fresh() {
    let wise = Wise::start().await;
    let path = wise.path("v4", "balances?types=STANDARD");
    let balances = wise.get(&path).await.json();
    let balance = balances.as_array().unwrap().iter().find(|balance| balance["currency"] == "EUR").unwrap();
    assert!(balance["id"].is_i64());
    for field in ["amount", "reservedAmount", "cashAmount"] {
        assert!(balance[field]["value"].is_number() && balance[field]["currency"] == "EUR", "{field}: {balance}");
    }
    if let Some(control) = wise.control("a balance that is set") {
        let body = json!({"profile": wise.profile, "currency": "EUR", "amount_minor": 123});
        control.post("wise/balance", body).await;
        assert_eq!(wise.get(&path).await.json()[0]["amount"]["value"], json!(1.23));
    }
}

#[tokio::test]
async fn too_many_requests_name_the_limit() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a 429 on demand") else { return };
    control.fault(json!({"provider": "wise", "fault": {"kind": "rate_limit", "retry_after_seconds": 3}})).await;
    let reply = wise.get("/v2/profiles").await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "3"));
    assert!(!reply.header("x-rate-limited-by").is_empty());
}

#[tokio::test]
async fn errors_are_a_list_with_codes() {
    let wise = Wise::start().await;
    let reply = wise.post(&wise.path("v3", "quotes"), &json!({"sourceCurrency": "EUR"})).await;
    assert_eq!(reply.status, 422);
    assert!(!code(&reply).is_empty());
    let error = &reply.json()["errors"][0];
    for field in ["message", "path"] {
        assert!(error[field].is_string(), "{field}: {error}");
    }
    assert!(error["arguments"].is_array());
}

#[tokio::test]
async fn a_token_may_be_refused_early() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a token that expires") else { return };
    control.fault(json!({"provider": "wise", "fault": {"kind": "expire_tokens"}})).await;
    assert_eq!(wise.get("/v2/profiles").await.status, 401);
    assert_eq!(wise.get("/v2/profiles").await.status, 200);
}
