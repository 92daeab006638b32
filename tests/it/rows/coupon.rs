//! Coupons: rows W7 to W10, G7, U6, U7 and P19, and ValidateCoupon of W12.

use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

use pb::affiliate_selector::Selector;

pub(super) fn named(selector: Selector) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(selector) })
}

pub(super) fn by_email(email: &str) -> Option<pb::AffiliateSelector> {
    named(Selector::Email(email.to_owned()))
}

pub(super) fn by_external_id(id: &str) -> Option<pb::AffiliateSelector> {
    named(Selector::ExternalId(id.to_owned()))
}

pub(super) fn item_with(sku: &str) -> Option<pb::ItemSelector> {
    Some(pb::ItemSelector { selector: Some(pb::item_selector::Selector::Sku(sku.to_owned())) })
}

pub(super) async fn create_item(client: &mut Client, sku: &str) -> pb::Item {
    let request = pb::CreateItemRequest { sku: sku.to_owned(), ..Default::default() };
    client.affiliates.create_item(request).await.unwrap().into_inner().item.unwrap()
}

async fn assign(client: &mut Client, request: pb::AssignCouponRequest) -> Result<pb::Coupon, Status> {
    client.affiliates.assign_coupon(request).await.map(|answer| answer.into_inner().coupon.unwrap())
}

/// A code for an affiliate that is created if it is missing.
fn registered(affiliate: Option<pb::AffiliateSelector>, code: &str) -> pb::AssignCouponRequest {
    let code = code.to_owned();
    pb::AssignCouponRequest { affiliate, code, create_affiliate_if_missing: true, ..Default::default() }
}

pub(super) async fn codes(client: &mut Client, request: pb::ListCouponsRequest) -> Vec<String> {
    let listed = client.affiliates.list_coupons(request).await.unwrap().into_inner();
    listed.coupons.into_iter().map(|coupon| coupon.code).collect()
}

fn sale(event_id: &str, coupon_code: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: coupon_code.to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..Default::default()
    }
}

async fn sell(client: &mut Client, sale: pb::RecordSaleRequest) -> pb::RecordSaleResponse {
    client.tracking.record_sale(sale).await.unwrap().into_inner()
}

db_test!(w7_a_code_is_registered_for_an_item_and_makes_its_affiliate, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let item = create_item(&mut client, "mug").await;
    // Any number of codes for an item, by the merchant's own id and by email. Each affiliate is created once.
    let of_id =
        |code: &str| pb::AssignCouponRequest { item: item_with("mug"), ..registered(by_external_id("crm-7"), code) };
    let first = assign(&mut client, of_id("Dankef\u{fc}r100")).await.unwrap();
    let second = assign(&mut client, of_id("10%Off")).await.unwrap();
    assert_eq!((&first.item_id, &first.affiliate_id), (&item.id, &second.affiliate_id));
    assert_eq!([first.code.as_str(), second.code.as_str()], ["DANKEF\u{dc}R100", "10%OFF"]);
    let of_email = registered(by_email("Zoe@Affiliates.example"), "zoe.10");
    let third = assign(&mut client, of_email.clone()).await.unwrap();
    assert_ne!(third.affiliate_id, first.affiliate_id);

    let mut get = async |affiliate: Option<pb::AffiliateSelector>| {
        client.affiliates.get_affiliate(pb::GetAffiliateRequest { affiliate }).await.unwrap().into_inner()
    };
    let by_id = get(by_external_id("crm-7")).await;
    let affiliate = by_id.affiliate.unwrap();
    assert_eq!((affiliate.id, affiliate.email.as_str()), (first.affiliate_id.clone(), ""));
    assert_eq!(by_id.enrollments.len(), 1, "it is enrolled in the default program");
    let by_address = get(by_email("zoe@affiliates.example")).await.affiliate.unwrap();
    assert_eq!((by_address.id, by_address.email.as_str()), (third.affiliate_id, "zoe@affiliates.example"));

    // An affiliate without an address is not in the way of another one, and has its code and its sales.
    let fourth = assign(&mut client, registered(by_external_id("crm-8"), "eight")).await.unwrap();
    assert_ne!(fourth.affiliate_id, first.affiliate_id);
    let sold = sell(&mut client, sale("sale-1", "dankefu\u{308}r100")).await;
    assert_eq!(sold.credits[0].affiliate_id, first.affiliate_id);

    // Without being asked, and for names that cannot be those of a new affiliate, nothing is created.
    let unasked =
        pb::AssignCouponRequest { create_affiliate_if_missing: false, ..registered(by_external_id("crm-9"), "nine") };
    let status = assign(&mut client, unasked).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AFFILIATE_NOT_FOUND"));
    let status = assign(&mut client, registered(named(Selector::RefId("ann".to_owned())), "nine")).await.unwrap_err();
    assert_eq!(reason(&status), "INVALID_FIELDS");
    // A refusal leaves no affiliate behind.
    let status = assign(&mut client, registered(by_external_id("crm-9"), "10%OFF")).await.unwrap_err();
    assert_eq!(reason(&status), "ALREADY_EXISTS");
    let status = assign(&mut client, of_item(registered(by_external_id("crm-9"), "nine"), "plate")).await.unwrap_err();
    assert_eq!(reason(&status), "ITEM_NOT_FOUND");
    let request = pb::ArchiveItemRequest { item_id: item.id.clone(), ..Default::default() };
    client.affiliates.archive_item(request).await.unwrap();
    let selector = Some(pb::item_selector::Selector::Id(item.id));
    let archived = Some(pb::ItemSelector { selector });
    let request = pb::AssignCouponRequest { item: archived, ..registered(by_external_id("crm-9"), "nine") };
    let status = assign(&mut client, request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "ITEM_ARCHIVED"));
    let request = pb::GetAffiliateRequest { affiliate: by_external_id("crm-9") };
    assert_eq!(client.affiliates.get_affiliate(request).await.unwrap_err().code(), Code::NotFound);
});

