//! The deadline that a caller sends with a call, and the end of the call at that deadline. Knows neither errors nor messages.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::header::HeaderMap;
use tokio::time::Instant;

use crate::clock;

/// The header with the time that the caller waits.
const TIMEOUT: &str = "grpc-timeout";

/// How long before the deadline a call ends. tonic would end it at the deadline with an answer that has no details.
const MARGIN: Duration = Duration::from_millis(1);

/// The time that an answer needs to reach a caller who waits for new events: a share of the timeout, within the limits below.
const WAY_SHARE: u32 = 10;
const WAY_MIN: Duration = Duration::from_millis(10);
const WAY_MAX: Duration = Duration::from_millis(500);

/// The deadline of one call.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    begun_at: Instant,
    timeout: Duration,
}

impl Deadline {
    /// The deadline in the headers of a call that arrives now; `None` when the caller sends none.
    pub fn sent_in(headers: &HeaderMap) -> Option<Self> {
        timeout_in(headers).map(Self::after)
    }

    /// A deadline this long from now.
    fn after(timeout: Duration) -> Self {
        Self { begun_at: clock::monotonic_now(), timeout }
    }

    /// When a handler gives up. It gives up earlier than [`Self::hold`], because only the handler knows whether it has changed
    /// anything.
    pub fn handler_end(self) -> Instant {
        self.begun_at + self.timeout.saturating_sub((MARGIN * 2).min(self.timeout / 4 * 3))
    }

    /// When a call that waits for new events must answer without any. The answer then arrives before the deadline.
    pub fn wait_end(self) -> Instant {
        let way = (self.timeout / WAY_SHARE).clamp(WAY_MIN, WAY_MAX);
        self.begun_at + self.timeout.saturating_sub(way)
    }

    /// The output of the call. `None` when the deadline passes first; the call is then dropped. tonic has its own timer with the
    /// same timeout. This future ends before that timer, because tonic sets its timer later and polls it after this future.
    pub async fn hold<F: Future>(self, call: F) -> Option<F::Output> {
        let end = self.begun_at + self.timeout.saturating_sub(MARGIN.min(self.timeout / 2));
        let mut call = pin!(call);
        let mut timer = pin!(tokio::time::sleep_until(end));
        poll_fn(|context| {
            if let Poll::Ready(output) = call.as_mut().poll(context) {
                return Poll::Ready(Some(output));
            }
            // The clock is read too, because timers due in the same millisecond fire in no particular order.
            if timer.as_mut().poll(context).is_ready() || clock::monotonic_now() >= end {
                return Poll::Ready(None);
            }
            Poll::Pending
        })
        .await
    }
}

/// The time that the caller waits for the answer: up to eight digits and a unit. Accepts exactly what tonic accepts, including a
/// `+`.
fn timeout_in(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 60 * 60),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, text.parse().unwrap());
            timeout_in(&headers)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "5", "-1S", "123456789S", "1s", "1 S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(timeout_in(&HeaderMap::new()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_ends_before_its_deadline() {
        for micros in [0, 1, 900, 1_000, 2_500, 50_000, 7_000_000] {
            let timeout = Duration::from_micros(micros);
            let deadline = Deadline::after(timeout);
            // The timer of tonic has the same timeout. It is set later and polled after the call.
            let library = tokio::time::sleep(timeout);
            tokio::select! {
                biased;
                output = deadline.hold(pending::<()>()) => assert!(output.is_none()),
                () = library => panic!("the library ended the call of {micros} us"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_ready_is_answered_at_any_time() {
        let deadline = Deadline::after(Duration::ZERO);
        assert_eq!(deadline.hold(async { 7 }).await, Some(7));
        // The longest timeout that the header can express.
        let deadline = Deadline::after(Duration::from_secs(99_999_999 * 3_600));
        assert_eq!(deadline.hold(tokio::time::sleep(Duration::from_secs(5))).await, Some(()));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_ends_a_tenth_before_the_deadline() {
        let way = |millis| {
            let deadline = Deadline::after(Duration::from_millis(millis));
            deadline.begun_at + deadline.timeout - deadline.wait_end()
        };
        assert_eq!(way(20), Duration::from_millis(10));
        assert_eq!(way(2_000), Duration::from_millis(200));
        assert_eq!(way(60_000), Duration::from_millis(500));
        // A timeout shorter than the time that an answer needs leaves nothing to wait.
        assert_eq!(way(5), Duration::from_millis(5));
    }
}
