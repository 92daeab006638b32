//! Log lines that many calls can cause: the first is written at once, and then at most one in ten seconds, with the number of those
//! since the last one. Knows nothing of their content.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// The shortest time between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(10);

/// Lines of one kind. It is a static, because the interval holds for the whole process.
pub struct Sampled {
    /// Writes a line: how many happened since the last line, and the newest of them.
    write: fn(u64, &str),
    state: Mutex<State>,
}

struct State {
    /// Whether a line was written less than an interval ago.
    is_silent: bool,
    count: u64,
    newest: String,
}

impl Sampled {
    /// Lines that this function writes.
    pub const fn new(write: fn(u64, &str)) -> Self {
        Self { write, state: Mutex::new(State { is_silent: false, count: 0, newest: String::new() }) }
    }

    /// Writes a line now, or counts this for the next line.
    pub fn note(&'static self, text: &str) {
        let mut state = self.state();
        if state.is_silent {
            state.count += 1;
            state.newest.clear();
            state.newest.push_str(text);
            return;
        }
        // Without a runtime nobody could write the next line, so each line is written.
        let handle = Handle::try_current();
        state.is_silent = handle.is_ok();
        drop(state);
        (self.write)(1, text);
        if let Ok(handle) = handle {
            let silence = Silence(self);
            handle.spawn(async move {
                let silence = silence;
                loop {
                    tokio::time::sleep(INTERVAL).await;
                    let (count, newest) = {
                        let mut state = silence.0.state();
                        (std::mem::take(&mut state.count), std::mem::take(&mut state.newest))
                    };
                    if count == 0 {
                        return;
                    }
                    (silence.0.write)(count, &newest);
                }
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends the silence, even if the runtime ends before the interval does. What came in since the last look is counted with the next
/// line.
struct Silence(&'static Sampled);

impl Drop for Silence {
    fn drop(&mut self) {
        self.0.state().is_silent = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static WRITTEN: Mutex<Vec<(u64, String)>> = Mutex::new(Vec::new());
    static LINES: Sampled = Sampled::new(|count, newest| WRITTEN.lock().unwrap().push((count, newest.to_owned())));

    fn written() -> Vec<(u64, String)> {
        std::mem::take(&mut WRITTEN.lock().unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_is_written_at_once_and_the_others_are_counted() {
        for number in 0..400 {
            LINES.note(&number.to_string());
        }
        assert_eq!(written(), [(1, "0".to_owned())]);
        tokio::time::sleep(INTERVAL + Duration::from_secs(1)).await;
        assert_eq!(written(), [(399, "399".to_owned())]);
        LINES.note("later");
        assert_eq!(written(), []);
        tokio::time::sleep(INTERVAL).await;
        assert_eq!(written(), [(1, "later".to_owned())]);
        // After a quiet interval the next one is written at once.
        tokio::time::sleep(2 * INTERVAL).await;
        LINES.note("again");
        assert_eq!(written(), [(1, "again".to_owned())]);
    }
}
