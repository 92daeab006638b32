//! The calls that need no key. They have a few places of their own, so that they are answered under any load and nobody without a
//! key uses up what others need. When all places are taken, the oldest call gives way to the newest. A caller whose request is
//! complete is therefore always answered.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::transport::stream::Stream;

const WATCH: &str = "grpc.health.v1.Health/Watch";

/// How many health checks may wait for their requests at once.
const CHECKS_MAX: usize = 64;

/// How many streams of changes of health may be open. Each takes about 12 KiB. Client libraries open one for each connection.
const WATCHES_MAX: usize = 1_024;

/// How many reflection streams may be open. Each takes up to 200 KiB. Tools open them for a moment.
const REFLECTIONS_MAX: usize = 16;

/// The largest message of a call that needs no key. A longer one would be a name that no service has.
pub const MESSAGE_BYTES_MAX: usize = 4 * 1024;

/// The places of the methods that need no key.
pub(super) struct OpenMethods {
    checks: Places,
    watches: Places,
    reflections: Places,
}

impl OpenMethods {
    pub(super) fn new() -> Self {
        Self {
            checks: Places::new(CHECKS_MAX),
            watches: Places::new(WATCHES_MAX),
            reflections: Places::new(REFLECTIONS_MAX),
        }
    }

    /// Takes a place for a call of this method.
    pub(super) fn enter(&self, method: &str, stream: &Arc<Stream>) -> OpenPlace {
        let places = match method {
            WATCH => &self.watches,
            _ if is_reflection(method) => &self.reflections,
            _ => &self.checks,
        };
        places.enter(stream)
    }
}

/// Whether a method goes on reading its request while it answers.
pub(super) fn is_reflection(method: &str) -> bool {
    method.starts_with("grpc.reflection.")
}

/// Whether the answer of a method goes on until somebody ends it.
pub(super) fn is_stream(method: &str) -> bool {
    method == WATCH || is_reflection(method)
}

/// A few places, of which the oldest is given to a newcomer.
#[derive(Clone)]
struct Places {
    max: usize,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    /// The oldest first. A stream holds its place, so the place must not hold the stream.
    streams: BTreeMap<u64, Weak<Stream>>,
}

impl Places {
    fn new(max: usize) -> Self {
        Self { max, state: Arc::default() }
    }

    fn enter(&self, stream: &Arc<Stream>) -> OpenPlace {
        let mut state = self.state();
        let oldest = (state.streams.len() >= self.max).then(|| state.streams.pop_first()).flatten();
        let id = state.next_id;
        state.next_id += 1;
        state.streams.insert(id, Arc::downgrade(stream));
        drop(state);
        if let Some(oldest) = oldest.and_then(|(_, oldest)| oldest.upgrade()) {
            oldest.end();
        }
        OpenPlace { id, places: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place of a call without a key. Dropping it frees it.
pub(super) struct OpenPlace {
    id: u64,
    places: Places,
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.places.state().streams.remove(&self.id);
    }
}
