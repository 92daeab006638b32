//! The words that PayPal's sandbox answers in a fixed way, which the fake accepts too.

use serde_json::json;

use super::{PayPal, batch_of, fresh_id, name};

#[tokio::test]
async fn a_note_asks_for_an_error() {
    let paypal = PayPal::start().await;
    let words = [
        ("ERRPYO001", "SENDER_RESTRICTED"),
        ("ERRPYO002", "SENDER_EMAIL_UNCONFIRMED"),
        ("ERRPYO003", "AUTHORIZATION_ERROR"),
        ("ERRPYO005", "INSUFFICIENT_FUNDS"),
        ("ERRPYO006", "INTERNAL_ERROR"),
        ("ERRPYO010", "VALIDATION_ERROR"),
        ("ERRPYO011", "REQUIRED_SCOPE_MISSING"),
        ("ERRPYO012", "SENDER_LOCKED"),
        ("ERRPYO014", "USER_BUSINESS_ERROR"),
        ("ERRPYO036", "REQUEST_TIMEOUT_EXCEEDED"),
        ("ERRPYO038", "NON_HOLDING_CURRENCY"),
        ("ERRPYO039", "PREVIOUS_REQUEST_IN_PROGRESS"),
        ("ERRPYO040", "CIP_NOT_VERIFIED"),
    ];
    for (word, error) in words {
        let mut body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
        body["items"][0]["note"] = json!(word);
        assert_eq!(name(&paypal.create(&body).await), error, "{word}");
    }
}

#[tokio::test]
async fn a_note_asks_for_success() {
    let paypal = PayPal::start().await;
    let mut body = batch_of(&fresh_id(), &[("a@example.com", "1.00")]);
    body["items"][0]["note"] = json!("POSPYO001");
    assert_eq!(paypal.create(&body).await.status, 201);
}

#[tokio::test]
async fn an_id_asks_for_a_state_of_the_batch() {
    let paypal = PayPal::start().await;
    let words =
        [("ERRPYOB001", "SUCCESS"), ("ERRPYOB002", "PENDING"), ("ERRPYOB003", "PROCESSING"), ("ERRPYOB004", "DENIED")];
    for (word, status) in words {
        assert_eq!(paypal.batch(word).await["batch_header"]["batch_status"], status);
    }
    let batch = paypal.batch("ERRPYO015").await;
    assert_eq!(batch["items"][0]["errors"]["name"], "CLOSED_MARKET");
}
