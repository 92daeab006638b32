//! Payout methods, connections to providers and accounts for tests: what waits, what is told, what is stored, and what is erased.

use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use headwater::app::worker::connections::{Connections, ProviderAddresses};
use headwater::clock::ManualClock;
use headwater::domain::id::{AccountId, AffiliateId, PayoutId};
use headwater::domain::payout::PayoutProvider;
use headwater::domain::rule::{Envelope, SetPayoutConnection};
use headwater::domain::time::Time;
use headwater::outbound::client::{BaseAddress, Client as HttpClient, ClientLimits};
use headwater::outbound::source::{NoProvider, ProviderSource};
use headwater::pb;
use headwater::secrets::Secrets;
use headwater::secrets::credentials::ProviderCredentials;
use headwater::server::{Server, ServerError};
use headwater::store;
use pb::PayoutRunVerdict as Verdict;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{START_MICROS, TestServer, reason, settings};
use crate::support::shop::Shop;

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

fn paypal(email: &str) -> Option<pb::PayoutDetails> {
    let paypal = pb::PayPalDetails { email: email.to_owned() };
    Some(pb::PayoutDetails { details: Some(pb::payout_details::Details::Paypal(paypal)) })
}

fn iban(number: &str) -> Option<pb::PayoutDetails> {
    let iban = pb::IbanDetails { iban: number.to_owned(), bic: String::new(), holder_name: "Ann Ample".to_owned() };
    Some(pb::PayoutDetails { details: Some(pb::payout_details::Details::Iban(iban)) })
}

const IBAN: &str = "DE89370400440532013000";

fn method(affiliate_id: &str, details: Option<pb::PayoutDetails>) -> pb::SetPayoutMethodRequest {
    pb::SetPayoutMethodRequest { affiliate: by_id(affiliate_id), details, ..Default::default() }
}

async fn set(client: &mut Client, request: pb::SetPayoutMethodRequest) -> pb::PayoutMethod {
    client.payouts.set_payout_method(request).await.unwrap().into_inner().payout_method.unwrap()
}

async fn get(client: &mut Client, affiliate_id: &str) -> pb::PayoutMethod {
    let request = pb::GetPayoutMethodRequest { affiliate: by_id(affiliate_id) };
    client.payouts.get_payout_method(request).await.unwrap().into_inner().payout_method.unwrap()
}

/// The present destination and the one that waits.
fn hints(method: &pb::PayoutMethod) -> String {
    let hint =
        |destination: &Option<pb::PayoutDestination>| destination.as_ref().map_or("none", |it| &it.hint).to_owned();
    format!("{} then {}", hint(&method.current), hint(&method.pending))
}

/// Gives an affiliate this much, approved.
async fn give(client: &mut Client, affiliate_id: &str, amount_minor: i64) {
    let enrollments = client.affiliates.get_affiliate(pb::GetAffiliateRequest { affiliate: by_id(affiliate_id) }).await;
    let enrollment_id = enrollments.unwrap().into_inner().enrollments[0].id.clone();
    let selector = Some(pb::enrollment_selector::Selector::Id(enrollment_id));
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(usd(amount_minor))) }),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap();
}

async fn create(client: &mut Client, affiliate_id: &str, provider: pb::PayoutProvider) -> pb::Payout {
    let request = pb::CreatePayoutRequest {
        affiliate: by_id(affiliate_id),
        currency_code: "USD".to_owned(),
        provider: provider.into(),
        ..Default::default()
    };
    client.payouts.create_payout(request).await.unwrap().into_inner().payout.unwrap()
}

fn credentials() -> pb::SetPayoutConnectionRequest {
    let paypal = pb::PayPalCredentials {
        client_id: "client-id-4242".to_owned(),
        client_secret: "canary-secret".to_owned(),
        webhook_id: "canary-webhook".to_owned(),
    };
    let credentials = Some(pb::provider_credentials::Credentials::Paypal(paypal));
    pb::SetPayoutConnectionRequest { credentials: Some(pb::ProviderCredentials { credentials }), ..Default::default() }
}

