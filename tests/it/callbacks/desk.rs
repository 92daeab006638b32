//! The fakes, a listener for callbacks in this process that knows one account, and a recorder of callbacks. Wake-ups are counted.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::future::BoxFuture;
use headwater::clock::ManualClock;
use headwater::domain::id::{AccountId, PayoutId};
use headwater::domain::time::Time;
use headwater::http::callback::{CallbackSecret, CallbackSecrets, Callbacks, NoSecret, WiseKeys};
use headwater::http::certificate::{Certificates, Fetcher, NoCertificate};
use headwater::http::nudge::{NotWoken, Nudges, Wake, Waker};
use headwater::inbound::callback::CallbackProvider;
use headwater::inbound::callback::paypal::Roots;
use headwater::inbound::callback::wise::WiseKey;
use headwater::outbound::client::{BaseAddress, Call, Client, ClientLimits};
use headwater::transport::connections::Connections;
use headwater::transport::lane::Lane;
use headwater::transport::serve::{ConnectionLimits, Transport, Version};
use http::header::{AUTHORIZATION, HeaderValue};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::recorder::{Recorded, recorder};

pub(super) const STRIPE_KEY: &str = "sk_test_shop";
pub(super) const WISE_TOKEN: &str = "token-1";

/// Longer than a callback takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// The secrets of the accounts, and how often they were asked for.
#[derive(Default)]
pub(super) struct Secrets {
    known: Mutex<HashMap<(AccountId, &'static str), CallbackSecret>>,
    pub(super) asked: Mutex<usize>,
    pub(super) is_away: Mutex<bool>,
}

impl CallbackSecrets for Secrets {
    fn secret(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
    ) -> BoxFuture<'_, Result<Option<CallbackSecret>, NoSecret>> {
        *self.asked.lock().unwrap() += 1;
        let known = self.known.lock().unwrap().get(&(account_id, provider.name())).cloned();
        let is_away = *self.is_away.lock().unwrap();
        Box::pin(async move { if is_away { Err(NoSecret("the database is away".to_owned())) } else { Ok(known) } })
    }
}

#[derive(Default)]
struct Woken(Mutex<Vec<(AccountId, CallbackProvider, Wake)>>);

impl Waker for Woken {
    fn wake(
        &self,
        account_id: AccountId,
        provider: CallbackProvider,
        wake: Wake,
    ) -> BoxFuture<'_, Result<(), NotWoken>> {
        self.0.lock().unwrap().push((account_id, provider, wake));
        Box::pin(async { Ok(()) })
    }
}

/// Fetches the fake's certificates, and counts the fetches.
struct FakeCertificates {
    client: Client,
    texts: Vec<String>,
    fetches: Arc<Mutex<usize>>,
}

impl Fetcher for FakeCertificates {
    fn addresses(&self) -> &[String] {
        &self.texts
    }

    fn fetch<'a>(&'a self, address: usize, id: &'a str) -> BoxFuture<'a, Result<bytes::Bytes, NoCertificate>> {
        *self.fetches.lock().unwrap() += 1;
        Box::pin(async move {
            let address = BaseAddress::parse(&self.texts[address]).unwrap();
            let answer = self.client.send(&address, Call::new(http::Method::GET, &[id])).await;
            let answer = answer.map_err(|_| NoCertificate::Later)?;
            if answer.status.is_success() { Ok(answer.body) } else { Err(NoCertificate::Absent) }
        })
    }
}

/// The payout whose key the payment with this number has at PayPal.
pub(super) fn payout(number: i64) -> PayoutId {
    PayoutId::from_uuid(Uuid::from_u128(number.unsigned_abs().into()))
}

/// See the head of the file.
pub(super) struct Desk {
    fakes: fake_providers::Running,
    http: Client,
    pub(super) address: String,
    pub(super) account_id: AccountId,
    pub(super) clock: ManualClock,
    pub(super) secrets: Arc<Secrets>,
    pub(super) fetches: Arc<Mutex<usize>>,
    woken: Arc<Woken>,
    recorder: String,
    recorded: mpsc::UnboundedReceiver<Recorded>,
    paypal_token: String,
    wise_profile: i64,
}

impl Desk {
    pub(super) async fn start() -> Self {
        let mut desk = Self::without_listener().await;
        desk.address = desk.listen().await;
        desk
    }

