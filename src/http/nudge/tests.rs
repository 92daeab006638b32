//! Tests of the limit and of repeats, with a clock that stands still.

use uuid::Uuid;

use super::*;

/// Counts wake-ups, and fails so many times first.
#[derive(Default)]
struct Counted(Mutex<(u32, Vec<Wake>)>);

impl Waker for Counted {
    fn wake(&self, _: AccountId, _: CallbackProvider, wake: Wake) -> BoxFuture<'_, Result<(), NotWoken>> {
        let mut state = self.0.lock().unwrap();
        let result = match state.0 {
            0 => {
                state.1.push(wake);
                Ok(())
            }
            _ => {
                state.0 -= 1;
                Err(NotWoken("the database is away".to_owned()))
            }
        };
        Box::pin(async move { result })
    }
}

impl Counted {
    fn count(&self) -> usize {
        self.0.lock().unwrap().1.len()
    }

    /// The wake-ups since the last time.
    fn taken(&self) -> Vec<Wake> {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

fn set_up(failures: u32) -> (Arc<Counted>, Nudges) {
    let waker = Arc::new(Counted(Mutex::new((failures, Vec::new()))));
    (Arc::clone(&waker), Nudges::new(waker, CancellationToken::new()))
}

fn account(number: u128) -> AccountId {
    AccountId::from_uuid(Uuid::from_u128(number))
}

fn callback(number: u32) -> Genuine {
    with(number, News::SomePayment)
}

fn with(number: u32, news: News) -> Genuine {
    Genuine { delivery_id: DeliveryId::for_test(number), news }
}

/// A callback that names the payout with this number.
fn named(number: u32) -> Genuine {
    with(number, News::Payment(format!("{}-a2", payout(number))))
}

fn payout(number: u32) -> PayoutId {
    PayoutId::from_uuid(Uuid::from_u128(number.into()))
}

/// Lets time pass in small steps, so that each task runs when its time has come.
async fn pass(seconds: u32) {
    for _ in 0..seconds {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn repeats_and_other_events_wake_nothing() {
    let (waker, nudges) = set_up(0);
    for _ in 0..3 {
        nudges.take(account(1), CallbackProvider::Stripe, callback(1));
        pass(30).await;
    }
    nudges.take(account(1), CallbackProvider::Stripe, with(2, News::Other));
    nudges.take(account(1), CallbackProvider::Stripe, with(3, News::Payment("somebody else's".to_owned())));
    pass(30).await;
    assert_eq!(waker.count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flood_wakes_seldom_and_its_last_callback_wakes() {
    let (waker, nudges) = set_up(0);
    for number in 0..6_000 {
        nudges.take(account(1), CallbackProvider::PayPal, callback(number));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Ten minutes of a flood: at 0, 2, 6, 14, 30 and 62 seconds, and then each minute.
    assert!((14..=16).contains(&waker.count()), "{}", waker.count());
    let before = waker.count();
    nudges.take(account(1), CallbackProvider::PayPal, callback(9_999));
    pass(70).await;
    assert_eq!(waker.count(), before + 1);
    // After a rest it is quick again.
    pass(70).await;
    nudges.take(account(1), CallbackProvider::PayPal, callback(10_000));
    pass(1).await;
    assert_eq!(waker.count(), before + 2);
}

#[tokio::test(start_paused = true)]
async fn accounts_and_providers_do_not_hold_each_other_back() {
    let (waker, nudges) = set_up(0);
    let mut number = 0;
    for account_number in 1..=3 {
        for provider in CallbackProvider::ALL {
            nudges.take(account(account_number), provider, callback(number));
            number += 1;
        }
    }
    pass(1).await;
    assert_eq!(waker.count(), 9);
}

#[tokio::test(start_paused = true)]
async fn a_wake_up_that_fails_is_tried_again_for_a_while() {
    let (waker, nudges) = set_up(3);
    nudges.take(account(1), CallbackProvider::Wise, callback(1));
    pass(20).await;
    assert_eq!(waker.count(), 1);
    let (waker, nudges) = set_up(1_000);
    nudges.take(account(1), CallbackProvider::Wise, callback(1));
    pass(1_000).await;
    assert_eq!((waker.count(), waker.0.lock().unwrap().0), (0, 1_000 - 6));
    assert!(nudges.0.told().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_callback_wakes_what_it_names() {
    let (waker, nudges) = set_up(0);
    let take = |genuine| nudges.take(account(1), CallbackProvider::Stripe, genuine);
    take(named(1));
    pass(1).await;
    assert_eq!(waker.taken(), [Wake::One(payout(1))]);
    take(with(10, News::Payment(payout(2).to_string())));
    take(named(3));
    take(with(11, News::Funds));
    take(callback(12));
    pass(5).await;
    assert_eq!(waker.taken(), [Wake::One(payout(2)), Wake::One(payout(3)), Wake::Funded]);
    pass(60).await;
    // One by one as long as they are few.
    take(callback(20));
    pass(1).await;
    assert_eq!(waker.taken(), [Wake::Open]);
    (1_000..1_600).for_each(|number| take(named(number)));
    pass(5).await;
    let woken = waker.taken();
    assert_eq!((woken.len(), woken.last()), (501, Some(&Wake::Open)));
}
