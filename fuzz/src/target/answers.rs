//! Answers of payout providers: whatever a provider answers, nothing is claimed that its answer does not say. A server here gives the
//! drawn answers one after the other.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use headwater::domain::id::PayoutId;
use headwater::domain::money::Money;
use headwater::domain::time::Time;
use headwater::outbound::client::{BaseAddress, Client, ClientLimits};
use headwater::outbound::provider::paypal::{PayPal, PayPalSettings};
use headwater::outbound::provider::stripe::{Stripe, StripeSettings};
use headwater::outbound::provider::wise::{Wise, WiseSettings};
use headwater::outbound::provider::{
    Attempt, EarlierTries, LookUp, NotMade, PaymentState, Provider, Receiver, Submission,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use uuid::Uuid;

use crate::draw::{Draw, garbled};

const SECRET: &str = "sk_test_very-secret";

/// The key of the attempt, as it stands in the answers below.
const PAYOUT: Uuid = Uuid::from_u128(0x0192_7c41_0000_7000_8000_0000_0000_0001);

/// PayPal's answers: status and body.
const PAYPAL: [(u16, &str); 9] = [
    (201, r#"{"batch_header": {"payout_batch_id": "B1", "batch_status": "PENDING"}}"#),
    (
        400,
        r#"{"name": "USER_BUSINESS_ERROR", "details": [{"field": "SENDER_BATCH_ID", "link": [{"href": "https://api.paypal.com/v1/payments/payouts/B1"}]}]}"#,
    ),
    (422, r#"{"name": "INSUFFICIENT_FUNDS", "debug_id": "d1"}"#),
    (400, r#"{"name": "VALIDATION_ERROR", "details": [{"field": "items[0].receiver"}]}"#),
    (
        200,
        r#"{"batch_header": {"payout_batch_id": "B1", "batch_status": "SUCCESS", "sender_batch_header": {"sender_batch_id": "KEY"}}, "items": [{"payout_item_id": "I1", "transaction_status": "SUCCESS", "payout_item_fee": {"currency": "USD", "value": "0.25"}, "payout_item": {"recipient_type": "EMAIL", "receiver": "ann@example.com", "amount": {"currency": "USD", "value": "12.34"}}}]}"#,
    ),
    (
        200,
        r#"{"batch_header": {"payout_batch_id": "B1", "batch_status": "DENIED", "sender_batch_header": {"sender_batch_id": "KEY"}}, "items": [{"payout_item_id": "I1", "transaction_status": "FAILED", "errors": {"name": "INSUFFICIENT_FUNDS"}, "payout_item": {"receiver": "ann@example.com", "amount": {"currency": "USD", "value": "12.34"}}}]}"#,
    ),
    (200, r#"{"transaction_status": "RETURNED"}"#),
    (200, r#"{"balances": [{"currency": "USD", "available_balance": {"currency_code": "USD", "value": "1000.00"}}]}"#),
    (404, r#"{"name": "INVALID_RESOURCE_ID"}"#),
];

const STRIPE: [(u16, &str); 7] = [
    (
        200,
        r#"{"id": "acct_1", "payouts_enabled": true, "capabilities": {"transfers": "active"}, "requirements": {"disabled_reason": null}}"#,
    ),
    (
        200,
        r#"{"id": "tr_1", "amount": 1234, "currency": "usd", "destination": "acct_1", "amount_reversed": 0, "reversed": false, "metadata": {"headwater_key": "KEY"}}"#,
    ),
    (
        200,
        r#"{"data": [{"id": "tr_1", "amount": 1234, "currency": "usd", "destination": "acct_1", "amount_reversed": 100, "reversed": false, "metadata": {"headwater_key": "KEY"}}], "has_more": false}"#,
    ),
    (200, r#"{"data": [], "has_more": false}"#),
    (400, r#"{"error": {"type": "invalid_request_error", "code": "balance_insufficient"}}"#),
    (400, r#"{"error": {"type": "idempotency_error"}}"#),
    (200, r#"{"available": [{"amount": 1000, "currency": "usd"}]}"#),
];

const WISE: [(u16, &str); 8] = [
    (
        200,
        r#"{"id": "11111111-2222-4333-8444-555555555555", "sourceAmount": 12.69, "paymentOptions": [{"payIn": "BALANCE", "sourceAmount": 12.69, "fee": {"total": 0.35}, "disabled": false}], "notices": []}"#,
    ),
    (
        200,
        r#"{"id": 7, "status": "incoming_payment_waiting", "targetAccount": 1, "targetCurrency": "USD", "targetValue": 12.34, "customerTransactionId": "KEY"}"#,
    ),
    (201, r#"{"type": "BALANCE", "status": "COMPLETED", "errorCode": null}"#),
    (200, r#"{"type": "BALANCE", "status": "REJECTED", "errorCode": "transfer.insufficient_funds"}"#),
    (
        200,
        r#"{"id": 7, "status": "cancelled", "targetAccount": 1, "targetCurrency": "USD", "targetValue": 12.34, "customerTransactionId": "KEY"}"#,
    ),
    (
        200,
        r#"[{"id": 7, "status": "outgoing_payment_sent", "targetAccount": 1, "targetCurrency": "USD", "targetValue": 12.34, "customerTransactionId": "KEY"}]"#,
    ),
    (200, r#"[]"#),
    (422, r#"{"errors": [{"code": "NOT_VALID", "path": "targetAccount"}]}"#),
];

const STATUSES: [u16; 10] = [200, 201, 302, 400, 401, 403, 404, 409, 422, 429];

/// Gives the waiting answers, and 500 when there are none.
struct Server {
    runtime: tokio::runtime::Runtime,
    address: BaseAddress,
    client: Client,
    waiting: Arc<Mutex<VecDeque<Vec<u8>>>>,
    /// One input at a time.
    turn: Mutex<()>,
}

static SERVER: LazyLock<Server> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("a runtime");
    let waiting = Arc::new(Mutex::new(VecDeque::new()));
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let queue = Arc::clone(&waiting);
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, Arc::clone(&queue)));
        }
    });
    let limits = ClientLimits { total: Duration::from_secs(10), body_bytes: 4_000, ..ClientLimits::default() };
    Server {
        runtime,
        address: BaseAddress::parse(&address).expect("a base address"),
        client: Client::new(limits).expect("a client"),
        waiting,
        turn: Mutex::new(()),
    }
});

async fn answer(mut stream: TcpStream, waiting: Arc<Mutex<VecDeque<Vec<u8>>>>) {
    let mut request = Vec::new();
    let mut part = [0; 4_096];
    while !is_whole(&request) {
        match stream.read(&mut part).await {
            Ok(0) | Err(_) => return,
            Ok(length) => request.extend_from_slice(&part[..length]),
        }
    }
    let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let next = next.unwrap_or_else(|| response(500, b"{}"));
    _ = stream.write_all(&next).await;
    _ = stream.shutdown().await;
}

/// Whether the head of the request is there, and as much of a body as it tells.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn response(status: u16, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// See the head of the file.
///
/// # Panics
/// A property does not hold.
pub fn answers(input: &[u8]) {
    let server = &*SERVER;
    let _turn = server.turn.lock().unwrap_or_else(PoisonError::into_inner);
    let mut draw = Draw::new(input);
    let now = Time::from_micros(1_796_083_200_000_000);
    let kind = draw.below(3);
    let attempt = attempt(&mut draw, kind, now);
    let key = if kind == 2 { attempt.key_uuid().to_string() } else { attempt.key() };
    let served = serve(&mut draw, server, kind, &key);
    let provider = provider(server, kind);
    let shown = match draw.below(5) {
        0 | 1 => {
            let submission = server.runtime.block_on(provider.submit(&attempt, now));
            check_submission(&submission, &attempt, kind, &served, &key);
            format!("{submission:?}")
        }
        2 => {
            let look_up = server.runtime.block_on(provider.look_up(&attempt, now));
            check_look_up(&look_up, &attempt, now, &served, &key);
            format!("{look_up:?}")
        }
        3 => format!("{:?}", server.runtime.block_on(provider.cancel(&attempt, now))),
        _ => {
            let fee = server.runtime.block_on(provider.fee(&attempt, now));
            format!("{fee:?} {:?}", server.runtime.block_on(provider.funds(attempt.amount.currency, now)))
        }
    };
    assert!(!shown.contains("very-secret"), "{shown}");
    server.waiting.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

fn attempt(draw: &mut Draw<'_>, kind: usize, now: Time) -> Attempt {
    let ids = ["B1", "tr_1", "7"];
    let receivers = [
        Receiver::PayPalEmail("ann@example.com".to_owned()),
        Receiver::StripeAccount("acct_1".to_owned()),
        Receiver::WiseRecipient(1),
    ];
    let tried_before = |seconds: i64| now.plus_micros(-seconds * Time::MICROS_PER_SECOND);
    let earlier = match draw.below(3) {
        0 => None,
        1 => Some(EarlierTries { first_at: tried_before(10), last_at: tried_before(1) }),
        _ => Some(EarlierTries { first_at: tried_before(100_000), last_at: tried_before(99_000) }),
    };
    Attempt {
        payout_id: PayoutId::from_uuid(PAYOUT),
        number: 1,
        amount: Money::new(1_234, "USD".parse().expect("a currency")),
        receiver: receivers[kind].clone(),
        note: String::new(),
        provider_id: draw.happens(128).then(|| ids[kind].to_owned()),
        earlier,
    }
}

/// Draws the answers and returns them as one text in small letters.
fn serve(draw: &mut Draw<'_>, server: &Server, kind: usize, key: &str) -> String {
    let mut waiting = server.waiting.lock().unwrap_or_else(PoisonError::into_inner);
    waiting.clear();
    if kind == 0 {
        // Without a token nothing else would be asked.
        waiting.push_back(response(200, br#"{"access_token": "token", "expires_in": 32400}"#));
    }
    let mut served = String::new();
    for place in 0..=draw.below(6) {
        let list: &[(u16, &str)] = [&PAYPAL[..], &STRIPE[..], &WISE[..]][kind];
        // The usual order is likely, so that calls of several steps get to their ends.
        let (usual, body) = if draw.happens(128) { list[place % list.len()] } else { *draw.of(list) };
        let status = if draw.happens(224) { usual } else { *draw.of(&STATUSES) };
        let body = body.replace("KEY", key).into_bytes();
        let body = if draw.happens(128) { body } else { garbled(draw, body) };
        served.push_str(&String::from_utf8_lossy(&body).to_lowercase());
        waiting.push_back(response(status, &body));
    }
    served
}

fn provider(server: &Server, kind: usize) -> Box<dyn Provider> {
    let (client, address) = (server.client.clone(), server.address.clone());
    match kind {
        0 => Box::new(PayPal::new(
            client,
            PayPalSettings {
                address,
                client_id: "shop".to_owned(),
                client_secret: SECRET.into(),
                fee_ppm: 20_000,
                fees_max: Vec::new(),
            },
        )),
        1 => Box::new(Stripe::new(client, StripeSettings { address, secret_key: SECRET.into() })),
        _ => Box::new(Wise::new(
            client,
            WiseSettings {
                address,
                token: SECRET.into(),
                profile_id: 5,
                source_currency: "USD".parse().expect("a currency"),
            },
        )),
    }
}

fn check_submission(submission: &Submission, attempt: &Attempt, kind: usize, served: &str, key: &str) {
    match submission {
        Submission::Paid(_) => assert!(served.contains(key), "paid by no answer: {served}"),
        Submission::Duplicate(_) => assert!(served.contains(key), "adopted by no answer: {served}"),
        Submission::Failed(_) | Submission::InsufficientFunds { .. } if attempt.earlier.is_some() => {
            // Only Wise has proof: the cancelled draft.
            assert!(kind == 2 && served.contains("cancelled"), "proof of no answer: {submission:?}: {served}");
        }
        _ => {}
    }
}

fn check_look_up(look_up: &LookUp, attempt: &Attempt, now: Time, served: &str, key: &str) {
    match look_up {
        // PayPal's first answer has an id and no more.
        LookUp::Found(payment) if payment.state == PaymentState::Processing => {}
        LookUp::Found(_) => assert!(served.contains(key), "found in no answer: {served}"),
        LookUp::NotMade(NotMade::Absent) => assert!(attempt.is_settled(now), "too early to be absent"),
        LookUp::NotMade(_) => assert!(served.contains(key), "not made by no answer: {served}"),
        _ => {}
    }
}
