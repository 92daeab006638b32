//! Affiliates are found by a part of a name.

use headwater::pb;
use testkit::client::Client;
use tonic_types::StatusExt;

use super::affiliate::{by_email, create, mask, new};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn found(client: &mut Client, query: &str) -> Vec<String> {
    let request = pb::SearchAffiliatesRequest { query: query.to_owned(), ..Default::default() };
    let answer = client.affiliates.search_affiliates(request).await.unwrap().into_inner();
    answer.affiliates.into_iter().map(|affiliate| affiliate.email).collect()
}

db_test!(u3_affiliates_are_found_by_a_part_of_a_name, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let mut stranger = Shop::open(&server, "stranger").await.client;
    let request = pb::CreateAffiliateRequest {
        first_name: "Zo\u{eb}".to_owned(),
        last_name: "M\u{dc}LLER".to_owned(),
        external_id: "CRM-17/b".to_owned(),
        ref_id: "spring_zoe".to_owned(),
        ..new("z.mueller@partner.example")
    };
    let zoe = create(client, request).await;
    let others = pb::CreateAffiliateRequest {
        first_name: "Li".to_owned(),
        last_name: "\u{674e}\u{660e}".to_owned(),
        ref_id: "li".to_owned(),
        ..new("li@partner.example")
    };
    create(client, others).await;
    let (ann, zoe_email, li) = ("ann@affiliates.example", "z.mueller@partner.example", "li@partner.example");
    for (query, expected) in [
        ("zo\u{eb}", &[zoe_email][..]),
        ("ZO\u{cb} m\u{fc}l", &[zoe_email]),
        ("mu\u{308}ll", &[zoe_email]),
        ("crm-17/B", &[zoe_email]),
        ("17/", &[zoe_email]),
        ("ING_Z", &[zoe_email]),
        ("z.MU", &[zoe_email]),
        (" zo\u{eb} ", &[zoe_email]),
        ("\u{674e}\u{660e}", &[li]),
        ("li", &[ann, li]),
        ("EXAMPLE", &[ann, zoe_email, li]),
        ("@partner.example", &[zoe_email, li]),
        ("", &[ann, zoe_email, li]),
        // Each part is in one of the names, but not the whole.
        ("annann", &[]),
        ("partner.examplepartner", &[]),
        ("nobody", &[]),
        ("zoe", &[zoe_email]),
        ("___", &[]),
        ("' OR 1=1 --", &[]),
        ("zo\u{eb}*", &[]),
        ("\"AND\" NOT (x)", &[]),
    ] {
        assert_eq!(found(client, query).await, expected, "{query}");
    }
    assert_eq!(found(&mut stranger, "example").await, [ann], "each account has its own affiliates");
    assert!(found(&mut stranger, "partner").await.is_empty());

    // A new name is found, and the former one is not.
    let update = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { last_name: "Schmidt".to_owned(), ..Default::default() }),
        update_mask: mask(&["last_name"]),
        selector: by_email(zoe_email),
        ..Default::default()
    };
    client.affiliates.update_affiliate(update).await.unwrap();
    assert_eq!(found(client, "schmi").await, [zoe_email]);
    assert!(found(client, "m\u{fc}ll").await.is_empty());
    // So is a new ref_id.
    let enrollment = pb::Enrollment { ref_id: "autumn".to_owned(), ..zoe.enrollment.unwrap() };
    let update = pb::UpdateEnrollmentRequest {
        enrollment: Some(enrollment),
        update_mask: mask(&["ref_id"]),
        ..Default::default()
    };
    client.affiliates.update_enrollment(update).await.unwrap();
    assert_eq!(found(client, "utum").await, [zoe_email]);
    assert!(found(client, "spring_z").await.is_empty());
    assert_eq!(found(client, "example").await, [ann, zoe_email, li], "a change moves nobody in the list");
    // A ref_id in a second program is found too.
    let second = pb::CreateProgramRequest {
        display_name: "second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) }),
            ..Default::default()
        }),
        ..Default::default()
    };
    let second = client.affiliates.create_program(second).await.unwrap().into_inner().program.unwrap();
    let enroll = pb::EnrollAffiliateRequest {
        affiliate: by_email(li),
        program_id: second.id,
        ref_id: "winter".to_owned(),
        ..Default::default()
    };
    client.affiliates.enroll_affiliate(enroll).await.unwrap();
    assert_eq!(found(client, "wint").await, [li]);

    for query in ["a".to_owned(), "x".repeat(201), "a\u{1}b".to_owned()] {
        let request = pb::SearchAffiliatesRequest { query, ..Default::default() };
        let status = client.affiliates.search_affiliates(request).await.unwrap_err();
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, "query");
    }
});

