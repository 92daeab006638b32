//! Money that is missing, fees, decimals and balances.

use serde_json::json;

use super::{PayPal, batch_of, fresh_id, item, name};

#[tokio::test]
async fn rule_5_without_money_the_answer_is_422_and_nothing_is_made() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("without money nothing is made") else { return };
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    paypal.set_balance("USD", 1019).await;
    let body = batch_of(&fresh_id(), &[("a@example.com", "10.00")]);
    let reply = paypal.create(&body).await;
    assert_eq!((reply.status, name(&reply)), (422, "INSUFFICIENT_FUNDS".to_owned()));
    control.advance(60).await;
    assert_eq!(control.received("paypal", "a@example.com").await, (0, 0));

    // The fee counts: 10.20 suffice.
    paypal.set_balance("USD", 1020).await;
    let id = paypal.created(&body).await;
    paypal.processed(&id).await;
    assert_eq!(control.received("paypal", "a@example.com").await, (1000, 1));
}

#[tokio::test]
async fn rule_5_a_batch_is_denied_if_the_money_goes_before_it_is_processed() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("a batch that was accepted is denied") else { return };
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "10.00")])).await;
    paypal.set_balance("USD", 5).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["batch_header"]["batch_status"], "DENIED");
    assert_eq!(batch["items"][0]["transaction_status"], "FAILED");
    assert_eq!(batch["items"][0]["errors"]["name"], "INSUFFICIENT_FUNDS");
    assert_eq!(control.received("paypal", "a@example.com").await, (0, 0));
}

#[tokio::test]
async fn rule_8_some_currencies_need_a_held_balance() {
    let paypal = PayPal::start().await;
    let body = json!({
        "sender_batch_header": {"sender_batch_id": fresh_id()}, "items": [item("a@example.com", "THB", "10.00")],
    });
    let reply = paypal.create(&body).await;
    assert_eq!((reply.status, name(&reply)), (400, "NON_HOLDING_CURRENCY".to_owned()));
}

#[tokio::test]
async fn rule_11_three_currencies_have_no_decimals() {
    let paypal = PayPal::start().await;
    for currency in ["HUF", "JPY", "TWD"] {
        paypal.set_balance(currency, 100_000).await;
        let body = |value: &str| {
            json!({
                "sender_batch_header": {"sender_batch_id": fresh_id()},
                "items": [item("a@example.com", currency, value)],
            })
        };
        let reply = paypal.create(&body("100.50")).await;
        assert_eq!((reply.status, name(&reply)), (400, "VALIDATION_ERROR".to_owned()), "{currency}");
        let id = paypal.created(&body("100")).await;
        let amount = paypal.batch(&id).await["batch_header"]["amount"].clone();
        assert_eq!(amount, json!({"currency": currency, "value": "100"}));
    }
}

#[tokio::test]
async fn rule_13_the_sender_pays_the_fee_from_the_same_balance() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("the fee is charged to the sender's balance") else { return };
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    paypal.set_balance("USD", 1_000_000).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "50.00"), ("a@example.com", "5000.00")])).await;
    let batch = paypal.processed(&id).await;
    assert_eq!(batch["items"][0]["payout_item_fee"], json!({"currency": "USD", "value": "1.00"}));
    assert_eq!(batch["items"][1]["payout_item_fee"], json!({"currency": "USD", "value": "20.00"}), "the cap");
    assert_eq!(batch["batch_header"]["fees"]["value"], "21.00");
    let balances = control.get("ledger/balances").await;
    let own = balances.as_array().unwrap().iter().find(|row| row["account"] == "paypal/sender/client").unwrap();
    assert_eq!(own["amount_minor"], 1_000_000 - 505_000 - 2100);
}

#[tokio::test]
async fn balances_are_told_with_total_available_and_withheld() {
    let paypal = PayPal::start().await;
    let reply = paypal.get("/v1/reporting/balances?currency_code=USD").await;
    assert_eq!(reply.status, 200);
    let balance = &reply.json()["balances"][0];
    assert_eq!(balance["currency"], "USD");
    assert!(balance["primary"].is_boolean());
    for field in ["total_balance", "available_balance", "withheld_balance"] {
        assert!(balance[field]["value"].is_string(), "{field}: {balance}");
    }
}

#[tokio::test]
async fn balances_may_be_old() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("balances may be old") else { return };
    control.post("paypal/settings", json!({"balance_lag_seconds": 10_800})).await;
    control.advance(10_800).await;
    paypal.set_balance("USD", 7).await;
    let told = paypal.get("/v1/reporting/balances?currency_code=USD").await.json();
    assert_eq!(told["balances"][0]["available_balance"]["value"], "10000.00");
    control.advance(10_800).await;
    let told = paypal.get("/v1/reporting/balances?currency_code=USD").await.json();
    assert_eq!(told["balances"][0]["available_balance"]["value"], "0.07");
}
