//! The limit on what is worked on at once. More is refused at once rather than queued: a queue that only grows helps nobody.
//! How long a call may take is for `rpc` to say: a write that has begun must not be cut, or its caller is told nothing was done.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use crate::auth::layer::Caller;
use crate::error::Error;

/// How long a refused caller should wait.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// See the head of the file.
#[derive(Clone)]
pub struct LimitLayer {
    calls: Arc<Semaphore>,
}

impl LimitLayer {
    /// At most this many calls at once. Streams are free once they are open.
    pub fn new(calls_max: usize) -> Self {
        Self { calls: Arc::new(Semaphore::new(calls_max)) }
    }
}

impl<S> Layer<S> for LimitLayer {
    type Service = LimitService<S>;

    fn layer(&self, inner: S) -> LimitService<S> {
        LimitService { inner, limits: self.clone() }
    }
}

/// The service that [`LimitLayer`] makes.
#[derive(Clone)]
pub struct LimitService<S> {
    inner: S,
    limits: LimitLayer,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for LimitService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    RequestBody: Send + 'static,
    ResponseBody: Default + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<RequestBody>) -> Self::Future {
        let Ok(place) = Arc::clone(&self.limits.calls).try_acquire_owned() else {
            let request_id = request.extensions().get::<Caller>().map(|caller| Arc::clone(&caller.request_id));
            let error = Error::Overloaded { retry_after: RETRY_AFTER };
            let status = error.into_status(request_id.as_deref().unwrap_or_default());
            return Box::pin(std::future::ready(Ok(status.into_http())));
        };
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let _place = place;
            inner.call(request).await
        })
    }
}