fn of_item(request: pb::AssignCouponRequest, sku: &str) -> pb::AssignCouponRequest {
    pb::AssignCouponRequest { item: item_with(sku), ..request }
}

db_test!(w7_callers_that_race_make_one_affiliate, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = Shop::open(&server, "shop").await.client;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let mut calls = Vec::new();
    for number in 0..32 {
        let address = second.as_ref().filter(|_| number % 2 == 1).unwrap_or(&server).address.clone();
        let key = client.key.clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            assign(&mut client, registered(by_external_id("raced"), &format!("code-{number}"))).await.unwrap()
        }));
    }
    let mut affiliates = std::collections::BTreeSet::new();
    for call in calls {
        affiliates.insert(call.await.unwrap().affiliate_id);
    }
    assert_eq!(affiliates.len(), 1);
    let mut client = client;
    let request = pb::ListCouponsRequest { affiliate: by_external_id("raced"), ..Default::default() };
    assert_eq!(codes(&mut client, request).await.len(), 32);
});

db_test!(w8_the_codes_of_a_referral_id_are_listed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for code in ["seven-1", "seven-2"] {
        assign(&mut client, registered(by_external_id("crm-7"), code)).await.unwrap();
    }
    assign(&mut client, registered(by_email("zoe@affiliates.example"), "zoe-1")).await.unwrap();
    let of = |affiliate| pb::ListCouponsRequest { affiliate, ..Default::default() };
    assert_eq!(codes(&mut client, of(by_external_id("crm-7"))).await, ["SEVEN-1", "SEVEN-2"]);
    assert_eq!(codes(&mut client, of(by_email("ZOE@affiliates.example"))).await, ["ZOE-1"]);
    let status = client.affiliates.list_coupons(of(by_external_id("crm-8"))).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AFFILIATE_NOT_FOUND"));
});

