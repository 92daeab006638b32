//! A server whose payouts go to a fake provider, with affiliates to whom money is owed, and the control of the fake. Time passes at both.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use headwater::app::{Providers, worker::send_payouts::ProviderSource};
use headwater::clock::Clock;
use headwater::domain::id::AccountId;
use headwater::domain::payout::{Payout, PayoutProvider};
use headwater::outbound::client::{BaseAddress, Client as HttpClient, ClientLimits};
use headwater::outbound::provider::paypal::{PayPal, PayPalSettings};
use headwater::outbound::provider::stripe::{Stripe, StripeSettings};
use headwater::outbound::provider::wise::{Wise, WiseSettings};
use headwater::outbound::provider::{Provider, Receiver};
use headwater::outbound::source::NoProvider;
use headwater::pb;
use headwater::store;
use headwater::store::entity::{payout as payout_table, payout_attempt};
use pb::reward_value::Amount;
use sea_orm::{ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, Set};
use secrecy::SecretString;
use serde_json::{Value, json};
use testkit::client::Client;
use uuid::Uuid;

use crate::support::database::TestDatabase;
use crate::support::fakes::{Fakes, send_due};
use crate::support::feed::from_beginning;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

pub(super) const STRIPE_KEY: &str = "sk_test_shop";
pub(super) const WISE_TOKEN: &str = "token-1";

/// Which provider payouts go to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    PayPal,
    Stripe,
    Wise,
}

impl Kind {
    pub(super) const ALL: [Self; 3] = [Self::PayPal, Self::Stripe, Self::Wise];

    /// Its part of the fakes' addresses.
    pub(super) const fn part(self) -> &'static str {
        match self {
            Self::PayPal => "paypal",
            Self::Stripe => "stripe",
            Self::Wise => "wise",
        }
    }

    pub(super) const fn provider(self) -> PayoutProvider {
        match self {
            Self::PayPal => PayoutProvider::PayPal,
            Self::Stripe => PayoutProvider::Stripe,
            Self::Wise => PayoutProvider::Wise,
        }
    }

    /// Its place among all.
    pub(super) const fn number(self) -> usize {
        self as usize
    }

    pub(super) const fn currency(self) -> &'static str {
        if matches!(self, Self::Wise) { "EUR" } else { "USD" }
    }
}

/// The provider of all accounts, and the receivers of their affiliates.
pub(super) struct Source {
    provider: Arc<dyn Provider>,
    receivers: Mutex<HashMap<String, Receiver>>,
}

impl ProviderSource for Source {
    fn provider<'a>(
        &'a self,
        _account_id: AccountId,
        _provider: PayoutProvider,
    ) -> BoxFuture<'a, Result<Arc<dyn Provider>, NoProvider>> {
        std::future::ready(Ok(Arc::clone(&self.provider))).boxed()
    }

    fn receiver<'a>(&'a self, payout: &'a Payout) -> BoxFuture<'a, Result<Receiver, NoProvider>> {
        let receivers = self.receivers.lock().unwrap();
        let found = receivers.get(&payout.affiliate_id.to_string()).cloned().ok_or(NoProvider::NotConnected);
        std::future::ready(found).boxed()
    }
}

/// An affiliate to whom something is owed, as the provider's books name it.
pub(super) struct Owed {
    pub(super) affiliate_id: String,
    pub(super) receiver: String,
    pub(super) amount_minor: i64,
}

/// See the head of the file.
pub(super) struct Bench<'test> {
    pub(super) kind: Kind,
    pub(super) server: TestServer,
    pub(super) client: Client,
    pub(super) owed: Vec<Owed>,
    pub(super) source: Arc<Source>,
    database: &'test TestDatabase,
    fakes: Fakes,
    /// The owner at the provider, as the control names it.
    owner: String,
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

impl<'test> Bench<'test> {
    /// A server with so many affiliates to whom 10.00 and something is owed each. The owner has no money at the provider.
    pub(super) async fn start(database: &'test TestDatabase, kind: Kind, affiliates: usize) -> Self {
        Self::start_with(database, kind, affiliates, |provider| provider).await
    }

