//! What attackers send over HTTP/2: calls in a loop, and streams that are opened and held. Windows, bodies and the moment to read
//! are free, as no gRPC client leaves them. Does not know any attack.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use bytes::{BufMut, Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use headwater::clock;
use http::{HeaderMap, Request};
use prost::Message;
use tokio::task::{JoinHandle, JoinSet};

use super::child::Target;

/// The window of attackers that read.
const WIDE_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// How long an attacker waits before it opens a connection again that the server has ended.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);

/// How long an abandoned call lasts.
const ABANDON_PAUSE: Duration = Duration::from_millis(1);

/// One call as it is sent.
#[derive(Clone)]
pub(super) struct Question {
    /// Such as `/headwater.v1.TrackingService/RecordSale`.
    path: &'static str,
    key: Option<String>,
    body: Bytes,
    is_compressed: bool,
    /// Whether the end of the body is sent.
    ends: bool,
}

impl Question {
    /// A call with a whole message.
    pub(super) fn new(path: &'static str, key: Option<String>, message: &impl Message) -> Self {
        Self::of_bytes(path, key, &message.encode_to_vec())
    }

    /// A call with these bytes as its message.
    pub(super) fn of_bytes(path: &'static str, key: Option<String>, content: &[u8]) -> Self {
        Self { path, key, body: framed(content, false), is_compressed: false, ends: true }
    }

    /// A call with these bytes as its message, compressed already.
    pub(super) fn of_gzip(path: &'static str, key: Option<String>, content: &[u8]) -> Self {
        Self { path, key, body: framed(content, true), is_compressed: true, ends: true }
    }

    /// A call with no body, whose end never comes.
    pub(super) fn silent(path: &'static str, key: Option<String>) -> Self {
        Self { path, key, body: Bytes::new(), is_compressed: false, ends: false }
    }

    /// The same call with this body, which is sent as it is and never ends.
    pub(super) fn with_endless_body(self, body: Bytes) -> Self {
        Self { body, ends: false, ..self }
    }
}

/// A message with the five bytes that gRPC puts before it.
pub(super) fn framed(content: &[u8], is_compressed: bool) -> Bytes {
    let mut frame = BytesMut::with_capacity(content.len() + 5);
    frame.put_u8(u8::from(is_compressed));
    frame.put_u32(u32::try_from(content.len()).unwrap_or(u32::MAX));
    frame.put_slice(content);
    frame.freeze()
}

/// One connection. It is closed when dropped.
struct Http2 {
    requests: SendRequest<Bytes>,
    authority: String,
    driver: JoinHandle<()>,
}

impl Http2 {
    async fn open(target: &Target, place: usize, window_bytes: u32) -> anyhow::Result<Self> {
        let socket = target.dial(place).await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window_bytes);
        // The connection's own window stays open, so that each stream alone is blocked.
        builder.initial_connection_window_size(1 << 30);
        let (requests, connection) = builder.handshake(socket).await?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Self { requests, authority: target.address.to_string(), driver })
    }

    async fn ask(&self, question: &Question) -> anyhow::Result<(ResponseFuture, SendStream<Bytes>)> {
        let mut request = Request::post(format!("http://{}{}", self.authority, question.path))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(key) = &question.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        if question.is_compressed {
            request = request.header("grpc-encoding", "gzip");
        }
        let mut requests = self.requests.clone().ready().await?;
        let (answer, mut body) = requests.send_request(request.body(())?, false)?;
        if question.ends || !question.body.is_empty() {
            // A server that answers before the body has arrived may refuse the rest.
            let _ = body.send_data(question.body.clone(), question.ends);
        }
        Ok((answer, body))
    }
}

