//! Offers: row W12, and case C13 of what happened to people elsewhere.

use headwater::domain::time::Time;
use headwater::pb;
use prost_types::{FieldMask, Timestamp};
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::coupon::{by_email, by_external_id, codes, create_item, item_with, named};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

/// The beginning of a day; day 0 is that of the server's start.
fn day(day: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds: START_MICROS / 1_000_000 + day * 86_400, nanos: 0 })
}

fn offer(display_name: &str) -> pb::CreateOfferRequest {
    pb::CreateOfferRequest { display_name: display_name.to_owned(), ..Default::default() }
}

async fn create(client: &mut Client, request: pb::CreateOfferRequest) -> pb::Offer {
    client.affiliates.create_offer(request).await.unwrap().into_inner().offer.unwrap()
}

async fn claim(client: &mut Client, request: pb::ClaimOfferRequest) -> Result<pb::ClaimOfferResponse, Status> {
    client.affiliates.claim_offer(request).await.map(tonic::Response::into_inner)
}

fn claimed(offer: &pb::Offer, affiliate: Option<pb::AffiliateSelector>) -> pb::ClaimOfferRequest {
    pb::ClaimOfferRequest { offer_id: offer.id.clone(), affiliate, ..Default::default() }
}

async fn claim_count(client: &mut Client, offer: &pb::Offer) -> i64 {
    let request = pb::GetOfferRequest { offer_id: offer.id.clone() };
    client.affiliates.get_offer(request).await.unwrap().into_inner().offer.unwrap().claim_count
}

async fn remove(client: &mut Client, coupon_id: &str) {
    let request = pb::RemoveCouponRequest { coupon_id: coupon_id.to_owned(), ..Default::default() };
    client.affiliates.remove_coupon(request).await.unwrap();
}

async fn update(client: &mut Client, paths: &[&str], offer: pb::Offer) -> Result<pb::Offer, Status> {
    let request = pb::UpdateOfferRequest {
        offer: Some(offer),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    client.affiliates.update_offer(request).await.map(|answer| answer.into_inner().offer.unwrap())
}

/// 64 claims by different people at once, on PostgreSQL through two servers. Returns the coupons; the others were refused.
async fn rush(servers: [&TestServer; 2], client: &Client, offer: &pb::Offer, round: usize) -> Vec<pb::Coupon> {
    let mut calls = Vec::new();
    for number in 0..64 {
        let (address, key) = (servers[number % 2].address.clone(), client.key.clone());
        let request = claimed(offer, by_email(&format!("{round}-{number}@people.example")));
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            claim(&mut client, request).await
        }));
    }
    let mut coupons = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(answer) => coupons.push(answer.coupon.unwrap()),
            Err(status) => {
                assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "OFFER_LIMIT"));
            }
        }
    }
    coupons
}

db_test!(
    w12_c13_of_64_claims_at_once_an_offer_with_a_limit_of_1_takes_exactly_1,
    |database: TestDatabase| async move {
        let server = TestServer::start(&database).await;
        let mut client = Shop::open(&server, "shop").await.client;
        let second = match database.kind {
            DatabaseKind::Sqlite => None,
            DatabaseKind::Postgres => Some(TestServer::start(&database).await),
        };
        let servers = [&server, second.as_ref().unwrap_or(&server)];
        let offer = create(&mut client, pb::CreateOfferRequest { max_claims: 1, ..offer("One") }).await;
        // Each round gives its claim back, and exactly one of the next 64 gets it.
        for round in 0..3 {
            let coupons = rush(servers, &client, &offer, round).await;
            assert_eq!(coupons.len(), 1, "round {round}");
            assert_eq!(claim_count(&mut client, &offer).await, 1);
            remove(&mut client, &coupons[0].id).await;
            assert_eq!(claim_count(&mut client, &offer).await, 0);
        }
        // Those who were refused left no affiliate behind: Ann, and one for each round.
        let affiliates =
            client.affiliates.list_affiliates(pb::ListAffiliatesRequest::default()).await.unwrap().into_inner();
        assert_eq!(affiliates.affiliates.len(), 4);
        let of_offer = pb::ListCouponsRequest { offer_id: offer.id.clone(), ..Default::default() };
        assert_eq!(codes(&mut client, of_offer).await.len(), 3);
    }
);

