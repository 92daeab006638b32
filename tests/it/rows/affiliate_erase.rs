//! EraseAffiliate: what it removes from every file, answer and event, and what stays in the books.

use std::fmt::Debug;
use std::path::Path;

use headwater::pb;
use pb::affiliate_selector::Selector;
use pb::{AffiliateState, ConversionOutcome};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, Statement};
use testkit::client::Client;
use tonic::Code;

use super::affiliate::{by, by_email, create, mask, new};
use crate::support::binary::operator_key;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::from_beginning;
use crate::support::logged::Logged;
use crate::support::server::{TestServer, reason, register};
use crate::support::shop::{Shop, sale};

/// Parts of a person's data, in lower case. They are in no other data of these tests.
const MARKERS: [&str; 4] = ["quillomena", "vossbergen", "203.0.113.77", "31415926"];

const EMAIL: &str = "quillomena@vossbergen.example";

fn has_marker(text: &[u8]) -> Option<&'static str> {
    let text = String::from_utf8_lossy(text).to_lowercase();
    MARKERS.into_iter().find(|marker| text.contains(marker))
}

fn assert_clean(what: &str, answer: &impl Debug) {
    let text = format!("{answer:?}");
    assert_eq!(has_marker(text.as_bytes()), None, "{what}: {text}");
}

fn person() -> pb::CreateAffiliateRequest {
    let custom_field =
        |key: &str, value: &str| pb::CustomField { key: key.to_owned(), label: String::new(), value: value.to_owned() };
    pb::CreateAffiliateRequest {
        request_id: "create-1".to_owned(),
        external_id: "crm-vossbergen".to_owned(),
        first_name: "Quillomena".to_owned(),
        last_name: "Vossbergen".to_owned(),
        profile: Some(pb::AffiliateProfile {
            company: "Vossbergen & Daughters".to_owned(),
            phone: "+31 31415926".to_owned(),
            website_url: "https://quillomena.example/".to_owned(),
            // Longer than a page of SQLite.
            about: "Quillomena writes. ".repeat(100),
            paypal_email: EMAIL.to_owned(),
            custom_fields: vec![
                custom_field("signup_ip", "203.0.113.77"),
                custom_field("a", &"Quillomena's answer. ".repeat(90)),
                custom_field("b", &"Vossbergen's answer. ".repeat(90)),
            ],
            ..Default::default()
        }),
        landing_url: "https://quillomena.example/shop".to_owned(),
        password: "quillomena's password".to_owned(),
        email_verified: true,
        ..new(EMAIL)
    }
}

/// Other affiliates, so that pages of the database are divided.
async fn neighbours(client: &mut Client, range: std::ops::Range<usize>) {
    for number in range {
        let request = pb::CreateAffiliateRequest {
            first_name: format!("Jo{number}"),
            profile: Some(pb::AffiliateProfile { about: "writes too. ".repeat(20), ..Default::default() }),
            skip_email_notification: true,
            ..new(&format!("jo{number}@other.example"))
        };
        create(client, request).await;
    }
}

/// What the person's calls were answered with.
struct Played {
    shop: Shop,
    id: String,
    ref_id: String,
    created: pb::CreateAffiliateResponse,
    link: pb::CreateLinkRequest,
    coupon: pb::AssignCouponRequest,
    update: pb::UpdateAffiliateRequest,
}

