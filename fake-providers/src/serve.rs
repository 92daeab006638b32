//! The listener: reads requests, carries out their faults on the connection, and writes answers. Knows no provider's rules.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::control;
use crate::exchange::{Answer, Provider, Request};
use crate::faults::Fault;
use crate::hooks::Delivery;
use crate::sender;
use crate::world::World;

/// A batch of 15,000 items with all its notes is below it.
const BODY_BYTES_MAX: usize = 96 * 1024 * 1024;

/// What all connections share.
pub(crate) struct App {
    world: Mutex<World>,
    pub(crate) outbox: UnboundedSender<Delivery>,
}

impl App {
    pub(crate) fn new(world: World, outbox: UnboundedSender<Delivery>) -> App {
        App { world: Mutex::new(world), outbox }
    }

    /// The world, for as long as one step takes.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets what is due happen, and sends its webhooks.
    pub(crate) fn tick(&self) {
        let ready = {
            let mut world = self.world();
            world.settle();
            world.common.hooks.take_ready()
        };
        self.send(ready);
    }

    fn send(&self, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            // If the channel is closed, the program ends.
            let _ = self.outbox.send(delivery);
        }
    }
}

/// Accepts connections until the task is aborted.
pub(crate) async fn accept(app: Arc<App>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(connection(Arc::clone(&app), stream))),
            // Out of files, or a connection that was cut at once.
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

async fn connection(app: Arc<App>, stream: TcpStream) {
    let service = service_fn(move |request| {
        let app = Arc::clone(&app);
        // A task of its own, because a request is carried out even if its caller has gone.
        async move { tokio::spawn(answer(app, request)).await.unwrap_or(Err(Cut)) }
    });
    // The error is the caller's or a fault's.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// The connection is to be cut.
#[derive(Debug)]
struct Cut;

impl std::fmt::Display for Cut {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("cut by a fault")
    }
}

impl std::error::Error for Cut {}

async fn answer(app: Arc<App>, request: hyper::Request<Incoming>) -> Result<hyper::Response<Wire>, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|_| Cut)?.to_bytes();
    let path = parts.uri.path();
    let query: Vec<(String, String)> =
        url::form_urlencoded::parse(parts.uri.query().unwrap_or("").as_bytes()).into_owned().collect();
    let host = parts.headers.get("host").and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    let (first, rest) = path.trim_start_matches('/').split_once('/').unwrap_or((path.trim_start_matches('/'), ""));
    if first == "fake" {
        let answer = control::answer(&app, parts.method.as_str(), rest, &query, &body);
        app.tick();
        return Ok(response(answer, None));
    }
    let Some(provider) = Provider::by_name(first) else {
        let text = "the first part of the path names a provider, or is fake";
        return Ok(response(Answer::json(404, &serde_json::json!({"error": text})), None));
    };
    let request = Request {
        number: 0,
        provider,
        method: parts.method.as_str().to_owned(),
        path: format!("/{rest}"),
        query,
        base: format!("http://{host}/{first}"),
        headers: parts.headers,
        body,
    };
    carry_out(&app, request).await
}

/// Carries out one request of a provider, with its faults.
async fn carry_out(app: &App, mut request: Request) -> Result<hyper::Response<Wire>, Cut> {
    let faults = app.world().begin(&mut request);
    if faults.contains(&Fault::DropBeforeApply) {
        app.world().end(&request, &faults, None);
        return Err(Cut);
    }
    for fault in &faults {
        if let Fault::DelayBefore { milliseconds } = fault {
            tokio::time::sleep(Duration::from_millis(*milliseconds)).await;
        }
    }
    let (answer, ready, is_first) = {
        let mut world = app.world();
        let answer = world.apply(&request, &faults);
        world.end(&request, &faults, Some(answer.status));
        let is_first = world.common.hooks.delivering.before_answer || faults.contains(&Fault::WebhooksFirst);
        (answer, world.common.hooks.take_ready(), is_first)
    };
    if is_first {
        for delivery in ready {
            sender::deliver(app, delivery).await;
        }
    } else {
        app.send(ready);
    }
    let mut truncated = None;
    for fault in &faults {
        match fault {
            Fault::DelayAfter { milliseconds } => tokio::time::sleep(Duration::from_millis(*milliseconds)).await,
            Fault::ApplyThenDrop => return Err(Cut),
            Fault::Truncate { bytes } => truncated = Some(*bytes),
            _ => {}
        }
    }
    Ok(response(answer, truncated))
}

fn response(answer: Answer, truncated: Option<usize>) -> hyper::Response<Wire> {
    let mut response = hyper::Response::new(Wire::new(answer.body, truncated));
    *response.status_mut() =
        http::StatusCode::from_u16(answer.status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in answer.headers {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}

/// A body that may end too early.
struct Wire {
    announced: u64,
    data: Option<Bytes>,
    cut: Ending,
}

enum Ending {
    Whole,
    /// The data must be on the wire before the connection is cut.
    AfterFlush,
    Now,
}

impl Wire {
    fn new(body: Bytes, truncated: Option<usize>) -> Wire {
        let announced = body.len() as u64;
        match truncated.filter(|kept| *kept < body.len()) {
            None => Wire { announced, data: Some(body).filter(|body| !body.is_empty()), cut: Ending::Whole },
            Some(kept) => Wire { announced, data: Some(body.slice(..kept)), cut: Ending::AfterFlush },
        }
    }
}

impl Body for Wire {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if let Some(data) = self.data.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match self.cut {
            Ending::Whole => Poll::Ready(None),
            Ending::AfterFlush => {
                self.cut = Ending::Now;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Ending::Now => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.cut, Ending::Whole) && self.data.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}

/// Lets what is due happen, also when nobody calls.
pub(crate) async fn tick_often(app: Arc<App>) {
    let mut interval = tokio::time::interval(Duration::from_millis(100));
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        interval.tick().await;
        app.tick();
    }
}