    /// The same with a provider that is wrapped.
    pub(super) async fn start_with(
        database: &'test TestDatabase,
        kind: Kind,
        affiliates: usize,
        wrap: impl Fn(Arc<dyn Provider>) -> Arc<dyn Provider>,
    ) -> Self {
        let fakes = Fakes::start().await;
        let limits = ClientLimits { total: Duration::from_secs(5), ..ClientLimits::default() };
        let calling = HttpClient::new(limits).unwrap();
        let address = BaseAddress::parse(&fakes.url(kind.part())).unwrap();
        let owner = match kind {
            Kind::PayPal => "shop".to_owned(),
            Kind::Stripe => STRIPE_KEY.to_owned(),
            Kind::Wise => {
                let profiles = fakes.call("GET", "wise/v2/profiles", "", WISE_TOKEN).await;
                profiles[1]["id"].as_i64().unwrap().to_string()
            }
        };
        let provider: Arc<dyn Provider> = match kind {
            Kind::PayPal => Arc::new(PayPal::new(
                calling,
                PayPalSettings {
                    address,
                    client_id: owner.clone(),
                    client_secret: secret("secret"),
                    fee_ppm: 20_000,
                    fees_max: Vec::new(),
                },
            )),
            Kind::Stripe => Arc::new(Stripe::new(calling, StripeSettings { address, secret_key: secret(STRIPE_KEY) })),
            Kind::Wise => Arc::new(Wise::new(
                calling,
                WiseSettings {
                    address,
                    token: secret(WISE_TOKEN),
                    profile_id: owner.parse().unwrap(),
                    source_currency: "EUR".parse().unwrap(),
                },
            )),
        };
        let source = Arc::new(Source { provider: wrap(provider), receivers: Mutex::default() });
        let server = TestServer::start_paying(database, Providers(source.clone())).await;
        let mut client = Shop::open(&server, "shop").await.client;
        let verification_token = server.mailed_token("shop@owners.example").await;
        client
            .accounts
            .verify_account_email(pb::VerifyAccountEmailRequest { verification_token, ..Default::default() })
            .await
            .unwrap();
        let owed = Vec::new();
        let mut bench = Self { kind, server, client, owed, source, database, fakes, owner };
        if kind == Kind::Wise {
            // A funded transfer arrives after 20 seconds.
            bench.post("wise/settings", json!({"step_ms": 10_000})).await;
        }
        for number in 0..affiliates {
            bench.owe(number).await;
        }
        bench
    }

    /// Another server on the same database, which calls the same provider.
    pub(super) async fn second_server(&self) -> TestServer {
        let server = TestServer::start_paying(self.database, Providers(self.source.clone())).await;
        server.clock.set(self.server.clock.now());
        server
    }

    /// Stops the server, so that many benches in one test do not disturb each other.
    pub(super) async fn stop(self) {
        self.server.server.stop().await;
    }

    /// Creates an affiliate to whom something is owed.
    async fn owe(&mut self, number: usize) {
        let ref_id = format!("a{number}");
        let request = pb::CreateAffiliateRequest {
            email: format!("{ref_id}@affiliates.example"),
            ref_id: ref_id.clone(),
            ..Default::default()
        };
        let made = self.client.affiliates.create_affiliate(request).await.unwrap().into_inner();
        let affiliate_id = made.affiliate.unwrap().id;
        let amount_minor = 1_000 + i64::try_from(number).unwrap();
        let value = pb::Money { amount_minor, currency_code: self.kind.currency().to_owned() };
        let selector = Some(pb::enrollment_selector::Selector::RefId(ref_id.clone()));
        let request = pb::CreateRewardRequest {
            recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
            value: Some(pb::RewardValue { amount: Some(Amount::Cash(value)) }),
            ..Default::default()
        };
        self.client.rewards.create_reward(request).await.unwrap();
        let (receiver, name) = self.receiver(&ref_id).await;
        self.source.receivers.lock().unwrap().insert(affiliate_id.clone(), receiver);
        self.owed.push(Owed { affiliate_id, receiver: name, amount_minor });
    }