/// Makes the person, with everything that an affiliate can have, and sales by link, by click, by ref_id and by coupon.
async fn play(mut shop: Shop) -> Played {
    neighbours(&mut shop.client, 0..60).await;
    let client = &mut shop.client;
    let created = create(client, person()).await;
    let id = created.affiliate.as_ref().unwrap().id.clone();
    let enrollment = created.enrollment.clone().unwrap();
    let link = pb::CreateLinkRequest {
        request_id: "link-1".to_owned(),
        enrollment_id: enrollment.id.clone(),
        code: "quillomena-blog".to_owned(),
        destination_url: "https://shop.example/vossbergen".to_owned(),
        claimed_url: "https://shop.example/vossbergen-claims".to_owned(),
    };
    client.affiliates.create_link(link.clone()).await.unwrap();
    let coupon = pb::AssignCouponRequest {
        request_id: "coupon-1".to_owned(),
        affiliate: by(Selector::Id(id.clone())),
        code: "SPRING10".to_owned(),
        note: "for Quillomena".to_owned(),
        ..Default::default()
    };
    client.affiliates.assign_coupon(coupon.clone()).await.unwrap();
    for (number, code) in [enrollment.ref_id.as_str(), "quillomena-blog"].into_iter().enumerate() {
        let click = pb::RecordClickRequest {
            event_id: format!("click-{number}"),
            ref_id: code.to_owned(),
            ..Default::default()
        };
        let tid = client.tracking.record_click(click).await.unwrap().into_inner().tid;
        let by_click = pb::RecordSaleRequest { tid, coupon_code: String::new(), ..sale(number) };
        client.tracking.record_sale(by_click).await.unwrap();
    }
    client.tracking.record_sale(sale_by_ref_id(2, &enrollment.ref_id)).await.unwrap();
    let by_coupon = pb::RecordSaleRequest { coupon_code: "spring10".to_owned(), ..sale(3) };
    client.tracking.record_sale(by_coupon).await.unwrap();
    let update = pb::UpdateAffiliateRequest {
        request_id: "update-1".to_owned(),
        affiliate: Some(pb::Affiliate {
            last_name: "Vossbergen-Smith".to_owned(),
            profile: Some(pb::AffiliateProfile { phone: "31415926".to_owned(), ..Default::default() }),
            ..Default::default()
        }),
        update_mask: mask(&["last_name", "profile", "password"]),
        selector: by_email(EMAIL),
        temporary_password: "vossbergen's password".to_owned(),
        ..Default::default()
    };
    client.affiliates.update_affiliate(update.clone()).await.unwrap();
    set_tax_profile(client, "Quillomena Vossbergen", "Vossbergen Lane 1").await;
    set_tax_profile(client, "Quillomena Vossbergen-Smith", "Smith Lane 1").await;
    neighbours(client, 60..120).await;
    Played { shop, id, ref_id: enrollment.ref_id, created, link, coupon, update }
}

async fn set_tax_profile(client: &mut Client, legal_name: &str, street: &str) {
    let address = pb::PostalAddress {
        street: street.to_owned(),
        city: "Utrecht".to_owned(),
        country_code: "NL".to_owned(),
        ..Default::default()
    };
    let request = pb::SetTaxProfileRequest {
        request_id: format!("tax-{}", street.len()),
        affiliate: by_email(EMAIL),
        payee_kind: pb::PayeeKind::Individual.into(),
        legal_name: legal_name.to_owned(),
        address: Some(address),
        residence_country_code: "NL".to_owned(),
        form: pb::TaxForm::W8ben.into(),
        sign_date: "2025-11-27".to_owned(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Foreign.into(), text: "31415926".to_owned() }),
    };
    client.payouts.set_tax_profile(request).await.unwrap();
}

/// Deactivates the person with a reason that has the name.
async fn deactivate(client: &mut Client) {
    let request = pb::DeactivateAffiliateRequest {
        affiliate: by_email(EMAIL),
        pending_rewards: pb::PendingRewards::Keep.into(),
        reason: "Quillomena has left".to_owned(),
        ..Default::default()
    };
    client.affiliates.deactivate_affiliate(request).await.unwrap();
}

fn sale_by_ref_id(number: usize, ref_id: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        ref_id: ref_id.to_owned(),
        coupon_code: String::new(),
        email: "buyer@customers.example".to_owned(),
        ..sale(number)
    }
}

/// The money of the person: balances and rewards.
async fn books(client: &mut Client, id: &str) -> (Vec<pb::Balance>, Vec<pb::Reward>, pb::VerifyLedgerResponse) {
    let affiliate = by(Selector::Id(id.to_owned()));
    let request = pb::GetAffiliateRequest { affiliate: affiliate.clone() };
    let balances = client.affiliates.get_affiliate(request).await.unwrap().into_inner().balances;
    let request = pb::ListRewardsRequest { affiliate, ..Default::default() };
    let rewards = client.rewards.list_rewards(request).await.unwrap().into_inner().rewards;
    let verified = client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await.unwrap().into_inner();
    assert!(verified.ok, "{:?}", verified.differences);
    (balances, rewards, pb::VerifyLedgerResponse { event_count: 0, ..verified })
}

async fn erase(client: &mut Client, selector: Option<pb::AffiliateSelector>) -> pb::EraseAffiliateResponse {
    let request = pb::EraseAffiliateRequest { affiliate: selector, ..Default::default() };
    client.affiliates.erase_affiliate(request).await.unwrap().into_inner()
}

