//! Groups of transfers.

use serde_json::{Value, json};

use super::{Wise, uuid};

/// A group with so many transfers of 100 euros.
async fn group(wise: &Wise, count: usize) -> Value {
    let body = json!({"sourceCurrency": "EUR", "name": "November"});
    let reply = wise.post(&wise.path("v3", "batch-groups"), &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let group = reply.json();
    assert_eq!((&group["status"], &group["version"]), (&json!("NEW"), &json!(0)));
    for _ in 0..count {
        let (quote, recipient) = (wise.quote("100").await, wise.recipient().await);
        let path = wise.path("v3", &format!("batch-groups/{}/transfers", id(&group)));
        let reply = wise.post(&path, &Wise::transfer_body(&quote, recipient, &uuid())).await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }
    read(wise, &group).await
}

fn id(group: &Value) -> &str {
    group["id"].as_str().unwrap()
}

async fn read(wise: &Wise, group: &Value) -> Value {
    wise.get(&wise.path("v3", &format!("batch-groups/{}", id(group)))).await.json()
}

async fn change(wise: &Wise, group: &Value, status: &str, version: &Value) -> (u16, Value) {
    let path = wise.path("v3", &format!("batch-groups/{}", id(group)));
    let reply = wise.send("PATCH", &path, &json!({"status": status, "version": version})).await;
    (reply.status, reply.json())
}

async fn fund(wise: &Wise, group: &Value) -> (u16, Value) {
    let path = wise.path("v3", &format!("batch-payments/{}/payments", id(group)));
    let reply = wise.post(&path, &json!({"type": "BALANCE"})).await;
    (reply.status, reply.json())
}

#[tokio::test]
async fn a_group_is_completed_and_then_paid_at_once() {
    let wise = Wise::start().await;
    let group = group(&wise, 3).await;
    assert_eq!(group["transferIds"].as_array().unwrap().len(), 3);
    let (status, completed) = change(&wise, &group, "COMPLETED", &group["version"]).await;
    assert_eq!((status, &completed["status"]), (200, &json!("COMPLETED")));
    assert_eq!(fund(&wise, &group).await.1["status"], "COMPLETED");
    if wise.control("the states of a paid group").is_some() {
        for id in group["transferIds"].as_array().unwrap() {
            assert_eq!(wise.status(&json!({"id": id})).await, "processing");
        }
    }
}

#[tokio::test]
async fn the_version_protects_from_two_writers() {
    let wise = Wise::start().await;
    let group = group(&wise, 1).await;
    let old = json!(group["version"].as_i64().unwrap() - 1);
    assert_eq!(change(&wise, &group, "COMPLETED", &old).await.0, 409);
    assert_eq!(change(&wise, &group, "COMPLETED", &group["version"]).await.0, 200);
}

#[tokio::test]
async fn a_group_is_paid_whole_or_not_at_all() {
    let wise = Wise::start().await;
    let Some(_) = wise.control("a balance for half of a group") else { return };
    wise.set_balance("EUR", 15_000).await;
    let group = group(&wise, 2).await;
    change(&wise, &group, "COMPLETED", &group["version"]).await;
    let (status, body) = fund(&wise, &group).await;
    assert_eq!((status, &body["status"]), (200, &json!("REJECTED")));
    for id in group["transferIds"].as_array().unwrap() {
        assert_eq!(wise.status(&json!({"id": id})).await, "incoming_payment_waiting");
    }
}

#[tokio::test]
async fn a_group_that_is_not_completed_cannot_be_paid() {
    let wise = Wise::start().await;
    let Some(_) = wise.control("the status of this refusal is a guess") else { return };
    let group = group(&wise, 1).await;
    assert_eq!(fund(&wise, &group).await.0, 409);
}

#[tokio::test]
async fn a_group_is_cancelled_in_steps() {
    let wise = Wise::start().await;
    let Some(control) = wise.control("the steps of cancelling") else { return };
    let group = group(&wise, 1).await;
    let (_, marked) = change(&wise, &group, "MARKED_FOR_CANCELLATION", &group["version"]).await;
    assert_eq!(marked["status"], "MARKED_FOR_CANCELLATION");
    control.advance(1).await;
    assert_eq!(read(&wise, &group).await["status"], "PROCESSING_CANCEL");
    control.advance(1).await;
    assert_eq!(read(&wise, &group).await["status"], "CANCELLED");
    assert_eq!(wise.status(&json!({"id": group["transferIds"][0]})).await, "cancelled");
}
