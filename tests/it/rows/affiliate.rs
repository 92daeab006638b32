//! Affiliates: their fields, how they are listed and counted, and their tokens.

use headwater::pb;
use pb::affiliate_selector::Selector;
use pb::{AffiliateState, PendingRewards};
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::affiliate_states::deactivate;
use crate::support::database::TestDatabase;
use crate::support::feed::cash;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

pub(super) fn by(selector: Selector) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(selector) })
}

pub(super) fn by_email(email: &str) -> Option<pb::AffiliateSelector> {
    by(Selector::Email(email.to_owned()))
}

pub(super) fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

pub(super) fn new(email: &str) -> pb::CreateAffiliateRequest {
    pb::CreateAffiliateRequest { email: email.to_owned(), ..Default::default() }
}

pub(super) async fn create(client: &mut Client, request: pb::CreateAffiliateRequest) -> pb::CreateAffiliateResponse {
    client.affiliates.create_affiliate(request).await.unwrap().into_inner()
}

pub(super) async fn get(
    client: &mut Client,
    affiliate: Option<pb::AffiliateSelector>,
) -> Result<pb::GetAffiliateResponse, Status> {
    client.affiliates.get_affiliate(pb::GetAffiliateRequest { affiliate }).await.map(tonic::Response::into_inner)
}

async fn emails(client: &mut Client, request: pb::ListAffiliatesRequest) -> Vec<String> {
    let listed = client.affiliates.list_affiliates(request).await.unwrap().into_inner();
    listed.affiliates.into_iter().map(|affiliate| affiliate.email).collect()
}

/// All details that an affiliate can have.
pub(super) fn profile() -> pb::AffiliateProfile {
    let custom_field = |key: &str, label: &str, value: &str| pb::CustomField {
        key: key.to_owned(),
        label: label.to_owned(),
        value: value.to_owned(),
    };
    pb::AffiliateProfile {
        company: "Engines".to_owned(),
        address: Some(pb::PostalAddress {
            street: "12 St James's Square".to_owned(),
            city: "London".to_owned(),
            region: "Westminster".to_owned(),
            postal_code: "SW1Y 4JH".to_owned(),
            country_code: "GB".to_owned(),
        }),
        phone: "+44 20 0000 0000".to_owned(),
        website_url: "https://partner.example/".to_owned(),
        avatar_url: "https://partner.example/ada.png".to_owned(),
        about: "Writes about\nengines".to_owned(),
        social_profiles: [("facebook", "ada"), ("instagram", "ada"), ("twitter", "ada"), ("youtube", "ada")]
            .map(|(network, name)| (network.to_owned(), name.to_owned()))
            .into(),
        paypal_email: "ada@pay.example".to_owned(),
        custom_fields: vec![custom_field("audience", "Who reads you?", "Engineers"), custom_field("since", "", "1843")],
        invoice_tax: Some(pb::InvoiceTax {
            treatment: pb::TaxTreatment::Rate.into(),
            percent_ppm: 190_000,
            note: "VAT at 19 %".to_owned(),
        }),
    }
}

db_test!(u5_g3_f3_an_affiliate_is_created_with_every_field, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::CreateAffiliateRequest {
        external_id: "crm-17".to_owned(),
        first_name: "Ada".to_owned(),
        last_name: "Lovelace".to_owned(),
        profile: Some(pb::AffiliateProfile { paypal_email: " Ada@Pay.example".to_owned(), ..profile() }),
        coupon_code: "ADA10".to_owned(),
        landing_url: "https://partner.example/shop".to_owned(),
        email_verified: true,
        metadata: [("tier".to_owned(), "gold".to_owned()), ("empty".to_owned(), " ".to_owned())].into(),
        ..new("ada@partner.example")
    };
    let made = create(&mut client, request).await;
    let affiliate = made.affiliate.unwrap();
    assert_eq!(affiliate.profile, Some(profile()));
    assert_eq!((affiliate.state(), affiliate.email_verified), (AffiliateState::Active, true));
    assert_eq!(affiliate.metadata, [("tier".to_owned(), "gold".to_owned())].into());
    assert_eq!(affiliate.state_time, affiliate.create_time);
    assert_eq!(made.enrollment.unwrap().ref_id, "ada", "a ref_id is made from the first name");
    assert_eq!(made.auth_token.len(), 43);
    // Another Ada gets another ref_id.
    let second = pb::CreateAffiliateRequest { first_name: "Ada".to_owned(), ..new("other-ada@partner.example") };
    let second = create(&mut client, second).await.enrollment.unwrap().ref_id;
    assert!(second.starts_with("ada-") && second.len() > 4, "{second}");

    let found = get(&mut client, by(Selector::ExternalId("crm-17".to_owned()))).await.unwrap();
    assert_eq!(found.affiliate, Some(affiliate));
    assert_eq!(found.coupons.iter().map(|coupon| coupon.code.as_str()).collect::<Vec<_>>(), ["ADA10"]);
});

