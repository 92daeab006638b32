//! One HTTP/2 stream, which is one call: its phase, and the task that drives it. hyper does not ask for the next part of an answer
//! while the reader takes none, so neither a handler nor a body can notice a stalled reader. The task notices it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures::task::AtomicWaker;
use hyper::rt::Executor;
use tokio::time::Sleep;

use super::connections::Connection;
use super::lane::{Lane, LanePlace};

/// How many times as long as `stall` a stream of events may stand still. It tells its reader that it was too slow when the reader
/// comes back, and holds little in the meantime. Any other answer may stand still for half of `stall`, and
/// so may a stream of events of which the reader has never taken anything.
const PATIENCE: u32 = 10;

/// How long a stream that was told to end may take to hand over its last frames.
const ENDING: Duration = Duration::from_secs(1);

/// The phases of a call.
const RECEIVING: u8 = 0;
const WORKING: u8 = 1;
/// The answer has begun, and the server has the next turn.
const ANSWERING: u8 = 2;
/// The answer has begun, and a part of it waits for the reader.
const HANDED_OVER: u8 = 3;

/// The state of one call. It is in the extensions of its request.
pub struct Stream {
    connection: Arc<Connection>,
    phase: AtomicU8,
    /// How many parts of the answer the transport has taken.
    parts: AtomicU32,
    is_ending: AtomicBool,
    is_patient: AtomicBool,
    is_heavy: AtomicBool,
    /// Whose turn it is in the lane of heavy calls.
    heavy_owner: OnceLock<u128>,
    waker: AtomicWaker,
    /// Shares of limited supplies, see [`Stream::hold`].
    holds: Mutex<Holds>,
}

#[derive(Default)]
struct Holds {
    call: Option<Box<dyn Send>>,
    answer: Option<Box<dyn Send>>,
}

impl Stream {
    /// The state of a new call on a connection.
    pub(super) fn new(connection: Arc<Connection>) -> Arc<Self> {
        Arc::new(Self {
            connection,
            phase: AtomicU8::new(RECEIVING),
            parts: AtomicU32::new(0),
            is_ending: AtomicBool::new(false),
            is_patient: AtomicBool::new(false),
            is_heavy: AtomicBool::new(false),
            heavy_owner: OnceLock::new(),
            waker: AtomicWaker::new(),
            holds: Mutex::default(),
        })
    }

    /// The connection of the call.
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Holds the call's place until the reader has taken the answer, or until [`Self::let_go`].
    pub fn hold(&self, place: Box<dyn Send>) {
        self.holds().call = Some(place);
    }

    /// Holds the answer's share of memory until the reader has taken the answer.
    pub fn hold_answer(&self, share: Box<dyn Send>) {
        self.holds().answer = Some(share);
    }

    /// Says that the answer is a stream of events, which may stand still for longer.
    pub fn is_of_events(&self) {
        self.is_patient.store(true, Ordering::Relaxed);
    }

    /// Says that the next steps of the call take long, so that they run in the lane. It begins when the call yields.
    pub fn becomes_heavy(&self, owner: u128) {
        let _ = self.heavy_owner.set(owner);
        self.is_heavy.store(true, Ordering::Relaxed);
    }

    /// Says that the next steps of the call are short again.
    pub fn becomes_light(&self) {
        self.is_heavy.store(false, Ordering::Relaxed);
    }

    /// The owner of a heavy call.
    fn heavy_owner(&self) -> Option<u128> {
        self.is_heavy.load(Ordering::Relaxed).then(|| self.heavy_owner.get().copied()).flatten()
    }

    /// Whether the call has given its place back.
    pub fn has_let_go(&self) -> bool {
        self.holds().call.is_none()
    }

    /// Gives the call's place back, because the call only waits for events from now on.
    pub fn let_go(&self) {
        // It is dropped after the lock.
        let _place = self.holds().call.take();
    }

