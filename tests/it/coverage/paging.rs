//! Pages: every list shows every row once and accepts only its own page tokens.

use prost_reflect::{Kind, MethodDescriptor};
use serde_json::{Value as Json, json};
use tonic::Code;
use tonic_types::StatusExt;

use super::api::{method, methods, reason, short_name};
use super::cases::{cases, patched};
use super::world::{Account, World, resolve};
use crate::support::database::TestDatabase;

pub(super) fn lists() -> Vec<MethodDescriptor> {
    // QueryStats and CalculateCommissions have pages and no order, and their rows are no objects; `rows::statistic` and
    // `rows::balance_as_of` test them.
    let is_list = |method: &MethodDescriptor| {
        ["page_token", "order"].iter().all(|name| method.input().get_field_by_name(name).is_some())
    };
    methods().into_iter().filter(is_list).collect()
}

/// The rows in a list's answer.
pub(super) fn rows(list: &MethodDescriptor, answer: &Json) -> Vec<Json> {
    let field = list.output().fields().find(prost_reflect::FieldDescriptor::is_list).unwrap();
    answer[field.name()].as_array().cloned().unwrap_or_default()
}

fn token(answer: &Json) -> Option<String> {
    answer["next_page_token"].as_str().map(ToOwned::to_owned)
}

async fn page(world: &World, account: &Account, list: &MethodDescriptor, request: Json) -> Json {
    world.expect(account, &short_name(list), &request).await
}

async fn refusal(world: &World, list: &MethodDescriptor, request: &Json) -> (Code, String, String) {
    let answer = world.wire.call(world.alpha.key_for(&short_name(list)), list, request).await;
    let status = answer.expect_err(&format!("{} {request}", list.name()));
    let field = status.get_details_bad_request().unwrap().field_violations[0].field.clone();
    (status.code(), reason(&status), field)
}

db_test!(pages_of_one_show_every_row_once, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    for list in lists() {
        let name = list.name().to_owned();
        let whole = page(&world, &world.alpha, &list, json!({"page_size": 1_000})).await;
        let all = rows(&list, &whole);
        assert!(all.len() >= 2 && token(&whole).is_none(), "{name}: {} rows", all.len());
        let newest_first: Vec<Json> = all.iter().rev().cloned().collect();
        let sizes = [1, 2, i32::try_from(all.len()).unwrap()];
        let orders = [("LIST_ORDER_OLDEST_FIRST", &all), ("LIST_ORDER_NEWEST_FIRST", &newest_first)];
        for (page_size, (order, all)) in sizes.into_iter().flat_map(|size| orders.map(|order| (size, order))) {
            let mut seen = Vec::new();
            let mut next = Some(String::new());
            while let Some(page_token) = next {
                let request = json!({"page_size": page_size, "page_token": page_token, "order": order});
                let answer = page(&world, &world.alpha, &list, request).await;
                let here = rows(&list, &answer);
                assert!((1..=usize::try_from(page_size).unwrap()).contains(&here.len()), "{name}: {} rows", here.len());
                seen.extend(here);
                assert!(seen.len() <= all.len(), "{name}: a row is repeated");
                next = token(&answer);
            }
            assert_eq!(&seen, all, "{name} by {page_size}, {order}");
        }
        let answer = page(&world, &world.alpha, &list, json!({"page_size": 5_000})).await;
        assert_eq!(answer, whole, "{name}: a page size that is too large is taken as the largest");
        let refused = refusal(&world, &list, &json!({"page_size": -1, "order": 99})).await;
        assert_eq!(refused, (Code::InvalidArgument, "INVALID_FIELDS".to_owned(), "page_size".to_owned()), "{name}");
    }
});

db_test!(a_page_token_fits_its_own_list_and_filter_alone, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let names = &world.alpha.names;
    let is_refused = (Code::InvalidArgument, "PAGE_TOKEN_INVALID".to_owned(), "page_token".to_owned());
    for list in lists() {
        let own = &names[&format!("{}_page_token", list.name())];
        let others = lists().into_iter().map(|other| names[&format!("{}_page_token", other.name())].clone());
        let tampered = [format!("{own}A"), own[1..].to_owned(), "hello".to_owned(), " ".to_owned()];
        for wrong in others.filter(|other| other != own).chain(tampered) {
            let refused = refusal(&world, &list, &json!({"page_token": wrong})).await;
            assert_eq!(refused, is_refused, "{} with {wrong}", list.name());
        }
        for filter in filters(&list) {
            let request = patched(&resolve(&filter, names), &json!({"page_token": own}));
            assert_eq!(refusal(&world, &list, &request).await, is_refused, "{} {request}", list.name());
        }
    }
});