db_test!(w9_all_codes_and_all_affiliates_are_listed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 1..=5 {
        let affiliate = by_external_id(&format!("crm-{}", number % 3));
        assign(&mut client, registered(affiliate, &format!("code {number}"))).await.unwrap();
    }
    let all = codes(&mut client, pb::ListCouponsRequest::default()).await;
    assert_eq!(all, ["ANN", "CODE 1", "CODE 2", "CODE 3", "CODE 4", "CODE 5"]);
    let newest =
        pb::ListCouponsRequest { order: pb::ListOrder::NewestFirst.into(), page_size: 2, ..Default::default() };
    assert_eq!(codes(&mut client, newest).await, ["CODE 5", "CODE 4"]);
    let affiliates = client.affiliates.list_affiliates(pb::ListAffiliatesRequest::default()).await.unwrap();
    assert_eq!(affiliates.into_inner().affiliates.len(), 4, "Ann and three others");
});

db_test!(w10_a_code_is_converted_online_and_at_the_till, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    create_item(&mut client, "mug").await;
    let of_ann =
        pb::AssignCouponRequest { affiliate: Some(shop.affiliate()), code: "MUG10".to_owned(), ..Default::default() };
    assign(&mut client, of_item(of_ann, "mug")).await.unwrap();
    for (event_id, channel) in [("online", pb::SaleChannel::Online), ("till", pb::SaleChannel::PointOfSale)] {
        let request =
            pb::RecordSaleRequest { channel: channel.into(), item_sku: "mug".to_owned(), ..sale(event_id, "mug10") };
        let sold = sell(&mut client, request).await;
        assert_eq!((sold.outcome(), sold.warnings.len()), (pb::ConversionOutcome::Attributed, 0));
        assert_eq!(sold.credits[0].affiliate_id, shop.affiliate_id);
        let selector = Some(pb::conversion_selector::Selector::Id(sold.conversion_id));
        let request =
            pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
        let found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
        assert_eq!((found.channel(), found.item_sku.as_str()), (channel, "mug"));
    }
    // A refund is one of the sale's item.
    let request = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "till".to_owned(),
        amount: sale("", "").amount,
        ..Default::default()
    };
    let refund = client.tracking.record_refund(request).await.unwrap().into_inner();
    let selector = Some(pb::conversion_selector::Selector::Id(refund.conversion_id));
    let request =
        pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
    let found = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    assert_eq!(found.item_sku, "mug");
});

/// The fields and texts of an answer's warnings.
fn warnings(answer: &pb::RecordSaleResponse) -> Vec<String> {
    answer.warnings.iter().map(|warning| format!("{}: {}", warning.field, warning.explanation)).collect()
}

db_test!(w10_a_code_that_credits_nobody_is_never_silent, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    create_item(&mut client, "mug").await;
    let assigned = |code: &str| pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: code.to_owned(),
        ..Default::default()
    };
    assign(&mut client, of_item(assigned("MUG10"), "mug")).await.unwrap();
    let removed = assign(&mut client, assigned("OLD")).await.unwrap();
    let request = pb::RemoveCouponRequest { coupon_id: removed.id, ..Default::default() };
    client.affiliates.remove_coupon(request).await.unwrap();
    for (code, item_sku, expected) in [
        ("nope", "", "credits nobody, because no coupon of the account has this code"),
        ("old", "", "credits nobody, because the coupon was removed before the sale"),
        ("mug10", "cup", "credits nobody, because the coupon is for another item than item_sku"),
    ] {
        let request = pb::RecordSaleRequest { item_sku: item_sku.to_owned(), ..sale(&format!("sale-{code}"), code) };
        let sold = sell(&mut client, request.clone()).await;
        assert_eq!(sold.outcome(), pb::ConversionOutcome::NotReferred, "{code}");
        assert_eq!(warnings(&sold), [format!("coupon_code: {expected}")]);
        // A repeat says the same.
        let again = sell(&mut client, request.clone()).await;
        assert!(again.replayed);
        assert_eq!(warnings(&again), warnings(&sold));
        // So does a sale that something else credits.
        let request =
            pb::RecordSaleRequest { event_id: format!("clicked-{code}"), ref_id: "ann".to_owned(), ..request };
        let sold = sell(&mut client, request).await;
        assert_eq!(sold.outcome(), pb::ConversionOutcome::Attributed, "{code}");
        assert_eq!(warnings(&sold), [format!("coupon_code: {expected}")]);
    }
    // A good code that a stronger trace beats needs no warning.
    let bought = pb::RecordSaleRequest { email: "bob@customers.example".to_owned(), ..sale("bound", "ann") };
    sell(&mut client, bought.clone()).await;
    let again = sell(&mut client, pb::RecordSaleRequest { event_id: "again".to_owned(), ..bought }).await;
    assert_eq!(again.credits[0].source(), pb::AttributionSource::LeadBinding);
    assert!(again.warnings.is_empty());
});

