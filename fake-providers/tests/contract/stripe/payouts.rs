//! Payouts from a connected account to its bank.

use serde_json::{Value, json};

use super::{Stripe, code};
use crate::support::{Control, Reply};

async fn payout(stripe: &Stripe, fields: &[(&str, &str)]) -> Reply {
    let mut all = vec![("amount", "500"), ("currency", "usd")];
    all.extend_from_slice(fields);
    stripe.send("POST", "/v1/payouts", &all, &[("stripe-account", &stripe.account)]).await
}

async fn status(stripe: &Stripe, id: &str) -> Value {
    let path = format!("/v1/payouts/{id}");
    stripe.send("GET", &path, &[], &[("stripe-account", &stripe.account)]).await.json()
}

/// A platform whose account has money and has asked for a payout.
async fn asked() -> Option<(Stripe, Control, String)> {
    let stripe = Stripe::start().await;
    let control = stripe.control("a connected account with a balance")?.clone();
    stripe.transferred("1000", "g").await;
    let reply = payout(&stripe, &[("statement_descriptor", "HEADWATER")]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let id = reply.json()["id"].as_str().unwrap().to_owned();
    Some((stripe, control, id))
}

#[tokio::test]
async fn a_payout_is_pending_then_in_transit_then_paid() {
    let Some((stripe, control, id)) = asked().await else { return };
    assert!(id.starts_with("po_"));
    assert_eq!(status(&stripe, &id).await["status"], "pending");
    control.advance(86_400).await;
    assert_eq!(status(&stripe, &id).await["status"], "in_transit");
    control.advance(86_400).await;
    let payout = status(&stripe, &id).await;
    assert_eq!((&payout["status"], &payout["method"]), (&json!("paid"), &json!("standard")));
    assert_eq!(stripe.received(&control).await, (1000, 1), "the bank leg changes nothing of what was received");
}

#[tokio::test]
async fn a_paid_payout_may_fail_later() {
    let Some((stripe, control, id)) = asked().await else { return };
    control.advance(2 * 86_400).await;
    let balance = async || {
        let reply = stripe.send("GET", "/v1/balance", &[], &[("stripe-account", &stripe.account)]).await;
        reply.json()["available"][0]["amount"].as_i64().unwrap()
    };
    assert_eq!((status(&stripe, &id).await["status"].clone(), balance().await), (json!("paid"), 500));
    let body = json!({"status": "failed", "failure_code": "account_closed"});
    control.post(&format!("stripe/payouts/{id}"), body).await;
    let failed = status(&stripe, &id).await;
    assert_eq!((&failed["status"], &failed["failure_code"]), (&json!("failed"), &json!("account_closed")));
    assert_eq!(balance().await, 1000, "the money is back on the account");
}

#[tokio::test]
async fn every_failure_code_is_known() {
    let Some((_stripe, control, id)) = asked().await else { return };
    let codes = [
        "account_closed",
        "account_frozen",
        "bank_account_restricted",
        "bank_ownership_changed",
        "could_not_process",
        "debit_not_authorized",
        "insufficient_funds",
        "invalid_account_number",
        "invalid_currency",
        "no_account",
        "unsupported_card",
    ];
    for code in codes {
        let payout =
            control.post(&format!("stripe/payouts/{id}"), json!({"status": "failed", "failure_code": code})).await;
        assert_eq!(payout["failure_code"], code);
    }
}

#[tokio::test]
async fn a_pending_payout_can_be_canceled() {
    let Some((stripe, _, id)) = asked().await else { return };
    let path = format!("/v1/payouts/{id}/cancel");
    let account = [("stripe-account", stripe.account.as_str())];
    assert_eq!(stripe.send("POST", &path, &[], &account).await.json()["status"], "canceled");
    assert_eq!(stripe.send("POST", &path, &[], &account).await.status, 400);
}

#[tokio::test]
async fn a_payout_needs_money_and_a_short_descriptor() {
    let Some((stripe, _, _)) = asked().await else { return };
    assert_eq!(payout(&stripe, &[("statement_descriptor", &"x".repeat(23))]).await.status, 400);
    assert_eq!(payout(&stripe, &[("method", "pigeon")]).await.status, 400);
    assert_eq!(payout(&stripe, &[]).await.status, 200);
    assert_eq!(code(&payout(&stripe, &[]).await), "balance_insufficient");
    let reply = stripe.send("GET", "/v1/payouts", &[], &[("stripe-account", &stripe.account)]).await;
    assert_eq!(super::ids(&reply.json()).len(), 2);
}

#[tokio::test]
async fn a_foreign_account_cannot_be_acted_for() {
    let stripe = Stripe::start().await;
    let reply = stripe.send("GET", "/v1/balance", &[], &[("stripe-account", "acct_nobody")]).await;
    assert_eq!((reply.status, code(&reply)), (403, "account_invalid".to_owned()));
}
