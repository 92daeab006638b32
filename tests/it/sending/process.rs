//! Servers as processes whose payouts go to a fake provider over HTTP, so that a test can kill and stop them. A file moves their clocks.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use headwater::failpoint::Point;
use headwater::pb;
use pb::reward_value::Amount;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::client::Client;
use testkit::process::{ServerOptions, Serving};

use super::bench::{Kind, STRIPE_KEY, WISE_TOKEN};
use crate::support::binary::{operator_key, options};
use crate::support::database::TestDatabase;
use crate::support::fakes::Fakes;
use crate::support::shop::Shop;

/// Enough for several looks of the worker, which looks every 100 ms in a build for tests.
const LOOKS: Duration = Duration::from_millis(250);

/// Longer than a lease.
pub(super) const LEASE_SECONDS: u32 = 700;

/// An affiliate to whom something is owed in each round.
struct Payee {
    ref_id: String,
    /// As the provider's books name it.
    receiver: String,
    amount_minor: i64,
}

/// See the head of the file.
pub(super) struct Fleet {
    pub(super) kind: Kind,
    folder: TempDir,
    database: TestDatabase,
    fakes: Fakes,
    /// The owner at the provider, as the control names it.
    owner: String,
    payees: Vec<Payee>,
    /// How often each payee was owed its amount.
    rounds: u64,
    /// The keys of two persons, because nobody approves alone.
    keys: [String; 2],
    /// By how much the clocks of the servers are moved: time that passed, and jumps.
    passed_seconds: u32,
    jumped_seconds: i32,
}

/// Payouts of one run, which wait for their approval.
pub(super) struct Run {
    pub(super) id: String,
    pub(super) payout_ids: Vec<String>,
}