db_test!(w12_validate_says_why_a_code_is_not_good, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    create_item(&mut client, "mug").await;
    let validate = async |code: &str, item_sku: &str| {
        let request =
            pb::ValidateCouponRequest { code: code.to_owned(), item_sku: item_sku.to_owned(), ..Default::default() };
        let mut client = shop.client.clone();
        let answer = client.affiliates.validate_coupon(request).await.unwrap().into_inner();
        assert_eq!(answer.valid, answer.fault() == pb::CouponFault::Unspecified);
        (answer.fault(), answer.coupon.map(|coupon| coupon.code).unwrap_or_default())
    };
    let good = pb::CouponFault::Unspecified;
    assert_eq!(validate("Ann", "").await, (good, "ANN".to_owned()));
    assert_eq!(validate("ann", "whatever").await.0, good);
    assert_eq!(validate("nope", "").await, (pb::CouponFault::Unknown, String::new()));

    let assigned =
        pb::AssignCouponRequest { affiliate: Some(shop.affiliate()), code: "MUG10".to_owned(), ..Default::default() };
    let coupon = assign(&mut client, of_item(assigned.clone(), "mug")).await.unwrap();
    assert_eq!(validate("mug10", "mug").await.0, good);
    assert_eq!(validate("mug10", "").await.0, good);
    assert_eq!(validate("mug10", "cup").await, (pb::CouponFault::OtherItem, "MUG10".to_owned()));
    let request = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
    client.affiliates.remove_coupon(request).await.unwrap();
    assert_eq!(validate("mug10", "mug").await, (pb::CouponFault::Removed, "MUG10".to_owned()));
    // A code that was given away again is judged by the coupon that has it now.
    assign(&mut client, assigned).await.unwrap();
    assert_eq!(validate("mug10", "cup").await.0, good);

    let request = pb::CreateOfferRequest {
        display_name: "Spring".to_owned(),
        end_time: Some(prost_types::Timestamp {
            seconds: crate::support::server::START_MICROS / 1_000_000 + 60,
            nanos: 0,
        }),
        ..Default::default()
    };
    let offer = client.affiliates.create_offer(request).await.unwrap().into_inner().offer.unwrap();
    let request = pb::ClaimOfferRequest {
        offer_id: offer.id,
        affiliate: Some(shop.affiliate()),
        code: "claimed".to_owned(),
        ..Default::default()
    };
    client.affiliates.claim_offer(request).await.unwrap();
    assert_eq!(validate("claimed", "").await.0, good);
    server.clock.jump_days(1);
    assert_eq!(validate("claimed", "").await.0, pb::CouponFault::OfferOver);

    let request = pb::ListEnrollmentsRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    let enrollment = client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments.remove(0);
    let request = pb::EndEnrollmentRequest { enrollment_id: enrollment.id, ..Default::default() };
    client.affiliates.end_enrollment(request).await.unwrap();
    assert_eq!(validate("ann", "").await.0, pb::CouponFault::EnrollmentEnded);
    assign(&mut client, registered(by_external_id("crm-7"), "seven")).await.unwrap();
    assert_eq!(validate("seven", "").await.0, good);
    let request = pb::ArchiveProgramRequest { program_id: enrollment.program_id, ..Default::default() };
    client.affiliates.archive_program(request).await.unwrap();
    assert_eq!(validate("seven", "").await.0, pb::CouponFault::ProgramArchived);
    // RecordSale judges the same.
    let sold = sell(&mut client, sale("sale-1", "seven")).await;
    assert_eq!(sold.outcome(), pb::ConversionOutcome::NotReferred);
});

