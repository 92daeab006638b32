//! The merchant's own texts on events, programs and enrollments: kept, shown, in the feed, and found by lists.

use std::collections::BTreeMap;

use headwater::pb;
use pb::event::Subject;
use testkit::client::Client;
use tonic::Code;

use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn texts(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
    entries.iter().map(|(key, text)| ((*key).to_owned(), (*text).to_owned())).collect()
}

async fn get(client: &mut Client, conversion_id: &str) -> pb::Conversion {
    let selector = Some(pb::conversion_selector::Selector::Id(conversion_id.to_owned()));
    let request =
        pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
    client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap()
}

/// A filter of conversions of any outcome.
fn with(entries: &[(&str, &str)]) -> pb::ListConversionsRequest {
    use pb::ConversionOutcome::{Attributed, NotReferred, Waiting};
    let outcomes = [Attributed, NotReferred, Waiting].map(Into::into).to_vec();
    pb::ListConversionsRequest { metadata: texts(entries), outcomes, ..Default::default() }
}

/// The event ids on all pages, and the number of pages.
async fn found(client: &mut Client, mut request: pb::ListConversionsRequest) -> (Vec<String>, usize) {
    let (mut found, mut pages) = (Vec::new(), 0);
    loop {
        let page = client.tracking.list_conversions(request.clone()).await.unwrap().into_inner();
        pages += 1;
        found.extend(page.conversions.into_iter().map(|conversion| conversion.event_id));
        if page.next_page_token.is_empty() {
            return (found, pages);
        }
        request.page_token = page.next_page_token;
    }
}

async fn subjects(client: &mut Client) -> Vec<(pb::EventKind, Subject)> {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = client.feed.read_events(request).await.unwrap().into_inner().events;
    events.into_iter().map(|event| (event.kind(), event.subject.unwrap())).collect()
}

db_test!(g11_g12_a_sale_keeps_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let sold =
        pb::RecordSaleRequest { metadata: texts(&[("shelf", " 7 "), ("empty", " "), ("note", "a\nb")]), ..sale(1) };
    let answer = client.tracking.record_sale(sold.clone()).await.unwrap().into_inner();
    assert_eq!(answer.warnings, []);
    let kept = texts(&[("shelf", "7"), ("note", "a\nb")]);
    let conversion = get(client, &answer.conversion_id).await;
    assert_eq!(conversion.metadata, kept);
    let selector = Some(pb::conversion_selector::Selector::Id(answer.conversion_id.clone()));
    let request =
        pb::BatchGetConversionsRequest { conversions: vec![pb::ConversionSelector { selector }], ..Default::default() };
    let results = client.tracking.batch_get_conversions(request).await.unwrap().into_inner().results;
    let Some(pb::conversion_result::Answer::Conversion(same)) = &results[0].answer else { panic!("{results:?}") };
    assert_eq!(same.metadata, kept);

    // Refunds and corrections have the texts of their sale, as they have its order, and the sale keeps them.
    let correction = pb::CorrectSaleRequest {
        event_id: "correction".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(pb::Money { amount_minor: 900, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    let corrected = client.tracking.correct_sale(correction).await.unwrap().into_inner();
    let refund = pb::RecordRefundRequest {
        event_id: "refund".to_owned(),
        sale_event_id: "sale-1".to_owned(),
        amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
        ..Default::default()
    };
    let refunded = client.tracking.record_refund(refund).await.unwrap().into_inner();
    for id in [&answer.conversion_id, &corrected.conversion_id, &refunded.conversion_id] {
        assert_eq!(get(client, id).await.metadata, kept, "{id}");
    }
    let told: Vec<_> = subjects(client)
        .await
        .into_iter()
        .filter_map(|(_, subject)| match subject {
            Subject::Conversion(image) => Some(image.metadata),
            _ => None,
        })
        .collect();
    assert_eq!(told, vec![kept; 5]);

    // They are part of what was told, and spelling them otherwise is the same.
    let same = pb::RecordSaleRequest { metadata: texts(&[("shelf", "7"), ("note", "a\nb\n")]), ..sold.clone() };
    let again = client.tracking.record_sale(same).await.unwrap().into_inner();
    assert_eq!((again.replayed, &again.conversion_id), (true, &answer.conversion_id));
    for other in [&[("shelf", "8"), ("note", "a\nb")][..], &[("shelf", "7")], &[]] {
        let other = pb::RecordSaleRequest { metadata: texts(other), ..sold.clone() };
        let status = client.tracking.record_sale(other).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "IDEMPOTENCY_MISMATCH"));
    }
});

