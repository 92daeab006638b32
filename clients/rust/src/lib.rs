//! The Rust client of Headwater, a self-hosted affiliate and referral engine.
//!
//! [`Client`] calls the server. Calls have deadlines, are repeated where that is safe, and fail with a typed [`Error`].
//! [`Follower`] follows the feed of events and resumes from a cursor. [`pb`] has the messages of the API, with the comments of the
//! protos.
//!
//! ```no_run
//! use headwater_client::{Client, ConnectOptions, FollowOptions, pb};
//!
//! # async fn record() -> Result<(), headwater_client::Error> {
//! let client = Client::connect(ConnectOptions::new("https://headwater.internal:50051", "hw_tracking_...")).await?;
//! let sale = pb::RecordSaleRequest {
//!     event_id: "order-1001".to_owned(),
//!     email: "kim@customers.example".to_owned(),
//!     amount: Some(pb::Money { amount_minor: 4_999, currency_code: "USD".to_owned() }),
//!     ..pb::RecordSaleRequest::default()
//! };
//! let answer = client.tracking().record_sale(sale).await?;
//! println!("the sale is {:?}", answer.outcome());
//!
//! let mut follower = client.follow(FollowOptions::resume(""));
//! loop {
//!     let delivery = follower.next().await?;
//!     for event in &delivery.events {
//!         println!("{} {:?}", event.sequence, event.kind());
//!     }
//!     // Store `delivery.cursor` in the transaction that stores the effects of the events.
//! }
//! # }
//! ```
//!
//! # What the client does by default
//!
//! - **Deadline**: 10 seconds for a call with all its repeats; at least `max_wait` and 5 seconds for a long poll; none for `VerifyLedger`.
//!   See [`ConnectOptions::timeout`] and [`Client::with_timeout`].
//! - **Ids**: an empty `request_id` gets a random UUID, as does the `event_id` of a click. All attempts of a call have the same id,
//!   so a repeat has no second effect. The `event_id` of other events is the merchant's and is never invented.
//! - **Repeats**: a call is repeated until its deadline if the server was not reached, was stopping, or was overloaded.
//! - **Connections**: a lost connection is opened again by the next attempt. The client sends a ping after 30 seconds of silence. It
//!   does not use the environment's proxy settings.

mod call;
#[rustfmt::skip]
#[path = "generated/calls.rs"]
mod calls;
mod client;
mod error;
mod follow;

pub use calls::{AccountCalls, AffiliateCalls, FeedCalls, PayoutCalls, RewardCalls, TrackingCalls};
pub use client::{Client, ConnectOptions, Key, KeyedChannel};
pub use error::{Error, Violation};
pub use follow::{Delivery, FollowOptions, Follower};

/// The messages and clients of `proto/headwater/v1`.
pub mod pb {
    #![allow(
        missing_docs,
        unused_qualifications,
        clippy::all,
        clippy::pedantic,
        clippy::restriction,
        clippy::allow_attributes,
        reason = "generated"
    )]
    include!("generated/headwater.v1.rs");
}

/// The README's examples are compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