db_test!(u5_wrong_fields_of_an_affiliate_are_named, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let custom_field =
        |key: &str, label: &str| pb::CustomField { key: key.to_owned(), label: label.to_owned(), ..Default::default() };
    let request = pb::CreateAffiliateRequest {
        profile: Some(pb::AffiliateProfile {
            paypal_email: "ada".to_owned(),
            custom_fields: vec![custom_field("a", "b"), custom_field("A", "b\nc"), custom_field("a", "")],
            ..Default::default()
        }),
        state: AffiliateState::Rejected.into(),
        metadata: [("".to_owned(), "x".to_owned()), ("k".to_owned(), "x".repeat(501))].into(),
        ..new("ada@partner.example")
    };
    let status = client.affiliates.create_affiliate(request).await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let fields: Vec<_> = violations.iter().map(|violation| violation.field.as_str()).collect();
    let expected = [
        "profile.paypal_email",
        "profile.custom_fields[1].key",
        "profile.custom_fields[1].label",
        "profile.custom_fields[2].key",
        "metadata",
        "metadata[k]",
        "state",
    ];
    assert_eq!(fields, expected);
    let custom_fields = (0..51).map(|number| custom_field(&number.to_string(), "")).collect();
    let request = pb::CreateAffiliateRequest {
        profile: Some(pb::AffiliateProfile { custom_fields, ..Default::default() }),
        ..new("ada@partner.example")
    };
    let status = client.affiliates.create_affiliate(request).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "profile.custom_fields");
});

db_test!(u4_g2_f2_an_affiliate_is_found_by_each_name_with_its_balances, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::CreateAffiliateRequest {
        external_id: "crm-17".to_owned(),
        ref_id: "bea".to_owned(),
        coupon_code: "BEA".to_owned(),
        ..new("bea@affiliates.example")
    };
    let made = create(&mut client, request).await;
    let sold = pb::RecordSaleRequest { coupon_code: "BEA".to_owned(), ..sale(1) };
    client.tracking.record_sale(sold).await.unwrap();
    let id = made.affiliate.unwrap().id;
    for selector in [
        Selector::Id(id.clone()),
        Selector::ExternalId("crm-17".to_owned()),
        Selector::Email("Bea@Affiliates.example".to_owned()),
        Selector::RefId("BEA".to_owned()),
        Selector::AuthToken(made.auth_token),
    ] {
        let found = get(&mut client, by(selector.clone())).await.unwrap();
        assert_eq!(found.affiliate.unwrap().id, id, "{selector:?}");
        let [balance] = &found.balances[..] else { panic!("{:?}", found.balances) };
        let sums = [&balance.earned, &balance.pending, &balance.owed, &balance.paid];
        assert_eq!(sums.map(|sum| cash(sum.as_ref()).amount_minor), [200, 200, 0, 0]);
        assert_eq!((found.enrollments.len(), found.coupons.len()), (1, 1));
    }
    for selector in [Selector::RefId("nobody".to_owned()), Selector::AuthToken("x".repeat(43))] {
        let status = get(&mut client, by(selector)).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::NotFound, "AFFILIATE_NOT_FOUND"));
    }
});