db_test!(a_changed_payout_method_waits_and_the_affiliate_is_told, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let none = get(client, &id).await;
    assert_eq!((none.current, none.pending, none.create_time), (None, None, None));
    set(client, method(&id, paypal("ann@example.com"))).await;
    let told = async || {
        let mails = server.mails().await.into_iter();
        mails.filter(|mail| mail.contains("The way in which you are paid")).collect::<Vec<_>>()
    };
    assert!(told().await.is_empty(), "the first method is told to nobody");
    let changed = set(client, method(&id, iban(IBAN))).await;
    assert_eq!(hints(&changed), "a…@example.com then DE…3000");
    let since = changed.pending.as_ref().unwrap().set_time.as_ref().unwrap().seconds;
    assert_eq!(changed.pending_effective_time.as_ref().unwrap().seconds - since, 72 * 3_600);
    let mails = told().await;
    assert_eq!(mails.len(), 1);
    assert!(mails[0].contains("ann@affiliates.example") && mails[0].contains("72 hours"), "{}", mails[0]);
    assert!(!mails[0].contains(IBAN), "{}", mails[0]);

    give(client, &id, 1_000).await;
    let before = create(client, &id, pb::PayoutProvider::Unspecified).await;
    assert_eq!(
        (before.destination_hint.as_str(), before.destination_kind()),
        ("a…@example.com", pb::PayoutMethodKind::Paypal)
    );
    server.clock.set(Time::from_micros(START_MICROS + 72 * 3_600 * 1_000_000 - 1));
    assert_eq!(hints(&get(client, &id).await), "a…@example.com then DE…3000");
    server.clock.set(Time::from_micros(START_MICROS + 72 * 3_600 * 1_000_000));
    assert_eq!(hints(&get(client, &id).await), "DE…3000 then none");
    give(client, &id, 500).await;
    let after = create(client, &id, pb::PayoutProvider::Unspecified).await;
    assert_eq!((after.destination_hint.as_str(), after.destination_kind()), ("DE…3000", pb::PayoutMethodKind::Iban));
    let request = pb::GetPayoutRequest { payout_id: before.id };
    let before = client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(before.destination_hint, "a…@example.com", "a payout keeps its destination");
});

// Who takes over an account changes the address first, so that the notice goes nowhere.
db_test!(a_notice_goes_to_the_former_address_too, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    set(client, method(&id, paypal("ann@example.com"))).await;
    for email in ["eve@example.com", "mallory@example.com"] {
        let request = pb::UpdateAffiliateRequest {
            selector: by_id(&id),
            affiliate: Some(pb::Affiliate { email: email.to_owned(), ..Default::default() }),
            update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
            ..Default::default()
        };
        client.affiliates.update_affiliate(request).await.unwrap();
    }
    set(client, method(&id, paypal("mallory@example.com"))).await;
    let mails = server.mails().await.join("\n");
    assert!(mails.contains("ann@affiliates.example") && mails.contains("mallory@example.com"), "{mails}");
    assert!(!mails.contains("eve@example.com"), "{mails}");
});

db_test!(only_an_admin_key_makes_a_change_effective_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    set(client, method(&id, paypal("ann@example.com"))).await;
    let request = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Payout.into(), ..Default::default() };
    let text = client.accounts.create_api_key(request).await.unwrap().into_inner().api_key_text;
    let mut payer = Client::connect(&server.address, &text).await.unwrap();
    let now = pb::SetPayoutMethodRequest {
        effective_now: true,
        override_reason: "asked by phone".to_owned(),
        ..method(&id, iban(IBAN))
    };
    let status = payer.payouts.set_payout_method(now.clone()).await.unwrap_err();
    assert!(status.message().starts_with("effective_now: "), "{}", status.message());
    assert_eq!(hints(&set(&mut payer, method(&id, iban(IBAN))).await), "a…@example.com then DE…3000");
    let status = payer.payouts.set_payout_connection(credentials()).await.unwrap_err();
    assert_eq!(reason(&status), "KEY_KIND_NOT_ALLOWED");
    let set = set(client, now).await;
    assert_eq!((hints(&set).as_str(), set.override_reason.as_str()), ("DE…3000 then none", "asked by phone"));
    assert!(server.mails().await.last().unwrap().contains("from now on"));
    let request = pb::ListAuditEntriesRequest::default();
    let entries = client.accounts.list_audit_entries(request).await.unwrap().into_inner().audit_entries;
    let entry = entries.iter().rev().find(|entry| entry.called_method.ends_with("SetPayoutMethod")).unwrap();
    assert_eq!(entry.subject_id, id);
});

