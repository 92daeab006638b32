//! Transfers: made once, their states, cancelling, the sandbox's steps.

use serde_json::{Value, json};

use super::{Wise, code, uuid};

#[tokio::test]
async fn a_transfer_waits_for_its_money() {
    let wise = Wise::start().await;
    let transfer = wise.transfer("100").await;
    assert!(transfer["id"].is_i64());
    assert_eq!(transfer["status"], "incoming_payment_waiting");
    assert_eq!(transfer["hasActiveIssues"], false);
    for field in ["rate", "sourceValue", "targetValue"] {
        assert!(transfer[field].is_number(), "{field}: {transfer}");
    }
    assert!(transfer["customerTransactionId"].is_string());
}

#[tokio::test]
async fn the_same_customer_transaction_id_gives_the_same_transfer() {
    let wise = Wise::start().await;
    let (quote, recipient, id) = (wise.quote("100").await, wise.recipient().await, uuid());
    let body = Wise::transfer_body(&quote, recipient, &id);
    let first = wise.post("/v1/transfers", &body).await.json();
    let second = wise.post("/v1/transfers", &body).await;
    assert_eq!((second.status, &second.json()["id"]), (200, &first["id"]));
}

#[tokio::test]
async fn a_quote_is_for_one_transfer() {
    let wise = Wise::start().await;
    let (quote, recipient) = (wise.quote("100").await, wise.recipient().await);
    assert_eq!(wise.post("/v1/transfers", &Wise::transfer_body(&quote, recipient, &uuid())).await.status, 200);
    assert_eq!(wise.post("/v1/transfers", &Wise::transfer_body(&quote, recipient, &uuid())).await.status, 422);
}

#[tokio::test]
async fn a_customer_transaction_id_is_a_uuid() {
    let wise = Wise::start().await;
    let (quote, recipient) = (wise.quote("100").await, wise.recipient().await);
    let reply = wise.post("/v1/transfers", &Wise::transfer_body(&quote, recipient, "payout-1")).await;
    assert_eq!(reply.status, 422);
}

#[tokio::test]
async fn a_quote_holds_half_an_hour() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a quote holds half an hour") else { return };
    let (quote, recipient) = (wise.quote("100").await, wise.recipient().await);
    control.advance(1800).await;
    let reply = wise.post("/v1/transfers", &Wise::transfer_body(&quote, recipient, &uuid())).await;
    assert_eq!((reply.status, &reply.json()["errors"][0]["path"]), (422, &json!("quoteUuid")));
}

#[tokio::test]
async fn transfers_are_listed_by_profile_and_date() {
    let wise = Wise::start().await;
    let transfer = wise.transfer("100").await;
    let list =
        async |more: &str| wise.get(&format!("/v1/transfers?profile={}&limit=10{more}", wise.profile)).await.json();
    let has = |list: &Value| list.as_array().unwrap().iter().any(|one| one["id"] == transfer["id"]);
    assert!(has(&list("").await));
    assert!(has(&list("&status=incoming_payment_waiting").await));
    assert!(!has(&list("&status=outgoing_payment_sent").await));
    assert!(has(&list("&createdDateStart=2020-01-01").await));
    assert!(!has(&list("&createdDateEnd=2020-01-01").await));
}

#[tokio::test]
async fn a_page_of_transfers_begins_at_its_offset() {
    let wise = Wise::start().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(wise.transfer("100").await["id"].clone());
    }
    made.reverse();
    let page = async |limit: usize, offset: usize| -> Vec<Value> {
        let path = format!("/v1/transfers?profile={}&limit={limit}&offset={offset}", wise.profile);
        let list = wise.get(&path).await.json();
        list.as_array().unwrap().iter().map(|one| one["id"].clone()).collect()
    };
    // The newest comes first.
    assert_eq!(page(2, 0).await, made[..2]);
    assert_eq!(page(1, 2).await, made[2..]);
}

#[tokio::test]
async fn a_transfer_that_does_not_exist_is_not_found() {
    let wise = Wise::start().await;
    assert_eq!(wise.get("/v1/transfers/999999999").await.status, 404);
}

#[tokio::test]
async fn the_sandbox_moves_a_transfer_to_its_end() {
    let wise = Wise::start().await;
    let transfer = wise.transfer("100").await;
    assert_eq!(wise.fund(&transfer).await.json()["status"], "COMPLETED");
    for state in ["processing", "funds_converted", "outgoing_payment_sent"] {
        let reply = wise.simulate(&transfer, state).await;
        assert_eq!((reply.status, &reply.json()["status"]), (200, &json!(state)));
    }
    if let Some(control) = wise.control("what the recipient got") {
        assert_eq!(wise.received(control).await, (10_000, 1));
    }
    assert_eq!(wise.simulate(&transfer, "bounced_back").await.json()["status"], "bounced_back");
    assert_eq!(wise.simulate(&transfer, "funds_refunded").await.json()["status"], "funds_refunded");
    if let Some(control) = wise.control("what the recipient got") {
        assert_eq!(wise.received(control).await, (0, 0));
    }
}