/// Repeats of the calls that were answered with the person's data.
async fn repeat(played: &mut Played) {
    let client = &mut played.shop.client;
    let again = create(client, person()).await;
    assert!(again.replayed);
    assert_eq!(again.affiliate.as_ref().unwrap().id, played.id);
    assert_eq!(again.enrollment.as_ref().unwrap().id, played.created.enrollment.as_ref().unwrap().id);
    assert_clean("CreateAffiliate", &again);
    let again = client.affiliates.update_affiliate(played.update.clone()).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_clean("UpdateAffiliate", &again);
    let again = client.affiliates.create_link(played.link.clone()).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_clean("CreateLink", &again);
    let again = client.affiliates.assign_coupon(played.coupon.clone()).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_clean("AssignCoupon", &again);
    for (number, code) in [played.ref_id.as_str(), "quillomena-blog"].into_iter().enumerate() {
        let click = pb::RecordClickRequest {
            event_id: format!("click-{number}"),
            ref_id: code.to_owned(),
            ..Default::default()
        };
        let again = client.tracking.record_click(click).await.unwrap().into_inner();
        assert!(again.replayed);
        assert_clean("RecordClick", &again);
    }
}

/// Reads of all that the account has.
async fn read_all(client: &mut Client) {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    assert!(events.len() > 100, "{}", events.len());
    assert!(events.iter().any(|event| event.kind() == pb::EventKind::AffiliateErased));
    assert_clean("the feed", &events);
    let request = pb::ListAffiliatesRequest { page_size: 1_000, ..Default::default() };
    assert_clean("ListAffiliates", &client.affiliates.list_affiliates(request).await.unwrap().into_inner());
    let request = pb::ListEnrollmentsRequest { page_size: 1_000, ..Default::default() };
    assert_clean("ListEnrollments", &client.affiliates.list_enrollments(request).await.unwrap().into_inner());
    let request = pb::ListLinksRequest { page_size: 1_000, ..Default::default() };
    assert_clean("ListLinks", &client.affiliates.list_links(request).await.unwrap().into_inner());
    let request = pb::ListCouponsRequest { page_size: 1_000, ..Default::default() };
    assert_clean("ListCoupons", &client.affiliates.list_coupons(request).await.unwrap().into_inner());
    let request = pb::ListConversionsRequest { view: pb::ConversionView::Full.into(), ..Default::default() };
    let conversions = client.tracking.list_conversions(request).await.unwrap().into_inner().conversions;
    assert_eq!(conversions.len(), 4);
    assert_clean("ListConversions", &conversions);
    for query in ["quillomena", "vossb", "qu"] {
        let request = pb::SearchAffiliatesRequest { query: query.to_owned(), ..Default::default() };
        let found = client.affiliates.search_affiliates(request).await.unwrap().into_inner().affiliates;
        assert_eq!(found, [], "{query}");
    }
}

/// Has every new affiliate welcomed by a mail with its name.
async fn welcome_by_mail(shop: &mut Shop) {
    let (subject, body) = ("Welcome, {first_name}".to_owned(), "{first_name}, {email}: {referral_link}".to_owned());
    let welcome_mail = Some(pb::WelcomeMail { is_enabled: true, subject, body });
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), welcome_mail, ..Default::default() }),
        update_mask: mask(&["welcome_mail"]),
        ..Default::default()
    };
    shop.client.affiliates.update_program(request).await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the raw content of the database, whatever its schema is")]
async fn texts(console: &DatabaseConnection, sql: String) -> Vec<String> {
    let rows = console.query_all_raw(Statement::from_string(console.get_database_backend(), sql)).await.unwrap();
    rows.iter().filter_map(|row| row.try_get_by_index::<Option<String>>(0).unwrap()).collect()
}

#[expect(clippy::disallowed_methods, reason = "no query builder vacuums")]
async fn run(console: &DatabaseConnection, sql: &str) {
    console.execute_unprepared(sql).await.unwrap();
}

/// Every file of a SQLite database, byte by byte.
fn assert_files_clean(database: &TestDatabase) {
    let path = Path::new(database.url.trim_start_matches("sqlite://"));
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        let content = std::fs::read(&path).unwrap();
        assert_eq!(has_marker(&content), None, "{} of {} bytes", path.display(), content.len());
    }
}

/// The words of SQLite's index of names. A gram is three letters in hexadecimal after four digits of the account.
async fn assert_index_clean(console: &DatabaseConnection) {
    run(console, "CREATE VIRTUAL TABLE temp.words USING fts5vocab(main, affiliate_search, 'row')").await;
    let words = texts(console, "SELECT term FROM temp.words".to_owned()).await;
    assert!(words.iter().any(|word| word.contains("6f7468")), "\"oth\" of other.example");
    for gram in ["quill", "vossb", "ergen"] {
        let gram: String = gram.bytes().take(3).map(|byte| format!("{byte:02x}")).collect();
        assert!(!words.iter().any(|word| word.get(4..) == Some(gram.as_str())), "{gram}");
    }
}

