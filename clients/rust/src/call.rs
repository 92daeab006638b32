//! One call with its deadline, its ids and its repeats.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::client::KeyedChannel;
use crate::error::Error;
use crate::pb;

/// The settings of calls.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    /// The deadline of a call with all its repeats.
    pub timeout: Duration,
    /// False for the call that checks a connection, because it must show the cause of a failure at once.
    pub is_repeating: bool,
}

impl Rules {
    pub(crate) const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);
}

/// Makes calls over one connection.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub channel: KeyedChannel,
    pub rules: Rules,
}

/// The rules of a unary call, by its request.
pub(crate) trait Call: Clone {
    /// Sets the ids that make a repeat safe, where the caller left them empty.
    fn fill_ids(&mut self) {}

    /// The deadline of the call. `None`: the call takes as long as it takes.
    fn timeout(&self, default: Duration) -> Option<Duration> {
        Some(default)
    }
}

/// Sets an empty id to a random UUID.
pub(crate) fn fill(id: &mut String) {
    if id.is_empty() {
        *id = Uuid::new_v4().to_string();
    }
}

impl Call for pb::RecordClickRequest {
    fn fill_ids(&mut self) {
        fill(&mut self.event_id);
    }
}

impl Call for pb::BatchRecordEventsRequest {
    fn fill_ids(&mut self) {
        for item in &mut self.items {
            if let Some(pb::batch_item::Item::Click(click)) = &mut item.item {
                click.fill_ids();
            }
        }
    }
}

impl Call for pb::ReadEventsRequest {
    /// Longer than the wait, so that the server and not the deadline ends it.
    fn timeout(&self, default: Duration) -> Option<Duration> {
        let wait = self.max_wait.and_then(|wait| Duration::try_from(wait).ok()).unwrap_or_default();
        Some(if wait.is_zero() { default } else { default.max(wait.saturating_add(Duration::from_secs(5))) })
    }
}

impl Call for pb::VerifyLedgerRequest {
    /// It reads the whole ledger.
    fn timeout(&self, _default: Duration) -> Option<Duration> {
        None
    }
}

impl Caller {
    /// Makes a call, and repeats it until its deadline while a repeat may help.
    pub(crate) async fn call<Q, A, F>(
        &self,
        mut request: Q,
        attempt: impl Fn(KeyedChannel, Request<Q>) -> F,
    ) -> Result<A, Error>
    where
        Q: Call,
        F: Future<Output = Result<Response<A>, Status>>,
    {
        request.fill_ids();
        // A time that no clock reaches is no deadline.
        let deadline = request.timeout(self.rules.timeout).and_then(|timeout| Instant::now().checked_add(timeout));
        // A call without a deadline is repeated for as long as others, from its first failure on.
        let mut repeat_until = deadline;
        let mut failures = 0;
        let mut last: Option<Error> = None;
        loop {
            let mut message = Request::new(request.clone());
            let answer = match deadline {
                None => attempt(self.channel.clone(), message).await,
                Some(deadline) => {
                    message.set_timeout(deadline.saturating_duration_since(Instant::now()).min(LONGEST_TIMEOUT));
                    match timeout_at(deadline, attempt(self.channel.clone(), message)).await {
                        Ok(answer) => answer,
                        Err(_) => return Err(Error::deadline(last.as_ref())),
                    }
                }
            };
            let error = match answer {
                Ok(answer) => return Ok(answer.into_inner()),
                Err(status) => Error::from(status),
            };
            if error.is_timer() {
                return Err(Error::deadline(last.as_ref())); // The connection has a timer too, which may be first.
            }
            let now = Instant::now();
            failures += 1;
            let until = *repeat_until.get_or_insert_with(|| now + self.rules.timeout.min(LONGEST_TIMEOUT));
            let delay = delay_after(failures, error.retry_delay(), LONGEST_CALL_DELAY);
            if !self.rules.is_repeating || !error.is_temporary() || now + delay >= until {
                return Err(error);
            }
            last = Some(error);
            sleep(delay).await;
        }
    }
}

/// Short, because a call should continue soon after a restart of the server.
const LONGEST_CALL_DELAY: Duration = Duration::from_secs(1);
/// The largest deadline that is sent.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(365 * 86_400);
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// A server that names a longer delay is not believed.
const LONGEST_SERVER_DELAY: Duration = Duration::from_secs(3_600);

/// How long to wait after some failures in a row: the server's delay, or else half of a delay that doubles up to the longest; and
/// a random part of up to the other half. The random part spreads the clients of a server that restarts.
pub(crate) fn delay_after(failures: u32, server_delay: Option<Duration>, longest: Duration) -> Duration {
    let half = longest.min(FIRST_DELAY * 2_u32.pow(failures.saturating_sub(1).min(16))) / 2;
    let random = Duration::from_micros(fastrand::u64(0..=u64::try_from(half.as_micros()).unwrap_or(u64::MAX)));
    server_delay.unwrap_or(half).min(LONGEST_SERVER_DELAY) + random
}
