//! Clients that say nothing, take nothing or are frozen while the server is asked to stop. None may hold it up.

use headwater::clock;
use headwater_client::pb;

use super::child::{Attacker, Target};
use super::doors::{self, HALF_CLIENT_HELLO, HEALTH_CHECK, HEALTH_WATCH};
use super::memory::with_sales;
use super::raw::PREFACE;
use super::scene::{Scene, Setting};
use super::trial::{self, STOP_TIME_MAX};
use super::wire::{self, Held, Question};
use super::{Attack, Course, Seen};
use crate::feed;

/// How long the clients have to do what they do.
const SECONDS: u64 = 2;

/// How long they stay: longer than any server may take to stop.
const LINGER_SECONDS: u64 = 60;

const REFLECTION: &str = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
const WATCH_EVENTS: &str = "/headwater.v1.FeedService/WatchEvents";
const READ_EVENTS: &str = "/headwater.v1.FeedService/ReadEvents";
const LIST_CONVERSIONS: &str = "/headwater.v1.TrackingService/ListConversions";
const SALE: &str = "/headwater.v1.TrackingService/RecordSale";
const VERIFY: &str = "/headwater.v1.RewardService/VerifyLedger";

/// A client that goes on running.
const WAITING: Course = Course::Stop { freezes: false };
/// A client whose process is stopped, so that it does not even answer pings.
const FROZEN: Course = Course::Stop { freezes: true };

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        course: WAITING,
        ..Attack::new("stop-silent", "a TCP connection that sends nothing", |target| {
            Box::pin(doors::sockets(target, 1, &[]))
        })
    },
    Attack {
        course: WAITING,
        ..Attack::new("stop-half-preface", "half of HTTP/2's first bytes", |target| {
            Box::pin(doors::sockets(target, 1, &PREFACE[..12]))
        })
    },
    Attack {
        course: WAITING,
        uses_tls: true,
        ..Attack::new("stop-half-handshake", "half of a ClientHello", |target| {
            Box::pin(doors::sockets(target, 1, HALF_CLIENT_HELLO))
        })
    },
    Attack {
        course: WAITING,
        ..Attack::new("stop-idle", "a connection without calls", |target| {
            Box::pin(doors::hold(target, 1, 0, HEALTH_CHECK))
        })
    },
    Attack {
        course: WAITING,
        ..Attack::new("stop-silent-health", "a health check whose body never comes", |target| {
            Box::pin(doors::hold(target, 1, 1, HEALTH_CHECK))
        })
    },
    Attack {
        course: WAITING,
        ..Attack::new("stop-health-watch", "a stream that watches the health", |target| {
            Box::pin(held(target, 65_535, |_| Question::new(HEALTH_WATCH, None, &())))
        })
    },
    Attack {
        course: FROZEN,
        ..Attack::new("stop-health-watch-frozen", "a frozen client that watches the health", |target| {
            Box::pin(held(target, 65_535, |_| Question::new(HEALTH_WATCH, None, &())))
        })
    },
    Attack {
        course: WAITING,
        ..Attack::new("stop-reflection", "an open reflection stream", |target| {
            Box::pin(held(target, 65_535, |_| Question::silent(REFLECTION, None)))
        })
    },
    Attack {
        course: WAITING,
        prepare: |scene| with_sales(scene, 100, 1),
        ..Attack::new("stop-feed", "a feed stream that is read", |target| Box::pin(watch(target, 1 << 20)))
    },
    Attack {
        course: WAITING,
        prepare: |scene| with_sales(scene, 3_000, 1),
        ..Attack::new("stop-feed-untaken", "a feed stream that nobody takes", |target| Box::pin(watch(target, 0)))
    },
    Attack {
        course: FROZEN,
        prepare: |scene| with_sales(scene, 3_000, 1),
        ..Attack::new("stop-feed-frozen", "a frozen client with a feed stream", |target| Box::pin(watch(target, 0)))
    },
    Attack {
        course: WAITING,
        prepare: |scene| with_sales(scene, 1, 1),
        ..Attack::new("stop-long-poll", "a call that waits for events", |target| Box::pin(poll(target)))
    },
    Attack {
        course: WAITING,
        prepare: |scene| with_sales(scene, 2_000, 1),
        ..Attack::new("stop-untaken-list", "a list that nobody takes", |target| {
            let request = pb::ListConversionsRequest { page_size: 1_000, ..pb::ListConversionsRequest::default() };
            let question = Question::new(LIST_CONVERSIONS, Some(target.material(0)), &request);
            Box::pin(held(target, 0, move |_| question.clone()))
        })
    },
    Attack {
        course: WAITING,
        prepare: |scene| Box::pin(scene.keys(pb::ApiKeyKind::Tracking, 1)),
        ..Attack::new("stop-silent-body", "a sale whose body never comes", |target| {
            let key = Some(target.material(0));
            Box::pin(held(target, 65_535, move |_| Question::silent(SALE, key.clone())))
        })
    },
    Attack {
        course: WAITING,
        prepare: |scene| with_sales(scene, 50_000, 1),
        ..Attack::new("stop-verify-ledger", "16 callers of VerifyLedger on 50,000 sales", |target| {
            let question = Question::new(VERIFY, Some(target.material(0)), &pb::VerifyLedgerRequest {});
            Box::pin(wire::call(target, 16, 1, move |_| question.clone()))
        })
    },
];