db_test!(g11_g12_no_sale_is_lost_over_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let many: BTreeMap<String, String> = (0..51).map(|number| (format!("key-{number:02}"), "x".to_owned())).collect();
    let (long_key, long_text) = ("k".repeat(41), "\u{e9}".repeat(501));
    let key_fault = |key: &str| {
        format!(
            "has the key `{key}`; send keys of 1 to 40 characters, without blanks around them; the entry was left out"
        )
    };
    for (number, (sent, kept, field, explanation)) in [
        (many.clone(), 50, "metadata", "has 51 entries; the first 50 by key were kept".to_owned()),
        (texts(&[(&long_key, "a"), ("good", "b")]), 1, "metadata", key_fault(&long_key)),
        (texts(&[("", "a"), ("good", "b")]), 1, "metadata", key_fault("")),
        (texts(&[("tab\t", "a"), ("good", "b")]), 1, "metadata", key_fault("tab")),
        (texts(&[("long", &long_text)]), 1, "metadata[long]", "has 501 characters; the first 500 were kept".to_owned()),
        (
            texts(&[("nul", "a\0")]),
            1,
            "metadata[nul]",
            "had characters that are not text; they were removed".to_owned(),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let request = pb::RecordSaleRequest { metadata: sent, ..sale(number) };
        let answer = client.tracking.record_sale(request).await.unwrap().into_inner();
        let warning = pb::Warning { field: field.to_owned(), explanation };
        assert_eq!((answer.rewards.len(), answer.warnings), (1, vec![warning]));
        let metadata = get(client, &answer.conversion_id).await.metadata;
        assert_eq!(metadata.len(), kept, "{metadata:?}");
        assert!(metadata.values().all(|text| text.chars().count() <= 500 && !text.contains('\0')));
    }
    // The most that is taken is taken whole, with characters of four bytes.
    let most: BTreeMap<String, String> =
        (0..50).map(|number| (format!("{number:02}{}", "\u{1f600}".repeat(38)), "\u{1f600}".repeat(500))).collect();
    let request = pb::RecordSaleRequest { metadata: most.clone(), ..sale(9) };
    let answer = client.tracking.record_sale(request).await.unwrap().into_inner();
    assert_eq!(answer.warnings, []);
    assert_eq!(get(client, &answer.conversion_id).await.metadata, most);
    let (ids, _) = found(client, pb::ListConversionsRequest { metadata: most, ..with(&[]) }).await;
    assert_eq!(ids, ["sale-9"]);
});

