//! The services: for each, the list of its methods with their handlers and who may call them. A method that is in no list cannot be
//! called. `tests/it/permissions.rs` prints the lists and compares them with the services in `proto/`.

mod account;
mod affiliate;
mod feed;
mod reward;
mod tracking;

pub(super) use account::AccountHandlers;
pub(super) use affiliate::AffiliateHandlers;
pub(super) use feed::FeedHandlers;
pub(super) use reward::RewardHandlers;
pub(super) use tracking::TrackingHandlers;

use crate::domain::account::KeyKind;

/// Every method of `headwater.v1` and the kinds of key that may call it, a list for each service.
pub const METHODS: &[&[(&str, &[KeyKind])]] =
    &[account::METHODS, affiliate::METHODS, tracking::METHODS, feed::METHODS, reward::METHODS];