/// A filter for each field of a list's request.
fn filters(list: &MethodDescriptor) -> Vec<Json> {
    let case = cases().iter().find(|case| case.method == short_name(list)).unwrap();
    let mut filters = Vec::new();
    // A count belongs to the first page alone, if its caller likes.
    let is_filter = |name: &str| !name.starts_with("page_") && name != "with_total_count";
    for field in list.input().fields().filter(|field| is_filter(field.name())) {
        let name = field.name();
        match field.kind() {
            Kind::Enum(_) => filters.push(json!({name: 1})),
            Kind::Bool => filters.push(json!({name: true})),
            Kind::Int32 => filters.push(json!({name: 2_026})),
            _ if field.is_map() => filters.push(json!({name: {"key": "text"}})),
            Kind::String if field.is_list() => filters.push(json!({name: ["EUR"]})),
            Kind::Message(inside) if inside.full_name() == "headwater.v1.TimeInterval" => {
                filters.push(json!({name: {"start_time": {"seconds": 1}}}));
            }
            Kind::Message(inside) if inside.full_name() == "google.protobuf.Timestamp" => {
                filters.push(json!({name: {"seconds": 1}}));
            }
            // A text of the merchant's own, which refers to nothing.
            Kind::String if case.references.iter().all(|fields| fields[name].is_null()) => {
                filters.push(json!({name: "text"}));
            }
            _ => {
                let before = filters.len();
                filters.extend(case.references.iter().filter(|fields| !fields[name].is_null()).cloned());
                assert!(filters.len() > before, "{}: no filter by {name}", case.method);
            }
        }
    }
    filters
}

db_test!(a_page_has_a_thousand_rows_at_most, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let sale = |number: usize| {
        json!({"sale": {
            "event_id": format!("bulk-{number}"),
            "email": format!("bulk-{number}@customers.example"),
            "coupon_code": "${coupon_code}",
            "amount": {"amount_minor": 1_000, "currency_code": "USD"},
        }})
    };
    let items: Vec<Json> = (0..1_000).map(sale).collect();
    let answer = world.expect(&world.alpha, "TrackingService/BatchRecordEvents", &json!({"items": items})).await;
    let results = answer["results"].as_array().unwrap();
    assert_eq!(results.iter().filter(|result| result["sale"]["rewards"].is_array()).count(), 1_000);
    for name in [
        "TrackingService/ListLeads",
        "TrackingService/ListConversions",
        "RewardService/ListRewards",
        "RewardService/ListLedgerEntries",
    ] {
        let list = method(name);
        let answer = page(&world, &world.alpha, &list, json!({"page_size": 5_000})).await;
        assert_eq!(rows(&list, &answer).len(), 1_000, "{name}");
        let request = json!({"page_size": 5_000, "page_token": token(&answer)});
        let rest = page(&world, &world.alpha, &list, request).await;
        assert!(!rows(&list, &rest).is_empty() && token(&rest).is_none(), "{name}");
        let answer = page(&world, &world.alpha, &list, json!({})).await;
        assert_eq!(rows(&list, &answer).len(), 50, "{name}: the default");
    }
    let feed = method("FeedService/ReadEvents");
    let answer = page(
        &world,
        &world.alpha,
        &feed,
        json!({"start": {"position": "FEED_POSITION_BEGINNING"}, "page_size": 5_000}),
    )
    .await;
    assert_eq!(rows(&feed, &answer).len(), 1_000);
    let answer = page(&world, &world.alpha, &feed, json!({"start": {"position": "FEED_POSITION_BEGINNING"}})).await;
    assert_eq!(rows(&feed, &answer).len(), 50);
});

db_test!(the_feed_by_pages_of_one_shows_every_event_once, |database: TestDatabase| async move {
    let world = World::open(&database).await;
    let feed = method("FeedService/ReadEvents");
    let whole = page(
        &world,
        &world.alpha,
        &feed,
        json!({"start": {"position": "FEED_POSITION_BEGINNING"}, "page_size": 1_000}),
    )
    .await;
    let all = rows(&feed, &whole);
    let mut seen = Vec::new();
    let mut request = json!({"start": {"position": "FEED_POSITION_BEGINNING"}, "page_size": 1});
    loop {
        let answer = page(&world, &world.alpha, &feed, request).await;
        let here = rows(&feed, &answer);
        if here.is_empty() {
            break;
        }
        assert_eq!(here.len(), 1);
        assert_eq!(here[0]["cursor"], answer["next_cursor"]);
        seen.extend(here);
        request = json!({"start": {"after_cursor": answer["next_cursor"]}, "page_size": 1});
    }
    assert!(seen.len() > 10);
    assert_eq!(seen, all);
});
