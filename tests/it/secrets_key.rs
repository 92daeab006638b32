//! The secrets key is changed while the server runs as a process. Everything is sealed anew, and then the old key opens nothing and can be
//! removed.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater::domain::payout_method::Sealed;
use headwater::pb;
use headwater::secrets::Secrets;
use headwater::store::entity::{
    payout as payouts, payout_connection as connections, payout_document as documents, payout_export as exports,
    payout_method as methods, tax_profile as profiles,
};
use sea_orm::EntityTrait;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::process::Serving;

use crate::support::binary::{operator_key, options};
use crate::support::database::TestDatabase;
use crate::support::server::register;
use crate::support::shop::Shop;

const IBAN: &str = "DE89370400440532013000";
const OTHER_IBAN: &str = "GB29NWBK60161331926819";

/// A server's folder with its key file.
struct Place {
    folder: TempDir,
    key_file: PathBuf,
    database: TestDatabase,
}

impl Place {
    fn new(database: TestDatabase) -> Self {
        let folder = tempfile::Builder::new().prefix("headwater-keys-").tempdir().unwrap();
        let key_file = folder.path().join("secrets.key");
        Self { folder, key_file, database }
    }

    /// Writes these keys, the newest first.
    fn keys(&self, digits: &[&str]) {
        let lines: Vec<String> = digits.iter().map(|digit| digit.repeat(64)).collect();
        std::fs::write(&self.key_file, lines.join("\n")).unwrap();
        std::fs::set_permissions(&self.key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }

    async fn try_start(&self) -> Result<Serving, String> {
        let flags = ["--database", &self.database.url, "--secrets-key-file", self.key_file.to_str().unwrap()];
        let flags = [&flags[..], &["--upkeep-interval-seconds", "1"]].concat();
        Serving::start(&options(self.folder.path(), &flags)).await.map_err(|error| format!("{error:#}"))
    }

    async fn start(&self) -> Serving {
        self.try_start().await.unwrap()
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// All sealed bytes of the database, with the names of their columns.
    async fn sealed(&self) -> Vec<(&'static str, Vec<u8>)> {
        let connection = sea_orm::Database::connect(&self.database.url).await.unwrap();
        let mut found = Vec::new();
        macro_rules! column {
            ($table:ident, $($column:ident),*) => {
                for row in $table::Entity::find().all(&connection).await.unwrap() {
                    $(found.extend(Option::<Vec<u8>>::from(row.$column).map(|bytes| {
                        (concat!(stringify!($table), ".", stringify!($column)), bytes)
                    }));)*
                }
            };
        }
        column!(connections, sealed);
        column!(methods, sealed, pending_sealed);
        column!(payouts, destination_sealed);
        column!(profiles, number_sealed);
        column!(documents, payee_tax_number);
        column!(exports, file);
        connection.close().await.unwrap();
        found
    }

    /// Waits until the key with this digit has sealed everything.
    async fn sealed_by(&self, digit: &str) {
        let secrets = Secrets::parse(&digit.repeat(64)).unwrap();
        for _ in 0..600 {
            let sealed = self.sealed().await;
            if sealed.iter().all(|(_, bytes)| secrets.is_newest(&Sealed::new(bytes.clone()))) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("some secrets keep the old key");
    }
}

fn by_id(id: &str) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(pb::affiliate_selector::Selector::Id(id.to_owned())) })
}

async fn set_iban(client: &mut Client, affiliate_id: &str, iban: &str) -> pb::PayoutMethod {
    let iban = pb::IbanDetails { iban: iban.to_owned(), bic: String::new(), holder_name: "Ann Ample".to_owned() };
    let details = Some(pb::PayoutDetails { details: Some(pb::payout_details::Details::Iban(iban)) });
    let request = pb::SetPayoutMethodRequest { affiliate: by_id(affiliate_id), details, ..Default::default() };
    client.payouts.set_payout_method(request).await.unwrap().into_inner().payout_method.unwrap()
}

