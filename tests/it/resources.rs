//! Programs, affiliates, enrollments, links, coupons and leads over the wire: values are returned as they were sent, and lists
//! have pages.

use headwater::pb;
use headwater::pb::affiliate_selector::Selector;
use headwater::pb::affiliate_service_client::AffiliateServiceClient;
use testkit::client::Authorized;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, nameless, nameless_details, reason};
use crate::support::shop::Shop;

type Affiliates = AffiliateServiceClient<Authorized>;

fn percent(ppm: i32) -> pb::Commission {
    pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(ppm)) }
}

fn flat(amount_minor: i64) -> pb::Commission {
    let money = pb::Money { amount_minor, currency_code: "USD".to_owned() };
    pb::Commission { rate: Some(pb::commission::Rate::Flat(money)) }
}

fn mask(paths: &[&str]) -> Option<prost_types::FieldMask> {
    Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
}

fn named(selector: Selector) -> Option<pb::AffiliateSelector> {
    Some(pb::AffiliateSelector { selector: Some(selector) })
}

async fn get_program(affiliates: &mut Affiliates, program_id: &str, terms_version: i32) -> Result<pb::Program, String> {
    let request = pb::GetProgramRequest { program_id: program_id.to_owned(), terms_version };
    let answer = affiliates.get_program(request).await;
    answer.map(|answer| answer.into_inner().program.unwrap()).map_err(|status| reason(&status))
}

db_test!(a_program_keeps_every_version_of_its_terms, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut affiliates = shop.client.affiliates;
    let first = get_program(&mut affiliates, "", 0).await.unwrap();
    assert_eq!((first.id.as_str(), first.is_default), (shop.program_id.as_str(), true));
    let terms = first.terms.clone().unwrap();
    assert_eq!((terms.version, terms.hold_period_days, terms.attribution_window_days), (1, Some(30), Some(60)));
    assert_eq!(terms.precedence, [1, 2, 3]);

    let changed = pb::Program {
        display_name: "Autumn".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(flat(500)),
            hold_period_days: Some(0),
            rounding: pb::Rounding::Down.into(),
            ..pb::Terms::default()
        }),
        ..first.clone()
    };
    let request = pb::UpdateProgramRequest {
        program: Some(changed),
        update_mask: mask(&["display_name", "terms"]),
        ..pb::UpdateProgramRequest::default()
    };
    let second = affiliates.update_program(request.clone()).await.unwrap().into_inner().program.unwrap();
    assert_eq!(second.display_name, "Autumn");
    assert_eq!(second.landing_url, first.landing_url, "what the mask does not name stays");
    let terms = second.terms.as_ref().unwrap();
    assert_eq!((terms.version, terms.commission.clone(), terms.hold_period_days), (2, Some(flat(500)), Some(0)));

    let status = affiliates.update_program(request).await.unwrap_err();
    assert_eq!(reason(&status), "ETAG_MISMATCH");
    assert_eq!(status.get_details_error_info().unwrap().metadata["current_etag"], second.etag);

    assert_eq!(get_program(&mut affiliates, &first.id, 0).await.unwrap(), second);
    let old = get_program(&mut affiliates, &first.id, 1).await.unwrap();
    assert_eq!(old.terms, first.terms);
    assert_eq!(get_program(&mut affiliates, &first.id, 3).await.unwrap_err(), "PROGRAM_NOT_FOUND");

    let request = pb::ArchiveProgramRequest { program_id: first.id.clone(), ..Default::default() };
    let archived = affiliates.archive_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(archived.state, i32::from(pb::ProgramState::Archived));
    assert_eq!(get_program(&mut affiliates, "", 0).await.unwrap_err(), "PROGRAM_NOT_FOUND");
    let listed = pb::ListProgramsRequest { states: vec![pb::ProgramState::Active.into()], ..Default::default() };
    assert!(affiliates.list_programs(listed).await.unwrap().into_inner().programs.is_empty());
});

