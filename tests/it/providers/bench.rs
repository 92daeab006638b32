//! The fakes in this process, a provider that calls one of them, and the control of both. Time is the fakes' time.

use std::time::Duration;

use headwater::domain::id::PayoutId;
use headwater::domain::money::Money;
use headwater::domain::time::Time;
use headwater::outbound::client::{BaseAddress, Call, Client, ClientLimits};
use headwater::outbound::provider::paypal::{PayPal, PayPalSettings};
use headwater::outbound::provider::stripe::{Stripe, StripeSettings};
use headwater::outbound::provider::wise::{Wise, WiseSettings};
use headwater::outbound::provider::{Attempt, EarlierTries, Provider, Receiver};
use http::header::{AUTHORIZATION, HeaderValue};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

/// Longer than any answer without a fault, and short enough for tests of answers that do not come.
pub(super) const ANSWER_TIMEOUT: Duration = Duration::from_millis(2_000);

/// How long faults delay an answer that is not to come in time.
pub(super) const DELAY: Duration = Duration::from_millis(3_000);

/// The amount of the tests' payouts.
pub(super) const AMOUNT_MINOR: i64 = 1_234;

const PAYPAL_ADDRESS: &str = "ann@example.com";
pub(super) const STRIPE_KEY: &str = "sk_test_shop";
const WISE_TOKEN: &str = "token-1";

/// Which provider is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PayPal,
    Stripe,
    Wise,
}

impl Kind {
    /// Its part of the fakes' addresses.
    pub(super) const fn part(self) -> &'static str {
        match self {
            Self::PayPal => "paypal",
            Self::Stripe => "stripe",
            Self::Wise => "wise",
        }
    }
}

/// See the head of the file.
pub(super) struct Bench {
    pub(super) kind: Kind,
    pub(super) provider: Box<dyn Provider>,
    fakes: fake_providers::Running,
    client: Client,
    /// For the control, and for what the owner and the affiliate do at the provider themselves.
    http: Client,
    /// The owner at the provider, as the control names it: a client id, a key, a profile.
    owner: String,
    receiver: Receiver,
    /// The receiver in the fake's books.
    receiver_name: String,
    now: Time,
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// A client that waits no longer than [`ANSWER_TIMEOUT`].
pub(super) fn client() -> Client {
    Client::new(ClientLimits { total: ANSWER_TIMEOUT, ..ClientLimits::default() }).unwrap()
}

impl Bench {
    /// The provider with its owner, who has no money, and one affiliate.
    pub(super) async fn start(kind: Kind) -> Self {
        let fakes = fake_providers::start(fake_providers::Settings::standing()).await.unwrap();
        let client = client();
        let mut bench = Self {
            kind,
            provider: Box::new(PayPal::new(client.clone(), paypal_settings(&fakes, "secret"))),
            fakes,
            client,
            http: Client::new(ClientLimits::default()).unwrap(),
            owner: "shop".to_owned(),
            receiver: Receiver::PayPalEmail(PAYPAL_ADDRESS.to_owned()),
            receiver_name: PAYPAL_ADDRESS.to_owned(),
            now: Time::from_micros(0),
        };
        bench.read_clock().await;
        match kind {
            Kind::PayPal => bench.set_receiver(PAYPAL_ADDRESS, "SUCCESS").await,
            Kind::Stripe => bench.set_up_stripe().await,
            Kind::Wise => bench.set_up_wise().await,
        }
        bench
    }

    /// The provider with an owner who has more than enough.
    pub(super) async fn funded(kind: Kind) -> Self {
        let bench = Self::start(kind).await;
        bench.set_balance(100_000).await;
        bench
    }

    async fn set_up_stripe(&mut self) {
        STRIPE_KEY.clone_into(&mut self.owner);
        let account = self.call("POST", "stripe/v1/accounts", "type=express", STRIPE_KEY).await;
        let account = account["id"].as_str().unwrap().to_owned();
        self.post(&format!("stripe/accounts/{account}"), json!({"complete": true})).await;
        let address = self.address();
        let settings = StripeSettings { address, secret_key: secret(STRIPE_KEY) };
        self.provider = Box::new(Stripe::new(self.client.clone(), settings));
        self.receiver = Receiver::StripeAccount(account.clone());
        self.receiver_name = account;
    }

    async fn set_up_wise(&mut self) {
        let profiles = self.call("GET", "wise/v2/profiles", "", WISE_TOKEN).await;
        let profile = profiles[1]["id"].as_i64().unwrap();
        self.owner = profile.to_string();
        // A funded transfer arrives after 20 seconds.
        self.post("wise/settings", json!({"step_ms": 10_000})).await;
        let recipient = json!({
            "profile": profile, "currency": "EUR", "type": "email", "accountHolderName": "Ann Affiliate",
            "details": {"email": "ann@example.com"},
        });
        let recipient = self.call("POST", "wise/v1/accounts", &recipient.to_string(), WISE_TOKEN).await;
        self.receiver = Receiver::WiseRecipient(recipient["id"].as_i64().unwrap());
        "ann@example.com".clone_into(&mut self.receiver_name);
        let settings = WiseSettings {
            address: self.address(),
            token: secret(WISE_TOKEN),
            profile_id: profile,
            source_currency: "EUR".parse().unwrap(),
        };
        self.provider = Box::new(Wise::new(self.client.clone(), settings));
    }

    /// The provider's address.
    pub(super) fn address(&self) -> BaseAddress {
        BaseAddress::parse(&self.fakes.url(self.kind.part())).unwrap()
    }

    /// PayPal's settings with this secret.
    pub(super) fn paypal_settings(&self, client_secret: &str) -> PayPalSettings {
        paypal_settings(&self.fakes, client_secret)
    }