/// All rows of PostgreSQL as text, and its files after their tables were written anew. What it has removed stays in its files until
/// then, see the documentation.
async fn assert_postgres_clean(console: &DatabaseConnection) {
    let tables = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'".to_owned();
    let tables = texts(console, tables).await;
    assert!(tables.len() > 20);
    for table in tables {
        for row in texts(console, format!("SELECT row::text FROM \"{table}\" AS row")).await {
            assert_eq!(has_marker(row.as_bytes()), None, "{table}: {row}");
        }
    }
    run(console, "VACUUM FULL").await;
    run(console, "CHECKPOINT").await;
    let folder = texts(console, "SELECT current_setting('data_directory')".to_owned()).await.remove(0);
    let files = "SELECT pg_relation_filepath(oid) FROM pg_class WHERE relkind IN ('r', 'i', 't')".to_owned();
    let mut count = 0;
    for file in texts(console, files).await {
        // A server of somebody else keeps its files from us.
        let Ok(content) = std::fs::read(Path::new(&folder).join(&file)) else { continue };
        assert_eq!(has_marker(&content), None, "{file}");
        count += 1;
    }
    assert!(count > 50 || !testkit::database::server().unwrap().unwrap().is_private(), "{count}");
}

db_test!(f5_g5_an_erased_affiliate_is_found_nowhere_and_the_books_stay, empty, |database: TestDatabase| async move {
    let folder = tempfile::Builder::new().prefix("headwater-erase-").tempdir().unwrap();
    let log = folder.path().join("log");
    // Mail waits, because nobody takes it.
    let mut flags = vec!["--database", &database.url, "--log-filter", "trace", "--mail-smtp-url", "smtp://127.0.0.1:1"];
    let key_file = folder.path().join("tax.key");
    std::fs::write(&key_file, "5".repeat(64)).unwrap();
    std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    flags.extend(["--secrets-key-file", key_file.to_str().unwrap()]);
    let server = Logged::start(folder.path(), &log, &flags).await;
    let mut shop = Shop::furnish(register(&server.url, &operator_key(folder.path()), "shop").await).await;
    welcome_by_mail(&mut shop).await;
    let mut played = play(shop).await;
    let console = Database::connect(&database.url).await.unwrap();
    let recipients = texts(&console, format!("SELECT subject FROM mail WHERE recipient = '{EMAIL}'")).await;
    assert_eq!(recipients, ["Welcome, Quillomena"]);
    console.close().await.unwrap();
    deactivate(&mut played.shop.client).await;
    let before = books(&mut played.shop.client, &played.id).await;
    assert_eq!((before.0.len(), before.1.len()), (1, 4));

    let erased = erase(&mut played.shop.client, by_email(EMAIL)).await.affiliate.unwrap();
    assert_eq!((erased.id.as_str(), erased.state()), (played.id.as_str(), AffiliateState::Erased));
    assert_clean("EraseAffiliate", &erased);
    // At once, while the server runs.
    let console = Database::connect(&database.url).await.unwrap();
    match database.kind {
        DatabaseKind::Sqlite => {
            assert_files_clean(&database);
            assert_index_clean(&console).await;
        }
        DatabaseKind::Postgres => assert_postgres_clean(&console).await,
    }
    console.close().await.unwrap();
    assert_eq!(books(&mut played.shop.client, &played.id).await, before);
    read_all(&mut played.shop.client).await;
    repeat(&mut played).await;
    assert_eq!(books(&mut played.shop.client, &played.id).await, before);
    neighbours(&mut played.shop.client, 120..130).await;
    drop(played);
    server.terminate().await;
    if database.kind == DatabaseKind::Sqlite {
        assert_files_clean(&database);
    }
    let lines = std::fs::read(&log).unwrap();
    assert!(lines.len() > 10_000, "the log has {} bytes", lines.len());
    let shown =
        String::from_utf8_lossy(&lines).lines().find(|line| has_marker(line.as_bytes()).is_some()).map(str::to_owned);
    assert_eq!(shown, None, "in the log");
});