db_test!(details_and_credentials_are_in_no_answer_no_event_and_no_row, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let answer = set(client, method(&id, iban(IBAN))).await;
    let connection = client.payouts.set_payout_connection(credentials()).await.unwrap().into_inner();
    let got = client
        .payouts
        .get_payout_connection(pb::GetPayoutConnectionRequest { provider: pb::PayoutProvider::Paypal.into() })
        .await
        .unwrap()
        .into_inner();
    assert_eq!(got.payout_connection.as_ref().unwrap().hint, "…4242");
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = format!("{:?}", client.feed.read_events(request).await.unwrap().into_inner());
    let affiliate_id: AffiliateId = id.parse().unwrap();
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    let account_id: AccountId = account.id.parse().unwrap();
    let store = server.server.app().store();
    let method = store::payout_method::find(store, account_id, affiliate_id).await.unwrap().unwrap();
    let sealed = method.current.as_ref().unwrap().destination.sealed.bytes().to_vec();
    assert!(!String::from_utf8_lossy(&sealed).contains("0532"), "the row is not encrypted");
    for text in [format!("{answer:?}"), format!("{connection:?}"), events.clone(), format!("{method:?}")] {
        for secret in ["0532013", "canary", "Ann Ample"] {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
    assert!(!events.contains("DE…3000"), "the feed has a hint, which cannot be erased: {events}");
});

db_test!(an_erased_affiliate_leaves_no_destination_behind, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    set(client, method(&id, iban(IBAN))).await;
    give(client, &id, 1_000).await;
    let closed = create(client, &id, pb::PayoutProvider::Unspecified).await;
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![closed.id.clone()], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    give(client, &id, 500).await;
    let open = create(client, &id, pb::PayoutProvider::Unspecified).await;
    let request = pb::EraseAffiliateRequest { affiliate: by_id(&id), ..Default::default() };
    client.affiliates.erase_affiliate(request).await.unwrap();
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    let account_id: AccountId = account.id.parse().unwrap();
    let store = server.server.app().store();
    let stored = async |id: &str| {
        let id: PayoutId = id.parse().unwrap();
        store::payout::find(store, account_id, id).await.unwrap().unwrap().destination.is_some()
    };
    let affiliate_id: AffiliateId = id.parse().unwrap();
    assert!(store::payout_method::find(store, account_id, affiliate_id).await.unwrap().is_none());
    assert!(!stored(&closed.id).await, "a payout that is closed loses its destination");
    assert!(stored(&open.id).await, "a payout that is still to be paid keeps it");
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![open.id.clone()], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    assert!(!stored(&open.id).await, "and loses it when it is paid");
    let status = client.payouts.set_payout_method(method(&id, iban(IBAN))).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_ERASED");
});