db_test!(an_affiliate_is_found_by_all_its_names, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut affiliates = Shop::open(&server, "shop").await.client.affiliates;
    let profile = pb::AffiliateProfile {
        address: Some(pb::PostalAddress { country_code: "de".to_owned(), ..pb::PostalAddress::default() }),
        website_url: "https://jo.example".to_owned(),
        about: "Two\nlines".to_owned(),
        social_profiles: [("mastodon".to_owned(), "@jo@social.example".to_owned())].into(),
        ..pb::AffiliateProfile::default()
    };
    let request = pb::CreateAffiliateRequest {
        email: "Jo.Doe@Example.com".to_owned(),
        external_id: "crm-17".to_owned(),
        first_name: " Jo ".to_owned(),
        profile: Some(profile),
        landing_url: "https://jo.example/shop?lang=de".to_owned(),
        commission_override: Some(percent(300_000)),
        ..pb::CreateAffiliateRequest::default()
    };
    let made = affiliates.create_affiliate(request).await.unwrap().into_inner();
    let (affiliate, enrollment) = (made.affiliate.unwrap(), made.enrollment.unwrap());
    assert_eq!((affiliate.email.as_str(), affiliate.first_name.as_str()), ("jo.doe@example.com", "Jo"));
    let profile = affiliate.profile.clone().unwrap();
    assert_eq!((profile.address.unwrap().country_code.as_str(), profile.about.as_str()), ("DE", "Two\nlines"));
    assert_eq!(profile.social_profiles["mastodon"], "@jo@social.example");
    assert_eq!(enrollment.ref_id, "jo", "made from the first name");
    assert_eq!(enrollment.referral_link, "https://jo.example/shop?lang=de&ref=jo");
    assert_eq!(enrollment.commission_override, Some(percent(300_000)));
    for selector in [
        Selector::Id(affiliate.id.clone()),
        Selector::ExternalId("crm-17".to_owned()),
        Selector::Email("JO.DOE@example.com".to_owned()),
        Selector::RefId("JO".to_owned()),
        Selector::AuthToken(made.auth_token),
    ] {
        let request = pb::GetAffiliateRequest { affiliate: named(selector) };
        let found = affiliates.get_affiliate(request).await.unwrap().into_inner();
        assert_eq!(found.affiliate.as_ref(), Some(&affiliate));
        assert_eq!(found.enrollments, std::slice::from_ref(&enrollment));
    }
    for selector in [
        Selector::Id("aff_0193a5f0000070008000000000000001".to_owned()),
        Selector::ExternalId("CRM-17".to_owned()),
        Selector::AuthToken("guessed".to_owned()),
    ] {
        let request = pb::GetAffiliateRequest { affiliate: named(selector) };
        assert_eq!(reason(&affiliates.get_affiliate(request).await.unwrap_err()), "AFFILIATE_NOT_FOUND");
    }
});

db_test!(already_exists_names_the_resource_that_has_the_name, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut affiliates = shop.client.affiliates;
    let request = pb::CreateAffiliateRequest { email: "bo@example.com".to_owned(), ..Default::default() };
    for (request, field, value) in [
        (
            pb::CreateAffiliateRequest { email: "Ann@Affiliates.example".to_owned(), ..request.clone() },
            "email",
            "ann@affiliates.example",
        ),
        (pb::CreateAffiliateRequest { ref_id: "Ann".to_owned(), ..request.clone() }, "ref_id", "ann"),
        (pb::CreateAffiliateRequest { coupon_code: "ann".to_owned(), ..request.clone() }, "coupon_code", "ANN"),
    ] {
        let status = affiliates.create_affiliate(request).await.unwrap_err();
        assert_eq!(reason(&status), "ALREADY_EXISTS");
        let metadata = status.get_details_error_info().unwrap().metadata;
        assert_eq!((metadata["field"].as_str(), metadata["value"].as_str()), (field, value));
        let resource = status.get_details_resource_info().unwrap();
        assert_eq!(resource.resource_name, metadata["resource_id"]);
        let prefix = resource.resource_name.split('_').next().unwrap();
        let types = [("aff", "headwater.v1.Affiliate"), ("lnk", "headwater.v1.Link"), ("cpn", "headwater.v1.Coupon")];
        assert!(types.contains(&(prefix, &resource.resource_type)), "{resource:?}");
    }
    // A refused call changes nothing.
    let listed = affiliates.list_affiliates(pb::ListAffiliatesRequest::default()).await.unwrap().into_inner();
    assert_eq!(listed.affiliates.len(), 1);
});