    /// The fakes and the recorder, for another listener.
    pub(super) async fn without_listener() -> Self {
        let fakes = fake_providers::start(fake_providers::Settings::standing()).await.unwrap();
        let http = Client::new(ClientLimits::default()).unwrap();
        let (recorder, recorded) = recorder().await;
        let mut desk = Self {
            fakes,
            http,
            address: String::new(),
            account_id: AccountId::from_uuid(Uuid::from_u128(7)),
            clock: ManualClock::new(Time::from_micros(0)),
            secrets: Arc::default(),
            fetches: Arc::default(),
            woken: Arc::default(),
            recorder,
            recorded,
            paypal_token: String::new(),
            wise_profile: 0,
        };
        desk.read_clock().await;
        let basic = format!("Basic {}", BASE64_STANDARD.encode("shop:secret"));
        let token = desk.call("POST", "paypal/v1/oauth2/token", "grant_type=client_credentials", &basic).await;
        desk.paypal_token = token["access_token"].as_str().unwrap().to_owned();
        let profiles = desk.call("GET", "wise/v2/profiles", "", &format!("Bearer {WISE_TOKEN}")).await;
        desk.wise_profile = profiles[1]["id"].as_i64().unwrap();
        desk
    }

    /// Serves callbacks, with the fakes' root and key.
    async fn listen(&self) -> String {
        let root = self.text("fake/paypal/root.pem").await;
        let roots: Vec<_> = CertificateDer::pem_slice_iter(root.as_bytes()).map(Result::unwrap).collect();
        let key = WiseKey::from_pem(self.text("fake/wise/public-key.pem").await.as_bytes()).unwrap();
        let fetcher = FakeCertificates {
            client: self.http.clone(),
            texts: vec![format!("{}/v1/notifications/certs", self.fakes.url("paypal"))],
            fetches: Arc::clone(&self.fetches),
        };
        let draining = CancellationToken::new();
        let callbacks = Callbacks::new(
            Arc::clone(&self.secrets) as Arc<dyn CallbackSecrets>,
            Nudges::new(Arc::clone(&self.woken) as Arc<dyn Waker>, draining.clone()),
            Certificates::new(Box::new(fetcher), Roots::new(&roots)),
            WiseKeys { live: WiseKey::live().unwrap(), sandbox: key },
            Arc::new(self.clock.clone()),
            &[],
        );
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let transport = Transport {
            version: Version::Http1,
            service: headwater::http::routes(watch::Sender::new(true).subscribe(), callbacks),
            tls: None,
            connections: Connections::new(100, 100),
            limits: limits(),
            draining,
        };
        tokio::spawn(transport.serve(vec![listener], CancellationToken::new()));
        address
    }

    /// The path of this account's callbacks.
    pub(super) fn path(&self, provider: CallbackProvider) -> String {
        format!("/callbacks/{}/{}", provider.name(), self.account_id)
    }

    /// Gives the account a connection to a provider whose callbacks go to the recorder.
    pub(super) async fn connect_to_recorder(&self, provider: CallbackProvider) {
        let url = self.recorder.clone();
        self.connect(provider, &url).await;
    }

    /// The same with callbacks that go to the listener.
    pub(super) async fn connect_to_listener(&self, provider: CallbackProvider) {
        let url = format!("http://{}{}", self.address, self.path(provider));
        self.connect(provider, &url).await;
    }

    async fn connect(&self, provider: CallbackProvider, url: &str) {
        let secret = match provider {
            CallbackProvider::PayPal => CallbackSecret::PayPal { webhook_id: self.paypal_webhook(url).await },
            CallbackProvider::Stripe => {
                let body = format!("url={}&enabled_events[]=*", url.replace(':', "%3A").replace('/', "%2F"));
                let bearer = format!("Bearer {STRIPE_KEY}");
                let endpoint = self.call("POST", "stripe/v1/webhook_endpoints", &body, &bearer).await;
                CallbackSecret::Stripe { signing_secrets: vec![endpoint["secret"].as_str().unwrap().into()] }
            }
            CallbackProvider::Wise => {
                self.wise_subscription(self.wise_profile, url).await;
                CallbackSecret::Wise { profile_id: self.wise_profile, is_test: true }
            }
        };
        self.know(self.account_id, provider, secret);
    }