db_test!(f5_an_erased_affiliate_stays_as_it_is, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut played = play(Shop::open(&server, "shop").await).await;
    let client = &mut played.shop.client;
    let etag = |etag: &str| pb::EraseAffiliateRequest {
        affiliate: by_email(EMAIL),
        etag: etag.to_owned(),
        ..Default::default()
    };
    let status = client.affiliates.erase_affiliate(etag("v99")).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    let erased = client.affiliates.erase_affiliate(etag("v2")).await.unwrap().into_inner().affiliate.unwrap();
    assert_eq!((erased.state(), erased.etag.as_str()), (AffiliateState::Erased, "v3"));
    let id = || by(Selector::Id(played.id.clone()));
    assert_eq!(erase(client, id()).await.affiliate, Some(erased.clone()), "a second time changes nothing");

    // Nobody is found by the former names, and they are free again.
    for selector in [Selector::Email(EMAIL.to_owned()), Selector::ExternalId("crm-vossbergen".to_owned())] {
        let request = pb::GetAffiliateRequest { affiliate: by(selector) };
        assert_eq!(client.affiliates.get_affiliate(request).await.unwrap_err().code(), Code::NotFound);
    }
    let token = Selector::AuthToken(played.created.auth_token.clone());
    let request = pb::GetAffiliateRequest { affiliate: by(token) };
    assert_eq!(client.affiliates.get_affiliate(request).await.unwrap_err().code(), Code::NotFound);

    // It cannot be changed.
    let mut refusals = Vec::new();
    let request = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { first_name: "Jo".to_owned(), ..Default::default() }),
        update_mask: mask(&["first_name"]),
        selector: id(),
        ..Default::default()
    };
    refusals.push(client.affiliates.update_affiliate(request).await.unwrap_err());
    let request = pb::RotateAffiliateTokenRequest { affiliate: id(), ..Default::default() };
    refusals.push(client.affiliates.rotate_affiliate_token(request).await.unwrap_err());
    let request = pb::EnrollAffiliateRequest { affiliate: id(), ..Default::default() };
    refusals.push(client.affiliates.enroll_affiliate(request).await.unwrap_err());
    let request = pb::AssignCouponRequest { affiliate: id(), code: "NEW".to_owned(), ..Default::default() };
    refusals.push(client.affiliates.assign_coupon(request).await.unwrap_err());
    for status in refusals {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "AFFILIATE_ERASED"));
    }
    let request = pb::ApproveAffiliateRequest { affiliate: id(), ..Default::default() };
    let status = client.affiliates.approve_affiliate(request).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_STATE");

    // The same person may come again, with all names.
    let again = create(client, pb::CreateAffiliateRequest { request_id: String::new(), ..person() }).await;
    assert_ne!(again.affiliate.unwrap().id, played.id);
    assert_eq!(again.enrollment.unwrap().ref_id, played.ref_id);
});

db_test!(f5_events_told_after_an_erasure_leave_the_books_alone, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut played = play(Shop::open(&server, "shop").await).await;
    let id = played.id.clone();
    let client = &mut played.shop.client;
    server.clock.advance_days(1);
    erase(client, by_email(EMAIL)).await;
    let before = books(client, &id).await;

    // An earlier event of the customer who was sent by the ref_id is told. All events of the customer are judged again.
    let earlier = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: "buyer@customers.example".to_owned(),
        occur_time: Some(prost_types::Timestamp { seconds: 1_767_225_600 - 60, nanos: 0 }),
        ..Default::default()
    };
    client.tracking.record_lead(earlier).await.unwrap();
    let after = books(client, &id).await;
    assert_eq!((after.0, after.1), (before.0, before.1), "the sale is still the affiliate's");

    // The former codes credit nobody.
    let late = client.tracking.record_sale(sale_by_ref_id(10, &played.ref_id)).await.unwrap().into_inner();
    assert_eq!(late.outcome(), ConversionOutcome::NotReferred, "the customer's binding leads to an erased affiliate");
    let request = pb::RecordSaleRequest { coupon_code: "SPRING10".to_owned(), ..sale(11) };
    let late = client.tracking.record_sale(request).await.unwrap().into_inner();
    assert_eq!(late.outcome(), ConversionOutcome::NotReferred);
    let click = pb::RecordClickRequest { ref_id: played.ref_id.clone(), ..Default::default() };
    assert_eq!(client.tracking.record_click(click).await.unwrap_err().code(), Code::NotFound);
    // Pending rewards are approved in time.
    server.clock.advance_days(31);
    server.server.app().approve_due_rewards().await.unwrap();
    let (balances, rewards, _) = books(client, &id).await;
    assert!(rewards.iter().all(|reward| reward.state() == pb::RewardState::Approved), "{rewards:?}");
    assert_eq!(balances.len(), 1);
});