#[tokio::test]
async fn a_refund_may_be_less_than_the_amount() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a fee is kept of a refund") else { return };
    control.post("wise/settings", json!({"refund_fee_minor": 250})).await;
    wise.set_balance("EUR", 20_000).await;
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    for state in ["processing", "funds_converted", "outgoing_payment_sent", "bounced_back", "funds_refunded"] {
        assert_eq!(wise.simulate(&transfer, state).await.status, 200, "{state}");
    }
    let balances = wise.get(&wise.path("v4", "balances?types=STANDARD")).await.json();
    // The fee of the transfer, 0.40 + 0.30, and that of the refund are gone.
    assert_eq!(balances[0]["amount"]["value"], json!(196.8));
}

#[tokio::test]
async fn a_transfer_may_go_back_to_an_earlier_state() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a transfer goes back") else { return };
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    for state in ["processing", "funds_converted", "outgoing_payment_sent"] {
        wise.simulate(&transfer, state).await;
    }
    let path = format!("wise/transfers/{}", transfer["id"]);
    control.post(&path, json!({"status": "processing"})).await;
    assert_eq!(wise.status(&transfer).await, "processing");
    assert_eq!(wise.received(control).await, (0, 0));
    for state in ["funds_converted", "outgoing_payment_sent"] {
        wise.simulate(&transfer, state).await;
    }
    assert_eq!(wise.received(control).await, (10_000, 1));
}

#[tokio::test]
async fn every_state_can_be_reached() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("every state of a transfer") else { return };
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    let states = [
        "incoming_payment_initiated",
        "funds_converted",
        "waiting_recipient_input_to_proceed",
        "outgoing_payment_sent",
        "bounced_back",
        "cancelled",
        "funds_refunded",
        "charged_back",
        "unknown",
    ];
    for state in states {
        control.post(&format!("wise/transfers/{}", transfer["id"]), json!({"status": state})).await;
        assert_eq!(wise.status(&transfer).await, state);
    }
}

#[tokio::test]
async fn a_transfer_moves_by_itself_if_it_is_set() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a transfer that moves by itself") else { return };
    control.post("wise/settings", json!({"step_ms": 5000})).await;
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    let mut states = Vec::new();
    for _ in 0..3 {
        states.push(wise.status(&transfer).await);
        control.advance(5).await;
    }
    assert_eq!(states, ["processing", "funds_converted", "outgoing_payment_sent"]);
}

#[tokio::test]
async fn a_transfer_can_be_cancelled_until_it_is_converted() {
    let wise = Wise::start().await;
    let cancel = async |transfer: &Value| {
        wise.send("PUT", &format!("/v1/transfers/{}/cancel", transfer["id"]), &Value::Null).await
    };
    let unfunded = wise.transfer("100").await;
    assert_eq!(cancel(&unfunded).await.json()["status"], "cancelled");
    let funded = wise.transfer("100").await;
    wise.fund(&funded).await;
    assert_eq!(wise.simulate(&funded, "processing").await.status, 200);
    assert_eq!(wise.simulate(&funded, "funds_converted").await.status, 200);
    let reply = cancel(&funded).await;
    assert_eq!((reply.status, code(&reply)), (409, "transfer.cancellation.not.allowed".to_owned()));
}

#[tokio::test]
async fn a_cancelled_transfer_gives_the_money_back() {
    let wise = Wise::start().await;
    let Some(_) = wise.control("the balance after cancelling") else { return };
    wise.set_balance("EUR", 20_000).await;
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    wise.send("PUT", &format!("/v1/transfers/{}/cancel", transfer["id"]), &Value::Null).await;
    let balances = wise.get(&wise.path("v4", "balances?types=STANDARD")).await.json();
    assert_eq!(balances[0]["amount"]["value"], json!(199.3), "all but the fee");
}

#[tokio::test]
async fn an_unfunded_transfer_is_cancelled_after_14_days() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("an unfunded transfer is cancelled after 14 days") else { return };
    let transfer = wise.transfer("100").await;
    control.advance(14 * 86_400 - 1).await;
    assert_eq!(wise.status(&transfer).await, "incoming_payment_waiting");
    control.advance(1).await;
    assert_eq!(wise.status(&transfer).await, "cancelled");
}
