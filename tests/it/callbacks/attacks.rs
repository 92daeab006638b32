//! Callbacks that nobody has sent, or that somebody has changed: each gets the same answer and wakes nothing.

use std::time::Duration;

use headwater::domain::id::AccountId;
use headwater::http::callback::CallbackSecret;
use headwater::inbound::callback::CallbackProvider;
use http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::desk::Desk;
use super::plain::send;
use super::recorder::Recorded;

/// A desk whose account is connected, and a genuine callback that was not delivered yet.
async fn desk(provider: CallbackProvider) -> (Desk, Recorded, String) {
    let mut desk = Desk::start().await;
    desk.connect_to_recorder(provider).await;
    let callback = desk.sample(provider, 1).await;
    let path = desk.path(provider);
    (desk, callback, path)
}

/// That this was refused, and that the genuine callback still works.
async fn end(desk: &Desk, provider: CallbackProvider, genuine: &Recorded) {
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(desk.all_wakes(), 0);
    assert_eq!(desk.deliver(genuine, &desk.path(provider)).await, 200);
    desk.wait_for_wakes(provider, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_is_refused() {
    for provider in CallbackProvider::ALL {
        let (desk, genuine, path) = desk(provider).await;
        for at in (0..genuine.body.len()).step_by(genuine.body.len() / 20) {
            let mut changed = genuine.clone();
            changed.body[at] ^= 1;
            assert_eq!(desk.deliver(&changed, &path).await, 401, "{provider:?} {at}");
        }
        for body in [Vec::new(), [&genuine.body[..], b" "].concat(), genuine.body[1..].to_vec()] {
            let changed = Recorded { body, ..genuine.clone() };
            assert_eq!(desk.deliver(&changed, &path).await, 401);
        }
        end(&desk, provider, &genuine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_missing_repeated_or_changed_are_refused() {
    for provider in CallbackProvider::ALL {
        let (desk, genuine, path) = desk(provider).await;
        let names: &[&str] = match provider {
            CallbackProvider::PayPal => &[
                "paypal-transmission-id",
                "paypal-transmission-time",
                "paypal-transmission-sig",
                "paypal-cert-url",
                "paypal-auth-algo",
            ],
            CallbackProvider::Stripe => &["stripe-signature"],
            CallbackProvider::Wise => &["x-signature-sha256"],
        };
        for name in names {
            let value = genuine.header(name).to_owned();
            let mut twice = genuine.clone();
            twice.headers.push(((*name).to_owned(), value.clone()));
            let empty = Recorded {
                headers: [&genuine.with(name, "").headers[..], &[((*name).to_owned(), String::new())]].concat(),
                ..genuine.clone()
            };
            for changed in [
                genuine.with(name, ""),
                genuine.with(name, "x"),
                genuine.with(name, &format!("x{value}")),
                twice,
                empty,
            ] {
                assert_eq!(desk.deliver(&changed, &path).await, 401, "{name}: {:?}", changed.headers);
            }
        }
        end(&desk, provider, &genuine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_within_a_header_is_no_header() {
    let (desk, genuine, path) = desk(CallbackProvider::Stripe).await;
    let signature = genuine.header("stripe-signature").to_owned();
    // The server sees a header of its own there, or a malformed request.
    for value in [format!("x\r\nstripe-signature: {signature}"), format!("x\n {signature}"), format!("{signature}\0")] {
        let status = desk.deliver(&genuine.with("stripe-signature", &value).with("user-agent", ""), &path).await;
        assert!(matches!(status, 400 | 401), "{value:?}: {status}");
    }
    end(&desk, CallbackProvider::Stripe, &genuine).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_callback_of_stripe_is_refused() {
    let (mut desk, genuine, path) = desk(CallbackProvider::Stripe).await;
    desk.pass(300).await;
    assert_eq!(desk.deliver(&genuine, &path).await, 200);
    desk.pass(1).await;
    assert_eq!(desk.deliver(&genuine, &path).await, 401);
    desk.clock.advance_days(-1);
    assert_eq!(desk.deliver(&genuine, &path).await, 401, "from the future");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_with_another_key_is_refused() {
    for provider in CallbackProvider::ALL {
        let (mut desk, genuine, path) = desk(provider).await;
        desk.post("webhooks", json!({"signature": "wrong"})).await;
        let wrong = desk.sample(provider, 2).await;
        assert_eq!(desk.deliver(&wrong, &path).await, 401, "{provider:?}");
        end(&desk, provider, &genuine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_paypals_are_refused() {
    let (mut desk, genuine, path) = desk(CallbackProvider::PayPal).await;
    let before = *desk.fetches.lock().unwrap();
    let address = genuine.header("paypal-cert-url").to_owned();
    let (base, id) = address.rsplit_once('/').unwrap();
    // An address on this machine, so that a fetch would find the right certificate.
    let other_port = base.replace("127.0.0.1", "localhost");
    for url in [
        format!("{other_port}/{id}"),
        format!("{base}/../certs/{id}"),
        format!("{base}/{id}?x"),
        format!("{base}/{id}#x"),
        format!("{base}//{id}"),
        format!("{base}@evil.example/{id}"),
        format!("http://evil.example/{address}"),
        "https://evil.example/v1/notifications/certs/x".to_owned(),
        "file:///etc/passwd".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
    ] {
        assert_eq!(desk.deliver(&genuine.with("paypal-cert-url", &url), &path).await, 401, "{url}");
    }
    assert_eq!(*desk.fetches.lock().unwrap(), before, "something was fetched");
    // One that PayPal does not have, twice, is fetched once.
    for _ in 0..2 {
        let unknown = genuine.with("paypal-cert-url", &format!("{base}/CERT-0"));
        assert_eq!(desk.deliver(&unknown, &path).await, 401);
    }
    assert_eq!(*desk.fetches.lock().unwrap(), before + 1);
    for (number, signature) in [(2, "foreign_certificate"), (3, "expired_certificate")] {
        desk.post("webhooks", json!({"signature": signature})).await;
        // Two more fetches of this network are within the limit only in another minute.
        let wrong = desk.sample(CallbackProvider::PayPal, number).await;
        assert_eq!(desk.deliver(&wrong, &path).await, 401, "{signature}");
    }
    assert_eq!(*desk.fetches.lock().unwrap(), before + 3);
    // The fourth in a minute must wait, and is not called a forgery.
    assert_eq!(desk.deliver(&genuine, &path).await, 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_was_good_is_not_good_for_ever() {
    let (desk, genuine, path) = desk(CallbackProvider::PayPal).await;
    desk.clock.advance_days(30 * 365);
    assert_eq!(desk.deliver(&genuine, &path).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_callback_to_another_account_is_refused() {
    for provider in CallbackProvider::ALL {
        let (desk, genuine, _) = desk(provider).await;
        let other = AccountId::from_uuid(Uuid::from_u128(8));
        let secret = match provider {
            CallbackProvider::PayPal => {
                CallbackSecret::PayPal { webhook_id: desk.paypal_webhook("http://127.0.0.1:1/").await }
            }
            CallbackProvider::Stripe => CallbackSecret::Stripe { signing_secrets: vec!["whsec_other".into()] },
            CallbackProvider::Wise => {
                CallbackSecret::Wise { profile_id: desk.other_wise_profile().await, is_test: true }
            }
        };
        desk.know(other, provider, secret);
        let path = format!("/callbacks/{}/{other}", provider.name());
        assert_eq!(desk.deliver(&genuine, &path).await, 401, "{provider:?}");
        end(&desk, provider, &genuine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_key_signs_nothing_for_live_accounts() {
    let (desk, genuine, path) = desk(CallbackProvider::Wise).await;
    let profile_id =
        serde_json::from_slice::<serde_json::Value>(&genuine.body).unwrap()["data"]["resource"]["profile_id"]
            .as_i64()
            .unwrap();
    desk.know(desk.account_id, CallbackProvider::Wise, CallbackSecret::Wise { profile_id, is_test: false });
    assert_eq!(desk.deliver(&genuine, &path).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_accounts_get_the_same_answer_after_the_same_work() {
    for provider in CallbackProvider::ALL {
        let (desk, genuine, path) = desk(provider).await;
        let wrong = Recorded { body: b"{}".to_vec(), ..genuine.clone() };
        let unknown = format!("/callbacks/{}/{}", provider.name(), AccountId::from_uuid(Uuid::from_u128(9)));
        let malformed = format!("/callbacks/{}/hello", provider.name());
        let asked = |desk: &Desk| *desk.secrets.asked.lock().unwrap();
        // The first one fetches the certificate.
        let answer = send(&desk.address, &wrong.to(&path)).await;
        assert_eq!((answer.status, answer.body.as_str()), (StatusCode::UNAUTHORIZED, ""));
        for other in [&unknown, &malformed] {
            assert_eq!(send(&desk.address, &wrong.to(other)).await, answer);
            assert_eq!(send(&desk.address, &genuine.to(other)).await, answer);
        }
        let before = asked(&desk);
        for _ in 0..50 {
            for path in [&path, &unknown] {
                desk.deliver(&wrong, path).await;
            }
        }
        assert_eq!(asked(&desk), before + 100);
        end(&desk, provider, &genuine).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn other_contents_are_refused() {
    let (desk, genuine, path) = desk(CallbackProvider::Stripe).await;
    for content_type in ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "x, application/json"]
    {
        assert_eq!(desk.deliver(&genuine.with("content-type", content_type), &path).await, 415, "{content_type}");
    }
    let mut packed = genuine.clone();
    packed.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    assert_eq!(desk.deliver(&packed, &path).await, 415);
    let other = path.replace("stripe", "adyen");
    assert_eq!(desk.deliver(&genuine, &other).await, 404);
    let right = genuine.with("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(desk.deliver(&right, &path).await, 200);
}
