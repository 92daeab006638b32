//! The calls that need no key. They have a few places of their own, so that they are answered under any load and nobody without a
//! key uses up what others need. When all places are taken, the address that has the most gives way: with the oldest of its calls
//! to a call of another address or to a health check, and otherwise the new call is refused. A health check whose request is
//! complete is therefore always answered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::transport::connections::{Network, network};
use crate::transport::stream::Stream;

const WATCH: &str = "grpc.health.v1.Health/Watch";

/// How many health checks may wait for their requests at once.
const CHECKS_MAX: usize = 64;

/// How many streams of changes of health may be open. Each takes about 12 KiB. Client libraries open one for each connection.
const WATCHES_MAX: usize = 2_048;

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
            checks: Places::new(CHECKS_MAX, true),
            watches: Places::new(WATCHES_MAX, false),
            reflections: Places::new(REFLECTIONS_MAX, false),
        }
    }

    /// Takes a place for a call of this method. `None` when it must be refused.
    pub(super) fn enter(&self, method: &str, stream: &Arc<Stream>) -> Option<OpenPlace> {
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

/// A few places, shared by networks.
#[derive(Clone)]
struct Places {
    max: usize,
    /// Whether a call takes the place of an older one of its own network.
    replaces_own: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    count: usize,
    /// The oldest of each network first. A stream holds its place, so the place must not hold the stream.
    streams: HashMap<Network, BTreeMap<u64, Weak<Stream>>>,
}

impl Places {
    fn new(max: usize, replaces_own: bool) -> Self {
        Self { max, replaces_own, state: Arc::default() }
    }

    fn enter(&self, stream: &Arc<Stream>) -> Option<OpenPlace> {
        let network = network(stream.connection().address().ip());
        let mut state = self.state();
        let mut oldest = None;
        if state.count >= self.max {
            let largest = state.streams.iter().max_by_key(|(_, streams)| streams.len()).map(|(network, _)| *network)?;
            if largest == network && !self.replaces_own {
                return None;
            }
            let id = state.streams.get(&largest)?.first_key_value().map(|(id, _)| *id)?;
            oldest = state.remove(largest, id);
        }
        let id = state.next_id;
        state.next_id += 1;
        state.count += 1;
        state.streams.entry(network).or_default().insert(id, Arc::downgrade(stream));
        drop(state);
        if let Some(oldest) = oldest.as_ref().and_then(Weak::upgrade) {
            oldest.end();
        }
        Some(OpenPlace { id, network, places: self.clone() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Frees a place. `None` if it was freed already.
    fn remove(&mut self, network: Network, id: u64) -> Option<Weak<Stream>> {
        let streams = self.streams.get_mut(&network)?;
        let stream = streams.remove(&id)?;
        if streams.is_empty() {
            self.streams.remove(&network);
        }
        self.count -= 1;
        Some(stream)
    }
}

/// A place of a call without a key. Dropping it frees it.
pub(super) struct OpenPlace {
    id: u64,
    network: Network,
    places: Places,
}

impl Drop for OpenPlace {
    fn drop(&mut self) {
        self.places.state().remove(self.network, self.id);
    }
}
