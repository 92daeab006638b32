//! Funding: the answer's status is the truth, not HTTP's.

use serde_json::json;

use super::{Wise, code};

#[tokio::test]
async fn a_funded_transfer_is_completed_with_a_transaction() {
    let wise = Wise::start().await;
    let transfer = wise.transfer("100").await;
    let reply = wise.fund(&transfer).await;
    assert!([200, 201].contains(&reply.status), "{reply:?}");
    let body = reply.json();
    assert_eq!((&body["type"], &body["status"]), (&json!("BALANCE"), &json!("COMPLETED")));
    assert!(body["balanceTransactionId"].is_i64() && body["errorCode"].is_null());
}

#[tokio::test]
async fn without_money_the_status_is_rejected_and_the_transfer_waits() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a balance without money") else { return };
    wise.set_balance("EUR", 10_069).await;
    let transfer = wise.transfer("100").await;
    let reply = wise.fund(&transfer).await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.json()["status"], "REJECTED");
    assert_eq!(reply.json()["errorCode"], "transfer.insufficient_funds");
    assert_eq!(wise.status(&transfer).await, "incoming_payment_waiting");

    // The same transfer is paid once the money is there: 100.00 and a fee of 0.70.
    wise.set_balance("EUR", 10_070).await;
    assert_eq!(wise.fund(&transfer).await.json()["status"], "COMPLETED");
    for state in ["processing", "funds_converted", "outgoing_payment_sent"] {
        wise.simulate(&transfer, state).await;
    }
    assert_eq!(wise.received(control).await, (10_000, 1));
}

#[tokio::test]
async fn a_lack_of_money_was_also_seen_as_422() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a balance without money") else { return };
    control.post("wise/settings", json!({"insufficient": "unprocessable"})).await;
    wise.set_balance("EUR", 0).await;
    let reply = wise.fund(&wise.transfer("100").await).await;
    assert_eq!((reply.status, code(&reply)), (422, "balance.insufficient-funds".to_owned()));
}

#[tokio::test]
async fn funding_needs_a_quote_that_holds() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a quote that has expired") else { return };
    let transfer = wise.transfer("100").await;
    control.advance(1800).await;
    assert_eq!(wise.fund(&transfer).await.json()["status"], "REJECTED");
}

#[tokio::test]
async fn funding_twice_pays_once() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("the books after funding twice") else { return };
    wise.set_balance("EUR", 50_000).await;
    let transfer = wise.transfer("100").await;
    let first = wise.fund(&transfer).await.json();
    assert_eq!(wise.fund(&transfer).await.json(), first);
    let balances = wise.get(&wise.path("v4", "balances?types=STANDARD")).await.json();
    assert_eq!(balances[0]["amount"]["value"], json!(399.3));
    assert_eq!(wise.received(control).await, (0, 0), "nothing was sent yet");
}

#[tokio::test]
async fn a_token_that_may_not_fund_is_refused_with_the_approval_headers() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a token that may not fund") else { return };
    control.post(&format!("wise/users/{}", wise.token), json!({"may_fund": false})).await;
    let transfer = wise.transfer("100").await;
    let reply = wise.fund(&transfer).await;
    assert_eq!((reply.status, reply.header("x-2fa-approval-result")), (403, "REJECTED"));
    assert!(!reply.header("x-2fa-approval").is_empty());
    // A person may still fund it at Wise.
    assert_eq!(wise.simulate(&transfer, "processing").await.json()["status"], "processing");
}

#[tokio::test]
async fn a_lost_answer_to_funding_is_looked_up() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("a lost answer") else { return };
    let transfer = wise.transfer("100").await;
    control.fault(json!({"path": "*/payments", "fault": {"kind": "error_after", "status": 500}})).await;
    assert_eq!(wise.fund(&transfer).await.status, 500);
    assert_eq!(wise.status(&transfer).await, "processing");
}