impl Drop for Http2 {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Notes the gRPC status in headers or trailers. False if there is none.
fn note_status(target: &Target, headers: &HeaderMap) -> bool {
    let Some(status) = tonic::Status::from_header_map(headers) else { return false };
    target.tally.answered(status.code() as i32, status.message());
    true
}

/// Reads an answer to its end. With `takes` it makes room for more; otherwise it reads what fits into the window and waits.
async fn read_out(target: &Target, answer: ResponseFuture, takes: bool) -> anyhow::Result<()> {
    let (head, mut body) = answer.await?.into_parts();
    if note_status(target, &head.headers) {
        return Ok(());
    }
    while let Some(data) = next_data(&mut body).await? {
        if takes {
            body.flow_control().release_capacity(data.len())?;
        }
    }
    let trailers = body.trailers().await?.context("there are no trailers")?;
    note_status(target, &trailers);
    Ok(())
}

async fn next_data(body: &mut RecvStream) -> anyhow::Result<Option<Bytes>> {
    Ok(body.data().await.transpose()?)
}

/// Calls from this many callers on each of these connections. Each caller calls again as soon as it has its answer. `make` gets
/// a number that is unique to the call.
pub(super) async fn call(
    target: Target,
    connections: usize,
    callers: usize,
    make: impl Fn(u64) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let make = Arc::new(make);
    let mut tasks = JoinSet::new();
    for place in 0..connections {
        let (target, make) = (target.clone(), Arc::clone(&make));
        tasks.spawn(async move {
            let mut numbers = (place as u64) << 40;
            while target.is_attacked() {
                let Ok(connection) = Http2::open(&target, place, WIDE_WINDOW_BYTES).await else {
                    target.tally.ended();
                    tokio::time::sleep(RECONNECT_PAUSE).await;
                    continue;
                };
                let _open = target.tally.hold();
                let callers = (0..callers as u64).map(|caller| numbers + (caller << 24));
                let calling = callers.map(|first| call_in_turn(&target, &connection, &*make, first));
                futures::future::join_all(calling).await;
                numbers += 1 << 16;
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Calls until the connection fails or the time is over.
async fn call_in_turn(target: &Target, connection: &Http2, make: &(impl Fn(u64) -> Question + Sync), first: u64) {
    let mut number = first;
    while target.is_attacked() {
        let Ok((answer, body)) = connection.ask(&make(number)).await else { break };
        target.tally.sent(1);
        number += 1;
        if read_out(target, answer, true).await.is_err() {
            target.tally.ended();
            // The connection may be there still, and only this call was reset.
            tokio::task::yield_now().await;
        }
        drop(body);
    }
}

/// Calls and resets each call at once, on each of these connections.
pub(super) async fn abandon(
    target: Target,
    connections: usize,
    make: impl Fn(u64) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let make = Arc::new(make);
    let mut tasks = JoinSet::new();
    for place in 0..connections {
        let (target, make) = (target.clone(), Arc::clone(&make));
        tasks.spawn(async move {
            let mut number = (place as u64) << 40;
            while target.is_attacked() {
                if let Ok(connection) = Http2::open(&target, place, WIDE_WINDOW_BYTES).await {
                    while target.is_attacked() {
                        let Ok((answer, body)) = connection.ask(&make(number)).await else { break };
                        target.tally.sent(1);
                        number += 1;
                        // The frames must be sent before the reset, which dropping sends.
                        tokio::time::sleep(ABANDON_PAUSE).await;
                        drop((answer, body));
                    }
                }
                target.tally.ended();
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Streams that are opened and held.
#[derive(Clone, Copy)]
pub(super) struct Held {
    pub(super) connections: usize,
    /// The streams of each connection.
    pub(super) streams: usize,
    /// How much of each answer the attacker takes.
    pub(super) window_bytes: u32,
    /// How long the attacker waits before it opens a stream again that the server has ended.
    pub(super) pause: Duration,
}

/// Opens streams and holds them. What the server ends is opened again while the attack lasts.
pub(super) async fn hold(
    target: Target,
    held: Held,
    make: impl Fn(usize) -> Question + Send + Sync + 'static,
) -> anyhow::Result<()> {
    let make = Arc::new(make);
    let mut tasks = JoinSet::new();
    for place in 0..held.connections {
        let (target, make) = (target.clone(), Arc::clone(&make));
        tasks.spawn(async move {
            while target.is_attacked() {
                match Http2::open(&target, place, held.window_bytes).await {
                    Ok(connection) => hold_connection(&target, &connection, held, place, &*make).await,
                    Err(_) => target.tally.ended(),
                }
                tokio::time::sleep(RECONNECT_PAUSE).await;
            }
        });
    }
    tasks.join_all().await;
    std::future::pending().await
}

/// Holds the streams of one connection until it has ended.
async fn hold_connection(
    target: &Target,
    connection: &Http2,
    held: Held,
    place: usize,
    make: &(impl Fn(usize) -> Question + Sync),
) {
    let mut streams: FuturesUnordered<_> = (0..held.streams)
        .map(|stream| async move {
            let question = make(place * held.streams + stream);
            loop {
                let Ok((answer, body)) = connection.ask(&question).await else { return };
                target.tally.sent(1);
                let open = target.tally.hold();
                if read_out(target, answer, false).await.is_err() {
                    target.tally.ended();
                }
                drop((open, body));
                let again_at = clock::monotonic_now() + held.pause;
                tokio::time::sleep_until(again_at).await;
                if !target.is_attacked() {
                    return;
                }
            }
        })
        .collect();
    while streams.next().await.is_some() {}
    // A connection without streams is held until the server ends it.
    if held.streams == 0 {
        target.tally.sent(1);
        let _open = target.tally.hold();
        while !connection.driver.is_finished() {
            tokio::time::sleep(RECONNECT_PAUSE).await;
        }
        target.tally.ended();
    }
}

#[cfg(test)]
mod tests {
    use http::Response;
    use tokio::net::TcpListener;

    use super::*;

    /// Answers every call with RESOURCE_EXHAUSTED, and then resets it.
    async fn refuse(listener: TcpListener) {
        while let Ok((socket, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut connection = h2::server::handshake(socket).await.unwrap();
                while let Some(Ok((_, mut answer))) = connection.accept().await {
                    let head = Response::builder().header("grpc-status", "8").header("grpc-message", "too many");
                    answer.send_response(head.body(()).unwrap(), true).unwrap();
                }
            });
        }
    }

    #[tokio::test]
    async fn every_call_and_stream_is_counted_with_its_answer() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(refuse(listener));
        let ends_at = clock::monotonic_now() + Duration::from_secs(60);
        let (calling, holding) = (Target::of(address, ends_at), Target::of(address, ends_at));
        let ask = |_| Question::of_bytes("/a.B/C", Some("key".to_owned()), b"abc");
        let held = Held { connections: 1, streams: 3, window_bytes: 0, pause: Duration::from_millis(1) };
        tokio::spawn(call(calling.clone(), 2, 2, ask));
        tokio::spawn(hold(holding.clone(), held, |_| Question::silent("/a.B/C", None)));
        for target in [calling, holding] {
            while target.tally.answers().get(&8).is_none_or(|count| *count < 20) {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            assert!(target.tally.sent.load(std::sync::atomic::Ordering::Relaxed) >= 20);
        }
    }
}
