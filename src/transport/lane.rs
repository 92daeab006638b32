//! The lane of heavy calls: only some of the threads work on them at the same time, so that the others are there for light calls. A
//! step of a light call takes some 10 microseconds. One that decodes a large message or encodes a large answer takes milliseconds,
//! and a light call behind it on every thread would wait for as long. Owners take turns. Knows nothing of what the steps do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use crate::turns::Turns;

/// See the head of the file. Clones share one lane.
#[derive(Clone)]
pub struct Lane(Arc<Mutex<State>>);

struct State {
    /// How many more steps may run.
    free: usize,
    waiting: Turns<u128, Arc<Ticket>>,
}

/// A call that waits for its next step.
struct Ticket {
    is_called: AtomicBool,
    /// Whether its call has ended, so that nobody waits any more.
    is_void: AtomicBool,
    waker: Waker,
}

/// The right to run one step. Dropping it lets the next one run.
pub(super) struct Step(Lane);

/// The place of one call in the lane. Dropping it gives up its turn.
pub(super) struct LanePlace {
    lane: Lane,
    owner: u128,
    ticket: Option<Arc<Ticket>>,
}

impl Lane {
    /// A lane in which so many steps run at once.
    pub fn new(steps: usize) -> Self {
        Self(Arc::new(Mutex::new(State { free: steps.max(1), waiting: Turns::default() })))
    }

    /// A lane with half of the processors.
    pub fn of_this_machine() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, |count| count.get() / 2))
    }

    /// A place for a call of this owner.
    pub(super) fn place(&self, owner: u128) -> LanePlace {
        LanePlace { lane: self.clone(), owner, ticket: None }
    }

    /// Hands a step that has ended to the next call.
    fn pass_on(&self) {
        let next = {
            let mut state = self.state();
            let mut next = None;
            while next.is_none()
                && let Some(ticket) = state.waiting.take_turn(|_, tickets| tickets.pop_front())
            {
                next = ticket.filter(|ticket| !ticket.is_void.load(Ordering::Relaxed));
            }
            match &next {
                Some(ticket) => ticket.is_called.store(true, Ordering::Release),
                None => state.free += 1,
            }
            next
        };
        if let Some(ticket) = next {
            ticket.waker.wake_by_ref();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LanePlace {
    /// Asks for the right to run the next step. `None` when others come first; the waker is then woken when the turn has come.
    pub(super) fn next_step(&mut self, waker: &Waker) -> Option<Step> {
        if let Some(ticket) = &self.ticket {
            if !ticket.is_called.load(Ordering::Acquire) {
                return None;
            }
            self.ticket = None;
            return Some(Step(self.lane.clone()));
        }
        let mut state = self.lane.state();
        if state.free > 0 {
            state.free -= 1;
            return Some(Step(self.lane.clone()));
        }
        let ticket = Arc::new(Ticket {
            is_called: AtomicBool::new(false),
            is_void: AtomicBool::new(false),
            waker: waker.clone(),
        });
        self.ticket = Some(Arc::clone(&ticket));
        state.waiting.push(self.owner, ticket);
        None
    }
}

impl Drop for LanePlace {
    fn drop(&mut self) {
        let Some(ticket) = self.ticket.take() else { return };
        let state = self.lane.state();
        ticket.is_void.store(true, Ordering::Relaxed);
        let was_called = ticket.is_called.load(Ordering::Relaxed);
        drop(state);
        if was_called {
            self.lane.pass_on();
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.0.pass_on();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(place: &mut LanePlace) -> Option<Step> {
        place.next_step(Waker::noop())
    }

    #[test]
    fn only_so_many_steps_run_and_owners_take_turns() {
        let lane = Lane::new(1);
        let (mut first, mut second, mut third, mut other) =
            (lane.place(1), lane.place(1), lane.place(1), lane.place(2));
        let running = step(&mut first).unwrap();
        assert!(step(&mut second).is_none() && step(&mut third).is_none() && step(&mut other).is_none());
        drop(running);
        let running = step(&mut second).unwrap();
        assert!(step(&mut third).is_none() && step(&mut other).is_none() && step(&mut first).is_none());
        drop(running);
        assert!(step(&mut third).is_none() && step(&mut first).is_none());
        let running = step(&mut other).expect("the other owner has the next turn");
        drop(running);
        drop(step(&mut third).unwrap());
        drop(step(&mut first).unwrap());
        let state = lane.state();
        assert_eq!((state.free, state.waiting.owners()), (1, 0));
    }

    #[test]
    fn a_call_that_ends_while_it_waits_gives_its_turn_to_the_next() {
        let lane = Lane::new(1);
        let (mut first, mut second, mut third) = (lane.place(1), lane.place(2), lane.place(3));
        let running = step(&mut first).unwrap();
        assert!(step(&mut second).is_none() && step(&mut third).is_none());
        // One ends before its turn, and one when its turn has come.
        drop(second);
        drop(running);
        drop(third);
        drop(step(&mut first).unwrap());
        assert_eq!(lane.state().free, 1);
    }
}
