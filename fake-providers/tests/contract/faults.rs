//! Each fault, on PayPal: what the caller sees, and whether the money moved. The faults do not depend on the provider.

use std::pin::pin;
use std::time::Duration;

use serde_json::{Value, json};

use crate::paypal::{PayPal, batch_of, fresh_id, name};
use crate::support::{Control, Receiver, http, http_once};

const CREATE: &str = "/v1/payments/payouts";

async fn with_fault(fault: Value) -> (PayPal, Option<Control>) {
    let paypal = PayPal::start().await;
    let control = paypal.control("faults").cloned();
    if let Some(control) = &control {
        paypal.set_receiver("a@example.com", "SUCCESS", None).await;
        control.fault(json!({"provider": "paypal", "method": "POST", "path": CREATE, "fault": fault})).await;
    }
    (paypal, control)
}

/// Sends a batch whose answer may not come.
async fn try_create(paypal: &PayPal, body: &Value) -> Result<(u16, Vec<u8>), hyper::Error> {
    let authorization = paypal.authorization();
    let url = format!("{}{CREATE}", paypal.base);
    let reply = http_once("POST", &url, &[("authorization", &authorization)], &body.to_string()).await?;
    Ok((reply.status, reply.body.to_vec()))
}

/// What the receiver has got after the batch was sent again, as a careful client does.
async fn after_repeat(paypal: &PayPal, control: &Control, body: &Value) -> (String, (i64, usize)) {
    let reply = paypal.create(body).await;
    let answer = if reply.status == 201 { "created".to_owned() } else { name(&reply) };
    control.advance(60).await;
    (answer, control.received("paypal", "a@example.com").await)
}

#[tokio::test]
async fn dropped_before_it_is_applied() {
    let (paypal, Some(control)) = with_fault(json!({"kind": "drop_before_apply"})).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    assert!(try_create(&paypal, &body).await.is_err());
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("created".to_owned(), (100, 1)));
}

#[tokio::test]
async fn applied_then_dropped() {
    let (paypal, Some(control)) = with_fault(json!({"kind": "apply_then_drop"})).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    assert!(try_create(&paypal, &body).await.is_err());
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("USER_BUSINESS_ERROR".to_owned(), (100, 1)));
}

#[tokio::test]
async fn an_answer_that_says_something_else() {
    let fault = json!({"kind": "answer_field", "pointer": "/batch_header/batch_status", "value": "DENIED"});
    let (paypal, Some(control)) = with_fault(fault).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    let (status, answer) = try_create(&paypal, &body).await.unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!((status, &answer["batch_header"]["batch_status"]), (201, &json!("DENIED")));
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("USER_BUSINESS_ERROR".to_owned(), (100, 1)));
}

#[tokio::test]
async fn a_new_key_after_a_dropped_answer_pays_twice_and_the_books_say_so() {
    let (paypal, Some(control)) = with_fault(json!({"kind": "apply_then_drop"})).await else { return };
    assert!(try_create(&paypal, &batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await.is_err());
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("created".to_owned(), (200, 2)));
}

#[tokio::test]
async fn an_error_before_and_after_it_is_applied() {
    for (kind, repeated) in [("error_before", "created"), ("error_after", "USER_BUSINESS_ERROR")] {
        let (paypal, Some(control)) = with_fault(json!({"kind": kind, "status": 500})).await else { return };
        let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
        let reply = paypal.create(&body).await;
        assert_eq!((reply.status, name(&reply)), (500, "INTERNAL_ERROR".to_owned()));
        assert_eq!(after_repeat(&paypal, &control, &body).await, (repeated.to_owned(), (100, 1)));
    }
}

#[tokio::test]
async fn too_many_requests_with_retry_after() {
    let fault = json!({"kind": "rate_limit", "retry_after_seconds": 7});
    let (paypal, Some(control)) = with_fault(fault).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    let reply = paypal.create(&body).await;
    assert_eq!((reply.status, reply.header("retry-after")), (429, "7"));
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("created".to_owned(), (100, 1)));
}

