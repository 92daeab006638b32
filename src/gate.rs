//! A gate that only so many may pass at once, with a share for each owner. Those that wait are let in by owner in turn, so that an
//! owner with many waiting delays nobody else. Knows nothing of what happens behind it.

use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::shares::{Share, Shares};
use crate::turns::Turns;

/// From so many waiters of an owner on, those that gave up are looked for whenever their number has doubled.
const WAITERS_TIDY_MIN: usize = 64;

/// See the head of the file. Clones are the same gate.
#[derive(Debug)]
pub struct Gate<Owner: Copy + Eq + Hash>(Arc<Inner<Owner>>);

#[derive(Debug)]
struct Inner<Owner: Copy + Eq + Hash> {
    places: Shares<Owner>,
    /// Locked before `places`, whenever both are used.
    waiting: Mutex<Turns<Owner, oneshot::Sender<Place<Owner>>>>,
}

/// A place behind the gate. Dropping it lets the next one in.
#[derive(Debug)]
pub struct Place<Owner: Copy + Eq + Hash> {
    share: Option<Share<Owner>>,
    gate: Arc<Inner<Owner>>,
}

impl<Owner: Copy + Eq + Hash> Clone for Gate<Owner> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<Owner: Copy + Eq + Hash> Gate<Owner> {
    /// A gate that so many may pass at once.
    pub fn new(places: u64) -> Self {
        Self(Arc::new(Inner { places: Shares::new(places), waiting: Mutex::default() }))
    }

    /// How many of an owner wait for a place. Some of them may have given up.
    pub fn waiting(&self, owner: Owner) -> usize {
        self.0.waiting().waiting(owner)
    }

    /// Waits for a place. Whoever drops the future gives up.
    pub async fn enter(&self, owner: Owner) -> Place<Owner> {
        loop {
            let turn = {
                let mut waiting = self.0.waiting();
                let waiting_count = waiting.waiting(owner);
                if waiting_count == 0
                    && let Some(share) = self.0.places.take(owner, 1)
                {
                    return Place { share: Some(share), gate: Arc::clone(&self.0) };
                }
                if waiting_count >= WAITERS_TIDY_MIN && waiting_count.is_power_of_two() {
                    waiting.retain(owner, |waiter| !waiter.is_closed());
                }
                let (waiter, turn) = oneshot::channel();
                waiting.push(owner, waiter);
                turn
            };
            // The gate drops no waiter that has not given up.
            if let Ok(place) = turn.await {
                return place;
            }
        }
    }
}

impl<Owner: Copy + Eq + Hash> Inner<Owner> {
    fn waiting(&self) -> MutexGuard<'_, Turns<Owner, oneshot::Sender<Place<Owner>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets in as many as there are places for.
    fn let_in(self: &Arc<Self>) {
        let mut waiting = self.waiting();
        let mut refused_owners = 0;
        while refused_owners < waiting.owners() {
            let is_refused = waiting.take_turn(|owner, waiters| {
                while waiters.front().is_some_and(oneshot::Sender::is_closed) {
                    waiters.pop_front();
                }
                if waiters.is_empty() {
                    return false;
                }
                let Some(share) = self.places.take(owner, 1) else { return true };
                let place = Place { share: Some(share), gate: Arc::clone(self) };
                if let Some(waiter) = waiters.pop_front()
                    && let Err(mut place) = waiter.send(place)
                {
                    // The waiter gave up just now. Only the share is given back, because the drop of a place comes back here.
                    place.share = None;
                }
                false
            });
            refused_owners = if is_refused == Some(true) { refused_owners + 1 } else { 0 };
        }
    }
}

impl<Owner: Copy + Eq + Hash> Drop for Place<Owner> {
    fn drop(&mut self) {
        if self.share.take().is_some() {
            self.gate.let_in();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    /// A caller on its way through the gate.
    type Coming = Pin<Box<dyn Future<Output = Place<char>>>>;

    fn come(gate: &Gate<char>, owner: char) -> Coming {
        let gate = gate.clone();
        Box::pin(async move { gate.enter(owner).await })
    }

    fn poll(coming: &mut Coming) -> Option<Place<char>> {
        match coming.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(place) => Some(place),
            Poll::Pending => None,
        }
    }

    #[test]
    fn one_owner_leaves_places_and_others_find_them() {
        let gate = Gate::new(8);
        let mut hogs: Vec<Coming> = (0..20).map(|_| come(&gate, 'h')).collect();
        let places: Vec<_> = hogs.iter_mut().filter_map(poll).collect();
        assert_eq!(places.len(), 5);
        assert!(poll(&mut come(&gate, 'v')).is_some());
    }

    #[test]
    fn those_that_wait_are_let_in_by_owner_in_turn() {
        let gate = Gate::new(1);
        let place = poll(&mut come(&gate, 'a'));
        assert!(place.is_some());
        let mut waiting: Vec<(char, Coming)> = Vec::new();
        for owner in ['a', 'a', 'a', 'b', 'c'] {
            let mut coming = come(&gate, owner);
            assert!(poll(&mut coming).is_none());
            waiting.push((owner, coming));
        }
        let mut order = Vec::new();
        let mut held = place;
        while held.take().is_some() {
            let entered = waiting.iter_mut().position(|(_, coming)| {
                held = poll(coming);
                held.is_some()
            });
            let Some(entered) = entered else { break };
            order.push(waiting.remove(entered).0);
        }
        assert_eq!(order, ['a', 'b', 'c', 'a', 'a']);
    }

    #[test]
    fn those_that_give_up_take_no_place_with_them() {
        let gate = Gate::new(1);
        let place = poll(&mut come(&gate, 'a'));
        let mut gone_before = come(&gate, 'a');
        let mut gone_after = come(&gate, 'b');
        let mut stays = come(&gate, 'c');
        for coming in [&mut gone_before, &mut gone_after, &mut stays] {
            assert!(poll(coming).is_none());
        }
        drop(gone_before);
        drop(place);
        // The next in turn has got the place and goes without ever looking at it.
        drop(gone_after);
        assert!(poll(&mut stays).is_some());
        assert!(poll(&mut come(&gate, 'd')).is_some(), "all places are free");
    }

    #[test]
    fn waiters_that_gave_up_are_forgotten() {
        let gate = Gate::new(1);
        let _place = poll(&mut come(&gate, 'a'));
        for _ in 0..10_000 {
            assert!(poll(&mut come(&gate, 'a')).is_none());
        }
        assert!(gate.0.waiting().waiting('a') <= WAITERS_TIDY_MIN);
    }
}