db_test!(w12_a_claimant_has_no_more_than_the_limit_however_many_claim_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let offer = create(&mut client, pb::CreateOfferRequest { max_claims_per_affiliate: 3, ..offer("Three") }).await;
    let mut calls = Vec::new();
    for number in 0..48 {
        let mut client = client.clone();
        // One claimant by two names, who is made by the first call.
        let request = claimed(&offer, by_external_id(if number % 2 == 0 { "crm-1" } else { "crm-2" }));
        calls.push(tokio::spawn(async move { (number % 2, claim(&mut client, request).await) }));
    }
    let mut made = [Vec::new(), Vec::new()];
    for call in calls {
        match call.await.unwrap() {
            (claimant, Ok(answer)) => made[claimant].push(answer.coupon.unwrap()),
            (_, Err(status)) => {
                assert_eq!(reason(&status), "CLAIMANT_LIMIT");
                assert_eq!(status.get_error_details().error_info().unwrap().metadata["limit"], "3");
            }
        }
    }
    assert_eq!([made[0].len(), made[1].len()], [3, 3]);
    // A code that is given back makes room for its own claimant.
    remove(&mut client, &made[0][1].id).await;
    assert_eq!(
        reason(&claim(&mut client, claimed(&offer, by_external_id("crm-2"))).await.unwrap_err()),
        "CLAIMANT_LIMIT"
    );
    claim(&mut client, claimed(&offer, by_external_id("crm-1"))).await.unwrap();
    assert_eq!(claim_count(&mut client, &offer).await, 6);
});

