//! Serves one connection with HTTP/1.1: from its first byte to its end. A connection has one request at a time, so its limits are those
//! of a request.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;
use tower::{Service, ServiceExt};

use super::connections::Connection;
use super::http2::ConnectionLimits;

/// The most bytes of the first line and the headers of a request, and of what is read of a body ahead.
const BUFFER_BYTES_MAX: usize = 16 * 1024;

/// The most headers of a request.
const HEADERS_MAX: usize = 64;

/// How long a connection without a request may take to say goodbye, and how often it is looked at then.
const GOODBYE: Duration = Duration::from_secs(1);

/// The address that a request came from. It is in the extensions of the request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub SocketAddr);

/// Serves a connection until it ends. Once `draining` is cancelled, it takes no more requests. A client that sends no request for
/// as long as a first one may take is cut.
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
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let requests = Requests { service, connection: Arc::clone(connection) };
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // It runs from the end of the request before, so it limits a rest too.
        .header_read_timeout(limits.first_request)
        .max_buf_size(BUFFER_BYTES_MAX)
        .max_headers(HEADERS_MAX);
    let mut served = pin!(builder.serve_connection(TokioIo::new(io), requests));
    tokio::select! {
        // The end of a connection is no fault of the server, whatever its reason.
        _ = served.as_mut() => return,
        () = draining.cancelled() => {}
        () = tokio::time::sleep(limits.age) => {}
    }
    served.as_mut().graceful_shutdown();
    tokio::select! {
        _ = served => {}
        () = cut_idle(connection) => {}
    }
}

/// Completes when a connection that should have ended has no request.
async fn cut_idle(connection: &Connection) {
    tokio::time::sleep(GOODBYE).await;
    while connection.is_working() {
        tokio::time::sleep(GOODBYE).await;
    }
}

/// The requests of one connection.
struct Requests<S> {
    service: S,
    connection: Arc<Connection>,
}

/// A request that is worked on, until this is dropped.
struct Work(Arc<Connection>);

impl Drop for Work {
    fn drop(&mut self) {
        self.0.end_work();
    }
}

impl<S, B> hyper::service::Service<Request<Incoming>> for Requests<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send,
    B: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.connection.called();
        request.extensions_mut().insert(Peer(self.connection.address()));
        self.connection.begin_work();
        let (work, service) = (Work(Arc::clone(&self.connection)), self.service.clone());
        Box::pin(async move {
            let answer = service.oneshot(request).await;
            drop(work);
            answer
        })
    }
}