db_test!(links_follow_the_landing_url_of_their_enrollment, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let mut affiliates = shop.client.affiliates;
    let request = pb::CreateProgramRequest {
        display_name: "Partners".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://partners.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(percent(1)), ..Default::default() }),
        ..pb::CreateProgramRequest::default()
    };
    let program = affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    let request = pb::EnrollAffiliateRequest {
        affiliate: affiliate.clone(),
        program_id: program.id.clone(),
        coupon_code: "ann-partner".to_owned(),
        ..pb::EnrollAffiliateRequest::default()
    };
    let made = affiliates.enroll_affiliate(request.clone()).await.unwrap().into_inner();
    let enrollment = made.enrollment.unwrap();
    assert!(enrollment.ref_id.starts_with("ann-") && enrollment.ref_id.len() == 10, "{}", enrollment.ref_id);
    assert_eq!(enrollment.referral_link, format!("https://partners.example/?ref={}", enrollment.ref_id));
    assert_eq!(made.coupon.unwrap().code, "ANN-PARTNER");
    assert_eq!(reason(&affiliates.enroll_affiliate(request).await.unwrap_err()), "ALREADY_EXISTS");

    let link = |destination_url: &str| pb::CreateLinkRequest {
        enrollment_id: enrollment.id.clone(),
        destination_url: destination_url.to_owned(),
        ..pb::CreateLinkRequest::default()
    };
    let own = affiliates.create_link(link("https://shop.example/sale")).await.unwrap().into_inner().link.unwrap();
    let plain = affiliates.create_link(link("")).await.unwrap().into_inner().link.unwrap();
    assert_eq!((own.destination_url.as_str(), own.code.len()), ("https://shop.example/sale", 8));
    assert_eq!(plain.destination_url, "https://partners.example/");

    let request = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment {
            landing_url: "https://ann.example/".to_owned(),
            commission_override: Some(flat(100)),
            ..enrollment.clone()
        }),
        update_mask: mask(&["landing_url", "commission_override"]),
        ..pb::UpdateEnrollmentRequest::default()
    };
    let changed = affiliates.update_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(changed.commission_override, Some(flat(100)));
    let request = pb::ListEnrollmentsRequest { program_id: program.id, ..Default::default() };
    let listed = affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments;
    assert_eq!(listed, [changed]);

    let request = pb::ListLinksRequest { enrollment_id: enrollment.id.clone(), ..Default::default() };
    let links = affiliates.list_links(request).await.unwrap().into_inner().links;
    let destinations: Vec<_> = links.iter().map(|link| (link.code.as_str(), link.destination_url.as_str())).collect();
    assert_eq!(
        destinations,
        [
            (enrollment.ref_id.as_str(), "https://ann.example/"),
            (own.code.as_str(), "https://shop.example/sale"),
            (plain.code.as_str(), "https://ann.example/"),
        ]
    );
    let request = pb::EndEnrollmentRequest { enrollment_id: enrollment.id.clone(), ..Default::default() };
    let ended = affiliates.end_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert!(ended.end_time.is_some());
    assert_eq!(reason(&affiliates.create_link(link("")).await.unwrap_err()), "ENROLLMENT_ENDED");
});

db_test!(a_code_is_free_again_once_its_coupon_is_removed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let assign = pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: "Spring-25".to_owned(),
        note: "Till the end of May".to_owned(),
        ..pb::AssignCouponRequest::default()
    };
    let mut affiliates = shop.client.affiliates;
    let first = affiliates.assign_coupon(assign.clone()).await.unwrap().into_inner().coupon.unwrap();
    assert_eq!(first.code, "SPRING-25");
    assert_eq!(reason(&affiliates.assign_coupon(assign.clone()).await.unwrap_err()), "ALREADY_EXISTS");
    let request = pb::RemoveCouponRequest { coupon_id: first.id.clone(), ..Default::default() };
    let removed = affiliates.remove_coupon(request).await.unwrap().into_inner().coupon.unwrap();
    assert_eq!(removed.state, i32::from(pb::CouponState::Removed));
    let second = affiliates.assign_coupon(assign).await.unwrap().into_inner().coupon.unwrap();
    let request = pb::ListCouponsRequest { code: "spring-25".to_owned(), ..Default::default() };
    let listed = affiliates.list_coupons(request).await.unwrap().into_inner().coupons;
    assert_eq!(listed, [removed, second]);
});

