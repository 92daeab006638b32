//! Keys, accounts and their links.

use serde_json::{Value, json};

use super::{Stripe, code, kind};
use crate::support::http;

#[tokio::test]
async fn a_request_needs_a_secret_key() {
    let stripe = Stripe::start().await;
    for authorization in ["Bearer pk_test_1", "nothing"] {
        let url = format!("{}/v1/balance", stripe.base);
        let reply = http("GET", &url, &[("authorization", authorization)], "").await;
        assert_eq!((reply.status, kind(&reply)), (401, "invalid_request_error".to_owned()));
    }
}

#[tokio::test]
async fn a_new_account_cannot_get_money_yet() {
    let stripe = Stripe::start().await;
    let id = stripe.create_account().await;
    assert!(id.starts_with("acct_"));
    let account = stripe.get(&format!("/v1/accounts/{id}")).await.json();
    assert_eq!(account["object"], "account");
    assert_eq!(account["payouts_enabled"], false);
    assert_ne!(account["capabilities"]["transfers"], "active");
    let requirements = &account["requirements"];
    for field in ["currently_due", "past_due", "eventually_due", "pending_verification"] {
        assert!(requirements[field].is_array(), "{field}: {requirements}");
    }
    let fields = requirements.as_object().unwrap();
    assert!(fields.contains_key("disabled_reason") && fields.contains_key("current_deadline"));
}

#[tokio::test]
async fn a_transfer_needs_the_capability() {
    let stripe = Stripe::start().await;
    let id = stripe.create_account().await;
    let fields = [("amount", "100"), ("currency", "usd"), ("destination", id.as_str())];
    let reply = stripe.post("/v1/transfers", &fields).await;
    assert_eq!((reply.status, code(&reply)), (400, "insufficient_capabilities_for_transfer".to_owned()));
}

async fn link(stripe: &Stripe, account: &str) -> Value {
    let fields = [
        ("account", account),
        ("refresh_url", "https://shop.example/again"),
        ("return_url", "https://shop.example/done"),
        ("type", "account_onboarding"),
    ];
    let reply = stripe.post("/v1/account_links", &fields).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json()
}

#[tokio::test]
async fn a_link_is_made_for_an_account() {
    let stripe = Stripe::start().await;
    let account = stripe.create_account().await;
    let link = link(&stripe, &account).await;
    assert_eq!(link["object"], "account_link");
    assert!(link["url"].is_string());
    assert!(link["expires_at"].as_i64().unwrap() > link["created"].as_i64().unwrap());
}

#[tokio::test]
async fn a_link_works_once_and_not_for_long() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("a link works once") else { return };
    let account = stripe.create_account().await;
    let visit = async |link: &Value| {
        let reply = http("GET", link["url"].as_str().unwrap(), &[], "").await;
        (reply.status, reply.header("location").to_owned())
    };
    let first = link(&stripe, &account).await;
    control.advance(3600).await;
    assert_eq!(visit(&first).await, (303, "https://shop.example/again".to_owned()), "it is old");
    let second = link(&stripe, &account).await;
    assert_eq!(visit(&second).await, (303, "https://shop.example/done".to_owned()));
    assert_eq!(visit(&second).await, (303, "https://shop.example/again".to_owned()), "it was used");
    let account = stripe.get(&format!("/v1/accounts/{account}")).await.json();
    assert_eq!((&account["payouts_enabled"], &account["capabilities"]["transfers"]), (&json!(true), &json!("active")));
}

#[tokio::test]
async fn an_account_can_lose_what_it_needs() {
    let stripe = Stripe::start().await;
    let Some(control) = stripe.control("an account loses its capability") else { return };
    let body = json!({"transfers": "pending", "payouts_enabled": false, "past_due": ["individual.id_number"]});
    control.post(&format!("stripe/accounts/{}", stripe.account), body).await;
    let account = stripe.get(&format!("/v1/accounts/{}", stripe.account)).await.json();
    assert_eq!(account["requirements"]["past_due"], json!(["individual.id_number"]));
    assert_eq!(code(&stripe.transfer("100", "g", "k").await), "insufficient_capabilities_for_transfer");
}

#[tokio::test]
async fn a_balance_has_amounts_by_currency() {
    let stripe = Stripe::start().await;
    let balance = stripe.get("/v1/balance").await.json();
    assert_eq!(balance["object"], "balance");
    assert!(balance["available"][0]["amount"].is_i64());
    assert!(balance["available"][0]["currency"].is_string());
    assert!(balance["available"][0]["source_types"].is_object());
    assert!(balance["pending"].is_array());
}