db_test!(u3_a_search_is_paged_in_both_orders, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    for number in 0..7 {
        create(&mut client, new(&format!("partner{number}@search.example"))).await;
        create(&mut client, new(&format!("other{number}@elsewhere.example"))).await;
    }
    let all: Vec<String> = (0..7).map(|number| format!("partner{number}@search.example")).collect();
    let newest: Vec<String> = all.iter().rev().cloned().collect();
    for (order, expected) in [(pb::ListOrder::OldestFirst, &all), (pb::ListOrder::NewestFirst, &newest)] {
        for page_size in [1, 3, 7, 100] {
            let mut request = pb::SearchAffiliatesRequest {
                query: "SEARCH.exam".to_owned(),
                order: order.into(),
                page_size,
                ..Default::default()
            };
            let mut seen = Vec::new();
            loop {
                let page = client.affiliates.search_affiliates(request.clone()).await.unwrap().into_inner();
                assert!(page.affiliates.len() <= usize::try_from(page_size).unwrap());
                seen.extend(page.affiliates.into_iter().map(|affiliate| affiliate.email));
                if page.next_page_token.is_empty() {
                    break;
                }
                request.page_token = page.next_page_token;
            }
            assert_eq!(&seen, expected, "{order:?} by {page_size}");
        }
    }
    // A page token belongs to its text.
    let request = pb::SearchAffiliatesRequest { query: "search".to_owned(), page_size: 1, ..Default::default() };
    let page = client.affiliates.search_affiliates(request).await.unwrap().into_inner();
    let request = pb::SearchAffiliatesRequest {
        query: "partner".to_owned(),
        page_size: 1,
        page_token: page.next_page_token,
        ..Default::default()
    };
    assert_eq!(reason(&client.affiliates.search_affiliates(request).await.unwrap_err()), "PAGE_TOKEN_INVALID");
});

db_test!(u3_a_search_is_limited_to_a_group, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let client = &mut client;
    let mut groups = Vec::new();
    for name in ["gold", "tin"] {
        let request = pb::CreateAffiliateGroupRequest { display_name: name.to_owned(), ..Default::default() };
        groups.push(client.affiliates.create_affiliate_group(request).await.unwrap().into_inner().group.unwrap().id);
    }
    for number in 0..6 {
        let email = format!("partner{number}@search.example");
        let group_id = groups.get(number % 3).cloned().unwrap_or_default();
        create(client, pb::CreateAffiliateRequest { group_id, ..new(&email) }).await;
    }
    let of = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().map(|number| format!("partner{number}@search.example")).collect()
    };
    let found = async |client: &mut Client, query: &str, group_id: &str, order: pb::ListOrder| {
        let mut request = pb::SearchAffiliatesRequest {
            query: query.to_owned(),
            group_id: group_id.to_owned(),
            order: order.into(),
            page_size: 1,
            ..Default::default()
        };
        let mut emails = Vec::new();
        loop {
            let page = client.affiliates.search_affiliates(request.clone()).await.unwrap().into_inner();
            emails.extend(page.affiliates.into_iter().map(|affiliate| affiliate.email));
            if page.next_page_token.is_empty() {
                return emails;
            }
            request.page_token = page.next_page_token;
        }
    };
    let (oldest, newest) = (pb::ListOrder::OldestFirst, pb::ListOrder::NewestFirst);
    // A text of any length, and none.
    for query in ["", "pa", "par", "search.exam"] {
        assert_eq!(found(client, query, &groups[0], oldest).await, of(&[0, 3]), "{query}");
        assert_eq!(found(client, query, &groups[1], newest).await, of(&[4, 1]), "{query}");
    }
    assert_eq!(found(client, "er3", &groups[0], oldest).await, of(&[3]));
    assert!(found(client, "er3", &groups[1], oldest).await.is_empty());
    assert!(found(client, "par", &groups[0].replace("grp_", "grp_f")[..36], oldest).await.is_empty());
    // Who moves to another group is found there.
    let update = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { group_id: groups[1].clone(), ..Default::default() }),
        update_mask: mask(&["group_id"]),
        selector: by_email("partner3@search.example"),
        ..Default::default()
    };
    client.affiliates.update_affiliate(update).await.unwrap();
    assert_eq!(found(client, "par", &groups[0], oldest).await, of(&[0]));
    assert_eq!(found(client, "par", &groups[1], oldest).await, of(&[1, 3, 4]));
    let update = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate::default()),
        update_mask: mask(&["group_id"]),
        selector: by_email("partner1@search.example"),
        ..Default::default()
    };
    client.affiliates.update_affiliate(update).await.unwrap();
    assert_eq!(found(client, "par", &groups[1], oldest).await, of(&[3, 4]));
    assert_eq!(found(client, "par", "", oldest).await.len(), 6);
});