db_test!(f4_g4_an_affiliate_is_updated_by_any_name, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let request = pb::CreateAffiliateRequest {
        first_name: "Bea".to_owned(),
        external_id: "crm-1".to_owned(),
        email_verified: true,
        metadata: [("tier".to_owned(), "gold".to_owned())].into(),
        ..new("bea@affiliates.example")
    };
    let before = create(&mut client, request).await.affiliate.unwrap();
    let update = |selector: Option<Selector>, affiliate: pb::Affiliate, paths: &[&str]| pb::UpdateAffiliateRequest {
        affiliate: Some(affiliate),
        update_mask: mask(paths),
        selector: selector.and_then(by),
        ..Default::default()
    };
    // Fields outside the mask keep their values.
    let values = pb::Affiliate { profile: Some(profile()), first_name: "X".to_owned(), ..Default::default() };
    let request = update(Some(Selector::RefId("bea".to_owned())), values, &["profile"]);
    let after = client.affiliates.update_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
    assert_eq!((after.profile.clone(), after.first_name.as_str()), (Some(profile()), "Bea"));
    assert_eq!(after.metadata, before.metadata);
    assert_ne!(after.etag, before.etag);

    // A new address is not verified, unless the call says so.
    let values = pb::Affiliate {
        id: before.id.clone(),
        email: "Bea@New.example".to_owned(),
        external_id: String::new(),
        etag: after.etag.clone(),
        ..Default::default()
    };
    let request = update(None, values, &["email", "external_id", "metadata"]);
    let after = client.affiliates.update_affiliate(request.clone()).await.unwrap().into_inner().affiliate.unwrap();
    assert_eq!((after.email.as_str(), after.external_id.as_str()), ("bea@new.example", ""));
    assert!(!after.email_verified && after.metadata.is_empty());
    let found = get(&mut client, by_email("bea@new.example")).await.unwrap();
    assert_eq!(found.affiliate, Some(after));
    for former in [Selector::Email("bea@affiliates.example".to_owned()), Selector::ExternalId("crm-1".to_owned())] {
        assert_eq!(get(&mut client, by(former)).await.unwrap_err().code(), Code::NotFound);
    }

    // The etag is stale now.
    let status = client.affiliates.update_affiliate(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::Aborted, "ETAG_MISMATCH"));
    // Ann has this address. Its own address is no other's.
    let taken = pb::Affiliate { email: "ann@affiliates.example".to_owned(), ..Default::default() };
    let own = Selector::Id(before.id.clone());
    let request = update(Some(own.clone()), taken, &["email"]);
    let status = client.affiliates.update_affiliate(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::AlreadyExists, "ALREADY_EXISTS"));
    let same = pb::Affiliate { email: "bea@new.example".to_owned(), email_verified: true, ..Default::default() };
    let request = update(Some(own.clone()), same, &["email", "email_verified"]);
    let after = client.affiliates.update_affiliate(request).await.unwrap().into_inner().affiliate.unwrap();
    assert!(after.email_verified);
    // The former address is free for another affiliate.
    create(
        &mut client,
        pb::CreateAffiliateRequest { external_id: "crm-1".to_owned(), ..new("bea@affiliates.example") },
    )
    .await;
});

db_test!(f6_a_new_token_ends_the_old_one_at_once, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let old = create(&mut client, new("bea@affiliates.example")).await.auth_token;
    let request = pb::RotateAffiliateTokenRequest {
        request_id: "rotate".to_owned(),
        affiliate: by(Selector::AuthToken(old.clone())),
    };
    let answer = client.affiliates.rotate_affiliate_token(request.clone()).await.unwrap().into_inner();
    let token = answer.auth_token;
    assert!(token.len() == 43 && token != old);
    let found = get(&mut client, by(Selector::AuthToken(token.clone()))).await.unwrap();
    assert_eq!(found.affiliate, answer.affiliate);
    let status = get(&mut client, by(Selector::AuthToken(old.clone()))).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_NOT_FOUND");
    // A repeat neither shows the token nor makes another one.
    let again = client.affiliates.rotate_affiliate_token(request).await.unwrap().into_inner();
    assert!(again.replayed && again.auth_token.is_empty());
    get(&mut client, by(Selector::AuthToken(token))).await.unwrap();
    let request = pb::RotateAffiliateTokenRequest { affiliate: by(Selector::AuthToken(old)), ..Default::default() };
    let status = client.affiliates.rotate_affiliate_token(request).await.unwrap_err();
    assert_eq!(reason(&status), "AFFILIATE_NOT_FOUND");
});

/// Ann has a sale, Bea has applied, Cid is inactive with a sale, Dan is verified and has a reward by hand, which is no sale.
async fn four_affiliates(client: &mut Client) {
    client.tracking.record_sale(sale(1)).await.unwrap();
    let request = pb::CreateAffiliateRequest { state: AffiliateState::Applied.into(), ..new("bea@affiliates.example") };
    create(client, request).await;
    let request = pb::CreateAffiliateRequest { coupon_code: "CID".to_owned(), ..new("cid@affiliates.example") };
    create(client, request).await;
    let sold = pb::RecordSaleRequest { coupon_code: "CID".to_owned(), ..sale(2) };
    client.tracking.record_sale(sold).await.unwrap();
    deactivate(client, "cid@affiliates.example", PendingRewards::Deny).await;
    let request = pb::CreateAffiliateRequest { email_verified: true, ..new("dan@affiliates.example") };
    let dan = create(client, request).await;
    let selector = pb::enrollment_selector::Selector::Id(dan.enrollment.unwrap().id);
    let enrollment = pb::EnrollmentSelector { selector: Some(selector) };
    let cash = pb::Money { amount_minor: 500, currency_code: "USD".to_owned() };
    let request = pb::CreateRewardRequest {
        recipient: Some(pb::create_reward_request::Recipient::Enrollment(enrollment)),
        value: Some(pb::RewardValue { amount: Some(pb::reward_value::Amount::Cash(cash)) }),
        ..Default::default()
    };
    client.rewards.create_reward(request).await.unwrap();
}