db_test!(g9_g13_other_events_keep_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let metadata = texts(&[("form", "spring")]);
    let email = "jo@customers.example".to_owned();
    let lead = pb::RecordLeadRequest {
        event_id: "lead-1".to_owned(),
        email: email.clone(),
        coupon_code: "ANN".to_owned(),
        metadata: metadata.clone(),
        ..Default::default()
    };
    let lead = client.tracking.record_lead(lead).await.unwrap().into_inner();
    let appointment = pb::RecordAppointmentRequest {
        event_id: "appointment-1".to_owned(),
        email: email.clone(),
        metadata: metadata.clone(),
        ..Default::default()
    };
    let appointment = client.tracking.record_appointment(appointment).await.unwrap().into_inner();
    let custom_event = pb::RecordCustomEventRequest {
        event_id: "custom-1".to_owned(),
        custom_kind: "demo".to_owned(),
        email: email.clone(),
        metadata: metadata.clone(),
        ..Default::default()
    };
    let item = pb::batch_item::Item::CustomEvent(custom_event);
    let batch = pb::BatchRecordEventsRequest { items: vec![pb::BatchItem { item: Some(item) }] };
    client.tracking.batch_record_events(batch).await.unwrap();
    for id in [&lead.conversion_id, &appointment.conversion_id] {
        assert_eq!(get(client, id).await.metadata, metadata);
    }
    assert_eq!(found(client, with(&[("form", "spring")])).await.0, ["lead-1", "appointment-1", "custom-1"]);
    // The texts are those of the sign-up, not of the person.
    let selector = Some(pb::lead_selector::Selector::Id(lead.lead_id.clone()));
    let request = pb::GetLeadRequest { lead: Some(pb::LeadSelector { selector }) };
    let person = client.tracking.get_lead(request).await.unwrap().into_inner().lead.unwrap();
    assert_eq!(person.metadata, texts(&[]));

    // A merge moves the events to another lead, and they keep their texts.
    let other =
        pb::RecordLeadRequest { event_id: "lead-2".to_owned(), external_id: "jo-1".to_owned(), ..Default::default() };
    client.tracking.record_lead(other).await.unwrap();
    let by = |selector| Some(pb::LeadSelector { selector: Some(selector) });
    let merge = pb::MergeLeadsRequest {
        lead: by(pb::lead_selector::Selector::ExternalId("jo-1".to_owned())),
        duplicate: by(pb::lead_selector::Selector::Id(lead.lead_id)),
        ..Default::default()
    };
    client.tracking.merge_leads(merge).await.unwrap();
    let of_lead = pb::ListConversionsRequest {
        lead: by(pb::lead_selector::Selector::ExternalId("jo-1".to_owned())),
        ..with(&[("form", "spring")])
    };
    assert_eq!(found(client, of_lead.clone()).await.0.len(), 3);
    let none = pb::ListConversionsRequest { metadata: texts(&[("form", "autumn")]), ..of_lead };
    assert_eq!(found(client, none).await.0.len(), 0);
});

db_test!(w11_conversions_are_found_by_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let odd = ("say \"hi\"", "back\\slash, \"quotes\" and \u{e9}");
    for (number, entries) in [
        &[("tier", "gold"), ("region", "eu")][..],
        &[("tier", "gold"), ("region", "us")],
        &[("tier", "golden"), odd],
        // Texts that look like entries of the metadata of others, and like fields of a sale.
        &[("note", "\"tier\",\"gold\""), ("tier", "gol"), ("order_id", "o-1"), ("plan", "pro")],
        &[("x\",\"order_id", "o-1"), ("x[\"tier", "gold")],
        &[],
    ]
    .into_iter()
    .enumerate()
    {
        let request = pb::RecordSaleRequest { metadata: texts(entries), ..sale(number) };
        client.tracking.record_sale(request).await.unwrap();
    }
    let plain = pb::RecordSaleRequest { order_id: "tier".to_owned(), order_number: "gold".to_owned(), ..sale(6) };
    client.tracking.record_sale(plain).await.unwrap();
    for of in [None, affiliate] {
        for (wanted, expected) in [
            (&[("tier", "gold")][..], &["sale-0", "sale-1"][..]),
            (&[("tier", " gold ")], &["sale-0", "sale-1"]),
            (&[("tier", "gold"), ("region", "us")], &["sale-1"]),
            (&[("tier", "gold"), ("region", "asia")], &[]),
            (&[("tier", "Gold")], &[]),
            (&[("Tier", "gold")], &[]),
            (&[odd], &["sale-2"]),
            (&[("tier", "%")], &[]),
            (&[("order_id", "o-1")], &["sale-3"]),
            (&[("x[\"tier", "gold")], &["sale-4"]),
        ] {
            let request = pb::ListConversionsRequest { affiliate: of.clone(), ..with(wanted) };
            assert_eq!(found(client, request.clone()).await.0, expected, "{wanted:?}");
            let newest = pb::ListConversionsRequest { order: pb::ListOrder::NewestFirst.into(), ..request };
            let (mut backwards, _) = found(client, newest).await;
            backwards.reverse();
            assert_eq!(backwards, expected, "{wanted:?}");
        }
        // A text of one's own is not the order of a sale.
        let by_order = pb::ListConversionsRequest { affiliate: of.clone(), order_id: "o-1".to_owned(), ..with(&[]) };
        assert_eq!(found(client, by_order).await.0, [""; 0]);
    }
    let by_order = pb::ListRewardsRequest { order_id: "o-1".to_owned(), ..Default::default() };
    assert_eq!(client.rewards.list_rewards(by_order).await.unwrap().into_inner().rewards, []);
    for entry in [("", "gold"), (" tier", "gold"), ("tier", ""), ("tier", " ")] {
        let status = client.tracking.list_conversions(with(&[entry])).await.unwrap_err();
        assert_eq!(reason(&status), "INVALID_FIELDS", "{entry:?}");
    }
    let many: BTreeMap<String, String> = (0..51).map(|number| (number.to_string(), "x".to_owned())).collect();
    let status = client.tracking.list_conversions(pb::ListConversionsRequest { metadata: many, ..with(&[]) }).await;
    assert_eq!(reason(&status.unwrap_err()), "INVALID_FIELDS");
});