impl Fleet {
    /// An account whose payouts need an approval, with money and so many affiliates at the provider. No server runs at the end.
    pub(super) async fn found(database: TestDatabase, kind: Kind, payees: usize) -> Self {
        let folder = tempfile::Builder::new().prefix("headwater-fleet-").tempdir().unwrap();
        std::fs::write(folder.path().join("secrets.key"), "5".repeat(64)).unwrap();
        let mode = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path().join("secrets.key"), mode).unwrap();
        let fakes = Fakes::start().await;
        let owner = match kind {
            Kind::PayPal => "shop".to_owned(),
            Kind::Stripe => STRIPE_KEY.to_owned(),
            Kind::Wise => {
                let profiles = fakes.call("GET", "wise/v2/profiles", "", WISE_TOKEN).await;
                profiles[1]["id"].as_i64().unwrap().to_string()
            }
        };
        let mut fleet = Self {
            kind,
            folder,
            database,
            fakes,
            owner,
            payees: Vec::new(),
            rounds: 0,
            keys: [String::new(), String::new()],
            passed_seconds: 0,
            jumped_seconds: 0,
        };
        fleet.move_clocks();
        let server = fleet.start("one", "").await.unwrap();
        fleet.furnish(&server).await;
        for number in 0..payees {
            fleet.add_payee(&server, number).await;
        }
        server.kill().await.unwrap();
        fleet
    }

    /// Starts the server of this name. Its failpoints are in the syntax of FAILPOINTS.
    pub(super) async fn start(&self, name: &str, failpoints: &str) -> Result<Serving, String> {
        let directory = self.folder.path().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let key_file = self.folder.path().join("secrets.key");
        let addresses = ["paypal", "stripe", "wise"].map(|part| self.fakes.url(part));
        let mut flags = vec!["--database", self.database.url.as_str(), "--upkeep-interval-seconds", "1"];
        flags.extend(["--secrets-key-file", key_file.to_str().unwrap()]);
        flags.extend(["--paypal-sandbox-address", &addresses[0], "--stripe-sandbox-address", &addresses[1]]);
        flags.extend(["--wise-sandbox-address", &addresses[2]]);
        let clock = self.folder.path().join("clock").to_string_lossy().into_owned();
        let environment = [("FAILPOINTS", failpoints.to_owned()), ("CLOCK_FILE", clock)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value)).to_vec();
        let options = ServerOptions { environment, ..options(&directory, &flags) };
        Serving::start(&options).await.map_err(|error| error.to_string())
    }

    /// A client with the key of one of the two persons.
    pub(super) async fn client(&self, server: &Serving, person: usize) -> Client {
        Client::connect(&server.url(), &self.keys[person]).await.unwrap()
    }

    async fn furnish(&mut self, server: &Serving) {
        let operator_key = operator_key(&self.folder.path().join("one"));
        let mut operator = Client::connect(&server.url(), &operator_key).await.unwrap();
        let request = pb::RegisterAccountRequest {
            display_name: "shop".to_owned(),
            email: "shop@owners.example".to_owned(),
            test_account: true,
            ..Default::default()
        };
        let key = operator.accounts.register_account(request).await.unwrap().into_inner().api_key_text;
        let mut client = Shop::furnish(Client::connect(&server.url(), &key).await.unwrap()).await.client;
        let request = pb::CreateApiKeyRequest {
            kind: pb::ApiKeyKind::Admin.into(),
            display_name: "second".to_owned(),
            ..Default::default()
        };
        let second = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
        self.keys = [key, second];
        let request = pb::SetPayoutConnectionRequest { credentials: Some(self.credentials()), ..Default::default() };
        client.payouts.set_payout_connection(request).await.unwrap();
        let least = pb::Money { amount_minor: 1, currency_code: self.kind.currency().to_owned() };
        let policy = pb::PayoutPolicy { approval_above: vec![least], ..Default::default() };
        let request = pb::UpdateAccountRequest {
            account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
            ..Default::default()
        };
        client.accounts.update_account(request).await.unwrap();
        let (currency, amount_minor) = (self.kind.currency(), 1_000_000_000);
        let balance = match self.kind {
            Kind::Wise => {
                self.post("wise/settings", json!({"step_ms": 10_000})).await;
                let profile: i64 = self.owner.parse().unwrap();
                json!({"profile": profile, "currency": currency, "amount_minor": amount_minor})
            }
            _ => json!({"account": self.owner, "currency": currency, "amount_minor": amount_minor}),
        };
        self.post(&format!("{}/balance", self.kind.part()), balance).await;
    }

    fn credentials(&self) -> pb::ProviderCredentials {
        use pb::provider_credentials::Credentials;
        let credentials = match self.kind {
            Kind::PayPal => Credentials::Paypal(pb::PayPalCredentials {
                client_id: self.owner.clone(),
                client_secret: "secret".to_owned(),
                webhook_id: String::new(),
            }),
            Kind::Stripe => Credentials::Stripe(pb::StripeCredentials {
                secret_key: STRIPE_KEY.to_owned(),
                webhook_secret: String::new(),
            }),
            Kind::Wise => Credentials::Wise(pb::WiseCredentials {
                api_token: WISE_TOKEN.to_owned(),
                profile_number: self.owner.parse().unwrap(),
                source_currency_code: "EUR".to_owned(),
            }),
        };
        pb::ProviderCredentials { credentials: Some(credentials) }
    }

    /// Creates an affiliate with an account at the provider.
    async fn add_payee(&mut self, server: &Serving, number: usize) {
        let ref_id = format!("a{number}");
        let receiver = format!("{ref_id}@receivers.example");
        let (details, receiver) = self.open_account(receiver).await;
        let mut client = self.client(server, 0).await;
        let request = pb::CreateAffiliateRequest {
            email: format!("{ref_id}@affiliates.example"),
            ref_id: ref_id.clone(),
            ..Default::default()
        };
        let affiliate = client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
        let selector = Some(pb::affiliate_selector::Selector::Id(affiliate.id));
        let request = pb::SetPayoutMethodRequest {
            affiliate: Some(pb::AffiliateSelector { selector }),
            details: Some(pb::PayoutDetails { details: Some(details) }),
            ..Default::default()
        };
        client.payouts.set_payout_method(request).await.unwrap();
        let amount_minor = 1_000 + i64::try_from(number).unwrap();
        self.payees.push(Payee { ref_id, receiver, amount_minor });
    }

    /// Makes a receiver at the provider. Returns its details here, and its name in the provider's books.
    async fn open_account(&self, email: String) -> (pb::payout_details::Details, String) {
        use pb::payout_details::Details;
        match self.kind {
            Kind::PayPal => {
                self.post("paypal/receivers", json!({"receiver": email, "status": "SUCCESS"})).await;
                (Details::Paypal(pb::PayPalDetails { email: email.clone() }), email)
            }
            Kind::Stripe => {
                let path = "stripe/v1/accounts";
                let made = self.fakes.call("POST", path, "type=express", STRIPE_KEY).await;
                let id = made["id"].as_str().unwrap().to_owned();
                self.post(&format!("stripe/accounts/{id}"), json!({"complete": true})).await;
                (Details::Stripe(pb::StripeDetails { connected_account_id: id.clone() }), id)
            }
            Kind::Wise => {
                let recipient = json!({
                    "profile": self.owner.parse::<i64>().unwrap(), "currency": "EUR", "type": "email",
                    "accountHolderName": "Ann Affiliate", "details": {"email": email},
                });
                let path = "wise/v1/accounts";
                let made = self.fakes.call("POST", path, &recipient.to_string(), WISE_TOKEN).await;
                let recipient_number = made["id"].as_i64().unwrap();
                (Details::Wise(pb::WiseDetails { recipient_number }), email)
            }
        }
    }

    /// Owes each affiliate its amount once more, and creates a run of payouts of it. They wait for their approval.
    pub(super) async fn create_run(&mut self, server: &Serving) -> Run {
        let mut client = self.client(server, 0).await;
        let currency_code = self.kind.currency().to_owned();
        for payee in &self.payees {
            let selector = Some(pb::enrollment_selector::Selector::RefId(payee.ref_id.clone()));
            let value = pb::Money { amount_minor: payee.amount_minor, currency_code: currency_code.clone() };
            let request = pb::CreateRewardRequest {
                recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
                value: Some(pb::RewardValue { amount: Some(Amount::Cash(value)) }),
                ..Default::default()
            };
            client.rewards.create_reward(request).await.unwrap();
        }
        self.rounds += 1;
        let request = pb::CreatePayoutRunRequest { currency_code, all_affiliates: true, ..Default::default() };
        let id = client.payouts.create_payout_run(request).await.unwrap().into_inner().payout_run.unwrap().id;
        loop {
            let request = pb::GetPayoutRunRequest { payout_run_id: id.clone() };
            let run = client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
            if run.state() == pb::PayoutRunState::Created {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let payouts = payouts(&mut client, &id).await;
        assert_eq!(payouts.len(), self.payees.len());
        assert!(payouts.iter().all(|payout| payout.state() == pb::PayoutState::NeedsApproval), "{payouts:?}");
        Run { id, payout_ids: payouts.into_iter().map(|payout| payout.id).collect() }
    }

    /// Approves the payouts of a run, which may have been done before. False if the server ended meanwhile.
    pub(super) async fn approve(&self, url: &str, run: &Run) -> bool {
        let Ok(mut client) = Client::connect(url, &self.keys[1]).await else { return false };
        let request = pb::ApprovePayoutsRequest {
            request_id: run.id.clone(),
            payout_ids: run.payout_ids.clone(),
            ..Default::default()
        };
        client.payouts.approve_payouts(request).await.is_ok()
    }

    /// Lets time pass for the servers and at the provider.
    pub(super) async fn pass(&mut self, seconds: u32) {
        self.passed_seconds += seconds;
        self.move_clocks();
        self.post("clock", json!({"advance_seconds": seconds})).await;
    }

    /// Makes the clocks of the servers jump, without any time passing.
    pub(super) fn jump(&mut self, seconds: i32) {
        self.jumped_seconds += seconds;
        self.move_clocks();
    }

    fn move_clocks(&self) {
        let (new, file) = (self.folder.path().join("clock.new"), self.folder.path().join("clock"));
        std::fs::write(&new, format!("{} {}", self.passed_seconds, self.jumped_seconds)).unwrap();
        std::fs::rename(new, file).unwrap();
    }

    /// Waits until the servers do no more calls at this time.
    pub(super) async fn rest(&self) {
        loop {
            let before = self.request_count().await;
            tokio::time::sleep(LOOKS).await;
            if self.request_count().await == before {
                return;
            }
        }
    }

    /// How many calls the provider got.
    pub(super) async fn request_count(&self) -> u64 {
        self.get("requests/count").await["count"].as_u64().unwrap()
    }

    /// Lets time pass until all payouts of a run are paid. A person sends again what needs attention.
    pub(super) async fn finish(&mut self, server: &Serving, run: &Run) {
        let mut client = self.client(server, 0).await;
        for _ in 0..200 {
            self.rest().await;
            let payouts = payouts(&mut client, &run.id).await;
            if payouts.iter().all(|payout| payout.state() == pb::PayoutState::Paid) {
                return;
            }
            let ended = |payout: &&pb::Payout| {
                matches!(
                    payout.state(),
                    pb::PayoutState::Failed | pb::PayoutState::Returned | pb::PayoutState::Cancelled
                )
            };
            assert_eq!(payouts.iter().find(ended), None);
            for payout in payouts.iter().filter(|payout| payout.state() == pb::PayoutState::NeedsAttention) {
                let request = pb::RetryPayoutRequest { payout_id: payout.id.clone(), ..Default::default() };
                client.payouts.retry_payout(request).await.unwrap();
            }
            self.pass(LEASE_SECONDS).await;
        }
        panic!("payouts do not end: {:?}", payouts(&mut client, &run.id).await);
    }

    /// Checks that each affiliate got its amount by one payment in each round, and that the ledger and the provider's books agree.
    pub(super) async fn check_paid_once(&self, server: &Serving, what: &str) {
        let rows = self.get(&format!("ledger/received?provider={}", self.kind.part())).await;
        let rows = rows.as_array().unwrap();
        let rounds = i64::try_from(self.rounds).unwrap();
        for payee in &self.payees {
            let of_receiver = rows.iter().filter(|row| row["receiver"] == payee.receiver.as_str());
            let got: Vec<_> =
                of_receiver.map(|row| (row["amount_minor"].as_i64(), row["object_count"].as_u64())).collect();
            let owed = (Some(payee.amount_minor * rounds), Some(self.rounds));
            assert_eq!(got, [owed], "{} after {what}", payee.receiver);
        }
        let mut client = self.client(server, 0).await;
        let report = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
        assert!(report.ok, "{what}: {:?}", report.differences);
        let total = |account: pb::LedgerAccount| -> i64 {
            let rows = report.totals.iter().filter(|total| total.ledger_account() == account);
            rows.map(|total| match total.value.as_ref().and_then(|value| value.amount.as_ref()) {
                Some(Amount::Cash(money)) => money.amount_minor,
                other => panic!("{other:?}"),
            })
            .sum()
        };
        let owed: i64 = self.payees.iter().map(|payee| payee.amount_minor * rounds).sum();
        let fees = -total(pb::LedgerAccount::ProviderFee);
        let rest = [pb::LedgerAccount::PayoutInFlight, pb::LedgerAccount::AffiliatePayable].map(total);
        assert_eq!((total(pb::LedgerAccount::ProviderCash) - fees, rest), (owed, [0, 0]), "{what}");
        // Wise's transfers do not tell their fees.
        if self.kind != Kind::Wise {
            assert_eq!(fees, self.fees_at_provider().await, "fees after {what}");
        }
    }

    async fn fees_at_provider(&self) -> i64 {
        let rows = self.get("ledger/balances").await;
        let account = format!("{}/fees", self.kind.part());
        let of_fees = rows.as_array().unwrap().iter().filter(|row| row["account"] == account.as_str());
        of_fees.map(|row| row["amount_minor"].as_i64().unwrap()).sum()
    }

    /// Makes a fault befall this share of all requests.
    pub(super) async fn fault(&self, fault: &Value, parts_per_million: u32) {
        let part = self.kind.part();
        let rule = json!({"provider": part, "times": 0, "parts_per_million": parts_per_million, "fault": fault});
        self.post("faults", rule).await;
    }

    /// Removes all faults.
    pub(super) async fn remove_faults(&self) {
        self.fakes.control("DELETE", "faults", None).await;
    }

    async fn post(&self, path: &str, body: Value) {
        self.fakes.control("POST", path, Some(body)).await;
    }

    async fn get(&self, path: &str) -> Value {
        self.fakes.control("GET", path, None).await
    }
}

/// A failpoint that lets so many passes through and ends the process at the next.
pub(super) fn aborts_at(point: Point, passes: usize) -> String {
    format!("{}={passes}*off->return(abort)", point.name())
}

/// All payouts of a run.
async fn payouts(client: &mut Client, run_id: &str) -> Vec<pb::Payout> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = pb::ListPayoutsRequest {
            payout_run_id: run_id.to_owned(),
            page_size: 1_000,
            page_token,
            ..Default::default()
        };
        let page = client.payouts.list_payouts(request).await.unwrap().into_inner();
        all.extend(page.payouts);
        if page.next_page_token.is_empty() {
            return all;
        }
        page_token = page.next_page_token;
    }
}