db_test!(a_run_of_a_provider_pays_its_own_affiliates_alone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let mut ids = Vec::new();
    for name in ["paypal", "iban", "none"] {
        let request = pb::CreateAffiliateRequest { email: format!("{name}@affiliates.example"), ..Default::default() };
        let made = client.affiliates.create_affiliate(request).await.unwrap().into_inner();
        ids.push(made.affiliate.unwrap().id);
        give(client, ids.last().unwrap(), 1_000).await;
    }
    set(client, method(&ids[0], paypal("one@example.com"))).await;
    set(client, method(&ids[1], iban(IBAN))).await;
    let wanted = pb::PreviewPayoutRunRequest {
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        provider: Paypal.into(),
        ..Default::default()
    };
    let status = client.payouts.preview_payout_run(wanted.clone()).await.unwrap_err();
    assert_eq!(reason(&status), "PAYOUT_CONNECTION_NOT_FOUND");
    client.payouts.set_payout_connection(credentials()).await.unwrap();
    let preview = async |client: &mut Client, request: pb::PreviewPayoutRunRequest| {
        let items = client.payouts.preview_payout_run(request).await.unwrap().into_inner().items;
        let facts = |item: pb::PayoutRunItem| (item.verdict(), item.provider(), item.destination_hint);
        items.into_iter().map(facts).collect::<Vec<_>>()
    };
    use pb::PayoutProvider::{Manual, Paypal, Unspecified};
    assert_eq!(
        preview(client, wanted.clone()).await,
        [
            (Verdict::Pays, Paypal, "o…@example.com".to_owned()),
            (Verdict::OtherMethod, Unspecified, "DE…3000".to_owned()),
            (Verdict::NoMethod, Unspecified, String::new()),
        ]
    );
    let by_method = pb::PreviewPayoutRunRequest { provider: Unspecified.into(), ..wanted.clone() };
    let providers: Vec<_> = preview(client, by_method).await.into_iter().map(|(_, provider, _)| provider).collect();
    assert_eq!(providers, [Paypal, Manual, Manual]);
    let request = pb::CreatePayoutRunRequest {
        currency_code: "USD".to_owned(),
        all_affiliates: true,
        provider: Paypal.into(),
        ..Default::default()
    };
    let run = client.payouts.create_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
    assert_eq!(run.provider(), Paypal);
    let run = loop {
        let request = pb::GetPayoutRunRequest { payout_run_id: run.id.clone() };
        let run = client.payouts.get_payout_run(request).await.unwrap().into_inner().payout_run.unwrap();
        if run.state() == pb::PayoutRunState::Created {
            break run;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let request = pb::ListPayoutsRequest { payout_run_id: run.id, ..Default::default() };
    let payouts = client.payouts.list_payouts(request).await.unwrap().into_inner().payouts;
    let paid: Vec<_> = payouts.iter().map(|payout| (payout.affiliate_id.as_str(), payout.provider())).collect();
    assert_eq!(paid, [(ids[0].as_str(), Paypal)]);
});

// P36: an account for tests never moves money.
db_test!(p36_an_account_for_tests_stays_one_and_marks_its_payouts, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let request = pb::RegisterAccountRequest {
        display_name: "Trial".to_owned(),
        email: "trial@owners.example".to_owned(),
        test_account: true,
        ..Default::default()
    };
    let registered = operator.accounts.register_account(request).await.unwrap().into_inner();
    assert!(registered.account.as_ref().unwrap().test_account);
    let client = Client::connect(&server.address, &registered.api_key_text).await.unwrap();
    let mut shop = Shop::furnish(client).await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let update = pb::UpdateAccountRequest {
        account: Some(pb::Account { display_name: "Live".to_owned(), test_account: false, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["display_name".to_owned()] }),
        ..Default::default()
    };
    let updated = client.accounts.update_account(update.clone()).await.unwrap().into_inner().account.unwrap();
    assert!(updated.test_account, "an account for tests stays one");
    let masked = pb::UpdateAccountRequest {
        update_mask: Some(prost_types::FieldMask { paths: vec!["test_account".to_owned()] }),
        ..update
    };
    assert_eq!(reason(&client.accounts.update_account(masked).await.unwrap_err()), "INVALID_FIELDS");
    give(client, &id, 1_000).await;
    assert!(create(client, &id, pb::PayoutProvider::Unspecified).await.test_account);
    let stripe = |secret_key: &str| {
        let stripe = pb::StripeCredentials { secret_key: secret_key.to_owned(), webhook_secret: String::new() };
        let credentials = Some(pb::provider_credentials::Credentials::Stripe(stripe));
        pb::SetPayoutConnectionRequest {
            credentials: Some(pb::ProviderCredentials { credentials }),
            ..Default::default()
        }
    };
    let status = client.payouts.set_payout_connection(stripe("sk_live_1234")).await.unwrap_err();
    assert!(status.message().starts_with("credentials.stripe.secret_key: "), "{}", status.message());
    client.payouts.set_payout_connection(stripe("sk_test_1234")).await.unwrap();
});