db_test!(w11_a_page_of_conversions_by_texts_ends_after_so_many_rows, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let mut gold = Vec::new();
    for number in 0..30 {
        let tier = if number % 10 == 9 { "gold" } else { "tin" };
        let request = pb::RecordSaleRequest { metadata: texts(&[("tier", tier)]), ..sale(number) };
        client.tracking.record_sale(request).await.unwrap();
        if tier == "gold" {
            gold.push(format!("sale-{number}"));
        }
    }
    for of in [None, affiliate] {
        for page_size in [0, 1, 2, 5] {
            let request = pb::ListConversionsRequest { affiliate: of.clone(), page_size, ..with(&[("tier", "gold")]) };
            let (ids, pages) = found(client, request.clone()).await;
            // A page of the tests' server reads 8 rows. The list of an affiliate is read in larger steps.
            assert_eq!((&ids, pages >= 4 || of.is_some()), (&gold, true), "{page_size}: {pages} pages");
            let newest = pb::ListConversionsRequest { order: pb::ListOrder::NewestFirst.into(), ..request };
            let (mut ids, _) = found(client, newest).await;
            ids.reverse();
            assert_eq!(ids, gold);
            let tin = pb::ListConversionsRequest { affiliate: of.clone(), page_size, ..with(&[("tier", "tin")]) };
            let (ids, _) = found(client, tin).await;
            assert_eq!((ids.len(), ids.iter().collect::<std::collections::BTreeSet<_>>().len()), (27, 27));
        }
    }
});

async fn enrollments_with(client: &mut Client, entries: &[(&str, &str)]) -> Vec<String> {
    let mut request = pb::ListEnrollmentsRequest { metadata: texts(entries), ..Default::default() };
    let mut found = Vec::new();
    loop {
        let page = client.affiliates.list_enrollments(request.clone()).await.unwrap().into_inner();
        found.extend(page.enrollments.into_iter().map(|enrollment| enrollment.id));
        if page.next_page_token.is_empty() {
            return found;
        }
        request.page_token = page.next_page_token;
    }
}

async fn program(client: &mut Client, name: &str, metadata: &[(&str, &str)]) -> pb::CreateProgramResponse {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) };
    let request = pb::CreateProgramRequest {
        request_id: format!("create-{name}"),
        display_name: name.to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(commission), ..Default::default() }),
        metadata: texts(metadata),
        ..Default::default()
    };
    client.affiliates.create_program(request).await.unwrap().into_inner()
}

