//! The clock and the random source: the only place in the crate that reads the time or draws random values.
#![expect(clippy::disallowed_methods, reason = "this is the one place that may")]

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use uuid::Uuid;

use crate::domain::id::IdSource;
use crate::domain::time::Time;

#[cfg(feature = "failpoints")]
mod moved;

/// A clock.
pub trait Clock: Send + Sync + 'static {
    /// Now, in UTC.
    fn now(&self) -> Time;

    /// The time since some moment, by a clock that nobody sets. A jump of [`Clock::now`] is found by comparison with it.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Time {
        // A clock before 1970 is broken. It reads as 1970, which is easy to notice.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Time::from_micros(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX))
    }

    fn monotonic(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

/// The clock of a server: the machine's.
#[cfg(not(feature = "failpoints"))]
pub fn of_server() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// The clock of a server in a build for tests: the machine's, which a file may move.
#[cfg(feature = "failpoints")]
pub fn of_server() -> Arc<dyn Clock> {
    Arc::new(moved::MovedClock::from_environment())
}

/// A clock that moves only when it is set, for tests.
#[derive(Debug, Clone)]
pub struct ManualClock {
    micros: Arc<AtomicI64>,
    /// The microseconds of the monotonic clock.
    passed_micros: Arc<AtomicI64>,
}

impl ManualClock {
    /// A clock that is set to this time.
    pub fn new(time: Time) -> Self {
        Self { micros: Arc::new(AtomicI64::new(time.micros())), passed_micros: Arc::default() }
    }

    /// Sets the clock, forward or back. Time passes with it: the monotonic clock moves too, but never back.
    pub fn set(&self, time: Time) {
        let before = self.micros.swap(time.micros(), Ordering::SeqCst);
        self.passed_micros.fetch_add(time.micros().saturating_sub(before).max(0), Ordering::SeqCst);
    }

    /// Lets this much time pass.
    pub fn pass(&self, duration: Duration) {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        self.set(Time::from_micros(self.now().micros().saturating_add(micros)));
    }

    /// Makes the clock jump by this many microseconds, without any time passing.
    pub fn jump(&self, micros: i64) {
        self.micros.fetch_add(micros, Ordering::SeqCst);
    }

    /// Makes the clock jump by this many days, without any time passing.
    pub fn jump_days(&self, days: i32) {
        self.jump(Time::from_micros(0).plus_days(days).micros());
    }

    /// Moves the clock on by this many days.
    pub fn advance_days(&self, days: i32) {
        self.set(self.now().plus_days(days));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Time {
        Time::from_micros(self.micros.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.passed_micros.load(Ordering::SeqCst).unsigned_abs())
    }
}

/// Makes UUIDv7s. They grow within a process, so that new rows go to the end of every index.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomIds;

impl IdSource for RandomIds {
    fn next_uuid(&mut self) -> Uuid {
        Uuid::now_v7()
    }
}

/// The monotonic clock, which never goes back, for deadlines and durations.
pub fn monotonic_now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

/// Random bytes for secrets, from the operating system.
///
/// # Panics
/// When the operating system has no random source: nothing that is made without one is safe to use.
#[expect(clippy::expect_used, reason = "a server that cannot draw secrets must not run")]
pub fn random_bytes<const LENGTH: usize>() -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    getrandom::fill(&mut bytes).expect("the operating system's random source works");
    bytes
}

const BASE62: &[u8; 62] = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// This many random letters and digits, each equally likely.
pub fn random_base62(length: usize) -> String {
    random_text(length, BASE62)
}

/// This many random lower-case letters and digits, each equally likely.
pub fn random_code(length: usize) -> String {
    random_text(length, &BASE62[..36])
}

fn random_text(length: usize, alphabet: &[u8]) -> String {
    let mut text = String::with_capacity(length);
    // A byte past the last whole multiple of the alphabet's length is drawn again, because its remainder would favour the first
    // letters.
    let bound = 256 - 256 % alphabet.len();
    while text.len() < length {
        for byte in random_bytes::<32>() {
            if usize::from(byte) < bound && text.len() < length {
                text.push(char::from(alphabet[usize::from(byte) % alphabet.len()]));
            }
        }
    }
    text
}

/// The duration, made up to this many percent shorter or longer at random, so that many callers do not act at the same moment.
/// The percentage is at most 100.
pub fn jitter(duration: Duration, percent: u32) -> Duration {
    let [low, high] = random_bytes::<2>();
    let drawn = u32::from(u16::from_be_bytes([low, high]));
    // The share goes from 100 - percent to 100 + percent, in 65,536 steps.
    let share = (100 - percent) * 65_535 + 2 * percent * drawn;
    duration * share / (100 * 65_535)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_grow_within_a_process() {
        let ids: Vec<Uuid> = (0..10_000).map(|_| RandomIds.next_uuid()).collect();
        assert!(ids.is_sorted());
    }

    #[test]
    fn jitter_stays_within_its_percent() {
        for _ in 0..1_000 {
            let drawn = jitter(Duration::from_secs(100), 10);
            assert!((90..=110).contains(&drawn.as_secs()), "{drawn:?}");
        }
    }

    #[test]
    fn random_texts_have_their_length_and_alphabet() {
        let code = random_code(100);
        assert_eq!(code.len(), 100);
        assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{code}");
        assert_ne!(random_base62(32), random_base62(32));
    }
}