db_test!(w12_a_claim_makes_a_code_and_an_affiliate, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let item = create_item(&mut client, "mug").await;
    let request =
        pb::CreateOfferRequest { item: item_with("mug"), code_prefix: "spring-".to_owned(), ..offer("Spring") };
    let offer = create(&mut client, request).await;
    let request =
        pb::ClaimOfferRequest { request_id: "claim-1".to_owned(), ..claimed(&offer, by_email("Zoe@people.example")) };
    let answer = claim(&mut client, request.clone()).await.unwrap();
    let coupon = answer.coupon.clone().unwrap();
    assert!(coupon.code.starts_with("SPRING-") && coupon.code.len() == 15, "{}", coupon.code);
    assert_eq!((&coupon.offer_id, &coupon.item_id), (&offer.id, &item.id));
    assert_eq!(answer.offer.as_ref().unwrap().claim_count, 1);
    // A repeat is the same claim.
    let again = claim(&mut client, request).await.unwrap();
    assert!(again.replayed);
    assert_eq!((again.coupon, again.offer), (answer.coupon, answer.offer));
    assert_eq!(claim_count(&mut client, &offer).await, 1);
    // Zoe is an affiliate now, enrolled in the offer's program, and her code credits her.
    let request = pb::GetAffiliateRequest { affiliate: by_email("zoe@people.example") };
    let zoe = client.affiliates.get_affiliate(request).await.unwrap().into_inner();
    assert_eq!(zoe.enrollments[0].program_id, shop.program_id);
    let sold = pb::RecordSaleRequest {
        event_id: "sale-1".to_owned(),
        coupon_code: coupon.code.to_lowercase(),
        item_sku: "mug".to_owned(),
        channel: pb::SaleChannel::PointOfSale.into(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    let sold = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(sold.credits[0].affiliate_id, zoe.affiliate.unwrap().id);

    // The same person is another affiliate of another account.
    let mut stranger = Shop::open(&server, "stranger").await.client;
    let of_stranger = create(&mut stranger, self::offer("Theirs")).await;
    let theirs = claim(&mut stranger, claimed(&of_stranger, by_email("zoe@people.example"))).await.unwrap();
    assert_ne!(theirs.coupon.unwrap().affiliate_id, sold.credits[0].affiliate_id);
    let status = claim(&mut stranger, claimed(&offer, by_email("zoe@people.example"))).await.unwrap_err();
    assert_eq!(reason(&status), "OFFER_NOT_FOUND");

    // Ann exists, and is enrolled in another program by her claim. A code of her own choice must be free.
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        ..Default::default()
    };
    let program = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    let other =
        create(&mut client, pb::CreateOfferRequest { program_id: program.id.clone(), ..self::offer("Other") }).await;
    let of_ann = pb::ClaimOfferRequest { code: "ann".to_owned(), ..claimed(&other, Some(shop.affiliate())) };
    let status = claim(&mut client, of_ann.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let request = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let enrollments = client.affiliates.list_enrollments(request.clone()).await.unwrap().into_inner().enrollments;
    assert_eq!(enrollments.len(), 1, "a refused claim enrolls nobody");
    let answer = claim(&mut client, pb::ClaimOfferRequest { code: "ann-2".to_owned(), ..of_ann }).await.unwrap();
    assert_eq!(answer.coupon.unwrap().affiliate_id, shop.affiliate_id);
    let enrollments = client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments;
    assert_eq!(enrollments[1].program_id, program.id);

    // Who cannot be created must exist; who has left a program cannot claim.
    let nobody = named(pb::affiliate_selector::Selector::RefId("nobody".to_owned()));
    let status = claim(&mut client, claimed(&other, nobody)).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_NOT_FOUND");
    let request = pb::EndEnrollmentRequest { enrollment_id: enrollments[1].id.clone(), ..Default::default() };
    client.affiliates.end_enrollment(request).await.unwrap();
    let status = claim(&mut client, claimed(&other, Some(shop.affiliate()))).await.unwrap_err();
    assert_eq!(reason(&status), "ENROLLMENT_ENDED");
    let request = pb::ArchiveProgramRequest { program_id: program.id, ..Default::default() };
    client.affiliates.archive_program(request).await.unwrap();
    let status = claim(&mut client, claimed(&other, by_email("new@people.example"))).await.unwrap_err();
    assert_eq!(reason(&status), "PROGRAM_ARCHIVED");
});

db_test!(w12_offers_are_seen_and_changed_and_have_a_window, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let at = |day: i32| server.clock.set(Time::from_micros(START_MICROS).plus_days(day));
    let window = pb::CreateOfferRequest {
        request_id: "window".to_owned(),
        start_time: day(2),
        end_time: day(10),
        ..offer("Window")
    };
    let made = create(&mut client, window.clone()).await;
    let state_of = |status: Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "OFFER_CLOSED"));
        status.get_error_details().error_info().unwrap().metadata["state"].clone()
    };
    let by_ann = claimed(&made, Some(shop.affiliate()));
    assert_eq!(state_of(claim(&mut client, by_ann.clone()).await.unwrap_err()), "not_started");
    at(2);
    claim(&mut client, by_ann.clone()).await.unwrap();

    // An end must be in the future and after the start.
    for end_time in [day(2), day(1)] {
        let wrong = client.affiliates.create_offer(pb::CreateOfferRequest { end_time, ..offer("Wrong") }).await;
        assert_eq!(reason(&wrong.unwrap_err()), "INVALID_FIELDS");
        let wrong = update(&mut client, &["end_time"], pb::Offer { end_time, ..made.clone() }).await.unwrap_err();
        let violations = wrong.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations[0].field, "offer.end_time");
    }
    let wrong = pb::CreateOfferRequest { start_time: day(9), end_time: day(8), ..offer("Wrong") };
    assert_eq!(reason(&client.affiliates.create_offer(wrong).await.unwrap_err()), "INVALID_FIELDS");

    let longer = pb::Offer { end_time: day(20), max_claims: 1, about: "more".to_owned(), ..made.clone() };
    let updated = update(&mut client, &["end_time", "max_claims", "about"], longer).await.unwrap();
    assert_eq!((updated.end_time, updated.max_claims, updated.about.as_str()), (day(20), 1, "more"));
    assert_eq!(reason(&claim(&mut client, by_ann.clone()).await.unwrap_err()), "OFFER_LIMIT");
    update(&mut client, &["max_claims"], pb::Offer { max_claims: 0, ..made.clone() }).await.unwrap();
    at(19);
    claim(&mut client, by_ann.clone()).await.unwrap();
    at(20);
    assert_eq!(state_of(claim(&mut client, by_ann).await.unwrap_err()), "over");
    // Sales were judged by an end that has passed, so it stays.
    for end_time in [day(30), None] {
        let again = update(&mut client, &["end_time"], pb::Offer { end_time, ..made.clone() }).await.unwrap_err();
        assert_eq!(reason(&again), "INVALID_FIELDS");
    }
    update(&mut client, &["display_name"], pb::Offer { display_name: "Over".to_owned(), ..made.clone() })
        .await
        .unwrap();

    // A repeat of the first request is a repeat, although its end has passed.
    assert!(client.affiliates.create_offer(window).await.unwrap().into_inner().replayed);

    let open = create(&mut client, offer("Open")).await;
    claim(&mut client, pb::ClaimOfferRequest { code: "open".to_owned(), ..claimed(&open, Some(shop.affiliate())) })
        .await
        .unwrap();
    for _ in 0..2 {
        let request = pb::ArchiveOfferRequest { offer_id: open.id.clone(), ..Default::default() };
        let archived = client.affiliates.archive_offer(request).await.unwrap().into_inner().offer.unwrap();
        assert!(archived.state() == pb::OfferState::Archived && archived.archive_time.is_some());
    }
    assert_eq!(state_of(claim(&mut client, claimed(&open, Some(shop.affiliate()))).await.unwrap_err()), "archived");
    // The codes of an archived offer stay good.
    let request = pb::ValidateCouponRequest { code: "open".to_owned(), ..Default::default() };
    assert!(client.affiliates.validate_coupon(request).await.unwrap().into_inner().valid);

    let mut names = async |request: pb::ListOffersRequest| {
        let offers = client.affiliates.list_offers(request).await.unwrap().into_inner().offers;
        offers.into_iter().map(|offer| offer.display_name).collect::<Vec<_>>()
    };
    assert_eq!(names(pb::ListOffersRequest::default()).await, ["Over", "Open"]);
    let states = vec![pb::OfferState::Archived.into()];
    assert_eq!(names(pb::ListOffersRequest { states, ..Default::default() }).await, ["Open"]);
    let program_id = shop.program_id.clone();
    assert_eq!(names(pb::ListOffersRequest { program_id, page_size: 1, ..Default::default() }).await, ["Over"]);
    let program_id = shop.program_id.replace('0', "1");
    assert!(names(pb::ListOffersRequest { program_id, ..Default::default() }).await.is_empty());
});