db_test!(a_wrong_secrets_key_stops_the_start_and_an_old_one_still_opens, |database: TestDatabase| async move {
    let data_dir = tempfile::tempdir().unwrap();
    let key_file = data_dir.path().join("keys");
    let write = |text: String, mode| {
        std::fs::write(&key_file, text).unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    let (old, new) = ("a".repeat(64), "b".repeat(64));
    let flags = ["--secrets-key-file", key_file.to_str().unwrap()];
    let settings = settings(&database.url, data_dir.path(), &flags);
    let clock = || Arc::new(ManualClock::new(Time::from_micros(START_MICROS)));
    let refused = async || Server::start(&settings, clock()).await.err().unwrap();
    write("no key".to_owned(), 0o600);
    assert!(matches!(refused().await, ServerError::SecretsKey(_)));
    write(old.clone(), 0o644);
    assert!(matches!(refused().await, ServerError::PublicKeyFile { .. }));

    write(old.clone(), 0o600);
    let server = TestServer::start_with(&database, &flags).await;
    let mut shop = Shop::open(&server, "shop").await;
    set(&mut shop.client, method(&shop.affiliate_id, iban(IBAN))).await;
    server.server.stop().await;

    write(new.clone(), 0o600);
    let text = refused().await.to_string();
    assert!(text.contains("does not fit the database") && !text.contains(&new), "{text}");
    write(format!("{new}\n{old}\n"), 0o600);
    let server = Server::start(&settings, clock()).await.unwrap();
    server.stop().await;
});

db_test!(without_a_secrets_key_calls_that_need_one_say_which_setting_is_missing, |database: TestDatabase| async move {
    let data_dir = tempfile::tempdir().unwrap();
    let mut settings = settings(&database.url, data_dir.path(), &[]);
    settings.payouts.secrets_key_file = None;
    let clock = ManualClock::new(Time::from_micros(START_MICROS));
    let server = Server::start(&settings, Arc::new(clock)).await.unwrap();
    let operator_key = std::fs::read_to_string(data_dir.path().join(headwater::server::OPERATOR_KEY_FILE)).unwrap();
    let address = format!("http://{}", server.address());
    let client = crate::support::server::register(&address, operator_key.trim(), "shop").await;
    let mut shop = Shop::furnish(client).await;
    let result = shop.client.payouts.set_payout_method(method(&shop.affiliate_id, iban(IBAN))).await;
    if let Some(file) = database.url.strip_prefix("sqlite://") {
        result.unwrap();
        let key_file = format!("{}.key", file.split('?').next().unwrap());
        let mode = std::fs::metadata(&key_file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let key = std::fs::read_to_string(&key_file).unwrap();
        server.stop().await;
        let server =
            Server::start(&settings, Arc::new(ManualClock::new(Time::from_micros(START_MICROS)))).await.unwrap();
        server.stop().await;
        assert_eq!(std::fs::read_to_string(&key_file).unwrap(), key, "the key is never overwritten");
        std::fs::remove_file(&key_file).unwrap();
        let clock = Arc::new(ManualClock::new(Time::from_micros(START_MICROS)));
        let error = Server::start(&settings, clock).await.err().unwrap().to_string();
        assert!(error.contains("Put the key file of this database back"), "{error}");
        std::fs::write(&key_file, key).unwrap();
        return;
    }
    let status = result.unwrap_err();
    assert_eq!(reason(&status), "SECRETS_KEY_MISSING");
    assert!(status.message().contains("secrets_key_file"), "{}", status.message());
    server.stop().await;
});

/// The addresses of a listener that notes who connects.
async fn listener() -> (tokio::net::TcpListener, ProviderAddresses) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = BaseAddress::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    let addresses = ProviderAddresses { paypal: address.clone(), stripe: address.clone(), wise: address };
    (listener, addresses)
}

db_test!(p36_payouts_of_an_account_for_tests_go_to_the_sandbox_alone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let store = server.server.app().shared_store();
    let secrets = Arc::new(Secrets::parse(&"7".repeat(64)).unwrap());
    let ((live, live_addresses), (sandbox, sandbox_addresses)) = (listener().await, listener().await);
    let client = HttpClient::new(ClientLimits::default()).unwrap();
    let connections =
        Connections::new(Arc::clone(&store), Arc::clone(&secrets), client, live_addresses, sandbox_addresses);
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    for (name, test) in [("trial", true), ("real", false)] {
        let request = pb::RegisterAccountRequest {
            display_name: name.to_owned(),
            email: format!("{name}@owners.example"),
            test_account: test,
            ..Default::default()
        };
        let registered = operator.accounts.register_account(request).await.unwrap().into_inner();
        let account_id: AccountId = registered.account.unwrap().id.parse().unwrap();
        let none = connections.provider(account_id, PayoutProvider::Stripe).await.err();
        assert_eq!(none, Some(NoProvider::NotConnected));
        // The server has another key than this source, so the row is written by hand.
        let credentials =
            ProviderCredentials::Stripe { secret_key: "sk_live_1".to_owned(), webhook_secret: String::new() };
        let envelope = |key: &Secrets| {
            let sealed = credentials.seal(key, account_id).unwrap();
            let (provider, hint) = (PayoutProvider::Stripe, String::new());
            let command = SetPayoutConnection { provider, hint, sealed, is_for_tests: None }.into();
            Envelope { account_id, fingerprint: None, actor: None, command }
        };
        let app = server.server.app();
        app.submit(envelope(&secrets), None).await.unwrap();
        let provider = connections.provider(account_id, PayoutProvider::Stripe).await.unwrap();
        let again = connections.provider(account_id, PayoutProvider::Stripe).await.unwrap();
        assert!(Arc::ptr_eq(&provider, &again), "the same connection has one provider");
        let (right, wrong) = if test { (&sandbox, &live) } else { (&live, &sandbox) };
        let call = provider.funds("USD".parse().unwrap(), Time::from_micros(START_MICROS));
        tokio::select! {
            _ = call => panic!("nobody answers"),
            _ = wrong.accept() => panic!("an account went to the wrong address"),
            accepted = right.accept() => { accepted.unwrap(); }
        }
        app.submit(envelope(&secrets), None).await.unwrap();
        let changed = connections.provider(account_id, PayoutProvider::Stripe).await.unwrap();
        assert!(!Arc::ptr_eq(&provider, &changed), "other credentials are another provider");
        let other = Secrets::parse(&"8".repeat(64)).unwrap();
        app.submit(envelope(&other), None).await.unwrap();
        let later = connections.provider(account_id, PayoutProvider::Stripe).await.err();
        assert!(matches!(later, Some(NoProvider::Later(_))), "{later:?}");
    }
});