    /// The account's secret at a provider.
    pub(super) fn secret(&self, provider: CallbackProvider) -> CallbackSecret {
        self.secrets.known.lock().unwrap()[&(self.account_id, provider.name())].clone()
    }

    /// The address of a part of the fakes.
    pub(super) fn url(&self, part: &str) -> String {
        self.fakes.url(part)
    }

    /// Makes a secret known.
    pub(super) fn know(&self, account_id: AccountId, provider: CallbackProvider, secret: CallbackSecret) {
        self.secrets.known.lock().unwrap().insert((account_id, provider.name()), secret);
    }

    pub(super) async fn paypal_webhook(&self, url: &str) -> String {
        let body = json!({"url": url, "event_types": [{"name": "*"}]}).to_string();
        let bearer = format!("Bearer {}", self.paypal_token);
        let webhook = self.call("POST", "paypal/v1/notifications/webhooks", &body, &bearer).await;
        webhook["id"].as_str().unwrap().to_owned()
    }

    async fn wise_subscription(&self, profile: i64, url: &str) {
        let delivery = json!({"version": "2.0.0", "url": url});
        let body = json!({"name": "payouts", "trigger_on": "balances#update", "delivery": delivery}).to_string();
        let path = format!("wise/v3/profiles/{profile}/subscriptions");
        self.call("POST", &path, &body, &format!("Bearer {WISE_TOKEN}")).await;
    }

    /// Another profile of the same user at Wise, whose callbacks go to the recorder too.
    pub(super) async fn other_wise_profile(&self) -> i64 {
        let profiles = self.call("GET", "wise/v2/profiles", "", &format!("Bearer {WISE_TOKEN}")).await;
        let other = profiles[0]["id"].as_i64().unwrap();
        self.wise_subscription(other, &self.recorder).await;
        other
    }

    /// Lets the provider send a callback.
    pub(super) async fn cause(&mut self, provider: CallbackProvider, number: i64) {
        match provider {
            CallbackProvider::PayPal => self.cause_paypal(number).await,
            CallbackProvider::Stripe => {
                let body = json!({"account": STRIPE_KEY, "currency": "USD", "amount_minor": 1_000 * number});
                self.post("stripe/balance", body).await;
            }
            CallbackProvider::Wise => self.cause_wise(self.wise_profile, number).await,
        }
    }

    pub(super) async fn cause_wise(&self, profile: i64, number: i64) {
        let body = json!({"profile": profile, "currency": "EUR", "amount_minor": 1_000 * number});
        self.post("wise/balance", body).await;
    }

    /// A payment that is made, and time until PayPal has made it.
    async fn cause_paypal(&mut self, number: i64) {
        self.post("paypal/balance", json!({"account": "shop", "currency": "USD", "amount_minor": 100_000})).await;
        let amount = json!({"currency": "USD", "value": "1.00"});
        let key = format!("{}-a1", payout(number));
        let item = json!({
            "recipient_type": "EMAIL", "receiver": "ann@example.com", "amount": amount, "sender_item_id": key,
        });
        let header = json!({"sender_batch_id": key});
        let body = json!({"sender_batch_header": header, "items": [item]}).to_string();
        self.call("POST", "paypal/v1/payments/payouts", &body, &format!("Bearer {}", self.paypal_token)).await;
        self.pass(40).await;
    }

    /// A connected account at Stripe that can be paid.
    pub(super) async fn stripe_account(&self) -> String {
        let account = self.call("POST", "stripe/v1/accounts", "type=express", &format!("Bearer {STRIPE_KEY}")).await;
        let account = account["id"].as_str().unwrap().to_owned();
        self.post(&format!("stripe/accounts/{account}"), json!({"complete": true})).await;
        account
    }

    /// The money that this account at Stripe got, and the number of payments that it came from.
    pub(super) async fn received(&self, receiver: &str) -> (i64, u64) {
        let rows = self.get("ledger/received").await;
        let row = rows.as_array().unwrap().iter().find(|row| row["receiver"] == receiver);
        row.map_or((0, 0), |row| (row["amount_minor"].as_i64().unwrap(), row["object_count"].as_u64().unwrap()))
    }