db_test!(u7_a_removed_code_credits_nobody_and_can_be_given_away_again, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    for code in ["ann-2", "ann-3"] {
        let request =
            pb::AssignCouponRequest { affiliate: Some(shop.affiliate()), code: code.to_owned(), ..Default::default() };
        assign(&mut client, request).await.unwrap();
        assert_eq!(sell(&mut client, sale(code, code)).await.credits[0].affiliate_id, shop.affiliate_id);
    }
    let request = pb::ListCouponsRequest { code: "Ann-2".to_owned(), ..Default::default() };
    let coupon = client.affiliates.list_coupons(request.clone()).await.unwrap().into_inner().coupons.remove(0);
    let removal = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
    let removed = client.affiliates.remove_coupon(removal).await.unwrap().into_inner().coupon.unwrap();
    assert!(removed.state() == pb::CouponState::Removed && removed.remove_time.is_some());
    assert!(sell(&mut client, sale("after", "ann-2")).await.credits.is_empty());
    let other = assign(&mut client, registered(by_email("bea@affiliates.example"), "ANN-2")).await.unwrap();
    assert_eq!(sell(&mut client, sale("again", "ann-2")).await.credits[0].affiliate_id, other.affiliate_id);
    // Whose a code was, and when, is kept.
    let all = client.affiliates.list_coupons(request).await.unwrap().into_inner().coupons;
    let owners: Vec<_> = all.iter().map(|coupon| (coupon.affiliate_id.as_str(), coupon.state())).collect();
    assert_eq!(
        owners,
        [
            (shop.affiliate_id.as_str(), pb::CouponState::Removed),
            (other.affiliate_id.as_str(), pb::CouponState::Active)
        ]
    );
});

db_test!(u6_codes_are_listed_by_code_affiliate_item_and_offer, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let item = create_item(&mut client, "mug").await;
    assign(&mut client, of_item(registered(by_external_id("crm-7"), "Mug 7"), "mug")).await.unwrap();
    assign(&mut client, registered(by_external_id("crm-7"), "any 7")).await.unwrap();
    let request = pb::CreateOfferRequest { display_name: "Spring".to_owned(), ..Default::default() };
    let offer = client.affiliates.create_offer(request).await.unwrap().into_inner().offer.unwrap();
    let request = pb::ClaimOfferRequest {
        offer_id: offer.id.clone(),
        affiliate: by_external_id("crm-7"),
        code: "claimed".to_owned(),
        ..Default::default()
    };
    client.affiliates.claim_offer(request).await.unwrap();
    let all = pb::ListCouponsRequest::default;
    assert_eq!(codes(&mut client, pb::ListCouponsRequest { code: " mug  7".to_owned(), ..all() }).await, ["MUG 7"]);
    let of_seven = pb::ListCouponsRequest { affiliate: by_external_id("crm-7"), ..all() };
    assert_eq!(codes(&mut client, of_seven.clone()).await, ["MUG 7", "ANY 7", "CLAIMED"]);
    let both = pb::ListCouponsRequest { code: "ann".to_owned(), ..of_seven };
    assert!(codes(&mut client, both).await.is_empty(), "all filters must match");
    assert_eq!(codes(&mut client, pb::ListCouponsRequest { item: item_with("mug"), ..all() }).await, ["MUG 7"]);
    let selector = Some(pb::item_selector::Selector::Id(item.id));
    let by_id = pb::ListCouponsRequest { item: Some(pb::ItemSelector { selector }), ..all() };
    assert_eq!(codes(&mut client, by_id).await, ["MUG 7"]);
    assert_eq!(codes(&mut client, pb::ListCouponsRequest { offer_id: offer.id, ..all() }).await, ["CLAIMED"]);
    let status = client.affiliates.list_coupons(pb::ListCouponsRequest { item: item_with("cup"), ..all() }).await;
    assert_eq!(reason(&status.unwrap_err()), "ITEM_NOT_FOUND");
    // The code never changes.
    let listed = client.affiliates.list_coupons(pb::ListCouponsRequest { code: "any 7".to_owned(), ..all() }).await;
    let coupon = listed.unwrap().into_inner().coupons.remove(0);
    let mut update = async |path: &str| {
        let request = pb::UpdateCouponRequest {
            coupon: Some(pb::Coupon { note: "podcast".to_owned(), code: "unread".to_owned(), ..coupon.clone() }),
            update_mask: Some(prost_types::FieldMask { paths: vec![path.to_owned()] }),
            ..Default::default()
        };
        client.affiliates.update_coupon(request).await.map(|answer| answer.into_inner().coupon.unwrap())
    };
    let updated = update("note").await.unwrap();
    assert_eq!((updated.note.as_str(), updated.code.as_str()), ("podcast", "ANY 7"));
    assert_eq!(reason(&update("code").await.unwrap_err()), "INVALID_FIELDS");
});

