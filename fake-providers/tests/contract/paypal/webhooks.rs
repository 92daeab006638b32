//! Webhooks: their events, and both ways to check their signature.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use serde_json::{Value, json};

use super::{PayPal, batch_of, fresh_id, name};
use crate::support::{Received, Receiver, http};

/// Registers the receiver for all events and returns the webhook's id.
async fn register(paypal: &PayPal, url: &str) -> String {
    let body = json!({"url": url, "event_types": [{"name": "*"}]});
    let reply = paypal.post("/v1/notifications/webhooks", &body).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    reply.json()["id"].as_str().unwrap().to_owned()
}

/// Checks a webhook offline, as a client does. An error says what is wrong.
async fn check(webhook_id: &str, webhook: &Received, root_pem: &str) -> Result<(), String> {
    let chain = http("GET", webhook.header("paypal-cert-url"), &[], "").await;
    let certificates: Vec<CertificateDer<'_>> =
        CertificateDer::pem_slice_iter(&chain.body).map(Result::unwrap).collect();
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes()).unwrap();
    let anchor = webpki::anchor_from_trusted_cert(&root).unwrap();
    let leaf = webpki::EndEntityCert::try_from(&certificates[0]).unwrap();
    let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_796_083_200));
    let usage = webpki::KeyUsage::server_auth();
    let algorithms = webpki::ALL_VERIFICATION_ALGS;
    leaf.verify_for_usage(algorithms, &[anchor], &certificates[1..], now, usage, None, None)
        .map_err(|error| format!("chain: {error}"))?;
    leaf.verify_is_valid_for_subject_name(&ServerName::try_from("messageverificationcerts.paypal.com").unwrap())
        .map_err(|error| format!("name: {error}"))?;
    let text = format!(
        "{}|{}|{webhook_id}|{}",
        webhook.header("paypal-transmission-id"),
        webhook.header("paypal-transmission-time"),
        crc32fast::hash(&webhook.body)
    );
    assert_eq!(webhook.header("paypal-auth-algo"), "SHA256withRSA");
    let signature = STANDARD.decode(webhook.header("paypal-transmission-sig")).unwrap();
    leaf.verify_signature(webpki::ring::RSA_PKCS1_2048_8192_SHA256, text.as_bytes(), &signature)
        .map_err(|error| format!("signature: {error}"))
}

/// Registers, pays one address, and returns the webhooks that this causes.
async fn paid(paypal: &PayPal, receiver: &mut Receiver) -> (String, Vec<Received>) {
    let webhook_id = register(paypal, &receiver.url).await;
    paypal.set_receiver("a@example.com", "SUCCESS", None).await;
    let id = paypal.created(&batch_of(&fresh_id(), &[("a@example.com", "1.00")])).await;
    paypal.processed(&id).await;
    let mut webhooks = Vec::new();
    for _ in 0..3 {
        webhooks.push(receiver.next().await);
    }
    (webhook_id, webhooks)
}

#[tokio::test]
async fn a_batch_and_its_items_are_told() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    let (_, webhooks) = paid(&paypal, &mut receiver).await;
    let types: Vec<Value> = webhooks.iter().map(|webhook| webhook.json()["event_type"].clone()).collect();
    assert_eq!(
        types,
        ["PAYMENT.PAYOUTSBATCH.PROCESSING", "PAYMENT.PAYOUTS-ITEM.SUCCEEDED", "PAYMENT.PAYOUTSBATCH.SUCCESS"]
    );
    let item = webhooks[1].json();
    for field in ["id", "event_version", "create_time", "resource_type", "event_type", "summary"] {
        assert!(item[field].is_string(), "{field}: {item}");
    }
    assert!(item["links"].is_array());
    assert_eq!(item["resource"]["transaction_status"], "SUCCESS");
    let batch = webhooks[2].json();
    assert!(batch["resource"]["items"].is_null(), "a batch's event says nothing of its items");
}

#[tokio::test]
async fn a_signature_can_be_checked_offline() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let root = http("GET", &format!("{}/paypal/root.pem", control.base), &[], "").await;
    let root = String::from_utf8(root.body.to_vec()).unwrap();
    let mut receiver = Receiver::start().await;
    let (webhook_id, webhooks) = paid(&paypal, &mut receiver).await;
    for webhook in &webhooks {
        check(&webhook_id, webhook, &root).await.unwrap();
        assert!(check("ANOTHER", webhook, &root).await.unwrap_err().starts_with("signature"));
    }
}