/// One stream of each of two connections.
async fn held(
    target: Target,
    window_bytes: u32,
    make: impl Fn(usize) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let held = Held { connections: 2, streams: 1, window_bytes, pause: std::time::Duration::from_millis(500) };
    wire::hold(target, held, make).await
}

async fn watch(target: Target, window_bytes: u32) -> anyhow::Result<()> {
    let start = Some(feed::beginning());
    let request = pb::WatchEventsRequest { start, max_batch_size: 1_000, ..pb::WatchEventsRequest::default() };
    let question = Question::new(WATCH_EVENTS, Some(target.material(0)), &request);
    held(target, window_bytes, move |_| question.clone()).await
}

async fn poll(target: Target) -> anyhow::Result<()> {
    let request = pb::ReadEventsRequest {
        start: Some(feed::latest()),
        max_wait: Some(prost_types::Duration { seconds: 30, nanos: 0 }),
        ..pb::ReadEventsRequest::default()
    };
    let question = Question::new(READ_EVENTS, Some(target.material(0)), &request);
    held(target, 65_535, move |_| question.clone()).await
}

/// Starts the clients, asks the server to stop and measures how long that takes.
pub(super) async fn run(attack: &Attack, setting: &Setting, freezes: bool) -> anyhow::Result<Seen> {
    let setting = Setting { uses_tls: attack.uses_tls, ..setting.clone() };
    let scene = Scene::start(&setting).await?;
    let materials = (attack.prepare)(&scene).await?;
    let address = &scene.rig.options.listen_address;
    let mut clients = Attacker::start(attack, address, &materials, SECONDS, LINGER_SECONDS).await?;
    // The stop comes while callers that call again and again still do so.
    tokio::time::sleep(std::time::Duration::from_secs(SECONDS) / 2).await;
    if freezes {
        clients.freeze().await?;
    }
    let begun_at = clock::monotonic_now();
    let stopping = trial::stop(scene).await?;
    let mut faults = Vec::new();
    if !setting.any_speed && stopping > STOP_TIME_MAX {
        faults.push(format!("the stop took {:.1} s", stopping.as_secs_f64()));
    }
    if !freezes {
        let counts = clients.counts().await?;
        if counts.sent == 0 {
            faults.push("the clients did nothing".to_owned());
        }
    }
    clients.end().await?;
    Ok(Seen { figure: format!("stopped in {:.2} s", begun_at.elapsed().min(stopping).as_secs_f64()), faults })
}
