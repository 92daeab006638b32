//! The passwords of affiliates: rows U5 and F3.

use headwater::pb;
use pb::affiliate_selector::Selector;
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::affiliate::{by, by_email, create, get, mask, new};
use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

const EMAIL: &str = "ada@new.example";

async fn check(
    client: &mut Client,
    affiliate: Option<pb::AffiliateSelector>,
    password: &str,
) -> Result<pb::CheckAffiliatePasswordResponse, Status> {
    let request = pb::CheckAffiliatePasswordRequest { affiliate, password: password.to_owned() };
    client.affiliates.check_affiliate_password(request).await.map(tonic::Response::into_inner)
}

fn update(password: &str, temporary_password: &str, paths: &[&str]) -> pb::UpdateAffiliateRequest {
    pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate::default()),
        selector: by_email(EMAIL),
        update_mask: mask(paths),
        password: password.to_owned(),
        temporary_password: temporary_password.to_owned(),
        ..Default::default()
    }
}

async fn change(client: &mut Client, request: pb::UpdateAffiliateRequest) -> pb::Affiliate {
    client.affiliates.update_affiliate(request).await.unwrap().into_inner().affiliate.unwrap()
}

fn wrong_fields(status: &Status) -> Vec<String> {
    assert_eq!((status.code(), reason(status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    status.get_details_bad_request().unwrap().field_violations.into_iter().map(|wrong| wrong.field).collect()
}

db_test!(u5_f3_a_temporary_password_signs_in_until_another_is_chosen, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let wanted = pb::CreateAffiliateRequest {
        request_id: "ada".to_owned(),
        temporary_password: "Zwiebelkuchen-7".to_owned(),
        ..new(EMAIL)
    };
    let made = create(client, wanted.clone()).await;
    let ada = made.affiliate.unwrap();
    assert!(ada.has_password && ada.password_change_required);
    let right = check(client, by_email(EMAIL), "Zwiebelkuchen-7").await.unwrap();
    assert_eq!((right.matches, right.password_change_required, &right.affiliate_id), (true, true, &ada.id));
    // By another name, and with letters that another system has typed in two parts.
    let umlaut = update("Zwiebelk\u{fc}chen", "", &["password"]);
    let changed =
        change(client, pb::UpdateAffiliateRequest { request_id: "change".to_owned(), ..umlaut.clone() }).await;
    assert!(changed.has_password && !changed.password_change_required);
    assert_ne!(changed.etag, ada.etag);
    let token = by(Selector::AuthToken(made.auth_token.clone()));
    let right = check(client, token, "Zwiebelku\u{308}chen").await.unwrap();
    assert_eq!((right.matches, right.password_change_required, &right.affiliate_id), (true, false, &ada.id));

    // Wrong passwords, people without one and people who do not exist have one answer.
    create(client, new("bea@new.example")).await;
    let wrong = pb::CheckAffiliatePasswordResponse::default();
    for (affiliate, password) in [
        (by_email(EMAIL), "Zwiebelkuchen-7"),
        (by_email(EMAIL), "zwiebelk\u{fc}chen"),
        (by_email(EMAIL), "x"),
        (by_email("bea@new.example"), "Zwiebelk\u{fc}chen"),
        (by_email("nobody@new.example"), "Zwiebelk\u{fc}chen"),
    ] {
        assert_eq!(check(client, affiliate, password).await.unwrap(), wrong, "{password}");
    }
    let mut other = server.new_account("other").await;
    assert_eq!(check(&mut other, by_email(EMAIL), "Zwiebelk\u{fc}chen").await.unwrap(), wrong);

    // A repeat is recognised whatever password it has, and changes none.
    let repeat = pb::CreateAffiliateRequest { temporary_password: "another one".to_owned(), ..wanted };
    let again = create(client, repeat).await;
    assert!(again.replayed && again.affiliate.unwrap().has_password);
    let repeat =
        pb::UpdateAffiliateRequest { request_id: "change".to_owned(), password: "another one".to_owned(), ..umlaut };
    assert!(client.affiliates.update_affiliate(repeat).await.unwrap().into_inner().replayed);
    assert!(check(client, by_email(EMAIL), "Zwiebelk\u{fc}chen").await.unwrap().matches);
    // A change of something else leaves it, and so does a state. It can be taken away.
    change(client, pb::UpdateAffiliateRequest { password: String::new(), ..update("", "", &["first_name"]) }).await;
    assert!(check(client, by_email(EMAIL), "Zwiebelk\u{fc}chen").await.unwrap().matches);
    let bare = change(client, update("", "", &["password"])).await;
    assert!(!bare.has_password && !bare.password_change_required);
    assert_eq!(check(client, by_email(EMAIL), "Zwiebelk\u{fc}chen").await.unwrap(), wrong);
    // An erased affiliate has none.
    change(client, update("Zwiebelkuchen", "", &["password"])).await;
    let erase = pb::EraseAffiliateRequest { affiliate: by_email(EMAIL), ..Default::default() };
    client.affiliates.erase_affiliate(erase).await.unwrap();
    let id = by(Selector::Id(ada.id));
    assert_eq!(check(client, id.clone(), "Zwiebelkuchen").await.unwrap(), wrong);
    assert!(!get(client, id).await.unwrap().affiliate.unwrap().has_password);

    // Nothing of it is in the feed.
    let read = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = format!("{:?}", client.feed.read_events(read).await.unwrap().into_inner().events);
    assert!(!events.contains("Zwiebel") && !events.contains("argon2"), "{events}");
    assert!(!events.contains("has_password: true"), "{events}");
});

db_test!(u5_wrong_passwords_are_told_before_anything_is_hashed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    for (password, temporary_password, fields) in [
        ("short77", "", vec!["password"]),
        ("", "short77", vec!["temporary_password"]),
        ("with\u{7}control", "", vec!["password"]),
        ("long enough", "long enough", vec!["temporary_password"]),
    ] {
        let (password, temporary_password) = (password.to_owned(), temporary_password.to_owned());
        let wanted = pb::CreateAffiliateRequest { password, temporary_password, ..new(EMAIL) };
        assert_eq!(wrong_fields(&client.affiliates.create_affiliate(wanted).await.unwrap_err()), fields);
    }
    let long = "\u{fc}".repeat(128);
    create(client, pb::CreateAffiliateRequest { password: long.clone(), ..new(EMAIL) }).await;
    assert!(check(client, by_email(EMAIL), &long).await.unwrap().matches);
    let longer = "\u{fc}".repeat(129);
    assert_eq!(wrong_fields(&check(client, by_email(EMAIL), &longer).await.unwrap_err()), ["password"]);
    assert_eq!(wrong_fields(&check(client, None, "").await.unwrap_err()), ["affiliate", "password"]);
    // A password is not ignored as other fields that the mask leaves out, and not changed a thousand at a time.
    let unread = update("long enough", "", &["first_name"]);
    assert_eq!(wrong_fields(&client.affiliates.update_affiliate(unread).await.unwrap_err()), ["password"]);
    let item = pb::affiliate_batch_item::Item::Update(update("long enough", "", &["password"]));
    let request = pb::BatchChangeAffiliatesRequest { items: vec![pb::AffiliateBatchItem { item: Some(item) }] };
    let answer =
        client.affiliates.batch_change_affiliates(request).await.unwrap().into_inner().results.remove(0).answer;
    let Some(pb::affiliate_batch_result::Answer::Error(error)) = answer else { panic!("{answer:?}") };
    assert!(error.message.starts_with("update_mask: cannot name `password`"), "{}", error.message);
    assert!(check(client, by_email(EMAIL), &long).await.unwrap().matches);
});

db_test!(u5_only_a_few_wrong_passwords_can_be_tried, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    for email in [EMAIL, "bea@new.example"] {
        create(client, pb::CreateAffiliateRequest { password: "long enough".to_owned(), ..new(email) }).await;
    }
    let ada = get(client, by_email(EMAIL)).await.unwrap().affiliate.unwrap();
    for number in 0..9 {
        let name = if number % 2 == 0 { by_email(EMAIL) } else { by(Selector::Id(ada.id.clone())) };
        assert!(!check(client, name, "long").await.unwrap().matches);
    }
    // The right one takes back what was counted.
    assert!(check(client, by_email(EMAIL), "long enough").await.unwrap().matches);
    for affiliate in [by_email(EMAIL), by_email("nobody@new.example")] {
        for _ in 0..10 {
            assert!(!check(client, affiliate.clone(), "long").await.unwrap().matches);
        }
        let status = check(client, affiliate, "long enough").await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "PASSWORD_TRIES"));
        let wait = status.get_details_retry_info().unwrap().retry_delay.unwrap();
        assert!((1..=90).contains(&wait.as_secs()), "{wait:?}");
        let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
        assert!(pushback.parse::<u64>().unwrap() > 1_000, "{pushback}");
    }
    assert!(
        check(client, by_email("bea@new.example"), "long enough").await.unwrap().matches,
        "the others are not held up"
    );
});
