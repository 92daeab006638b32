//! Lists by the merchant's own texts.

use std::collections::BTreeMap;

use headwater::pb;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn texts(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

async fn create(client: &mut Client, name: &str, metadata: &[(&str, &str)]) {
    let request = pb::CreateAffiliateRequest {
        email: format!("{name}@affiliates.example"),
        ref_id: name.to_owned(),
        metadata: texts(metadata),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap();
}

/// The affiliates of all pages, and the number of pages.
async fn found(client: &mut Client, mut request: pb::ListAffiliatesRequest) -> (Vec<String>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = client.affiliates.list_affiliates(request.clone()).await.unwrap().into_inner();
        pages += 1;
        found.extend(page.affiliates.into_iter().map(|affiliate| affiliate.email.replace("@affiliates.example", "")));
        if page.next_page_token.is_empty() {
            return (found, pages);
        }
        request.page_token = page.next_page_token;
    }
}

fn with(entries: &[(&str, &str)]) -> pb::ListAffiliatesRequest {
    pb::ListAffiliatesRequest { metadata: texts(entries), ..Default::default() }
}

db_test!(u2_affiliates_are_found_by_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let odd = ("say \"hi\"", "back\\slash, \"quotes\" and \u{e9}");
    create(client, "bea", &[("tier", "gold"), ("region", "eu")]).await;
    create(client, "cid", &[("tier", "gold"), ("region", "us")]).await;
    create(client, "dan", &[("tier", "golden"), odd]).await;
    // Texts that look like entries of the metadata of others.
    create(client, "eve", &[("note", "\"tier\":\"gold\""), ("tier", "gol")]).await;
    let profile = pb::AffiliateProfile { company: "gold".to_owned(), ..Default::default() };
    let request = pb::CreateAffiliateRequest {
        email: "fay@affiliates.example".to_owned(),
        ref_id: "fay".to_owned(),
        profile: Some(profile),
        ..Default::default()
    };
    client.affiliates.create_affiliate(request).await.unwrap();
    for (wanted, expected) in [
        (&[("tier", "gold")][..], &["bea", "cid"][..]),
        (&[("tier", " gold ")], &["bea", "cid"]),
        (&[("tier", "gold"), ("region", "us")], &["cid"]),
        (&[("tier", "gold"), ("region", "asia")], &[]),
        (&[("tier", "Gold")], &[]),
        (&[("Tier", "gold")], &[]),
        (&[("company", "gold")], &[]),
        (&[odd], &["dan"]),
        (&[("tier", "%")], &[]),
    ] {
        assert_eq!(found(client, with(wanted)).await.0, expected, "{wanted:?}");
    }
    let newest = pb::ListAffiliatesRequest { order: pb::ListOrder::NewestFirst.into(), ..with(&[("tier", "gold")]) };
    assert_eq!(found(client, newest).await.0, ["cid", "bea"]);
    let default = client.affiliates.list_programs(pb::ListProgramsRequest::default()).await.unwrap().into_inner();
    let of_program =
        pb::ListAffiliatesRequest { program_id: default.programs[0].id.clone(), ..with(&[("region", "eu")]) };
    assert_eq!(found(client, of_program).await.0, ["bea"]);
    for entry in [("", "gold"), (" tier", "gold"), ("tier", ""), ("tier", " ")] {
        let status = client.affiliates.list_affiliates(with(&[entry])).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{entry:?}");
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert!(fields.iter().all(|violation| violation.field.starts_with("metadata")), "{entry:?} {fields:?}");
    }
});

db_test!(u2_a_page_by_texts_ends_after_so_many_rows_and_the_next_goes_on, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let mut gold = Vec::new();
    for number in 0..30 {
        let (name, tier) = (format!("partner{number:02}"), if number % 10 == 9 { "gold" } else { "tin" });
        create(client, &name, &[("tier", tier)]).await;
        if tier == "gold" {
            gold.push(name);
        }
    }
    let tin = 30 - gold.len();
    for page_size in [0, 1, 2, 5] {
        let request = pb::ListAffiliatesRequest { page_size, ..with(&[("tier", "gold")]) };
        let (names, pages) = found(client, request.clone()).await;
        // A page of the tests' server reads 8 rows.
        assert_eq!((&names, pages >= 4), (&gold, true), "{page_size}: {pages} pages");
        let (mut names, _) =
            found(client, pb::ListAffiliatesRequest { order: pb::ListOrder::NewestFirst.into(), ..request }).await;
        names.reverse();
        assert_eq!(names, gold);
        let (names, _) = found(client, pb::ListAffiliatesRequest { page_size, ..with(&[("tier", "tin")]) }).await;
        assert_eq!(names.len(), tin);
        assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>().len(), tin, "{page_size}");
    }
});

db_test!(g13_leads_of_an_affiliate_are_found_by_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = shop.affiliate();
    let client = &mut shop.client;
    for number in 0..30 {
        let referrer =
            pb::Referrer { selector: Some(pb::referrer::Selector::RefId("ann".to_owned())), ..Default::default() };
        let request = pb::CreateLeadRequest {
            external_id: format!("customer-{number:02}"),
            metadata: texts(&[("plan", if number % 3 == 0 { "large" } else { "small" })]),
            referrer: (number % 2 == 0).then_some(referrer),
            ..Default::default()
        };
        client.tracking.create_lead(request).await.unwrap();
    }
    for (of, step) in [(None, 3), (Some(affiliate), 6)] {
        let expected: Vec<String> = (0..30).step_by(step).map(|number| format!("customer-{number:02}")).collect();
        for page_size in [0, 1, 3] {
            let mut request = pb::ListLeadsRequest {
                affiliate: of.clone(),
                metadata: texts(&[("plan", "large")]),
                page_size,
                ..Default::default()
            };
            let mut found = Vec::new();
            loop {
                let page = client.tracking.list_leads(request.clone()).await.unwrap().into_inner();
                found.extend(page.leads.into_iter().map(|lead| lead.external_id));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert_eq!(found, expected, "{of:?} by {page_size}");
        }
    }
});
