//! Tokens and who may pay.

use serde_json::json;

use super::{PayPal, batch_of, fresh_id, name};
use crate::support::http;

#[tokio::test]
async fn a_token_is_given_for_client_id_and_secret() {
    let paypal = PayPal::start().await;
    let reply = paypal.ask_token(&paypal.secret).await;
    assert_eq!(reply.status, 200);
    let body = reply.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!(body["expires_in"].as_i64().unwrap() > 0);
    for field in ["scope", "access_token", "app_id", "nonce"] {
        assert!(body[field].is_string(), "{field}: {body}");
    }
    assert!(body["scope"].as_str().unwrap().contains("https://uri.paypal.com/"));
}

#[tokio::test]
async fn a_wrong_secret_gets_no_token() {
    let paypal = PayPal::start().await;
    let reply = paypal.ask_token("wrong").await;
    assert_eq!(reply.status, 401);
    assert_eq!(reply.json()["error"], "invalid_client");
}

#[tokio::test]
async fn without_a_valid_token_the_answer_is_401() {
    let paypal = PayPal::start().await;
    let url = format!("{}/v1/payments/payouts/ABC", paypal.base);
    let reply = http("GET", &url, &[("authorization", "Bearer A21AAwrong")], "").await;
    assert_eq!(reply.status, 401);
}

#[tokio::test]
async fn a_token_expires() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("a token expires") else { return };
    control.advance(32_399).await;
    assert_eq!(paypal.get("/v1/reporting/balances").await.status, 200);
    control.advance(1).await;
    assert_eq!(paypal.get("/v1/reporting/balances").await.status, 401);
}

#[tokio::test]
async fn payouts_that_are_not_enabled_are_refused_with_403() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("payouts that are not enabled are refused") else { return };
    control.post("paypal/senders/client", json!({"refusal": "AUTHORIZATION_ERROR"})).await;
    let reply = paypal.create(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    assert_eq!((reply.status, name(&reply)), (403, "AUTHORIZATION_ERROR".to_owned()));
}