    /// Lets time pass, at the providers and here.
    pub(super) async fn pass(&mut self, seconds: i64) {
        self.post("clock", json!({"advance_seconds": seconds})).await;
        self.read_clock().await;
    }

    async fn read_clock(&self) {
        let now: jiff::Timestamp = self.get("clock").await["now"].as_str().unwrap().parse().unwrap();
        self.clock.set(Time::from_micros(now.as_microsecond()));
    }

    /// The next callback that came to the recorder.
    pub(super) async fn recorded(&mut self) -> Recorded {
        tokio::time::timeout(PATIENCE, self.recorded.recv()).await.unwrap().unwrap()
    }

    /// Causes a callback and takes it from the recorder.
    pub(super) async fn sample(&mut self, provider: CallbackProvider, number: i64) -> Recorded {
        self.cause(provider, number).await;
        let first = self.recorded().await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        while self.recorded.try_recv().is_ok() {}
        first
    }

    /// How often this account's payouts at the provider were woken.
    pub(super) fn wakes(&self, provider: CallbackProvider) -> usize {
        self.woken(provider).len()
    }

    /// What was woken of this account's payouts at the provider.
    pub(super) fn woken(&self, provider: CallbackProvider) -> Vec<Wake> {
        let woken = self.woken.0.lock().unwrap();
        let own = woken.iter().filter(|(account_id, at, _)| (*account_id, *at) == (self.account_id, provider));
        own.map(|(.., wake)| *wake).collect()
    }

    /// How often any payouts were woken.
    pub(super) fn all_wakes(&self) -> usize {
        self.woken.0.lock().unwrap().len()
    }

    /// Waits until the payouts were woken so often.
    pub(super) async fn wait_for_wakes(&self, provider: CallbackProvider, count: usize) {
        let woken = async {
            while self.wakes(provider) < count {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, woken).await.unwrap_or_else(|_| panic!("{}", self.wakes(provider)));
    }

    /// The answers that the provider's callbacks got, once there are this many.
    pub(super) async fn answers(&self, count: usize) -> Vec<(String, i64)> {
        let told = async {
            loop {
                let log = self.get("webhooks").await;
                let tries = log["tries"].as_array().unwrap();
                if tries.len() >= count {
                    let row = |row: &Value| {
                        (row["event_type"].as_str().unwrap().to_owned(), row["status"].as_i64().unwrap_or(0))
                    };
                    return tries.iter().map(row).collect();
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, told).await.unwrap()
    }

    /// Sends a callback to a path of the listener, and returns the status.
    pub(super) async fn deliver(&self, callback: &Recorded, path: &str) -> u16 {
        super::plain::send(&self.address, &callback.to(path)).await.status.as_u16()
    }

    /// Calls the control.
    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        self.call("POST", &format!("fake/{path}"), &body.to_string(), "").await
    }

    async fn get(&self, path: &str) -> Value {
        self.call("GET", &format!("fake/{path}"), "", "").await
    }

    async fn call(&self, method: &str, path: &str, body: &str, authorization: &str) -> Value {
        serde_json::from_str(&self.send(method, path, body, authorization).await).unwrap_or(Value::Null)
    }

    pub(super) async fn text(&self, path: &str) -> String {
        self.send("GET", path, "", "").await
    }

    async fn send(&self, method: &str, path: &str, body: &str, authorization: &str) -> String {
        let address = BaseAddress::parse(&format!("http://{}", self.fakes.address())).unwrap();
        let segments: Vec<&str> = path.split('/').collect();
        let call = Call::new(method.parse().unwrap(), &segments);
        let call = call.secret(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap());
        let content_type = if body.starts_with('{') { "application/json" } else { "application/x-www-form-urlencoded" };
        let answer = self.http.send(&address, call.body(content_type, body.to_owned())).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        assert!(answer.status.is_success(), "{method} {path}: {} {text}", answer.status);
        text
    }
}

fn limits() -> ConnectionLimits {
    let second = Duration::from_secs(1);
    ConnectionLimits {
        streams_max: 1,
        keepalive_interval: 20 * second,
        keepalive_timeout: 10 * second,
        age: 3_600 * second,
        handshake: 10 * second,
        first_request: 30 * second,
        stall: 30 * second,
        lane: Lane::of_this_machine(),
    }
}