db_test!(pages_follow_on_without_gap_or_repeat, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client;
    for number in 0..7 {
        let request = pb::RecordLeadRequest {
            event_id: format!("lead-{number}"),
            external_id: format!("user-{number}"),
            coupon_code: if number % 2 == 0 { "ANN".to_owned() } else { String::new() },
            ..pb::RecordLeadRequest::default()
        };
        client.tracking.record_lead(request).await.unwrap();
    }
    let mut external_ids = Vec::new();
    let mut request = pb::ListLeadsRequest { page_size: 3, ..Default::default() };
    loop {
        let page = client.tracking.list_leads(request.clone()).await.unwrap().into_inner();
        assert!(page.leads.len() <= 3);
        external_ids.extend(page.leads.into_iter().map(|lead| lead.external_id));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(external_ids, (0..7).map(|number| format!("user-{number}")).collect::<Vec<_>>());

    // A page token is invalid under another filter. Wrong fields are reported first.
    let affiliate = named(Selector::Id(shop.affiliate_id.clone()));
    let narrowed = pb::ListLeadsRequest { affiliate: affiliate.clone(), ..request.clone() };
    assert_eq!(reason(&client.tracking.list_leads(narrowed).await.unwrap_err()), "PAGE_TOKEN_INVALID");
    let wrong = pb::ListLeadsRequest { page_size: -1, page_token: "x".to_owned(), ..Default::default() };
    assert_eq!(reason(&client.tracking.list_leads(wrong).await.unwrap_err()), "INVALID_FIELDS");
    let all = pb::ListLeadsRequest { page_size: 5_000, affiliate, ..Default::default() };
    assert_eq!(client.tracking.list_leads(all).await.unwrap().into_inner().leads.len(), 4);

    let mut sequences = Vec::new();
    for number in 0..5 {
        let request = pb::RecordSaleRequest {
            event_id: format!("sale-{number}"),
            external_id: "user-0".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        client.tracking.record_sale(request).await.unwrap();
    }
    let mut request = pb::ListLedgerEntriesRequest { page_size: 2, ..Default::default() };
    loop {
        let page = client.rewards.list_ledger_entries(request.clone()).await.unwrap().into_inner();
        sequences.extend(page.entries.into_iter().map(|entry| entry.sequence));
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    assert_eq!(sequences, [1, 2, 3, 4, 5]);
});

db_test!(a_lead_shows_the_affiliate_it_is_bound_to, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client;
    let request = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: "Bob@Shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        first_name: "Bob".to_owned(),
        ..pb::RecordLeadRequest::default()
    };
    let recorded = client.tracking.record_lead(request).await.unwrap().into_inner();
    let [credit] = &*recorded.credits else { panic!("{recorded:?}") };
    assert_eq!((&credit.affiliate_id, credit.share_ppm), (&shop.affiliate_id, 1_000_000));
    assert_eq!((credit.source(), credit.terms_version), (pb::AttributionSource::Click, 1));
    let selector = Some(pb::lead_selector::Selector::Email("BOB@shop.example".to_owned()));
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
    let found = client.tracking.get_lead(request).await.unwrap().into_inner();
    let lead = found.lead.unwrap();
    assert_eq!(lead.credits, recorded.credits);
    assert_eq!((lead.id, lead.email.as_str()), (recorded.lead_id, "bob@shop.example"));
    assert_eq!(lead.state, i32::from(pb::LeadState::SignedUp));
    assert_eq!(found.affiliates[0].id, shop.affiliate_id);
    assert_eq!(found.enrollments[0].referral_link, "https://shop.example/?ref=ann");

    let conversion = |selector| pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
        ..Default::default()
    };
    let by_id = conversion(pb::conversion_selector::Selector::Id(recorded.conversion_id));
    let by_event = conversion(pb::conversion_selector::Selector::RecordedEvent(pb::RecordedEvent {
        kind: pb::ConversionKind::Lead.into(),
        event_id: "lead-1".to_owned(),
    }));
    let one = client.tracking.get_conversion(by_id).await.unwrap().into_inner().conversion.unwrap();
    let other = client.tracking.get_conversion(by_event).await.unwrap().into_inner().conversion.unwrap();
    assert_eq!(one, other);
    assert_eq!((one.amount, one.channel, one.quantity), (None, 0, 0), "a lead has no amount and no shop");
});

db_test!(a_batch_answers_each_item_as_the_single_call, |database: TestDatabase| async move {
    use pb::batch_item::Item;
    use pb::batch_result::Answer;
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let sale = |event_id: &str| pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ann".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    };
    let first = client.tracking.record_sale(sale("sale-1")).await.unwrap().into_inner();
    let click = pb::RecordClickRequest { ref_id: "nobody".to_owned(), ..Default::default() };
    let items = vec![
        Some(Item::Sale(sale("sale-1"))),
        Some(Item::Sale(sale(""))),
        Some(Item::Click(click.clone())),
        None,
        Some(Item::Sale(sale("sale-2"))),
    ];
    let items = items.into_iter().map(|item| pb::BatchItem { item }).collect();
    let answer =
        client.tracking.batch_record_events(pb::BatchRecordEventsRequest { items }).await.unwrap().into_inner();
    let results: Vec<Answer> = answer.results.into_iter().map(|result| result.answer.unwrap()).collect();
    let replay = pb::RecordSaleResponse { replayed: true, ..first };
    assert_eq!(results[0], Answer::Sale(replay), "recorded alone before, and recognised in the batch");
    for (index, single) in [
        (1, client.tracking.record_sale(sale("")).await.unwrap_err()),
        (2, client.tracking.record_click(click).await.unwrap_err()),
    ] {
        let Answer::Error(status) = &results[index] else { panic!("{:?}", results[index]) };
        assert_eq!((status.code, status.message.as_str()), (i32::from(single.code()), single.message()));
        assert_eq!(nameless(status.clone()), nameless_details(&single), "with the same details");
    }
    assert!(matches!(&results[3], Answer::Error(status) if status.message.starts_with("item:")));
    assert!(matches!(&results[4], Answer::Sale(sale) if !sale.replayed));
    let empty = client.tracking.batch_record_events(pb::BatchRecordEventsRequest::default()).await.unwrap_err();
    assert_eq!(reason(&empty), "INVALID_FIELDS");
});
