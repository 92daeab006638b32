//! A reader of the feed. It stands for a database: `apply` is its transaction.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use headwater_client::{Client, Delivery, FollowOptions, pb};

use crate::Failure;
use crate::sales::sale_event_id;

#[derive(Default)]
pub(crate) struct Warehouse {
    /// Stored with the results, so that a restart continues where it stopped.
    cursor: String,
    pub last_sequence: i64,
    /// How often each sale was in the feed, by its `event_id`.
    sales: HashMap<String, u32>,
    is_complete: bool,
}

/// After this event the warehouse is restarted.
const RESTART_SEQUENCE: i64 = 20;

static RECONNECTS: AtomicU32 = AtomicU32::new(0);

/// How often the follower reconnected.
pub(crate) fn reconnects() -> u32 {
    RECONNECTS.load(Ordering::Relaxed)
}

impl Warehouse {
    /// Reads the feed until the refund was booked against its sale, which is the last event of the story. The warehouse itself is
    /// restarted in between, and continues after the stored cursor.
    pub(crate) async fn follow(&mut self, client: &Client) -> Result<(), Failure> {
        self.read_until(client, |warehouse| warehouse.last_sequence >= RESTART_SEQUENCE).await?;
        self.read_until(client, |warehouse| warehouse.is_complete).await
    }

    async fn read_until(&mut self, client: &Client, is_over: impl Fn(&Self) -> bool) -> Result<(), Failure> {
        let options = FollowOptions::resume(self.cursor.clone()).on_reconnect(|error, delay| {
            RECONNECTS.fetch_add(1, Ordering::Relaxed);
            match error {
                Some(error) => eprintln!("reconnect in {delay:.0?} after: {error}"),
                None => eprintln!("reconnect in {delay:.0?}, because the server ended the stream"),
            }
        });
        let mut follower = client.follow(options);
        while !is_over(self) {
            let delivery = follower.next().await?;
            self.apply(delivery)?;
        }
        Ok(())
    }

    /// Stores the effects of the events and the cursor. In a database both are written in one transaction:
    ///
    /// ```sql
    /// INSERT INTO sales ...;
    /// UPDATE reader SET cursor = $1;
    /// COMMIT;
    /// ```
    fn apply(&mut self, delivery: Delivery) -> Result<(), Failure> {
        for event in delivery.events {
            if event.sequence != self.last_sequence + 1 {
                return Err(format!("event {} follows event {}", event.sequence, self.last_sequence).into());
            }
            self.last_sequence = event.sequence;
            match (event.kind(), event.subject) {
                (pb::EventKind::SaleRecorded, Some(pb::event::Subject::Conversion(sale))) => {
                    *self.sales.entry(sale.event_id).or_default() += 1;
                }
                (pb::EventKind::SaleRefunded, _) => self.is_complete = true,
                // Events of other kinds have no effect here. Their cursor is stored all the same.
                _ => {}
            }
        }
        self.cursor = delivery.cursor;
        Ok(())
    }

    /// Compares the warehouse with the shop: every sale is there once, and the feed has nothing after the stored cursor.
    pub(crate) async fn check(&self, client: &Client, sale_count: u32) -> Result<(), Failure> {
        for number in 1..=sale_count {
            let id = sale_event_id(number);
            let times = self.sales.get(&id).copied().unwrap_or_default();
            if times != 1 {
                return Err(format!("the sale {id} was in the feed {times} times").into());
            }
        }
        if self.sales.len() != usize::try_from(sale_count)? {
            return Err(format!("the feed has {} sales, not {sale_count}", self.sales.len()).into());
        }
        let place = pb::feed_start::Place::AfterCursor(self.cursor.clone());
        let request = pb::ReadEventsRequest {
            start: Some(pb::FeedStart { place: Some(place) }),
            ..pb::ReadEventsRequest::default()
        };
        let page = client.feed().read_events(request).await?;
        if !page.events.is_empty() || page.head_cursor != self.cursor {
            return Err(format!("the feed has {} events after the last one", page.events.len()).into());
        }
        Ok(())
    }
}
