//! Links: where they lead, the pages that they claim, and their clicks by sub-id.

use headwater::pb;
use prost_types::FieldMask;
use testkit::client::Client;
use tonic::{Code, Status};

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

async fn enrollment_id(client: &mut Client, ref_id: &str) -> String {
    let listed = client.affiliates.list_enrollments(pb::ListEnrollmentsRequest::default()).await.unwrap();
    let enrollments = listed.into_inner().enrollments;
    enrollments.into_iter().find(|enrollment| enrollment.ref_id == ref_id).unwrap().id
}

async fn create(client: &mut Client, request: pb::CreateLinkRequest) -> Result<pb::Link, Status> {
    Ok(client.affiliates.create_link(request).await?.into_inner().link.unwrap())
}

async fn update(client: &mut Client, link: &pb::Link, paths: &[&str]) -> Result<pb::Link, Status> {
    let request = pb::UpdateLinkRequest {
        link: Some(link.clone()),
        update_mask: Some(FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() }),
        ..Default::default()
    };
    Ok(client.affiliates.update_link(request).await?.into_inner().link.unwrap())
}

async fn allow(client: &mut Client, program_id: &str, hosts: &[&str]) {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: program_id.to_owned(), hosts, ..Default::default() }),
        update_mask: Some(FieldMask { paths: vec!["hosts".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_program(request).await.unwrap();
}

async fn land(client: &mut Client, landing_url: &str) -> Result<pb::RecordClickResponse, Status> {
    let request = pb::RecordClickRequest { landing_url: landing_url.to_owned(), ..Default::default() };
    Ok(client.tracking.record_click(request).await?.into_inner())
}

fn said<T: std::fmt::Debug>(result: Result<T, Status>) -> (Code, String) {
    let status = result.unwrap_err();
    (status.code(), reason(&status))
}

fn invalid() -> (Code, String) {
    (Code::InvalidArgument, "INVALID_FIELDS".to_owned())
}

db_test!(g7_links_lead_to_the_programs_hosts_and_have_one_ref, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let enrollment_id = enrollment_id(client, "ann").await;
    let to = |code: &str, destination_url: &str| pb::CreateLinkRequest {
        enrollment_id: enrollment_id.clone(),
        code: code.to_owned(),
        destination_url: destination_url.to_owned(),
        ..Default::default()
    };
    // A program that names no hosts lets its links lead anywhere.
    let other = create(client, to("other", "https://elsewhere.example/?ref=old&x=1#top")).await.unwrap();
    assert_eq!(other.referral_link, "https://elsewhere.example/?x=1&ref=other#top");
    allow(client, &shop.program_id, &["Partner.example", "xn--mller-kva.example"]).await;
    for page in [
        "https://partner.example/a",
        "https://a.partner.example/",
        "https://shop.example/b",
        "https://m\u{fc}ller.example/",
    ] {
        let link = create(client, to("", page)).await.unwrap();
        assert!(link.referral_link.ends_with(&format!("ref={}", link.code)), "{link:?}");
    }
    for page in ["https://elsewhere.example/", "https://apartner.example/", "https://partner.example.evil.example/"] {
        assert_eq!(said(create(client, to("", page)).await), invalid(), "{page}");
    }
    // A link from before stays as it is, and can be led to a host of the program only.
    let elsewhere = pb::Link { destination_url: "https://elsewhere.example/2".to_owned(), ..other.clone() };
    assert_eq!(said(update(client, &elsewhere, &["destination_url"]).await), invalid());
    let home = pb::Link { destination_url: "https://shop.example/c?ref=x".to_owned(), ..other.clone() };
    let home = update(client, &home, &["destination_url"]).await.unwrap();
    assert_eq!((home.code.as_str(), home.referral_link.as_str()), ("other", "https://shop.example/c?ref=other"));
    let click = pb::RecordClickRequest { ref_id: "other".to_owned(), ..Default::default() };
    let click = client.tracking.record_click(click).await.unwrap().into_inner();
    assert_eq!(click.destination_url, "https://shop.example/c?ref=x");
    // Without a page of its own it leads to the landing page again. The link of a ref_id never has its own.
    let none = pb::Link { destination_url: String::new(), ..home };
    assert_eq!(update(client, &none, &["destination_url"]).await.unwrap().destination_url, "https://shop.example/");
    let request = pb::ListLinksRequest { enrollment_id, ..Default::default() };
    let links = client.affiliates.list_links(request).await.unwrap().into_inner().links;
    let own = links.iter().find(|link| link.code == "ann").unwrap();
    let own = pb::Link { destination_url: "https://shop.example/d".to_owned(), ..own.clone() };
    assert_eq!(said(update(client, &own, &["destination_url"]).await), invalid());
});

db_test!(p20_a_page_that_a_link_claims_needs_no_parameter, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate_id = shop.affiliate_id.clone();
    let client = &mut shop.client;
    let enrollment_id = enrollment_id(client, "ann").await;
    let claim = |code: &str, claimed_url: &str| pb::CreateLinkRequest {
        enrollment_id: enrollment_id.clone(),
        code: code.to_owned(),
        claimed_url: claimed_url.to_owned(),
        ..Default::default()
    };
    let unknown = || (Code::NotFound, "LINK_NOT_FOUND".to_owned());
    assert_eq!(said(land(client, "https://shop.example/ann").await), unknown());
    let link = create(client, claim("first", "http://shop.example/ann/?utm=1#top")).await.unwrap();
    assert_eq!(link.claimed_url, "https://shop.example/ann");
    let click = land(client, "https://SHOP.example/ann?gclid=7").await.unwrap();
    assert_eq!(click.affiliate_id, affiliate_id);
    assert_eq!(said(land(client, "https://shop.example/ann/more").await), unknown());
    assert_eq!(said(land(client, "shop.example/ann").await), invalid());
    // A code that was sent decides alone.
    let request = pb::RecordClickRequest {
        ref_id: "nobody".to_owned(),
        landing_url: "https://shop.example/ann".to_owned(),
        ..Default::default()
    };
    assert_eq!(said(client.tracking.record_click(request).await), unknown());
    let sold = pb::RecordSaleRequest { tid: click.tid, coupon_code: String::new(), ..sale(1) };
    let sold = client.tracking.record_sale(sold).await.unwrap().into_inner();
    assert_eq!(sold.credits[0].affiliate_id, affiliate_id);

    // Only a page of the program, and only one link at a time.
    assert_eq!(said(create(client, claim("", "https://elsewhere.example/ann")).await), invalid());
    let taken = create(client, claim("second", "https://shop.example/ann")).await;
    assert_eq!(said(taken).0, Code::AlreadyExists);
    let second = create(client, claim("second", "https://shop.example/two")).await.unwrap();
    let wanted = pb::Link { claimed_url: "https://shop.example/ann".to_owned(), ..second.clone() };
    assert_eq!(said(update(client, &wanted, &["claimed_url"]).await).0, Code::AlreadyExists);
    client
        .affiliates
        .revoke_link(pb::RevokeLinkRequest { link_id: link.id.clone(), ..Default::default() })
        .await
        .unwrap();
    assert_eq!(said(land(client, "https://shop.example/ann").await), unknown());
    let moved = update(client, &wanted, &["claimed_url"]).await.unwrap();
    assert_eq!(moved.claimed_url, "https://shop.example/ann");
    land(client, "https://shop.example/ann").await.unwrap();
    assert_eq!(said(land(client, "https://shop.example/two").await), unknown());
    let claimed = pb::Link { claimed_url: "https://shop.example/x".to_owned(), ..link };
    assert_eq!(said(update(client, &claimed, &["claimed_url"]).await), invalid());
    let none = pb::Link { claimed_url: String::new(), ..moved };
    assert_eq!(update(client, &none, &["claimed_url"]).await.unwrap().claimed_url, "");
    assert_eq!(said(land(client, "https://shop.example/ann").await), unknown());
});

