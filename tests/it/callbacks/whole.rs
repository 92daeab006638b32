//! The whole server: an account's connection is set by its call, and the provider's callbacks come to the listener for HTTP.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use headwater::clock::Clock;
use headwater::http::callback::CallbackSecret;
use headwater::inbound::callback::CallbackProvider;
use headwater::pb;
use headwater::pb::provider_credentials::Credentials;
use secrecy::ExposeSecret;
use tempfile::TempDir;
use testkit::client::Client;

use super::desk::{Desk, STRIPE_KEY, WISE_TOKEN};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

/// A server that trusts the fakes, and takes callbacks.
async fn start(database: &TestDatabase, desk: &mut Desk, folder: &Path) -> TestServer {
    let file = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let certificates = format!("{}/v1/notifications/certs", desk.url("paypal"));
    let root = file("root.pem", desk.text("fake/paypal/root.pem").await);
    let wise_key = file("wise.pem", desk.text("fake/wise/public-key.pem").await);
    let secrets_key = file("secrets.key", "5".repeat(64));
    let (paypal, stripe, wise) = (desk.url("paypal"), desk.url("stripe"), desk.url("wise"));
    let flags = [
        ("--http-address", "127.0.0.1:0"),
        ("--paypal-certificate-addresses", &certificates),
        ("--paypal-roots-file", &root),
        ("--wise-sandbox-callback-key-file", &wise_key),
        ("--secrets-key-file", &secrets_key),
        ("--paypal-sandbox-address", &paypal),
        ("--stripe-sandbox-address", &stripe),
        ("--wise-sandbox-address", &wise),
    ];
    let flags: Vec<&str> = flags.iter().flat_map(|(flag, value)| [*flag, *value]).collect();
    let server = TestServer::start_with(database, &flags).await;
    server.clock.set(desk.clock.now());
    desk.address = server.server.http_address().unwrap().to_string();
    server
}

/// Registers an account for tests, whose callbacks the desk causes from now on.
async fn register(server: &TestServer, desk: &mut Desk) -> Client {
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let request = pb::RegisterAccountRequest {
        display_name: "shop".to_owned(),
        email: "shop@owners.example".to_owned(),
        test_account: true,
        ..pb::RegisterAccountRequest::default()
    };
    let registered = operator.accounts.register_account(request).await.unwrap().into_inner();
    desk.account_id = registered.account.unwrap().id.parse().unwrap();
    Client::connect(&server.address, &registered.api_key_text).await.unwrap()
}

fn credentials(secret: &CallbackSecret) -> Credentials {
    match secret.clone() {
        CallbackSecret::PayPal { webhook_id } => Credentials::Paypal(pb::PayPalCredentials {
            client_id: "shop".to_owned(),
            client_secret: "secret".to_owned(),
            webhook_id,
        }),
        CallbackSecret::Stripe { signing_secrets } => Credentials::Stripe(pb::StripeCredentials {
            secret_key: STRIPE_KEY.to_owned(),
            webhook_secret: signing_secrets[0].expose_secret().to_owned(),
        }),
        CallbackSecret::Wise { profile_id, .. } => Credentials::Wise(pb::WiseCredentials {
            api_token: WISE_TOKEN.to_owned(),
            profile_number: profile_id,
            source_currency_code: "EUR".to_owned(),
        }),
    }
}

fn provider(provider: CallbackProvider) -> pb::PayoutProvider {
    match provider {
        CallbackProvider::PayPal => pb::PayoutProvider::Paypal,
        CallbackProvider::Stripe => pb::PayoutProvider::Stripe,
        CallbackProvider::Wise => pb::PayoutProvider::Wise,
    }
}

async fn connect(client: &mut Client, secret: &CallbackSecret) {
    let credentials = Some(pb::ProviderCredentials { credentials: Some(credentials(secret)) });
    let request = pb::SetPayoutConnectionRequest { credentials, ..pb::SetPayoutConnectionRequest::default() };
    client.payouts.set_payout_connection(request).await.unwrap();
}

