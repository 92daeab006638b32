//! Serves one connection with HTTP/2: from its first byte to its end.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpConnectInfo;
use tower::Service;

use super::connections::Connection;
use super::lane::Lane;
use super::stream::{Stream, Streams};

/// How much the transport holds of an answer that its reader does not take.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// The most bytes of headers of a request.
const HEADER_BYTES_MAX: u32 = 16 * 1024;

/// How long a connection without calls may take to say goodbye.
const GOODBYE: Duration = Duration::from_secs(1);

/// How often a connection that must end is looked at. A reader that takes nothing for so long then takes nothing at all.
const LOOK: Duration = Duration::from_secs(1);

/// The limits of a connection.
#[derive(Clone)]
pub struct ConnectionLimits {
    /// The most calls at once.
    pub streams_max: u32,
    /// How often an idle connection is pinged.
    pub keepalive_interval: Duration,
    /// How long the answer to a ping may take.
    pub keepalive_timeout: Duration,
    /// The age at which the client is asked to open a new one.
    pub age: Duration,
    /// How long a TLS handshake may take.
    pub handshake: Duration,
    /// How long the first request may take.
    pub first_request: Duration,
    /// How long a reader of a feed may take nothing before it is too slow. Other readers have half of it.
    pub stall: Duration,
    /// Where heavy calls run.
    pub lane: Lane,
}

/// Serves a connection until it ends. Once `draining` is cancelled, it takes no more calls and ends when those in progress have.
/// A client that then does nothing is cut.
pub(super) async fn serve<IO, S, B>(
    io: IO,
    service: S,
    connection: &Arc<Connection>,
    limits: &ConnectionLimits,
    draining: &CancellationToken,
) where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let streams = Streams::new(limits.stall, limits.lane.clone());
    let calls = Calls {
        service,
        connection: Arc::clone(connection),
        streams: streams.clone(),
        info: TcpConnectInfo { local_addr: None, remote_addr: Some(connection.address()) },
    };
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams_max)
        .max_send_buf_size(SEND_BUFFER_BYTES)
        .max_header_list_size(HEADER_BYTES_MAX)
        .keep_alive_interval(limits.keepalive_interval)
        .keep_alive_timeout(limits.keepalive_timeout);
    let mut served = pin!(builder.serve_connection(TokioIo::new(io), calls));
    let mut first_request = pin!(tokio::time::sleep(limits.first_request));
    let mut age = pin!(tokio::time::sleep(limits.age));
    let mut waits_for_first = true;
    loop {
        tokio::select! {
            // The end of a connection is no fault of the server, whatever its reason.
            _ = served.as_mut() => return,
            () = draining.cancelled() => break,
            () = &mut age => break,
            () = &mut first_request, if waits_for_first => {
                if !connection.has_called() {
                    break;
                }
                waits_for_first = false;
            }
        }
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = cut_idle(connection, draining) => {}
    }
}

/// Completes when a connection that should have ended does nothing any more: no call has come, or the server stops, works on none
/// of the calls, and no reader takes anything.
async fn cut_idle(connection: &Connection, draining: &CancellationToken) {
    if connection.has_called() {
        draining.cancelled().await;
    }
    tokio::time::sleep(GOODBYE).await;
    let mut parts = None;
    while connection.is_working() || parts != Some(connection.parts()) {
        parts = Some(connection.parts());
        tokio::time::sleep(LOOK).await;
    }
}

/// The calls of one connection.
struct Calls<S> {
    service: S,
    connection: Arc<Connection>,
    streams: Streams,
    info: TcpConnectInfo,
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Calls<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Call<S>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.connection.called();
        let stream = Stream::new(Arc::clone(&self.connection));
        self.streams.announce(Arc::clone(&stream));
        let extensions = request.extensions_mut();
        extensions.insert(self.info.clone());
        extensions.insert(stream);
        tower::ServiceExt::oneshot(self.service.clone(), request)
    }
}

type Call<S> = tower::util::Oneshot<S, Request<Incoming>>;
