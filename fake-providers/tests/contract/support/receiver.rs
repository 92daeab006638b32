//! A receiver of webhooks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// A webhook as it arrived.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) headers: http::HeaderMap,
    pub(crate) body: Bytes,
}

impl Received {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no header {name}")).to_str().unwrap()
    }
}

/// Listens until it is dropped with the test's runtime.
pub(crate) struct Receiver {
    pub(crate) url: String,
    status: Arc<AtomicU16>,
    arrived: UnboundedReceiver<Received>,
}

impl Receiver {
    pub(crate) async fn start() -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let status = Arc::new(AtomicU16::new(200));
        let (sender, arrived) = unbounded_channel();
        tokio::spawn(accept(listener, sender, Arc::clone(&status)));
        Receiver { url, status, arrived }
    }

    /// Answers with this status from now on.
    pub(crate) fn answer_with(&self, status: u16) {
        self.status.store(status, Ordering::SeqCst);
    }

    /// The next webhook.
    pub(crate) async fn next(&mut self) -> Received {
        let next = tokio::time::timeout(Duration::from_secs(10), self.arrived.recv()).await;
        next.expect("no webhook arrived").unwrap()
    }

    /// The next webhooks, by their types.
    pub(crate) async fn next_types(&mut self, field: &str, count: usize) -> Vec<String> {
        let mut types = Vec::new();
        for _ in 0..count {
            types.push(self.next().await.json()[field].as_str().unwrap().to_owned());
        }
        types
    }

    /// What has arrived by now.
    pub(crate) fn has_arrived(&mut self) -> Option<Received> {
        self.arrived.try_recv().ok()
    }
}

async fn accept(listener: TcpListener, sender: UnboundedSender<Received>, status: Arc<AtomicU16>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (sender, status) = (sender.clone(), Arc::clone(&status));
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let (sender, status) = (sender.clone(), Arc::clone(&status));
            async move {
                let (parts, body) = request.into_parts();
                let body = body.collect().await?.to_bytes();
                let _ = sender.send(Received { headers: parts.headers, body });
                let mut answer = hyper::Response::new(Empty::<Bytes>::new());
                *answer.status_mut() = http::StatusCode::from_u16(status.load(Ordering::SeqCst)).unwrap();
                Ok::<_, hyper::Error>(answer)
            }
        });
        tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}
