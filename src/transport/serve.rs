//! Takes connections in and serves them, with TLS or without, until the server stops.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use rustix::net::sockopt::set_tcp_user_timeout;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

use super::connections::{Connection, Connections};
use super::first_bytes::{self, Protocol};
use super::gathered::Gathered;
pub use super::http2::ConnectionLimits;
use super::pace::Paced;
use super::{http1, http2};
use crate::clock;
use crate::sampled::Sampled;

/// How long accepting pauses when the system has no more descriptors or memory.
const PAUSE: Duration = Duration::from_millis(100);

/// The errors of `accept` that say that the system has none left: ENFILE, EMFILE, ENOMEM and ENOBUFS. The numbers are those of
/// Linux.
const EXHAUSTED: [i32; 4] = [23, 24, 12, 105];

static REFUSED: Sampled = Sampled::new(|connections, last| {
    tracing::warn!(
        connections,
        last,
        "connections were refused: as many are open as connections_max, http_connections_max, connections_per_address_max or the \
         limit of open files allow"
    );
});

static NOT_ACCEPTED: Sampled = Sampled::new(|times, last| {
    tracing::warn!(times, last, "cannot accept connections; raise the limit of open files, or lower connections_max");
});

/// The version of HTTP that a listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// Everything that a connection is served with.
pub struct Transport<S> {
    /// The version of HTTP.
    pub version: Version,
    /// The service that answers each request.
    pub service: S,
    /// The current TLS configuration. `None` for plaintext.
    pub tls: Option<watch::Receiver<TlsAcceptor>>,
    /// The table of connections.
    pub connections: Connections,
    /// The limits of each connection.
    pub limits: ConnectionLimits,
    /// Cancelled when no more connections and calls are taken.
    pub draining: CancellationToken,
}

impl<S, B> Transport<S>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send + 'static,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Serves the connections of these listeners. Completes when the server stops and every connection has ended. Dropping the
    /// future does not end the connections; cancelling `cutting` does.
    pub async fn serve(self, listeners: Vec<TcpListener>, cutting: CancellationToken) {
        let transport = Arc::new(self);
        let tasks = TaskTracker::new();
        let accepting = listeners.into_iter().map(|listener| Arc::clone(&transport).accept(listener, &tasks, &cutting));
        futures::future::join_all(accepting).await;
        tasks.close();
        tasks.wait().await;
    }

    async fn accept(self: Arc<Self>, listener: TcpListener, tasks: &TaskTracker, cutting: &CancellationToken) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.draining.cancelled() => return,
            };
            match accepted {
                Ok((socket, address)) => match self.connections.admit(address) {
                    Some(connection) => {
                        let (transport, cutting) = (Arc::clone(&self), cutting.clone());
                        tasks.spawn(async move {
                            tokio::select! {
                                () = transport.serve_connection(socket, &connection) => {}
                                () = connection.cut() => {}
                                () = cutting.cancelled() => {}
                            }
                        });
                    }
                    None => REFUSED.note(&format!("from {}", address.ip())),
                },
                Err(error) => self.rest_after(&error, &listener).await,
            }
        }
    }

    /// Waits until accepting may succeed again. Most errors are about one connection only.
    async fn rest_after(&self, error: &io::Error, listener: &TcpListener) {
        let address = listener.local_addr().unwrap_or_else(|_| SocketAddr::from(([0, 0, 0, 0], 0)));
        if error.raw_os_error().is_some_and(|code| EXHAUSTED.contains(&code)) {
            NOT_ACCEPTED.note(&format!("{error} at {address}"));
            self.connections.cut_oldest_unknown();
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn serve_connection(&self, socket: TcpStream, connection: &Arc<Connection>) {
        // Without the first option, small answers could wait for the reader's acknowledgement of the one before. With the second,
        // the system ends a connection whose reader takes nothing for so long; HTTP/2 cannot say goodbye to it.
        let dead_after = self.limits.keepalive_interval + self.limits.keepalive_timeout;
        let dead_after = u32::try_from(dead_after.as_millis()).unwrap_or(u32::MAX);
        if socket.set_nodelay(true).is_err() || set_tcp_user_timeout(&socket, dead_after).is_err() {
            return;
        }
        let begun_at = clock::monotonic_now();
        if !self.first_bytes_come(&socket).await {
            return;
        }
        let first_request = self.limits.first_request.saturating_sub(begun_at.elapsed());
        let limits = ConnectionLimits { age: clock::jitter(self.limits.age, 10), first_request, ..self.limits.clone() };
        let io = Paced::new(Gathered::new(socket), Arc::clone(connection), self.connections.slowed_count());
        let Some(tls) = &self.tls else { return self.serve_http(io, connection, &limits).await };
        let acceptor = tls.borrow().clone();
        let handshake = tokio::time::timeout(limits.handshake, acceptor.accept(io));
        tokio::select! {
            shaken = handshake => match shaken {
                Ok(Ok(io)) => self.serve_http(io, connection, &limits).await,
                Ok(Err(error)) => tracing::debug!(%error, "a TLS handshake failed"),
                Err(_) => tracing::debug!("a TLS handshake took too long"),
            },
            () = self.draining.cancelled() => {}
        }
    }

    async fn serve_http<IO>(&self, io: IO, connection: &Arc<Connection>, limits: &ConnectionLimits)
    where
        IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = self.service.clone();
        match self.version {
            Version::Http1 => http1::serve(io, service, connection, limits, &self.draining).await,
            Version::Http2 => http2::serve(io, service, connection, limits, &self.draining).await,
        }
    }

    /// Waits for the first bytes of a connection. False if it ends, if they take too long, or if the server stops.
    async fn first_bytes_come(&self, socket: &TcpStream) -> bool {
        let protocol = match (&self.tls, self.version) {
            (Some(_), _) => Protocol::Tls,
            (None, Version::Http1) => Protocol::Http1,
            (None, Version::Http2) => Protocol::Http2,
        };
        tokio::select! {
            come = tokio::time::timeout(self.limits.first_request, first_bytes::come(socket, protocol)) => {
                matches!(come, Ok(Ok(())))
            }
            () = self.draining.cancelled() => false,
        }
    }
}