#[tokio::test]
async fn wrong_signatures_and_certificates_are_wrong() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let root = http("GET", &format!("{}/paypal/root.pem", control.base), &[], "").await;
    let root = String::from_utf8(root.body.to_vec()).unwrap();
    for (kind, wanted) in [
        ("wrong", "signature"),
        ("expired_certificate", "chain: CertExpired"),
        ("foreign_certificate", "chain: UnknownIssuer"),
    ] {
        control.post("webhooks", json!({"signature": kind})).await;
        let mut receiver = Receiver::start().await;
        let (webhook_id, webhooks) = paid(&paypal, &mut receiver).await;
        let error = check(&webhook_id, &webhooks[0], &root).await.unwrap_err();
        assert!(error.starts_with(wanted), "{kind}: {error}");
    }
}

#[tokio::test]
async fn a_signature_can_be_checked_online() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    let (webhook_id, webhooks) = paid(&paypal, &mut receiver).await;
    let webhook = &webhooks[0];
    let ask = |event: &str| {
        // The bytes of the event are spliced in, because the signature is of these.
        format!(
            r#"{{"auth_algo":"{}","cert_url":"{}","transmission_id":"{}","transmission_sig":"{}","transmission_time":"{}","webhook_id":"{webhook_id}","webhook_event":{event}}}"#,
            webhook.header("paypal-auth-algo"),
            webhook.header("paypal-cert-url"),
            webhook.header("paypal-transmission-id"),
            webhook.header("paypal-transmission-sig"),
            webhook.header("paypal-transmission-time"),
        )
    };
    let event = String::from_utf8(webhook.body.to_vec()).unwrap();
    let url = format!("{}/v1/notifications/verify-webhook-signature", paypal.base);
    let authorization = paypal.authorization();
    for (event, status) in [(event.clone(), "SUCCESS"), (event.replace("PROCESSING", "SUCCESS"), "FAILURE")] {
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        let reply = http("POST", &url, &headers, &ask(&event)).await;
        assert_eq!(reply.json()["verification_status"], status, "{reply:?}");
    }
}

#[tokio::test]
async fn unclaimed_returned_and_cancelled_items_are_told() {
    let paypal = PayPal::start().await;
    let Some(control) = paypal.control("webhooks arrive here") else { return };
    let mut receiver = Receiver::start().await;
    register(&paypal, &receiver.url).await;
    let items = [("one@example.com", "1.00"), ("two@example.com", "1.00")];
    let id = paypal.created(&batch_of(&fresh_id(), &items)).await;
    let batch = paypal.processed(&id).await;
    let first = batch["items"][0]["payout_item_id"].as_str().unwrap();
    paypal.post(&format!("/v1/payments/payouts-item/{first}/cancel"), &json!({})).await;
    control.advance(31 * 86_400).await;
    let types = receiver.next_types("event_type", 6).await;
    let types: Vec<&str> = types.iter().map(|name| name.trim_start_matches("PAYMENT.PAYOUTS")).collect();
    let wanted =
        ["BATCH.PROCESSING", "-ITEM.UNCLAIMED", "-ITEM.UNCLAIMED", "BATCH.SUCCESS", "-ITEM.CANCELED", "-ITEM.RETURNED"];
    assert_eq!(types, wanted);
}

#[tokio::test]
async fn there_are_at_most_ten_webhooks() {
    let paypal = PayPal::start().await;
    let Some(_) = paypal.control("there are at most ten webhooks") else { return };
    for number in 0..10 {
        register(&paypal, &format!("http://127.0.0.1:1/{number}")).await;
    }
    let body = json!({"url": "http://127.0.0.1:1/10", "event_types": [{"name": "*"}]});
    let reply = paypal.post("/v1/notifications/webhooks", &body).await;
    assert_eq!((reply.status, name(&reply)), (400, "WEBHOOK_NUMBER_LIMIT_EXCEEDED".to_owned()));
}