/// Sets the account's limit of active coupons per affiliate.
async fn limit(client: &mut Client, limit: i32) {
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { max_active_coupons_per_affiliate: limit, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["max_active_coupons_per_affiliate".to_owned()] }),
        ..Default::default()
    };
    client.accounts.update_account(request).await.unwrap();
}

db_test!(u7_an_affiliate_has_at_most_the_accounts_limit_of_codes, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let account = client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap().into_inner().account.unwrap();
    assert_eq!(account.max_active_coupons_per_affiliate, 100, "the default");
    limit(&mut client, 10).await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    // 64 callers at once, half of them through another server. Ann has one code already.
    let mut calls = Vec::new();
    for number in 0..64 {
        let address = second.as_ref().filter(|_| number % 2 == 1).unwrap_or(&server).address.clone();
        let (key, affiliate) = (client.key.clone(), Some(shop.affiliate()));
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            let code = format!("code-{number}");
            assign(&mut client, pb::AssignCouponRequest { affiliate, code, ..Default::default() }).await
        }));
    }
    let mut made = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(coupon) => made.push(coupon),
            Err(status) => assert_eq!(reason(&status), "COUPON_LIMIT"),
        }
    }
    assert_eq!(made.len(), 9);
    // One that is removed makes room for one. Removing it again makes no more.
    for _ in 0..2 {
        let request = pb::RemoveCouponRequest { coupon_id: made[0].id.clone(), ..Default::default() };
        client.affiliates.remove_coupon(request).await.unwrap();
    }
    let of_ann = |code: &str| pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: code.to_owned(),
        ..Default::default()
    };
    assign(&mut client, of_ann("room")).await.unwrap();
    assert_eq!(reason(&assign(&mut client, of_ann("none")).await.unwrap_err()), "COUPON_LIMIT");
    // The limit is each affiliate's own, and a lower one takes nothing away.
    assign(&mut client, registered(by_external_id("crm-7"), "seven")).await.unwrap();
    limit(&mut client, 5).await;
    let active = pb::ListCouponsRequest {
        affiliate: Some(shop.affiliate()),
        states: vec![pb::CouponState::Active.into()],
        ..Default::default()
    };
    assert_eq!(codes(&mut client, active).await.len(), 10);
    limit(&mut client, 11).await;
    assign(&mut client, of_ann("eleven")).await.unwrap();
    assert_eq!(reason(&assign(&mut client, of_ann("none")).await.unwrap_err()), "COUPON_LIMIT");
    // A code is unique in the account, in every spelling.
    assert_eq!(
        reason(&assign(&mut client, registered(by_external_id("crm-7"), "Eleven")).await.unwrap_err()),
        "ALREADY_EXISTS"
    );
});

db_test!(p19_an_affiliate_has_many_codes_and_each_credits_them, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    for number in 1..100 {
        let code = format!("ann-{number}");
        let request = pb::AssignCouponRequest { affiliate: Some(shop.affiliate()), code, ..Default::default() };
        assign(&mut client, request).await.unwrap();
    }
    for number in [1, 50, 99] {
        let code = format!("Ann-{number}");
        let sold = sell(&mut client, sale(&code, &code)).await;
        assert_eq!(sold.credits[0].affiliate_id, shop.affiliate_id);
    }
    let request = pb::ListCouponsRequest { affiliate: Some(shop.affiliate()), page_size: 1_000, ..Default::default() };
    assert_eq!(codes(&mut client, request).await.len(), 100);
});