    /// A receiver at the provider, and its name in the provider's books.
    async fn receiver(&self, ref_id: &str) -> (Receiver, String) {
        let address = format!("{ref_id}@receivers.example");
        match self.kind {
            Kind::PayPal => {
                self.post("paypal/receivers", json!({"receiver": address, "status": "SUCCESS"})).await;
                (Receiver::PayPalEmail(address.clone()), address)
            }
            Kind::Stripe => {
                let account = self.call("POST", "stripe/v1/accounts", "type=express", STRIPE_KEY).await;
                let account = account["id"].as_str().unwrap().to_owned();
                self.post(&format!("stripe/accounts/{account}"), json!({"complete": true})).await;
                (Receiver::StripeAccount(account.clone()), account)
            }
            Kind::Wise => {
                let recipient = json!({
                    "profile": self.owner.parse::<i64>().unwrap(), "currency": "EUR", "type": "email",
                    "accountHolderName": "Ann Affiliate", "details": {"email": address},
                });
                let made = self.call("POST", "wise/v1/accounts", &recipient.to_string(), WISE_TOKEN).await;
                (Receiver::WiseRecipient(made["id"].as_i64().unwrap()), address)
            }
        }
    }

    /// Creates a run for all affiliates, and gives its payouts to the provider as if they had been created so.
    pub(super) async fn create_run(&mut self) -> String {
        let currency_code = self.kind.currency().to_owned();
        let request = pb::CreatePayoutRunRequest { currency_code, all_affiliates: true, ..Default::default() };
        let run = self.client.payouts.create_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
        loop {
            let request = pb::GetPayoutRunRequest { payout_run_id: run.id.clone() };
            let run = self.client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
            if run.state() == pb::PayoutRunState::Created {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.give_to_provider().await;
        run.id
    }

    async fn give_to_provider(&self) {
        let connection = sea_orm::Database::connect(&self.database.url).await.unwrap();
        let provider = self.kind.provider().as_str();
        let manual = payout_table::Column::Provider.eq("manual");
        for row in payout_table::Entity::find().filter(manual).all(&connection).await.unwrap() {
            let (account_id, payout_id) = (row.account_id, row.id);
            let mut changed = row.into_active_model();
            changed.provider = Set(provider.to_owned());
            changed.update(&connection).await.unwrap();
            let attempt = payout_attempt::Model {
                account_id,
                payout_id,
                provider: provider.to_owned(),
                number: 1,
                next_step: "submit".to_owned(),
                first_try_at: None,
                last_try_at: None,
                provider_payment_id: String::new(),
                is_probe: false,
                tries: 0,
                lease_id: Uuid::nil(),
                next_at: Some(self.server.clock.now().micros()),
                is_under_way: false,
                seen_wake: 0,
                doubt_code: String::new(),
                doubt_debug_id: String::new(),
            };
            payout_attempt::Entity::insert(attempt.into_active_model()).exec(&connection).await.unwrap();
        }
    }

    /// Sends all that is due now.
    pub(super) async fn work(&self) {
        send_due(&self.server).await;
    }

    /// Lets time pass at the provider and here, and sends what is due then.
    pub(super) async fn pass(&self, seconds: u64) {
        self.post("clock", json!({"advance_seconds": seconds})).await;
        self.server.clock.pass(Duration::from_secs(seconds));
        self.work().await;
    }

    /// Lets time pass, some minutes at a time, until all payouts have ended. What needs the owner's attention is sent again.
    pub(super) async fn finish(&mut self) {
        for _ in 0..200 {
            self.pass(700).await;
            let payouts = self.payouts().await;
            let is_over =
                |state| matches!(state, pb::PayoutState::Paid | pb::PayoutState::Failed | pb::PayoutState::Returned);
            if payouts.iter().all(|payout| is_over(payout.state())) {
                return;
            }
            for payout in payouts.into_iter().filter(|payout| payout.state() == pb::PayoutState::NeedsAttention) {
                let request = pb::RetryPayoutRequest { payout_id: payout.id, ..Default::default() };
                self.client.payouts.retry_payout(request).await.unwrap();
            }
        }
        panic!("payouts do not end: {:?}", self.states().await);
    }

    pub(super) async fn payouts(&mut self) -> Vec<pb::Payout> {
        let request = pb::ListPayoutsRequest { page_size: 1_000, ..Default::default() };
        self.client.payouts.list_payouts(request).await.unwrap().into_inner().payouts
    }

    /// How many payouts are in each state.
    pub(super) async fn states(&mut self) -> Vec<(&'static str, usize)> {
        let mut counts: Vec<(&'static str, usize)> = Vec::new();
        for payout in self.payouts().await {
            let state = payout.state().as_str_name().trim_start_matches("PAYOUT_STATE_");
            match counts.iter_mut().find(|(known, _)| *known == state) {
                Some((_, count)) => *count += 1,
                None => counts.push((state, 1)),
            }
        }
        counts
    }

    /// The kinds of the events about payouts, by payout.
    pub(super) async fn events(&mut self) -> HashMap<String, Vec<pb::EventKind>> {
        let mut kinds: HashMap<String, Vec<pb::EventKind>> = HashMap::new();
        let mut start = from_beginning();
        loop {
            let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..Default::default() };
            let page = self.client.feed.read_events(request).await.unwrap().into_inner();
            for event in &page.events {
                if let Some(pb::event::Subject::Payout(payout)) = &event.subject {
                    kinds.entry(payout.id.clone()).or_default().push(event.kind());
                }
            }
            let Some(last) = page.events.last() else { return kinds };
            start = crate::support::feed::from_cursor(last.cursor.clone());
        }
    }

    /// Checks that the last event of each payout shows it as it is now.
    pub(super) async fn check_images(&mut self) {
        let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
        let events = self.client.feed.read_events(request).await.unwrap().into_inner().events;
        let images = events.into_iter().filter_map(|event| match event.subject {
            Some(pb::event::Subject::Payout(payout)) => Some((payout.id.clone(), payout)),
            _ => None,
        });
        let last: HashMap<String, pb::Payout> = images.collect();
        for payout in self.payouts().await {
            // The test gives payouts to the provider after their creation.
            let image = pb::Payout { provider: payout.provider, ..last[&payout.id].clone() };
            assert_eq!(image, pb::Payout { destination_hint: String::new(), ..payout });
        }
    }

    /// Checks that each affiliate got what was owed to it by one payment, and that the ledger and the provider's books agree.
    pub(super) async fn check_paid_once(&mut self) {
        let rows = self.get(&format!("ledger/received?provider={}", self.kind.part())).await;
        let rows = rows.as_array().unwrap();
        for owed in &self.owed {
            let of_receiver: Vec<_> = rows.iter().filter(|row| row["receiver"] == owed.receiver.as_str()).collect();
            let got: Vec<_> =
                of_receiver.iter().map(|row| (row["amount_minor"].as_i64(), row["object_count"].as_u64())).collect();
            assert_eq!(got, [(Some(owed.amount_minor), Some(1))], "{} of {}", owed.receiver, owed.affiliate_id);
        }
        assert_eq!(self.states().await, [("PAID", self.owed.len())]);
        let (paid, fees) = self.books().await;
        let owed: i64 = self.owed.iter().map(|owed| owed.amount_minor).sum();
        assert_eq!(paid, i128::from(owed));
        assert_eq!(fees, i128::from(self.fees_at_provider().await), "fees");
    }

    /// What was paid to affiliates and what the fees were, by the ledger, which is verified.
    pub(super) async fn books(&mut self) -> (i128, i128) {
        let report = self.client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{:?}", report.differences);
        self.check_years().await;
        let total = |account: pb::LedgerAccount| {
            let rows = report.totals.iter().filter(|total| total.ledger_account() == account);
            rows.map(|total| match total.value.as_ref().and_then(|value| value.amount.as_ref()) {
                Some(Amount::Cash(money)) => i128::from(money.amount_minor),
                other => panic!("{other:?}"),
            })
            .sum::<i128>()
        };
        let fees = -total(pb::LedgerAccount::ProviderFee);
        (total(pb::LedgerAccount::ProviderCash) - fees, fees)
    }

    /// Checks that yearly totals have what was paid, what came back and the fees.
    async fn check_years(&mut self) {
        let account = self.client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account;
        let account_id = account.unwrap().id.parse().unwrap();
        let snapshot = self.server.server.app().store().snapshot().await.unwrap();
        let differences = store::yearly_total::differences(&snapshot, account_id).await.unwrap();
        assert_eq!(differences, Vec::<String>::new());
    }

    async fn fees_at_provider(&self) -> i64 {
        let rows = self.get("ledger/balances").await;
        let account = format!("{}/fees", self.kind.part());
        let of_fees = rows.as_array().unwrap().iter().filter(|row| row["account"] == account.as_str());
        of_fees.map(|row| row["amount_minor"].as_i64().unwrap()).sum()
    }

    /// Sets the time at the provider to the server's.
    pub(super) async fn align_clocks(&self) {
        let there: jiff::Timestamp = self.get("clock").await["now"].as_str().unwrap().parse().unwrap();
        let seconds = self.server.clock.now().micros() / 1_000_000 - there.as_second();
        self.post("clock", json!({"advance_seconds": seconds})).await;
    }

    /// Connects the account to the provider.
    pub(super) async fn connect(&mut self) {
        use pb::provider_credentials::Credentials;
        let credentials = match self.kind {
            Kind::PayPal => Credentials::Paypal(pb::PayPalCredentials {
                client_id: self.owner.clone(),
                client_secret: "secret".to_owned(),
                ..Default::default()
            }),
            // The account is not for tests. The provider of the bench has the key.
            Kind::Stripe => Credentials::Stripe(pb::StripeCredentials {
                secret_key: "sk_live_shop".to_owned(),
                ..Default::default()
            }),
            Kind::Wise => Credentials::Wise(pb::WiseCredentials {
                api_token: WISE_TOKEN.to_owned(),
                profile_number: self.owner.parse().unwrap(),
                source_currency_code: "EUR".to_owned(),
            }),
        };
        let request = pb::SetPayoutConnectionRequest {
            credentials: Some(pb::ProviderCredentials { credentials: Some(credentials) }),
            ..Default::default()
        };
        self.client.payouts.set_payout_connection(request).await.unwrap();
    }

    /// Sets the owner's balance.
    pub(super) async fn set_balance(&self, amount_minor: i64) {
        let currency = self.kind.currency();
        let body = match self.kind {
            Kind::Wise => {
                json!({"profile": self.owner.parse::<i64>().unwrap(), "currency": currency, "amount_minor": amount_minor})
            }
            _ => json!({"account": self.owner, "currency": currency, "amount_minor": amount_minor}),
        };
        self.post(&format!("{}/balance", self.kind.part()), body).await;
    }

    /// Adds a rule for faults.
    pub(super) async fn fault(&self, rule: Value) {
        self.post("faults", rule).await;
    }

    /// Removes all faults.
    pub(super) async fn remove_faults(&self) {
        self.control("DELETE", "faults", None).await;
    }

    /// The subjects of the mails to the owner about payouts, the oldest first.
    pub(super) async fn subjects(&self) -> Vec<String> {
        let mails = self.server.mails().await;
        let lines = mails.iter().flat_map(|mail| mail.lines());
        lines.filter_map(|line| line.strip_prefix("Subject: Payouts ")).map(str::to_owned).collect()
    }

    /// How many payments were asked for.
    pub(super) async fn submission_count(&self) -> usize {
        let requests = self.get("requests").await;
        let paths = ["/v1/payments/payouts", "/v1/transfers"];
        let is_wanted = |request: &&Value| {
            request["method"] == "POST" && paths.iter().any(|path| request["path"].as_str() == Some(path))
        };
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
        self.fakes.control(method, path, body).await
    }

    /// Calls the provider itself.
    pub(super) async fn call(&self, method: &str, path: &str, body: &str, token: &str) -> Value {
        self.fakes.call(method, path, body, token).await
    }
}
