//! The limit on concurrent calls. Further calls are refused at once and not queued, because a queue that only grows helps nobody.
//! `rpc` limits how long a call may take once its request has arrived. This layer must not cut a write that has begun, because
//! its caller would think that nothing was done.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service};

use crate::auth::layer::Caller;
use crate::error::{CallName, Error};

/// How long a refused caller should wait before a retry.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// See the head of the file.
#[derive(Clone)]
pub struct LimitLayer {
    calls: Arc<Semaphore>,
    receive_timeout: Duration,
}

impl LimitLayer {
    /// Allows at most `calls_max` calls at once. A request must arrive within `receive_timeout`. An open stream does not count.
    pub fn new(calls_max: usize, receive_timeout: Duration) -> Self {
        Self { calls: Arc::new(Semaphore::new(calls_max)), receive_timeout }
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
        // Methods that are open to everybody have no caller. They answer at once.
        let caller = request.extensions().get::<Caller>();
        let received = caller.map_or_else(CancellationToken::new, |caller| caller.received.clone());
        let name = caller.map(|caller| &caller.call).or_else(|| request.extensions().get::<CallName>());
        let name = name.cloned().unwrap_or_default();
        let refuse = move |error: Error| Ok(error.into_status(&name).into_http());
        let Ok(place) = Arc::clone(&self.limits.calls).try_acquire_owned() else {
            return Box::pin(std::future::ready(refuse(Error::Overloaded { retry_after: RETRY_AFTER })));
        };
        let receive_timeout = self.limits.receive_timeout;
        // This call takes the service that was polled, because the clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let _place = place;
            let mut answer = pin!(inner.call(request));
            tokio::select! {
                biased;
                answer = &mut answer => return answer,
                () = received.cancelled() => {}
                // The timer is created only when the call waits for it, because most requests have already arrived.
                () = async { tokio::time::sleep(receive_timeout).await } => {
                    // Nothing was changed, because a handler begins only when the request has been received.
                    return refuse(Error::DeadlineExceeded { is_unchanged: true });
                }
            }
            answer.await
        })
    }
}
