//! Items: who gets nothing and why, unclaimed ones, cancelling.

use serde_json::{Value, json};

use super::{PayPal, batch_of, fresh_id, name};

/// The id of an unclaimed item of one dollar, and its receiver.
async fn unclaimed(paypal: &PayPal) -> (String, String) {
    let receiver = format!("{}@example.com", fresh_id());
    let id = paypal.created(&batch_of(&fresh_id(), &[(&receiver, "1.00")])).await;
    let batch = paypal.processed(&id).await;
    let item = &batch["items"][0];
    assert_eq!(item["transaction_status"], "UNCLAIMED");
    (item["payout_item_id"].as_str().unwrap().to_owned(), receiver)
}

async fn item(paypal: &PayPal, id: &str) -> Value {
    paypal.get(&format!("/v1/payments/payouts-item/{id}")).await.json()
}

#[tokio::test]
async fn one_item_can_be_read() {
    let paypal = PayPal::start().await;
    let (id, receiver) = unclaimed(&paypal).await;
    let item = item(&paypal, &id).await;
    assert_eq!(item["payout_item_id"], id.as_str());
    assert_eq!(item["payout_item"]["receiver"], receiver.as_str());
    for field in ["transaction_id", "payout_batch_id", "sender_batch_id", "time_processed"] {
        assert!(item[field].is_string(), "{field}: {item}");
    }
}

#[tokio::test]
async fn rule_9_an_unknown_address_is_unclaimed() {
    let paypal = PayPal::start().await;
    let (id, _) = unclaimed(&paypal).await;
    assert_eq!(item(&paypal, &id).await["errors"]["name"], "RECEIVER_UNREGISTERED");
}

#[tokio::test]
async fn rule_9_an_unknown_paypal_id_fails() {
    let paypal = PayPal::start().await;
    let mut body = batch_of(&fresh_id(), &[("ABCDEFGHJKLMN", "1.00")]);
    body["items"][0]["recipient_type"] = json!("PAYPAL_ID");
    let id = paypal.created(&body).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["items"][0]["transaction_status"], "FAILED");
    assert_eq!(batch["items"][0]["errors"]["name"], "RECEIVER_ACCOUNT_INVALID");
}

#[tokio::test]
async fn rule_9_a_payment_to_oneself_is_accepted_and_denied() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("a payment to oneself is denied") else { return };
    control.post("paypal/senders/client", json!({"address": "me@example.com"})).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("Me@example.com", "1.00")])).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["batch_header"]["batch_status"], "DENIED");
    assert_eq!(batch["items"][0]["transaction_status"], "FAILED");
    assert_eq!(batch["items"][0]["errors"]["name"], "SELF_PAY_NOT_ALLOWED");
}

#[tokio::test]
async fn rule_10_an_unclaimed_item_goes_back_after_30_days() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("an unclaimed item goes back after 30 days") else { return };
    paypal.set_balance("USD", 102).await;
    let (id, receiver) = unclaimed(&paypal).await;
    assert_eq!(balance(&paypal).await, "0.00");
    control.advance(30 * 86_400 - 60).await;
    assert_eq!(item_after_token(&paypal, &id).await["transaction_status"], "UNCLAIMED");
    control.advance(60).await;
    assert_eq!(item_after_token(&paypal, &id).await["transaction_status"], "RETURNED");
    let balances = control.get("ledger/balances").await;
    let own = balances.as_array().unwrap().iter().find(|row| row["account"] == "paypal/sender/client").unwrap();
    assert_eq!(own["amount_minor"], 100, "the amount came back, the fee did not");
    assert_eq!(control.received("paypal", &receiver).await, (0, 0));
}

/// Tokens do not live for 30 days.
async fn item_after_token(paypal: &PayPal, id: &str) -> Value {
    let token = paypal.ask_token("secret").await.json()["access_token"].as_str().unwrap().to_owned();
    let url = format!("{}/v1/payments/payouts-item/{id}", paypal.base);
    crate::support::http("GET", &url, &[("authorization", &format!("Bearer {token}"))], "").await.json()
}

async fn balance(paypal: &PayPal) -> String {
    let told = paypal.get("/v1/reporting/balances?currency_code=USD").await.json();
    told["balances"][0]["available_balance"]["value"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_unclaimed_item_is_paid_when_it_is_claimed() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("an unclaimed item is claimed") else { return };
    let (id, receiver) = unclaimed(&paypal).await;
    assert_eq!(control.received("paypal", &receiver).await, (0, 0));
    control.post(&format!("paypal/items/{id}"), json!({"status": "SUCCESS"})).await;
    assert_eq!(item(&paypal, &id).await["transaction_status"], "SUCCESS");
    assert_eq!(control.received("paypal", &receiver).await, (100, 1));
    control.post(&format!("paypal/items/{id}"), json!({"status": "REVERSED"})).await;
    assert_eq!(control.received("paypal", &receiver).await, (0, 0));
}

#[tokio::test]
async fn rule_12_an_item_above_the_limit_fails() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("an item above the limit fails") else { return };
    control.post("paypal/settings", json!({"item_limit_minor": 2_000_000})).await;
    paypal.set_balance("USD", 10_000_000).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "20000.01")])).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["items"][0]["errors"]["name"], "TRANSACTION_LIMIT_EXCEEDED");
    assert_eq!(batch["items"][0]["transaction_status"], "FAILED");
}

#[tokio::test]
async fn every_state_of_an_item_can_be_reached() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("every state of an item") else { return };
    let states = ["PENDING", "SUCCESS", "UNCLAIMED", "ONHOLD", "FAILED", "BLOCKED", "RETURNED", "REFUNDED", "REVERSED"];
    for state in states {
        let receiver = format!("{}@example.com", state.to_lowercase());
        paypal.set_receiver(&receiver, state, Some("RECEIVER_ACCOUNT_LOCKED")).await;
        let id = paypal.created(&batch_of(&fresh_id(), &[(&receiver, "1.00")])).await;
        assert_eq!(paypal.processed(&id).await["items"][0]["transaction_status"], state);
    }
}

#[tokio::test]
async fn an_unclaimed_item_can_be_cancelled_once() {
    let paypal = PayPal::start().await;
    let (id, _) = unclaimed(&paypal).await;
    let path = format!("/v1/payments/payouts-item/{id}/cancel");
    let reply = paypal.post(&path, &json!({})).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["transaction_status"], "RETURNED");
    assert_eq!(name(&paypal.post(&path, &json!({})).await), "ITEM_ALREADY_CANCELLED");
}

#[tokio::test]
async fn a_paid_item_cannot_be_cancelled() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("a paid item cannot be cancelled") else { return };
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    let batch = paypal.batch(&id).await;
    let item = batch["items"][0]["payout_item_id"].as_str().unwrap();
    let path = format!("/v1/payments/payouts-item/{item}/cancel");
    assert_eq!(name(&paypal.post(&path, &json!({})).await), "BATCH_NOT_COMPLETED");
    paypal.processed(&id).await;
    assert_eq!(name(&paypal.post(&path, &json!({})).await), "ITEM_INCORRECT_STATUS");
}