db_test!(p19_clicks_have_sub_ids_and_are_found_by_them, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let enrollment_id = enrollment_id(client, "ann").await;
    let mut links = Vec::new();
    for code in ["blog", "video"] {
        let (enrollment_id, code) = (enrollment_id.clone(), code.to_owned());
        let request = pb::CreateLinkRequest { enrollment_id, code, ..Default::default() };
        links.push(create(client, request).await.unwrap().id);
    }
    let mut tids = Vec::new();
    for (ref_id, sub_id) in [("blog", "May"), ("blog", "June"), ("video", "May"), ("video", "")] {
        let (ref_id, sub_id) = (ref_id.to_owned(), sub_id.to_owned());
        let request = pb::RecordClickRequest { ref_id, sub_id, ..Default::default() };
        tids.push(client.tracking.record_click(request).await.unwrap().into_inner().tid);
    }
    let listed = async |client: &mut Client, request: pb::ListClicksRequest| {
        let clicks = client.tracking.list_clicks(request).await.unwrap().into_inner().clicks;
        clicks.into_iter().map(|click| (click.link_id, click.sub_id)).collect::<Vec<_>>()
    };
    let at = |link: usize, sub_id: &str| (links[link].clone(), sub_id.to_owned());
    let of_may = pb::ListClicksRequest { sub_id: "May".to_owned(), ..Default::default() };
    assert_eq!(listed(client, of_may.clone()).await, [at(0, "May"), at(1, "May")]);
    let of_link = pb::ListClicksRequest { link_id: links[1].clone(), ..Default::default() };
    assert_eq!(listed(client, of_link.clone()).await, [at(1, "May"), at(1, "")]);
    let of_both = pb::ListClicksRequest { sub_id: "May".to_owned(), ..of_link };
    assert_eq!(listed(client, of_both).await, [at(1, "May")]);
    assert_eq!(listed(client, pb::ListClicksRequest { sub_id: "may".to_owned(), ..of_may }).await, []);
    // The conversion that a click led to shows its sub-id.
    let sold = pb::RecordSaleRequest { tid: tids[1].clone(), coupon_code: String::new(), ..sale(1) };
    let sold = client.tracking.record_sale(sold).await.unwrap().into_inner();
    let selector = pb::conversion_selector::Selector::Id(sold.conversion_id);
    let request = pb::GetConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(selector) }),
        ..Default::default()
    };
    let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    let told: Vec<_> = conversion.candidates.iter().map(|one| (one.result(), one.sub_id.as_str())).collect();
    assert_eq!(told, [(pb::CandidateResult::Won, "June")]);
});