/// Seals something in each place. Returns the affiliate and the export.
async fn furnish(client: &mut Client, affiliate_id: &str) -> pb::ExportPayoutFileResponse {
    set_iban(client, affiliate_id, IBAN).await;
    let stripe = pb::StripeCredentials { secret_key: "sk_live_1234".to_owned(), webhook_secret: String::new() };
    let credentials = Some(pb::provider_credentials::Credentials::Stripe(stripe));
    let request = pb::SetPayoutConnectionRequest {
        credentials: Some(pb::ProviderCredentials { credentials }),
        ..Default::default()
    };
    client.payouts.set_payout_connection(request).await.unwrap();
    let request = pb::SetTaxProfileRequest {
        affiliate: by_id(affiliate_id),
        payee_kind: pb::PayeeKind::Business.into(),
        legal_name: "Ann GmbH".to_owned(),
        address: Some(pb::PostalAddress {
            street: "Main Street 1".to_owned(),
            city: "Berlin".to_owned(),
            country_code: "DE".to_owned(),
            ..Default::default()
        }),
        residence_country_code: "DE".to_owned(),
        form: pb::TaxForm::Vat.into(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Vat.into(), text: "DE136695976".to_owned() }),
        ..Default::default()
    };
    client.payouts.set_tax_profile(request).await.unwrap();
    let policy = pb::PayoutPolicy { self_billing_invoices: true, ..Default::default() };
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { payout_policy: Some(policy), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["payout_policy".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
    let first = create_payout(client, affiliate_id).await;
    let request = pb::ConfirmPayoutsRequest { payout_ids: vec![first], ..Default::default() };
    client.payouts.confirm_payouts(request).await.unwrap();
    let second = create_payout(client, affiliate_id).await;
    let request = pb::ExportPayoutFileRequest {
        payout_ids: vec![second],
        settings: Some(pb::export_payout_file_request::Settings::Plain(pb::PlainFileSettings::default())),
        ..Default::default()
    };
    let made = client.payouts.export_payout_file(request).await.unwrap().into_inner();
    set_iban(client, affiliate_id, OTHER_IBAN).await;
    made
}

async fn create_payout(client: &mut Client, affiliate_id: &str) -> String {
    let found = client.affiliates.get_affiliate(pb::GetAffiliateRequest { affiliate: by_id(affiliate_id) }).await;
    let enrollment_id = found.unwrap().into_inner().enrollments[0].id.clone();
    let selector = Some(pb::enrollment_selector::Selector::Id(enrollment_id));
    let cash = pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(pb::EnrollmentSelector { selector })),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(cash)) }),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap();
    let request = pb::CreatePayoutRequest {
        affiliate: by_id(affiliate_id),
        currency_code: "USD".to_owned(),
        ..Default::default()
    };
    client.payouts.create_payout(request).await.unwrap().into_inner().payout.unwrap().id
}

/// The hints of the present destination and of the one that waits.
fn hints(method: &pb::PayoutMethod) -> (String, String) {
    let hint = |destination: &Option<pb::PayoutDestination>| destination.as_ref().map(|it| it.hint.clone());
    (hint(&method.current).unwrap_or_default(), hint(&method.pending).unwrap_or_default())
}

const PENDING: (&str, &str) = ("DE…3000", "GB…6819");

db_test!(p30_an_old_secrets_key_can_be_removed_after_all_was_sealed_anew, empty, |database: TestDatabase| async move {
    let place = Place::new(database);
    place.keys(&["a"]);
    let server = place.start().await;
    let client = register(&server.url(), &operator_key(place.path()), "shop").await;
    let mut shop = Shop::furnish(client).await;
    let (id, client) = (shop.affiliate_id.clone(), &mut shop.client);
    let made = furnish(client, &id).await;
    let key = client.key.clone();
    // While the server runs, because who closes a SQLite file last takes its log away.
    let before = place.sealed().await;
    server.kill().await.unwrap();
    let mut columns: Vec<&str> = before.iter().map(|(column, _)| *column).collect();
    columns.dedup();
    assert_eq!(columns.len(), 7, "something is sealed in each place: {columns:?}");

    // The server runs with both keys, and calls go on. The same accounts are recognised, whatever key their rows have.
    place.keys(&["b", "a"]);
    let server = place.start().await;
    let mut client = Client::connect(&server.url(), &key).await.unwrap();
    let waiting = set_iban(&mut client, &id, OTHER_IBAN).await;
    assert_eq!(hints(&waiting), (PENDING.0.to_owned(), PENDING.1.to_owned()));
    place.sealed_by("b").await;
    assert_eq!(place.sealed().await.len(), before.len(), "nothing was lost");
    // A pass that finds nothing left says so.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let (_, log) = server.terminate().await.unwrap();
    assert!(log.contains("the older keys can be removed"), "{log}");

    place.keys(&["b"]);
    let server = place.start().await;
    let mut client = Client::connect(&server.url(), &key).await.unwrap();
    // The destination that waits is asked for again, and goes on waiting from the same time on.
    let waiting = set_iban(&mut client, &id, OTHER_IBAN).await;
    assert_eq!(hints(&waiting), (PENDING.0.to_owned(), PENDING.1.to_owned()));
    let exported = made.payout_export.clone().unwrap();
    let request = pb::ExportPayoutFileRequest { payout_export_id: exported.id, ..Default::default() };
    let again = client.payouts.export_payout_file(request).await.unwrap().into_inner();
    assert_eq!(again.content, made.content);
    // The present one gives up the change.
    let present = set_iban(&mut client, &id, IBAN).await;
    assert_eq!(hints(&present), (PENDING.0.to_owned(), String::new()));
    server.terminate().await.unwrap();

    place.keys(&["a"]);
    let problem = place.try_start().await.err().unwrap();
    assert!(problem.contains("does not fit the database"), "{problem}");
});