async fn update_enrollment(client: &mut Client, id: &str, metadata: &[(&str, &str)]) -> pb::Enrollment {
    let request = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment { id: id.to_owned(), metadata: texts(metadata), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_enrollment(request).await.unwrap().into_inner().enrollment.unwrap()
}

db_test!(f4_g4_an_enrollment_has_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate = Some(shop.affiliate());
    let client = &mut shop.client;
    let second = program(client, "second", &[]).await.program.unwrap().id;
    let third = program(client, "third", &[]).await.program.unwrap().id;
    let enroll = pb::EnrollAffiliateRequest {
        request_id: "enroll".to_owned(),
        affiliate: affiliate.clone(),
        program_id: second.clone(),
        metadata: texts(&[("manager", " lee "), ("empty", "")]),
        ..Default::default()
    };
    let made = client.affiliates.enroll_affiliate(enroll.clone()).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(made.metadata, texts(&[("manager", "lee")]));
    let get = pb::GetEnrollmentRequest { enrollment_id: made.id.clone() };
    let read = client.affiliates.get_enrollment(get.clone()).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(read, made);
    assert_eq!(enrollments_with(client, &[("manager", "lee")]).await, std::slice::from_ref(&made.id));
    assert_eq!(enrollments_with(client, &[("manager", "Lee")]).await, [""; 0]);
    assert_eq!(enrollments_with(client, &[("manager", "lee"), ("desk", "3")]).await, [""; 0]);

    // They are replaced as a whole, and another change leaves them alone.
    let changed = update_enrollment(client, &made.id, &[("desk", "3")]).await;
    assert_eq!(changed.metadata, texts(&[("desk", "3")]));
    let page = pb::UpdateEnrollmentRequest {
        enrollment: Some(pb::Enrollment {
            id: made.id.clone(),
            landing_url: "https://shop.example/new".to_owned(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["landing_url".to_owned()] }),
        ..Default::default()
    };
    let page = client.affiliates.update_enrollment(page).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(page.metadata, changed.metadata);
    assert_eq!(enrollments_with(client, &[("manager", "lee")]).await, [""; 0]);

    // A move takes them along, and leaves them where they were.
    let request = pb::MoveEnrollmentRequest { enrollment_id: made.id.clone(), program_id: third, ..Default::default() };
    let moved = client.affiliates.move_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(moved.metadata, changed.metadata);
    assert_eq!(enrollments_with(client, &[("desk", "3")]).await, [made.id.clone(), moved.id]);
    // Who is enrolled again has those of the new request.
    let again = pb::EnrollAffiliateRequest {
        request_id: "enroll-2".to_owned(),
        metadata: texts(&[("desk", "4")]),
        ..enroll.clone()
    };
    let again = client.affiliates.enroll_affiliate(again).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!((&again.id, again.metadata), (&made.id, texts(&[("desk", "4")])));

    // The feed has them.
    let told: Vec<_> = subjects(client)
        .await
        .into_iter()
        .filter_map(|(kind, subject)| match subject {
            Subject::Enrollment(image) if image.id == made.id => Some((kind, image.metadata)),
            _ => None,
        })
        .collect();
    let (created, updated, ended) =
        (pb::EventKind::EnrollmentCreated, pb::EventKind::EnrollmentUpdated, pb::EventKind::EnrollmentEnded);
    let desk = || texts(&[("desk", "3")]);
    let expected = [
        (created, texts(&[("manager", "lee")])),
        (updated, desk()),
        (updated, desk()),
        (ended, desk()),
        (created, texts(&[("desk", "4")])),
    ];
    assert_eq!(told, expected);

    // A repeat has the present ones, because the kept answer has none; and they go with the affiliate's other data.
    let repeat = client.affiliates.enroll_affiliate(enroll.clone()).await.unwrap().into_inner();
    assert_eq!((repeat.replayed, repeat.enrollment.unwrap().metadata), (true, texts(&[("desk", "4")])));
    let other = pb::EnrollAffiliateRequest { metadata: texts(&[("manager", "kim")]), ..enroll.clone() };
    let status = client.affiliates.enroll_affiliate(other).await.unwrap_err();
    assert_eq!(reason(&status), "IDEMPOTENCY_MISMATCH");
    let erase = pb::EraseAffiliateRequest { affiliate, ..Default::default() };
    client.affiliates.erase_affiliate(erase).await.unwrap();
    let read = client.affiliates.get_enrollment(get).await.unwrap().into_inner().enrollment.unwrap();
    assert_eq!(read.metadata, texts(&[]));
    assert_eq!(enrollments_with(client, &[("desk", "3")]).await, [""; 0]);
    let repeat = client.affiliates.enroll_affiliate(enroll).await.unwrap().into_inner();
    assert_eq!((repeat.replayed, repeat.enrollment.unwrap().metadata), (true, texts(&[])));
});

db_test!(f7_a_program_has_texts_of_ones_own, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let client = &mut Shop::open(&server, "shop").await.client;
    let made = program(client, "spring", &[("season", " spring "), ("empty", "")]).await.program.unwrap();
    assert_eq!(made.metadata, texts(&[("season", "spring")]));
    for number in 0..12 {
        program(client, &format!("other-{number}"), &[("season", "autumn")]).await;
    }
    let list = |entries: &[(&str, &str)]| pb::ListProgramsRequest { metadata: texts(entries), ..Default::default() };
    for (wanted, expected) in [(&[("season", "spring")][..], 1), (&[("season", "autumn")], 12), (&[("season", "")], 0)]
    {
        let (mut count, mut request) = (0, pb::ListProgramsRequest { page_size: 5, ..list(wanted) });
        loop {
            match client.affiliates.list_programs(request.clone()).await {
                Ok(page) => {
                    let page = page.into_inner();
                    assert!(page.programs.iter().all(|program| program.metadata == texts(wanted)), "{page:?}");
                    count += page.programs.len();
                    if page.next_page_token.is_empty() {
                        break;
                    }
                    request.page_token = page.next_page_token;
                }
                Err(status) => {
                    assert_eq!((reason(&status).as_str(), expected), ("INVALID_FIELDS", 0));
                    break;
                }
            }
        }
        assert_eq!(count, expected, "{wanted:?}");
    }
    let counted = pb::ListProgramsRequest { with_total_count: true, ..list(&[("season", "spring")]) };
    assert_eq!(reason(&client.affiliates.list_programs(counted).await.unwrap_err()), "INVALID_FIELDS");

    let update = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: made.id.clone(), metadata: texts(&[("year", "2027")]), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["metadata".to_owned()] }),
        ..Default::default()
    };
    let changed = client.affiliates.update_program(update).await.unwrap().into_inner().program.unwrap();
    assert_eq!((&changed.metadata, &changed.display_name), (&texts(&[("year", "2027")]), &made.display_name));
    assert_ne!(changed.etag, made.etag);
    let get = pb::GetProgramRequest { program_id: made.id.clone(), ..Default::default() };
    assert_eq!(client.affiliates.get_program(get).await.unwrap().into_inner().program, Some(changed.clone()));
    // The first answer has those of the first request.
    let again = program(client, "spring", &[("season", "spring")]).await;
    assert_eq!((again.replayed, again.program.unwrap().metadata), (true, made.metadata.clone()));
    let told: Vec<_> = subjects(client)
        .await
        .into_iter()
        .filter_map(|(_, subject)| match subject {
            Subject::Program(image) if image.id == made.id => Some(image.metadata),
            _ => None,
        })
        .collect();
    assert_eq!(told, [made.metadata, changed.metadata]);
});
