//! The services. Each file lists the methods of one service, with their handlers and the kinds of key that may call them. A
//! method that is in no list cannot be called. `tests/it/permissions.rs` prints the lists and compares them with the services in
//! `proto/`.

mod account;
mod affiliate;
mod feed;
mod payout;
mod reward;
mod tracking;

pub(super) use account::AccountHandlers;
pub(super) use affiliate::AffiliateHandlers;
pub(super) use feed::FeedHandlers;
pub(super) use payout::PayoutHandlers;
pub(super) use reward::RewardHandlers;
pub(super) use tracking::TrackingHandlers;

use crate::domain::account::KeyKind;

/// Every method of `headwater.v1` with the kinds of key that may call it. One list for each service.
pub const METHODS: &[&[(&str, &[KeyKind])]] =
    &[account::METHODS, affiliate::METHODS, tracking::METHODS, feed::METHODS, reward::METHODS, payout::METHODS];
