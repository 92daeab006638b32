//! The limits of calls. Calls, the bytes of requests and the bytes of answers are shared among accounts. A call beyond a share is
//! refused at once and not queued, because a queue that only grows helps nobody. Calls that need no key have places of their own.
//! `rpc` limits how long a call may take once its request has arrived. This layer must not cut a write that has begun, because
//! its caller would think that nothing was done.

pub mod open;
mod receive;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::auth::Principal;
use crate::auth::layer::Caller;
use crate::domain::account::KeyKind;
use crate::domain::id::AccountId;
use crate::error::{CallName, Error};
use crate::shares::Shares;
use crate::transport::answer::{self, Answer};
use crate::transport::request;
use crate::transport::stream::Stream;
use open::OpenMethods;
use receive::receive;

/// How long a refused caller should wait before a retry.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Answers up to this size count towards no share, because the number of calls limits them.
const FREE_ANSWER_BYTES: u64 = 16 * 1024;

/// The status of a stream without a key that the server ends: UNAVAILABLE, so that its client opens another one.
const ENDED: (&str, &str) = ("14", "the server ends this stream; open another one");

/// Whose share a call counts towards: an account's, or that of its publishable keys, which everybody can read in a web page. Strangers
/// who register accounts have a share apart from operators.
type Owner = (AccountId, bool);

/// The limits of all calls.
pub struct Limits {
    /// The calls that are worked on or answered.
    calls: Shares<Owner>,
    /// The bytes of requests that are being received.
    request_bytes: Shares<Owner>,
    /// The bytes of answers that their readers have not taken.
    answer_bytes: Shares<Owner>,
    open_methods: OpenMethods,
    message_bytes_max: usize,
    receive_timeout: Duration,
    draining: CancellationToken,
}

impl Limits {
    /// Allows at most `calls_max` calls at once. A request may have `message_bytes_max` bytes and must arrive within
    /// `receive_timeout`. All requests and all answers may each have half of `transfer_bytes_max`. Once `draining` is cancelled,
    /// calls that do not go on are ended.
    pub fn new(
        calls_max: usize,
        message_bytes_max: usize,
        transfer_bytes_max: usize,
        receive_timeout: Duration,
        draining: CancellationToken,
    ) -> Self {
        let half = (transfer_bytes_max / 2) as u64;
        Self {
            calls: Shares::new(calls_max as u64),
            request_bytes: Shares::new(half),
            answer_bytes: Shares::new(half),
            open_methods: OpenMethods::new(),
            message_bytes_max,
            receive_timeout,
            draining,
        }
    }
}

/// The size of a large answer. A handler adds it to the extensions of its response.
#[derive(Clone, Copy)]
pub struct AnswerBytes(u64);

impl AnswerBytes {
    /// The size of an answer that counts. `None` for a small one.
    pub fn of(bytes: usize) -> Option<Self> {
        let bytes = bytes as u64;
        (bytes > FREE_ANSWER_BYTES).then_some(Self(bytes))
    }
}

/// The layer that keeps the limits.
#[derive(Clone)]
pub struct LimitLayer(Arc<Limits>);

impl LimitLayer {
    /// A layer with these limits.
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(limits))
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, limits: Arc::clone(&self.0) }
    }
}

/// The service that [`LimitLayer`] makes.
#[derive(Clone)]
pub struct LimitService<S> {
    inner: S,
    limits: Arc<Limits>,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for LimitService<S>
where
    S: Service<Request<request::Request<RequestBody>>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    RequestBody: Body<Data = Bytes> + Unpin + Send + 'static,
    ResponseBody: Default + Send + 'static,
{
    type Response = Response<Answer<ResponseBody>>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        // This call takes the service that was polled, because the clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let limits = Arc::clone(&self.limits);
        let extensions = request.extensions();
        let stream = extensions.get::<Arc<Stream>>().cloned();
        let caller = extensions.get::<Caller>().map(|caller| (owner_of(&caller.principal), caller.call.clone()));
        let open_name = extensions.get::<CallName>().cloned();
        let Some(stream) = stream else {
            let fault = Error::Internal("a call came past the transport".to_owned());
            return Box::pin(std::future::ready(refuse(fault, &open_name.unwrap_or_default())));
        };
        let Some((owner, name)) = caller else {
            let name = open_name.unwrap_or_default();
            return Box::pin(async move { open_call(limits, inner, request, stream, name).await });
        };
        Box::pin(async move {
            let Some(place) = limits.calls.take(owner, 1) else {
                return refuse(Error::Overloaded { retry_after: RETRY_AFTER }, &name);
            };
            stream.hold(Box::new(place));
            let (head, mut body) = request.into_parts();
            let received = match receive(&limits, owner, limits.message_bytes_max, &stream, &mut body).await {
                Ok(received) => received,
                Err(error) => return refuse(error, &name),
            };
            if received.is_heavy() {
                stream.becomes_heavy(owner.0.uuid().as_u128());
                tokio::task::yield_now().await;
            }
            let answer = inner.call(Request::from_parts(head, request::Request::Whole(received.parts))).await?;
            drop(received.shares);
            let bytes = answer.extensions().get().map(|AnswerBytes(bytes)| *bytes);
            // The number of calls does not limit one that has given its place back.
            let bytes = bytes.or_else(|| stream.has_let_go().then_some(FREE_ANSWER_BYTES));
            if let Some(bytes) = bytes {
                match limits.answer_bytes.take(owner, bytes) {
                    Some(share) => stream.hold_answer(Box::new(share)),
                    None => return refuse(Error::Overloaded { retry_after: RETRY_AFTER }, &name),
                }
            }
            Ok(answer.map(|body| Answer::new(body, Some(stream))))
        })
    }
}

fn owner_of(principal: &Principal) -> Owner {
    (principal.account_id, matches!(principal.kind, KeyKind::Publishable | KeyKind::Invitation))
}

/// A call that needs no key.
async fn open_call<S, RequestBody, ResponseBody>(
    limits: Arc<Limits>,
    mut inner: S,
    request: Request<RequestBody>,
    stream: Arc<Stream>,
    name: CallName,
) -> Result<Response<Answer<ResponseBody>>, S::Error>
where
    S: Service<Request<request::Request<RequestBody>>, Response = Response<ResponseBody>>,
    RequestBody: Body<Data = Bytes> + Unpin,
    ResponseBody: Default,
{
    let Some(place) = limits.open_methods.enter(name.method, &stream) else {
        return refuse(Error::Overloaded { retry_after: RETRY_AFTER }, &name);
    };
    stream.hold(Box::new(place));
    let (head, mut body) = request.into_parts();
    let body = if open::is_reflection(name.method) {
        request::Request::Stream(body)
    } else {
        match receive(&limits, (AccountId::SERVER, true), open::MESSAGE_BYTES_MAX, &stream, &mut body).await {
            Ok(received) => request::Request::Whole(received.parts),
            Err(error) => return refuse(error, &name),
        }
    };
    let answer = inner.call(Request::from_parts(head, body)).await?;
    let answer = answer.map(|body| Answer::new(body, Some(stream)));
    if !open::is_stream(name.method) {
        return Ok(answer);
    }
    let draining = limits.draining.clone().cancelled_owned();
    let trailers = answer::trailers(ENDED.0, ENDED.1);
    Ok(answer.map(|answer| answer.end_with(draining, trailers)))
}

fn refuse<B: Default, E>(error: Error, name: &CallName) -> Result<Response<Answer<B>>, E> {
    Ok(error.into_status(name).into_http())
}