db_test!(callbacks_are_taken_as_long_as_the_account_is_connected, |database: TestDatabase| async move {
    let folder = TempDir::new().unwrap();
    let mut desk = Desk::without_listener().await;
    let server = start(&database, &mut desk, folder.path()).await;
    let mut client = register(&server, &mut desk).await;
    for from in CallbackProvider::ALL {
        desk.connect_to_recorder(from).await;
        let callback = desk.sample(from, 1).await;
        server.clock.set(desk.clock.now());
        let path = desk.path(from);
        assert_eq!(desk.deliver(&callback, &path).await, 401, "{from:?} is not connected");
        connect(&mut client, &desk.secret(from)).await;
        assert_eq!(desk.deliver(&callback, &path).await, 200, "{from:?}");
        let mut changed = callback.clone();
        changed.body.push(b' ');
        assert_eq!(desk.deliver(&changed, &path).await, 401);
        let request = pb::RemovePayoutConnectionRequest {
            provider: provider(from).into(),
            ..pb::RemovePayoutConnectionRequest::default()
        };
        client.payouts.remove_payout_connection(request).await.unwrap();
        assert_eq!(desk.deliver(&callback, &path).await, 401, "{from:?} is not connected any more");
    }
});

/// Ann is owed 12.34, which goes to an account at Stripe. Returns this account.
async fn owe(shop: &mut Shop, desk: &Desk) -> String {
    let connected_account_id = desk.stripe_account().await;
    let details =
        pb::payout_details::Details::Stripe(pb::StripeDetails { connected_account_id: connected_account_id.clone() });
    let request = pb::SetPayoutMethodRequest {
        affiliate: Some(shop.affiliate()),
        details: Some(pb::PayoutDetails { details: Some(details) }),
        ..pb::SetPayoutMethodRequest::default()
    };
    shop.client.payouts.set_payout_method(request).await.unwrap();
    let selector = Some(pb::enrollment_selector::Selector::RefId("ann".to_owned()));
    let cash = pb::Money { amount_minor: 1_234, currency_code: "USD".to_owned() };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(cash)) }),
        ..pb::CreateRewardRequest::default()
    };
    shop.client.rewards.create_reward(request).await.unwrap();
    connected_account_id
}

/// Waits until the payout is in this state. Nothing but a callback wakes the server.
async fn wait_for(client: &mut Client, payout_id: &str, state: pb::PayoutState) {
    let mut found = pb::PayoutState::Unspecified;
    for _ in 0..600 {
        let request = pb::GetPayoutRequest { payout_id: payout_id.to_owned() };
        found = client.payouts.get_payout(request).await.unwrap().into_inner().payout.unwrap().state();
        if found == state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{found:?} and not {state:?}");
}

// The clock of the server stands still, so the next look would never come by itself.
db_test!(money_that_arrives_pays_what_waits_at_once, |database: TestDatabase| async move {
    let folder = TempDir::new().unwrap();
    let mut desk = Desk::without_listener().await;
    let server = start(&database, &mut desk, folder.path()).await;
    let mut shop = Shop::furnish(register(&server, &mut desk).await).await;
    desk.connect_to_listener(CallbackProvider::Stripe).await;
    connect(&mut shop.client, &desk.secret(CallbackProvider::Stripe)).await;
    let receiver = owe(&mut shop, &desk).await;
    let request = pb::CreatePayoutRequest {
        affiliate: Some(shop.affiliate()),
        currency_code: "USD".to_owned(),
        ..pb::CreatePayoutRequest::default()
    };
    let payout = shop.client.payouts.create_payout(request).await.unwrap().into_inner().payout.unwrap();
    assert_eq!(payout.provider(), pb::PayoutProvider::Stripe);
    server.server.app().wake_payouts();
    wait_for(&mut shop.client, &payout.id, pb::PayoutState::AwaitingFunds).await;
    assert_eq!(desk.received(&receiver).await, (0, 0));
    desk.cause(CallbackProvider::Stripe, 100).await;
    wait_for(&mut shop.client, &payout.id, pb::PayoutState::Paid).await;
    assert_eq!(desk.received(&receiver).await, (1_234, 1));
    // Stripe tells of the payment too, which changes nothing.
    let answers = desk.answers(3).await;
    assert!(answers.iter().all(|(_, status)| *status == 200), "{answers:?}");
});