db_test!(u2_g1_affiliates_are_listed_by_state_verification_and_sales, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let mut stranger = Shop::open(&server, "stranger").await.client;
    stranger.tracking.record_sale(sale(1)).await.unwrap();
    four_affiliates(&mut client).await;
    let states = |states: &[AffiliateState]| states.iter().map(|state| i32::from(*state)).collect();
    let all = pb::ListAffiliatesRequest::default();
    for (request, names) in [
        (all.clone(), &["ann", "bea", "cid", "dan"][..]),
        (pb::ListAffiliatesRequest { states: states(&[AffiliateState::Active]), ..all.clone() }, &["ann", "dan"]),
        (
            pb::ListAffiliatesRequest {
                states: states(&[AffiliateState::Applied, AffiliateState::Inactive]),
                ..all.clone()
            },
            &["bea", "cid"],
        ),
        (pb::ListAffiliatesRequest { states: states(&[AffiliateState::Rejected]), ..all.clone() }, &[]),
        (pb::ListAffiliatesRequest { email_verified: Some(true), ..all.clone() }, &["dan"]),
        (pb::ListAffiliatesRequest { email_verified: Some(false), ..all.clone() }, &["ann", "bea", "cid"]),
        (pb::ListAffiliatesRequest { has_sales: Some(true), ..all.clone() }, &["ann", "cid"]),
        (pb::ListAffiliatesRequest { has_sales: Some(false), ..all.clone() }, &["bea", "dan"]),
        (
            pb::ListAffiliatesRequest {
                has_sales: Some(true),
                states: states(&[AffiliateState::Active]),
                ..all.clone()
            },
            &["ann"],
        ),
    ] {
        let expected: Vec<String> = names.iter().map(|name| format!("{name}@affiliates.example")).collect();
        assert_eq!(emails(&mut client, request.clone()).await, expected, "{request:?}");
    }
    let status =
        client.affiliates.list_affiliates(pb::ListAffiliatesRequest { states: vec![0, 99], ..all }).await.unwrap_err();
    let fields = status.get_details_bad_request().unwrap().field_violations;
    assert_eq!(fields.iter().map(|wrong| wrong.field.as_str()).collect::<Vec<_>>(), ["states[0]", "states[1]"]);
});

db_test!(g6_affiliates_are_counted_by_state_and_sales, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let mut empty = server.new_account("empty").await;
    let program_id = shop.program_id.clone();
    let client = &mut shop.client;
    four_affiliates(client).await;
    let count = |state: AffiliateState, total_count, with_sales_count| pb::AffiliateCount {
        state: state.into(),
        total_count,
        with_sales_count,
    };
    let counted = client.affiliates.count_affiliates(pb::CountAffiliatesRequest::default()).await.unwrap().into_inner();
    let expected = pb::CountAffiliatesResponse {
        total_count: 4,
        with_sales_count: 2,
        counts_by_state: vec![
            count(AffiliateState::Applied, 1, 0),
            count(AffiliateState::Active, 2, 1),
            count(AffiliateState::Inactive, 1, 1),
        ],
    };
    assert_eq!(counted, expected);
    let request = pb::CountAffiliatesRequest { program_id, ..Default::default() };
    assert_eq!(client.affiliates.count_affiliates(request).await.unwrap().into_inner(), expected);
    let request = pb::CountAffiliatesRequest { email_verified: Some(true), ..Default::default() };
    let counted = client.affiliates.count_affiliates(request).await.unwrap().into_inner();
    assert_eq!(counted.counts_by_state, [count(AffiliateState::Active, 1, 0)]);
    let counted = empty.affiliates.count_affiliates(pb::CountAffiliatesRequest::default()).await.unwrap().into_inner();
    assert_eq!(counted, pb::CountAffiliatesResponse::default());
    let request = pb::CountAffiliatesRequest { program_id: "prg_1".to_owned(), ..Default::default() };
    let status = client.affiliates.count_affiliates(request).await.unwrap_err();
    assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "program_id");
});
