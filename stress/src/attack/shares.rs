//! Attacks with a key: an account that uses the server as others do, but as much as it can. No account may take the service from
//! others. Knows nothing of memory.

use std::time::Duration;

use headwater_client::pb;

use super::Attack;
use super::child::Target;
use super::doors::STREAMS;
use super::memory::with_sales;
use super::scene::sale_item;
use super::wire::{self, Held, Question};
use crate::feed;
use crate::shop::SALE_AMOUNT_MINOR;

const BATCH: &str = "/headwater.v1.TrackingService/BatchRecordEvents";
const SALE: &str = "/headwater.v1.TrackingService/RecordSale";
const LIST_CONVERSIONS: &str = "/headwater.v1.TrackingService/ListConversions";
const READ_EVENTS: &str = "/headwater.v1.FeedService/ReadEvents";
const VERIFY: &str = "/headwater.v1.RewardService/VerifyLedger";
const CREATE_KEY: &str = "/headwater.v1.AccountService/CreateApiKey";

/// The sales of the ledger that is verified.
const LEDGER_SALES: usize = 100_000;

/// How much longer calls may take beside an account that is merely busy.
const FAIR_RATIO_MAX: f64 = 3.0;

/// The streams that one key may have by default.
const STREAMS_PER_KEY: usize = 128;

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("batches", "16 callers of batches of 1,000 sales", |target| Box::pin(batches(target)))
    },
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("sales", "16 connections of 64 callers that record sales with one key", |target| {
            Box::pin(sales(target))
        })
    },
    Attack {
        has_key: true,
        own_ratio_max: Some(FAIR_RATIO_MAX),
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("fair", "an account of 256 callers that record sales, over 8 connections", |target| {
            let key = target.material(0);
            Box::pin(wire::call(target, 8, 32, move |number| Question::new(SALE, Some(key.clone()), &sale(number))))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 40)),
        ..Attack::new("many-keys", "the same with 40 keys of one account", |target| Box::pin(sales(target)))
    },
    Attack {
        has_key: true,
        prepare: |scene| with_sales(scene, LEDGER_SALES, 1),
        ..Attack::new("verify-ledger", "16 callers of VerifyLedger on 100,000 sales", |target| {
            let question = Question::new(VERIFY, Some(target.material(0)), &pb::VerifyLedgerRequest {});
            Box::pin(wire::call(target, 16, 1, move |_| question.clone()))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| with_sales(scene, 5_000, 1),
        ..Attack::new("lists", "8 connections of 16 callers that list 1,000 conversions", |target| {
            let request = pb::ListConversionsRequest { page_size: 1_000, ..pb::ListConversionsRequest::default() };
            let question = Question::new(LIST_CONVERSIONS, Some(target.material(0)), &request);
            Box::pin(wire::call(target, 8, 16, move |_| question.clone()))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| with_sales(scene, 5_000, 8),
        ..Attack::new("feed-pages", "8 keys x 16 callers that read 1,000 events from the beginning", |target| {
            let request = pb::ReadEventsRequest {
                start: Some(feed::beginning()),
                page_size: 1_000,
                ..pb::ReadEventsRequest::default()
            };
            let keys = target.materials.to_vec();
            let ask = move |number: u64| Question::new(READ_EVENTS, Some(of(&keys, number)), &request);
            Box::pin(wire::call(target, 8, 16, ask))
        })
    },
    Attack {
        has_key: true,
        lingers: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Read, 33)),
        ..Attack::new("long-polls", "33 keys x 128 calls that wait for events", |target| Box::pin(long_polls(target)))
    },
    Attack {
        has_key: true,
        lingers: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("silent-bodies", "17 connections of 255 sales whose body never comes", |target| {
            let key = target.material(0);
            Box::pin(held(target, 17, STREAMS, move |_| Question::silent(SALE, Some(key.clone()))))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("abandoned-sales", "16 connections of sales that are reset after a millisecond", |target| {
            let key = target.material(0);
            Box::pin(wire::abandon(target, 16, move |number| Question::new(SALE, Some(key.clone()), &sale(number))))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| with_sales(scene, 5_000, 1),
        ..Attack::new("abandoned-lists", "32 connections of lists that are reset after a millisecond", |target| {
            let request = pb::ListConversionsRequest { page_size: 1_000, ..pb::ListConversionsRequest::default() };
            let question = Question::new(LIST_CONVERSIONS, Some(target.material(0)), &request);
            Box::pin(wire::abandon(target, 32, move |_| question.clone()))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("wrong-items", "4 callers of batches of 1,000 sales that are wrong in many fields", |target| {
            Box::pin(wrong_items(target))
        })
    },
    Attack {
        has_key: true,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Admin, 1)),
        ..Attack::new("new-keys", "4 connections of 16 callers that make keys", |target| {
            let key = target.material(0);
            let kind = pb::ApiKeyKind::Read.into();
            let request = pb::CreateApiKeyRequest { kind, display_name: "one more".to_owned(), ..Default::default() };
            let question = Question::new(CREATE_KEY, Some(key), &request);
            Box::pin(wire::call(target, 4, 16, move |_| question.clone()))
        })
    },
];

/// One of the keys. Callers number their calls in their own ranges.
fn of(keys: &[String], number: u64) -> String {
    keys[((number + (number >> 24) + (number >> 40)) % keys.len() as u64) as usize].clone()
}

/// A sale of the attacker's shop.
fn sale(number: u64) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("attack-{number:016x}"),
        email: format!("customer-{:05}@customers.example", number % 100),
        amount: Some(pb::Money { amount_minor: SALE_AMOUNT_MINOR, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

async fn batches(target: Target) -> anyhow::Result<()> {
    let key = target.material(0);
    let ask = move |number: u64| {
        let items = (0..1_000).map(|item| sale_item(sale(number * 1_000 + item))).collect();
        Question::new(BATCH, Some(key.clone()), &pb::BatchRecordEventsRequest { items })
    };
    wire::call(target, 16, 1, ask).await
}

async fn wrong_items(target: Target) -> anyhow::Result<()> {
    let wrong = pb::RecordSaleRequest {
        event_id: "a".repeat(200),
        external_id: "a".repeat(2_000),
        amount: Some(pb::Money { amount_minor: -1, currency_code: "no currency".to_owned() }),
        occur_time: Some(prost_types::Timestamp { seconds: i64::MAX, nanos: -1 }),
        channel: 99,
        quantity: -1,
        ..pb::RecordSaleRequest::default()
    };
    let items = vec![sale_item(wrong); 1_000];
    let question = Question::new(BATCH, Some(target.material(0)), &pb::BatchRecordEventsRequest { items });
    wire::call(target, 4, 1, move |_| question.clone()).await
}

async fn sales(target: Target) -> anyhow::Result<()> {
    let keys = target.materials.to_vec();
    wire::call(target, 16, 64, move |number| Question::new(SALE, Some(of(&keys, number)), &sale(number))).await
}

async fn long_polls(target: Target) -> anyhow::Result<()> {
    let request = pb::ReadEventsRequest {
        start: Some(feed::latest()),
        max_wait: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
        ..pb::ReadEventsRequest::default()
    };
    let keys = target.materials.to_vec();
    let connections = (keys.len() * STREAMS_PER_KEY).div_ceil(STREAMS);
    let ask = move |number: usize| {
        let key = keys[(number / STREAMS_PER_KEY) % keys.len()].clone();
        Question::new(READ_EVENTS, Some(key), &request)
    };
    held(target, connections, STREAMS, ask).await
}

async fn held(
    target: Target,
    connections: usize,
    streams: usize,
    make: impl Fn(usize) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let held = Held { connections, streams, window_bytes: 65_535, pause: Duration::from_secs(1) };
    wire::hold(target, held, make).await
}

/// Keeps all processors busy.
pub(super) async fn spin(target: Target) -> anyhow::Result<()> {
    target.tally.sent(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let spinning = (0..threads).map(|_| {
        let target = target.clone();
        tokio::task::spawn_blocking(move || {
            while target.is_attacked() {
                (0..100_000_u32).for_each(|number| {
                    std::hint::black_box(number);
                });
            }
        })
    });
    futures::future::join_all(spinning).await;
    std::future::pending().await
}
