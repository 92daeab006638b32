//! The machine's clock, moved by a file, so that tests of the binary need not wait. Compiled only with the feature `failpoints`.

use std::path::PathBuf;
use std::time::Duration;

use super::{Clock, SystemClock};
use crate::domain::time::Time;

/// The variable that names the file. It has two numbers of seconds: how much time has passed besides, and by how much the clock has
/// jumped without any time passing. The file is replaced to change them, never written in place.
const FILE: &str = "CLOCK_FILE";

/// See the head of the file. Without the variable, it is the machine's clock.
#[derive(Debug, Clone)]
pub(super) struct MovedClock {
    file: Option<PathBuf>,
}

impl MovedClock {
    pub(super) fn from_environment() -> Self {
        Self { file: std::env::var_os(FILE).map(PathBuf::from) }
    }

    /// The seconds that have passed, and those of the jumps.
    fn moved(&self) -> (u32, i32) {
        let text = self.file.as_ref().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
        let mut words = text.split_whitespace();
        let passed = words.next().and_then(|word| word.parse().ok());
        let jumped = words.next().and_then(|word| word.parse().ok());
        (passed.unwrap_or_default(), jumped.unwrap_or_default())
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Time {
        let (passed, jumped) = self.moved();
        let seconds = i64::from(passed) + i64::from(jumped);
        SystemClock.now().plus_micros(seconds * Time::MICROS_PER_SECOND)
    }

    fn monotonic(&self) -> Duration {
        SystemClock.monotonic() + Duration::from_secs(self.moved().0.into())
    }
}