#[tokio::test]
async fn an_answer_that_is_no_json() {
    let (paypal, Some(control)) = with_fault(json!({"kind": "malformed_json"})).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    let (status, text) = try_create(&paypal, &body).await.unwrap();
    assert_eq!(status, 201);
    assert!(serde_json::from_slice::<Value>(&text).is_err());
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("USER_BUSINESS_ERROR".to_owned(), (100, 1)));
}

#[tokio::test]
async fn a_body_that_ends_too_early() {
    let (paypal, Some(control)) = with_fault(json!({"kind": "truncate", "bytes": 10})).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    // The header arrives, the body does not: a cut while the head is read would be another error.
    let error = try_create(&paypal, &body).await.unwrap_err();
    assert!(!error.is_canceled() && format!("{error:?}").contains("Body"), "{error:?}");
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("USER_BUSINESS_ERROR".to_owned(), (100, 1)));
}

#[tokio::test]
async fn an_answer_that_waits() {
    for kind in ["delay_before", "delay_after"] {
        let (paypal, Some(control)) = with_fault(json!({"kind": kind, "milliseconds": 300})).await else { return };
        let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
        let mut answer = pin!(paypal.create(&body));
        assert!(tokio::time::timeout(Duration::from_millis(100), &mut answer).await.is_err(), "{kind}");
        assert_eq!(answer.await.status, 201, "{kind}");
        assert_eq!(after_repeat(&paypal, &control, &body).await.1, (100, 1));
    }
}

#[tokio::test]
async fn a_request_is_carried_out_even_if_its_caller_has_gone() {
    let fault = json!({"kind": "delay_before", "milliseconds": 200});
    let (paypal, Some(control)) = with_fault(fault).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    let gone = tokio::time::timeout(Duration::from_millis(50), try_create(&paypal, &body)).await;
    assert!(gone.is_err());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(after_repeat(&paypal, &control, &body).await, ("USER_BUSINESS_ERROR".to_owned(), (100, 1)));
}

#[tokio::test]
async fn money_that_goes_between_calls() {
    let fault =
        |kind: &str| json!({"kind": kind, "account": "paypal/sender/client", "currency": "USD", "amount_minor": 0});
    let (paypal, Some(control)) = with_fault(fault("drain_before")).await else { return };
    let body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    assert_eq!(paypal.create(&body).await.status, 422);

    paypal.set_balance("USD", 1000).await;
    control.fault(json!({"path": CREATE, "fault": fault("drain_after")})).await;
    let id = paypal.created(&body).await;
    assert_eq!(paypal.processed(&id).await["batch_header"]["batch_status"], "DENIED");
}

#[tokio::test]
async fn tokens_that_expire_early() {
    let (paypal, Some(_)) = with_fault(json!({"kind": "expire_tokens"})).await else { return };
    let reply = paypal.create(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    assert_eq!(reply.status, 401);
    assert_eq!(paypal.ask_token("secret").await.status, 200);
}

#[tokio::test]
async fn a_fault_befalls_the_requests_that_it_names() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("faults") else { return };
    control
        .fault(json!({
            "path": "/v1/payments/payouts/*", "method": "GET", "skip": 1, "times": 2,
            "fault": {"kind": "error_before", "status": 503},
        }))
        .await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(paypal.get(&format!("/v1/payments/payouts/{id}")).await.status);
    }
    assert_eq!(statuses, [200, 503, 503, 200, 200]);
    assert_eq!(control.get("faults").await[0]["hits"], 2);

    let made = control.get("requests").await.as_array().unwrap().len() as u64;
    control.fault(json!({"number": made + 2, "fault": {"kind": "error_before", "status": 502}})).await;
    assert_eq!(paypal.get(&format!("/v1/payments/payouts/{id}")).await.status, 200);
    assert_eq!(paypal.get(&format!("/v1/payments/payouts/{id}")).await.status, 502);
}