    /// The currency of the tests.
    pub(super) fn currency(&self) -> &'static str {
        if self.kind == Kind::Wise { "EUR" } else { "USD" }
    }

    /// An amount in it.
    pub(super) fn money(&self, amount_minor: i64) -> Money {
        Money::new(amount_minor, self.currency().parse().unwrap())
    }

    /// The first attempt of a payout.
    pub(super) fn attempt(&self, payout: u128) -> Attempt {
        Attempt {
            payout_id: PayoutId::from_uuid(Uuid::from_u128(payout)),
            number: 1,
            amount: self.money(AMOUNT_MINOR),
            receiver: self.receiver.clone(),
            note: "Thanks for May".to_owned(),
            provider_id: None,
            earlier: None,
        }
    }

    /// The attempt after a try now whose effect is not known.
    pub(super) fn tried(&self, attempt: &Attempt) -> Attempt {
        let first_at = attempt.earlier.map_or(self.now, |earlier| earlier.first_at);
        Attempt { earlier: Some(EarlierTries { first_at, last_at: self.now }), ..attempt.clone() }
    }

    pub(super) const fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass, at the provider and here.
    pub(super) async fn pass(&mut self, seconds: i64) {
        self.post("clock", json!({"advance_seconds": seconds})).await;
        self.read_clock().await;
    }

    async fn read_clock(&mut self) {
        let now: jiff::Timestamp = self.get("clock").await["now"].as_str().unwrap().parse().unwrap();
        self.now = Time::from_micros(now.as_microsecond());
    }

    /// Sets the owner's balance.
    pub(super) async fn set_balance(&self, amount_minor: i64) {
        let body = match self.kind {
            Kind::Wise => {
                let profile: i64 = self.owner.parse().unwrap();
                json!({"profile": profile, "currency": self.currency(), "amount_minor": amount_minor})
            }
            _ => json!({"account": self.owner, "currency": self.currency(), "amount_minor": amount_minor}),
        };
        self.post(&format!("{}/balance", self.kind.part()), body).await;
    }

    /// The owner's account in the fake's books.
    pub(super) fn owner_account(&self) -> String {
        format!("{}/sender/{}", self.kind.part(), self.owner)
    }

    /// The owner's balance.
    pub(super) async fn balance(&self) -> i64 {
        let rows = self.get("ledger/balances").await;
        let account = self.owner_account();
        let row = rows.as_array().unwrap().iter().find(|row| row["account"] == account.as_str());
        row.map_or(0, |row| row["amount_minor"].as_i64().unwrap())
    }

    /// Sets the state that PayPal gives to payments to an address.
    pub(super) async fn set_receiver(&self, address: &str, status: &str) {
        self.post("paypal/receivers", json!({"receiver": address, "status": status})).await;
    }

    /// Adds a fault that befalls one request of this method, below this path.
    pub(super) async fn fault(&self, method: &str, path: &str, fault: Value) {
        let rule = json!({"provider": self.kind.part(), "method": method, "path": path, "fault": fault});
        self.post("faults", rule).await;
    }

    /// Adds a fault that befalls the next request.
    pub(super) async fn next_fault(&self, fault: Value) {
        self.post("faults", json!({"provider": self.kind.part(), "fault": fault})).await;
    }

    /// How often the faults befell a request.
    pub(super) async fn fault_hits(&self) -> u64 {
        let rules = self.get("faults").await;
        rules.as_array().unwrap().iter().map(|rule| rule["hits"].as_u64().unwrap()).sum()
    }

    /// Removes all faults.
    pub(super) async fn remove_faults(&self) {
        self.control("DELETE", "faults", None).await;
    }

    /// The money that the affiliate truly got, and the number of payments that it came from.
    pub(super) async fn received(&self) -> (i64, u64) {
        let path = format!("ledger/received?provider={}&receiver={}", self.kind.part(), self.receiver_name);
        let rows = self.get(&path).await;
        let rows = rows.as_array().unwrap();
        assert!(rows.len() <= 1, "more than one currency: {rows:?}");
        let row = rows.first();
        row.map_or((0, 0), |row| (row["amount_minor"].as_i64().unwrap(), row["object_count"].as_u64().unwrap()))
    }

    /// Requests of a method to paths with this beginning.
    pub(super) async fn request_count(&self, method: &str, path: &str) -> usize {
        let requests = self.get("requests").await;
        let is_wanted =
            |request: &&Value| request["method"] == method && request["path"].as_str().unwrap().starts_with(path);
        requests.as_array().unwrap().iter().filter(is_wanted).count()
    }

    /// Calls the control.
    pub(super) async fn post(&self, path: &str, body: Value) -> Value {
        self.control("POST", path, Some(body)).await
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        self.control("GET", path, None).await
    }

    async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let body = body.map_or_else(String::new, |body| body.to_string());
        self.call(method, &format!("fake/{path}"), &body, "").await
    }

    /// Calls any path of the fakes with a bearer token.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str, token: &str) -> Value {
        let address = BaseAddress::parse(&format!("http://{}", self.fakes.address())).unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments: Vec<&str> = path.split('/').collect();
        let query: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let call = Call::new(method.parse().unwrap(), &segments).query(&query).secret(AUTHORIZATION, bearer);
        let answer = self.http.send(&address, call.body("text/plain", body.to_owned())).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status.is_success(), "{method} {path}: {} {text}", answer.status);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }
}

fn paypal_settings(fakes: &fake_providers::Running, client_secret: &str) -> PayPalSettings {
    PayPalSettings {
        address: BaseAddress::parse(&fakes.url("paypal")).unwrap(),
        client_id: "shop".to_owned(),
        client_secret: secret(client_secret),
        fee_ppm: 20_000,
        fees_max: vec![Money::new(2_000, "USD".parse().unwrap())],
    }
}
