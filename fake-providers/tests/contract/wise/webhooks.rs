//! Webhooks: their signature with Wise's key, their body, and what causes them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::SubjectPublicKeyInfoDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};

use super::Wise;
use crate::support::{Control, Received, Receiver, http};

async fn subscribe(wise: &Wise, receiver: &Receiver, trigger: &str) -> Value {
    let body = json!({
        "name": "payouts", "trigger_on": trigger, "delivery": {"version": "2.0.0", "url": receiver.url},
    });
    let reply = wise.post(&wise.path("v3", "subscriptions"), &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()
}

async fn subscribed(triggers: &[&str]) -> Option<(Wise, Control, Receiver)> {
    let wise = Wise::start().await;
    let control = wise.control("webhooks arrive here")?.clone();
    let receiver = Receiver::start().await;
    for trigger in triggers {
        subscribe(&wise, &receiver, trigger).await;
    }
    Some((wise, control, receiver))
}

/// Whether the body is signed with the key that the control tells.
async fn is_signed(control: &Control, webhook: &Received) -> bool {
    let pem = http("GET", &format!("{}/wise/public-key.pem", control.base), &[], "").await;
    let whole = SubjectPublicKeyInfoDer::from_pem_slice(&pem.body).unwrap();
    // The key itself follows the algorithm, whose length for RSA is known.
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::RSA_PKCS1_2048_8192_SHA256, &whole[24..]);
    let signature = STANDARD.decode(webhook.header("x-signature-sha256")).unwrap();
    key.verify(&webhook.body, &signature).is_ok()
}

#[tokio::test]
async fn a_change_of_state_is_told_and_signed() {
    let Some((wise, control, mut receiver)) = subscribed(&["transfers#state-change"]).await else { return };
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    let webhook = receiver.next().await;
    assert!(is_signed(&control, &webhook).await);
    assert_eq!(webhook.header("x-test-notification"), "false");
    assert_eq!(webhook.header("x-delivery-id").len(), 36);
    let body = webhook.json();
    for field in ["subscription_id", "event_type", "schema_version", "sent_at"] {
        assert!(body[field].is_string(), "{field}: {body}");
    }
    let data = &body["data"];
    assert_eq!(
        (&data["previous_state"], &data["current_state"]),
        (&json!("incoming_payment_waiting"), &json!("processing"))
    );
    assert!(data["occurred_at"].is_string());
    let resource = &data["resource"];
    assert_eq!((&resource["type"], &resource["id"]), (&json!("transfer"), &transfer["id"]));
    assert_eq!(resource["profile_id"], wise.profile);
    assert_eq!(resource["account_id"], transfer["targetAccount"]);
}

#[tokio::test]
async fn a_wrong_signature_is_wrong() {
    let Some((wise, control, mut receiver)) = subscribed(&["balances#update"]).await else { return };
    control.post("webhooks", json!({"signature": "wrong"})).await;
    wise.set_balance("EUR", 7).await;
    assert!(!is_signed(&control, &receiver.next().await).await);
}

#[tokio::test]
async fn a_failure_and_a_refund_are_told() {
    let triggers = ["transfers#payout-failure", "transfers#refund"];
    let Some((wise, _, mut receiver)) = subscribed(&triggers).await else { return };
    let transfer = wise.transfer("100").await;
    wise.fund(&transfer).await;
    for state in ["processing", "funds_converted", "outgoing_payment_sent", "bounced_back", "funds_refunded"] {
        wise.simulate(&transfer, state).await;
    }
    let failure = receiver.next().await.json();
    assert_eq!((&failure["event_type"], &failure["data"]["transfer_id"]), (&json!(triggers[0]), &transfer["id"]));
    let refund = receiver.next().await.json();
    assert_eq!(refund["event_type"], triggers[1]);
    assert_eq!(refund["data"]["resource"]["refund_amount"], json!(100.0));
}

#[tokio::test]
async fn money_that_arrives_is_told() {
    let Some((wise, _, mut receiver)) = subscribed(&["balances#update"]).await else { return };
    let body = json!({"profileId": wise.profile, "balanceId": 1, "currency": "EUR", "amount": 250});
    let reply = wise.post("/v1/simulation/balance/topup", &body).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let data = receiver.next().await.json()["data"].clone();
    assert_eq!((&data["currency"], &data["amount"]), (&json!("EUR"), &json!(250.0)));
    assert_eq!(
        (&data["transaction_type"], &data["post_transaction_balance_amount"]),
        (&json!("credit"), &json!(10_250.0))
    );
}

#[tokio::test]
async fn active_cases_are_told() {
    let Some((wise, control, mut receiver)) = subscribed(&["transfers#active-cases"]).await else { return };
    let transfer = wise.transfer("100").await;
    control.post(&format!("wise/transfers/{}", transfer["id"]), json!({"has_active_issues": true})).await;
    assert_eq!(receiver.next().await.json()["event_type"], "transfers#active-cases");
    let read = wise.get(&format!("/v1/transfers/{}", transfer["id"])).await.json();
    assert_eq!(read["hasActiveIssues"], true);
}

#[tokio::test]
async fn subscriptions_are_listed_and_deleted() {
    let Some((wise, _, receiver)) = subscribed(&[]).await else { return };
    let subscription = subscribe(&wise, &receiver, "transfers#state-change").await;
    let path = wise.path("v3", "subscriptions");
    assert_eq!(wise.get(&path).await.json()[0]["id"], subscription["id"]);
    let one = format!("{path}/{}", subscription["id"].as_str().unwrap());
    assert_eq!(wise.send("DELETE", &one, &Value::Null).await.status, 204);
    assert_eq!(wise.get(&path).await.json(), json!([]));
    let body = json!({"trigger_on": "balances#rumour", "delivery": {"version": "2.0.0", "url": "http://127.0.0.1:1/"}});
    assert_eq!(wise.post(&path, &body).await.status, 422);
}