#[tokio::test]
async fn faults_by_chance_are_the_same_in_each_run() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let paypal = PayPal::start().await;
        let Some(control) = paypal.control("faults") else { return };
        let fault = json!({"kind": "error_before", "status": 500});
        control.fault(json!({"times": 0, "parts_per_million": 300_000, "fault": fault})).await;
        let mut statuses = Vec::new();
        for _ in 0..40 {
            statuses.push(paypal.get("/v1/reporting/balances").await.status);
        }
        runs.push(statuses);
    }
    assert_eq!(runs[0], runs[1]);
    let failed = runs[0].iter().filter(|status| **status == 500).count();
    assert!((5..20).contains(&failed), "{failed} of 40");
}

#[tokio::test]
async fn a_misspelled_fault_is_refused() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("faults") else { return };
    for rule in [
        json!({"fault": {"kind": "drop"}}),
        json!({"fault": {"kind": "delay_after", "seconds": 1}}),
        json!({"pth": "/x", "fault": {"kind": "apply_then_drop"}}),
    ] {
        let reply = http("POST", &format!("{}/faults", control.base), &[], &rule.to_string()).await;
        assert_eq!(reply.status, 400, "{rule}");
    }
    let reply = http("POST", &format!("{}/webhooks", control.base), &[], r#"{"copy": 2}"#).await;
    assert_eq!(reply.status, 400);
}

/// Registers the receiver and pays one address; the webhooks are on their way then.
async fn pay_and_tell(paypal: &PayPal, control: &Control, receiver: &Receiver, delivering: Value) {
    control.post("webhooks", delivering).await;
    let body = json!({"url": receiver.url, "event_types": [{"name": "*"}]});
    paypal.post("/v1/notifications/webhooks", &body).await;
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    paypal.processed(&id).await;
}

#[tokio::test]
async fn webhooks_that_come_twice() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    pay_and_tell(&paypal, control, &receiver, json!({"copies": 2})).await;
    let ids = receiver.next_types("id", 6).await;
    assert!(ids.chunks(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
}

#[tokio::test]
async fn webhooks_in_another_order() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    pay_and_tell(&paypal, control, &receiver, json!({"reorder_window": 10})).await;
    assert_eq!(control.post("webhooks/flush", json!({})).await["flushed"], 3);
    let types = receiver.next_types("event_type", 3).await;
    assert!(types[0].ends_with("BATCH.SUCCESS") && types[2].ends_with("BATCH.PROCESSING"), "{types:?}");
}

#[tokio::test]
async fn a_webhook_before_the_answer() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    pay_and_tell(&paypal, control, &receiver, json!({"before_answer": true})).await;
    receiver.next_types("id", 3).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("b@example.com", "1.00")])).await;
    let item = paypal.processed(&id).await["items"][0]["payout_item_id"].as_str().unwrap().to_owned();
    receiver.next_types("id", 3).await;
    assert!(receiver.has_arrived().is_none());
    paypal.post(&format!("/v1/payments/payouts-item/{item}/cancel"), &json!({})).await;
    let webhook = receiver.has_arrived().expect("the webhook was not there before the answer");
    assert_eq!(webhook.json()["event_type"], "PAYMENT.PAYOUTS-ITEM.CANCELED");
}

#[tokio::test]
async fn a_webhook_that_is_not_taken_comes_again() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    receiver.answer_with(500);
    let delivering = json!({"retries": 1, "retry_after_milliseconds": 1});
    pay_and_tell(&paypal, control, &receiver, delivering).await;
    let mut ids = receiver.next_types("id", 6).await;
    ids.sort();
    assert!(ids.chunks(2).all(|pair| pair[0] == pair[1]), "{ids:?}");
    let log = control.get("webhooks").await;
    assert_eq!(log["tries"].as_array().unwrap().iter().filter(|each| each["status"] == 500).count(), 6);
}

#[tokio::test]
async fn a_reset_forgets_all() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("a reset") else { return };
    control.post("reset", json!({})).await;
    assert_eq!(control.get("ledger/balances").await, json!([]));
    assert_eq!(paypal.get("/v1/reporting/balances").await.status, 401);
}