    fn holds(&self) -> MutexGuard<'_, Holds> {
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that the whole request has arrived, so that a stop waits for the call.
    pub fn received(&self) {
        if self.phase.swap(WORKING, Ordering::Relaxed) == RECEIVING {
            self.connection.begin_work();
        }
    }

    /// Ends the call: one that waits for its request at once, an answer at its next part. What the reader does not take within a
    /// second is cut.
    pub fn end(&self) {
        self.is_ending.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Whether the call was told to end. The task of the call is woken then, so that whatever it waits for can look.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    /// Says that the next part of the answer is not there yet.
    pub(super) fn waits_for_server(&self) {
        self.answer_in(ANSWERING);
    }

    /// Says that a part of the answer was handed to the transport.
    pub(super) fn waits_for_reader(&self) {
        self.parts.fetch_add(1, Ordering::Relaxed);
        self.connection.takes_part();
        self.answer_in(HANDED_OVER);
    }

    fn answer_in(&self, phase: u8) {
        if self.phase.swap(phase, Ordering::Relaxed) == WORKING {
            self.connection.end_work();
        }
    }

    /// The number of parts that were taken, while one of them waits for the reader.
    fn waiting_part(&self) -> Option<u32> {
        let is_waiting = self.phase.load(Ordering::Relaxed) == HANDED_OVER;
        is_waiting.then(|| self.parts.load(Ordering::Relaxed))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        if *self.phase.get_mut() == WORKING {
            self.connection.end_work();
        }
    }
}

/// Runs the calls of one connection as tasks. The connection leaves the state of each call here just before hyper hands over its
/// future.
#[derive(Clone)]
pub(super) struct Streams {
    next: Arc<Mutex<Option<Arc<Stream>>>>,
    stall: Duration,
    lane: Lane,
}

impl Streams {
    /// Ends a call whose reader takes nothing for half of `stall`, see [`PATIENCE`] for streams of events. Heavy calls run in the lane.
    pub(super) fn new(stall: Duration, lane: Lane) -> Self {
        Self { next: Arc::default(), stall, lane }
    }

    pub(super) fn announce(&self, stream: Arc<Stream>) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Some(stream);
    }
}

impl<F: Future<Output: Send> + Send + 'static> Executor<F> for Streams {
    fn execute(&self, future: F) {
        match self.next.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(stream) => tokio::spawn(drive(future, stream, self.stall, self.lane.clone())),
            None => tokio::spawn(async { _ = future.await }),
        };
    }
}

/// Drives a call to its end, or until its reader has taken nothing for too long. Dropping the future resets the HTTP/2 stream.
async fn drive<F: Future>(future: F, stream: Arc<Stream>, stall: Duration, lane: Lane) {
    let mut future = pin!(future);
    let mut place: Option<LanePlace> = None;
    let mut timer: Option<(u32, bool, Pin<Box<Sleep>>)> = None;
    poll_fn(|context| {
        stream.waker.register(context.waker());
        let step = match stream.heavy_owner() {
            Some(owner) => Some(place.get_or_insert_with(|| lane.place(owner)).next_step(context.waker())),
            None => {
                place = None;
                None
            }
        };
        let must_wait = matches!(step, Some(None));
        if !must_wait && future.as_mut().poll(context).is_ready() {
            return Poll::Ready(());
        }
        drop(step);
        let is_ending = stream.is_ending();
        let Some(part) = stream.waiting_part().or(is_ending.then_some(0)) else {
            timer = None;
            return Poll::Pending;
        };
        if !matches!(&timer, Some((of, ending, _)) if (*of, *ending) == (part, is_ending)) {
            let limit = match is_ending {
                true => ENDING.min(stall),
                // The first part waits for the reader until the second one is asked for.
                false if part > 1 && stream.is_patient.load(Ordering::Relaxed) => stall * PATIENCE,
                false => stall / 2,
            };
            timer = Some((part, is_ending, Box::pin(tokio::time::sleep(limit))));
        }
        match &mut timer {
            Some((.., timer)) => timer.as_mut().poll(context),
            None => Poll::Pending,
        }
    })
    .await;
}
