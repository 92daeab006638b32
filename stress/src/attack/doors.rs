//! Attacks at the door: connections and handshakes that stand still, and calls that need no key. Knows nothing of keys.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;

use super::child::Target;
use super::raw::PREFACE;
use super::wire::{self, Held, Question};
use super::{Attack, Sources};

/// As many connections as the server may have open files.
const CONNECTIONS: usize = 256;

/// A connection has at most 256 streams. One is left, so that no call waits for another to end.
pub(super) const STREAMS: usize = 255;

/// How long the attacker waits before it opens again what was ended.
const PAUSE: Duration = Duration::from_millis(100);

pub(super) const HEALTH_CHECK: &str = "/grpc.health.v1.Health/Check";
pub(super) const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";

/// The first bytes of a ClientHello of 512 bytes, whose rest never comes.
pub(super) const HALF_CLIENT_HELLO: &[u8] = &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03];

pub(super) const ATTACKS: &[Attack] = &[
    Attack {
        lingers: true,
        ..Attack::new("silent-connections", "256 TCP connections that send nothing", |target| {
            Box::pin(sockets(target, CONNECTIONS, &[]))
        })
    },
    Attack {
        lingers: true,
        sources: Sources::Many(32),
        ..Attack::new("silent-connections-many", "256 TCP connections that send nothing, from 32 addresses", |target| {
            Box::pin(sockets(target, CONNECTIONS, &[]))
        })
    },
    Attack {
        lingers: true,
        sources: Sources::Same,
        ..Attack::new("silent-connections-same", "256 silent TCP connections from the victim's address", |target| {
            Box::pin(sockets(target, CONNECTIONS, &[]))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new("half-preface", "256 connections with half of HTTP/2's first bytes", |target| {
            Box::pin(sockets(target, CONNECTIONS, &PREFACE[..12]))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new("half-request", "256 connections with HTTP/2's first bytes and no settings", |target| {
            Box::pin(sockets(target, CONNECTIONS, PREFACE))
        })
    },
    Attack {
        lingers: true,
        uses_tls: true,
        ..Attack::new("half-handshakes", "200 TLS handshakes that stop in the ClientHello", |target| {
            Box::pin(sockets(target, 200, HALF_CLIENT_HELLO))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new("idle-connections", "256 HTTP/2 connections that answer pings and never call", |target| {
            Box::pin(hold(target, CONNECTIONS, 0, HEALTH_CHECK))
        })
    },
    Attack::new("connection-churn", "8 callers that connect and leave", |target| Box::pin(churn(target, 8))),
    Attack {
        lingers: true,
        ..Attack::new("silent-health", "17 connections of 255 health checks whose body never comes", |target| {
            Box::pin(hold(target, 17, STREAMS, HEALTH_CHECK))
        })
    },
    Attack {
        lingers: true,
        sources: Sources::Same,
        ..Attack::new("silent-health-same", "the same from the victim's address", |target| {
            Box::pin(hold(target, 17, STREAMS, HEALTH_CHECK))
        })
    },
    Attack {
        lingers: true,
        sources: Sources::Many(17),
        ..Attack::new("silent-health-many", "the same from 17 addresses", |target| {
            Box::pin(hold(target, 17, STREAMS, HEALTH_CHECK))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new("large-headers", "17 connections of 255 silent health checks with 12 KiB of headers", |target| {
            Box::pin(large_headers(target))
        })
    },
    Attack {
        lingers: true,
        ..Attack::new(
            "silent-calls",
            "17 connections of 255 calls of a method that needs a key, without one",
            |target| Box::pin(hold(target, 17, STREAMS, "/headwater.v1.TrackingService/RecordSale")),
        )
    },
    Attack::new("health-checks", "8 connections of 16 callers that ask for the health", |target| {
        Box::pin(wire::call(target, 8, 16, |_| Question::new(HEALTH_CHECK, None, &())))
    }),
    Attack {
        lingers: true,
        ..Attack::new("health-watch", "20 connections of 255 streams that watch the health", |target| {
            Box::pin(watch_health(target))
        })
    },
];

/// Keeps this many TCP connections open that have sent these bytes only. What the server ends is opened again.
pub(super) async fn sockets(target: Target, count: usize, sends: &'static [u8]) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for place in 0..count {
        let target = target.clone();
        tasks.spawn(async move {
            while target.is_attacked() {
                if let Ok(mut socket) = target.dial(place).await {
                    target.tally.sent(1);
                    let _open = target.tally.hold();
                    if socket.write_all(sends).await.is_ok() {
                        // Reads until the server ends the connection.
                        let mut sink = Vec::new();
                        let _ = socket.read_to_end(&mut sink).await;
                    }
                }
                target.tally.ended();
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Connects, says nothing and leaves, again and again.
async fn churn(target: Target, callers: usize) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for place in 0..callers {
        let target = target.clone();
        tasks.spawn(async move {
            while target.is_attacked() {
                match target.dial(place).await {
                    Ok(_) => target.tally.sent(1),
                    Err(_) => tokio::time::sleep(PAUSE).await,
                }
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Opens calls whose body never comes.
pub(super) async fn hold(target: Target, connections: usize, streams: usize, path: &'static str) -> anyhow::Result<()> {
    let held = Held { connections, streams, window_bytes: 65_535, pause: Duration::from_secs(1) };
    wire::hold(target, held, move |_| Question::silent(path, None)).await
}

async fn watch_health(target: Target) -> anyhow::Result<()> {
    let held = Held { connections: 20, streams: STREAMS, window_bytes: 0, pause: Duration::from_secs(1) };
    wire::hold(target, held, |_| Question::new(HEALTH_WATCH, None, &())).await
}

async fn large_headers(target: Target) -> anyhow::Result<()> {
    // This method ignores keys, so that a key can be as long as headers may be.
    let key = "a".repeat(12 * 1024);
    let held = Held { connections: 17, streams: STREAMS, window_bytes: 65_535, pause: Duration::from_secs(1) };
    wire::hold(target, held, move |_| Question::silent(HEALTH_CHECK, Some(key.clone()))).await
}