db_test!(p19_no_event_tells_that_only_the_way_of_a_customer_changed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let enrollment_id = enrollment_id(client, "ann").await;
    let mut links = Vec::new();
    for code in ["blog", "video"] {
        let (enrollment_id, code) = (enrollment_id.clone(), code.to_owned());
        let request = pb::CreateLinkRequest { enrollment_id, code, ..Default::default() };
        links.push(create(client, request).await.unwrap().id);
    }
    let occur_time = Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 });
    let request = pb::RecordClickRequest { ref_id: "blog".to_owned(), occur_time, ..Default::default() };
    let tid = client.tracking.record_click(request.clone()).await.unwrap().into_inner().tid;
    server.clock.advance_days(1);
    let email = "bob@customers.example".to_owned();
    let sold = pb::RecordSaleRequest { tid: tid.clone(), email, coupon_code: String::new(), ..sale(1) };
    assert_eq!(client.tracking.record_sale(sold).await.unwrap().into_inner().credits.len(), 1);
    let events = async |client: &mut Client| {
        let start = Some(from_beginning());
        let request = pb::ReadEventsRequest { start, page_size: 1_000, ..Default::default() };
        client.feed.read_events(request).await.unwrap().into_inner().events
    };
    let before = events(client).await;
    let sales_by_link = async |client: &mut Client| {
        let request = pb::QueryStatsRequest {
            first_day: "2025-12-01".to_owned(),
            last_day: "2026-12-31".to_owned(),
            group_by: vec![pb::StatisticGroup::Link.into()],
            ..Default::default()
        };
        let rows = client.rewards.query_stats(request).await.unwrap().into_inner().rows;
        let sold = rows.into_iter().filter(|row| row.sale_count > 0);
        sold.map(|row| row.link_id).collect::<Vec<_>>()
    };
    assert_eq!(sales_by_link(client).await, [links[0].clone()]);

    // Another click of the same moment is told. It is the last one.
    let request = pb::RecordClickRequest { ref_id: "video".to_owned(), tid, ..request };
    client.tracking.record_click(request).await.unwrap();
    assert_eq!(sales_by_link(client).await, [links[1].clone()], "figures are divided by the way");
    assert_eq!(events(client).await, before);
});
