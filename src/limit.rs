//! Limits on what is worked on at once and for how long. More is refused at once rather than queued: a queue that only grows helps
//! nobody.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::Semaphore;
use tower::{Layer, Service};

use crate::error::Error;

/// How long a refused caller should wait.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// The one call that may take longer than others: it waits for news up to 30 seconds.
const LONG_POLL: &str = "/headwater.v1.TrackingService/ListConversionEvents";
const LONG_POLL_SECONDS_MAX: u64 = 30;

/// See the head of the file.
#[derive(Clone)]
pub struct LimitLayer {
    calls: Arc<Semaphore>,
    timeout: Duration,
}

impl LimitLayer {
    /// At most this many calls at once, none longer than this until its answer begins. Streams are free once they are open.
    pub fn new(calls_max: usize, timeout: Duration) -> Self {
        Self { calls: Arc::new(Semaphore::new(calls_max)), timeout }
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
            let status = Error::Overloaded { retry_after: RETRY_AFTER }.into_status("");
            return Box::pin(std::future::ready(Ok(status.into_http())));
        };
        let mut timeout = self.limits.timeout;
        if request.uri().path() == LONG_POLL {
            timeout += Duration::from_secs(LONG_POLL_SECONDS_MAX);
        }
        // The clone may not be ready; the one that was asked is.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let _place = place;
            match tokio::time::timeout(timeout, inner.call(request)).await {
                Ok(response) => response,
                Err(_) => Ok(Error::DeadlineExceeded.into_status("").into_http()),
            }
        })
    }
}
