//! Batches that are refused by their form, and the form of errors.

use serde_json::{Value, json};

use super::{PayPal, batch_of, fresh_id, item, name};

#[tokio::test]
async fn rule_7_mixed_currencies_are_refused() {
    let paypal = PayPal::start().await;
    let body = json!({
        "sender_batch_header": {"sender_batch_id": fresh_id()},
        "items": [item("a@example.com", "USD", "1.00"), item("b@example.com", "EUR", "1.00")],
    });
    let reply = paypal.create(&body).await;
    assert_eq!((reply.status, name(&reply)), (400, "VALIDATION_ERROR".to_owned()));
}

#[tokio::test]
async fn rule_7_one_malformed_receiver_refuses_the_batch_and_is_named() {
    let paypal = PayPal::start().await;
    let items = [("a@example.com", "1.00"), ("b@example.com", "1.00"), ("nobody", "1.00")];
    let reply = paypal.create(&batch_of(&fresh_id(), &items)).await;
    assert_eq!((reply.status, name(&reply)), (400, "VALIDATION_ERROR".to_owned()));
    assert_eq!(reply.json()["details"][0]["field"], "items[2].receiver");
}

#[tokio::test]
async fn an_error_has_the_documented_form() {
    let paypal = PayPal::start().await;
    let reply = paypal.create(&batch_of(&fresh_id(), &[("nobody", "1.00")])).await;
    let body = reply.json();
    for field in ["name", "message", "debug_id", "information_link"] {
        assert!(body[field].is_string(), "{field}: {body}");
    }
    assert!(body["details"].is_array());
}

#[tokio::test]
async fn an_unknown_id_is_not_found() {
    let paypal = PayPal::start().await;
    for path in ["payouts", "payouts-item"] {
        let reply = paypal.get(&format!("/v1/payments/{path}/ABCDEFGHJKLMN")).await;
        assert_eq!((reply.status, name(&reply)), (404, "INVALID_RESOURCE_ID".to_owned()), "{path}");
    }
}

#[tokio::test]
async fn fields_have_their_limits() {
    let paypal = PayPal::start().await;
    let long = |length: usize| Value::String("x".repeat(length));
    let cases = [
        ("/sender_batch_header/sender_batch_id", long(257)),
        ("/sender_batch_header/email_subject", long(256)),
        ("/sender_batch_header/email_message", long(1001)),
        ("/items/0/note", long(4001)),
        ("/items/0/sender_item_id", long(64)),
        ("/items/0/receiver", json!(format!("{}@example.com", "x".repeat(120)))),
        ("/items/0/recipient_type", json!("POSTCARD")),
        ("/items/0/amount/value", json!("1.001")),
        ("/items/0/amount/value", json!("-1.00")),
        ("/items/0/amount/value", json!("0.00")),
        ("/items/0/amount/currency", json!("ZZZ")),
        ("/items/0/recipient_wallet", json!("PURSE")),
        ("/items/0/purpose", json!("FUN")),
        ("/items", json!([])),
    ];
    for (pointer, value) in cases {
        let mut body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
        body["sender_batch_header"]["email_message"] = json!("Hello");
        body["items"][0]["recipient_wallet"] = json!("PAYPAL");
        body["items"][0]["purpose"] = json!("AWARDS");
        *body.pointer_mut(pointer).unwrap() = value;
        let reply = paypal.create(&body).await;
        assert_eq!((reply.status, name(&reply)), (400, "VALIDATION_ERROR".to_owned()), "{pointer}");
    }
}
