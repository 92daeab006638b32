//! One test for each operation of the systems that Headwater replaces, named after the operation's row in the documentation. Each
//! runs over gRPC on both databases.

mod account;
mod affiliate;
mod affiliate_batch;
mod affiliate_erase;
mod affiliate_group;
mod affiliate_search;
mod affiliate_states;
mod affiliate_upline;
mod agreement;
mod application;
mod audit;
mod balance_as_of;
mod commission;
mod conversion;
mod coupon;
mod coupon_limits;
mod coupon_validity;
mod enrollment_moved;
mod event;
mod item;
mod keys;
mod leads;
mod link;
mod metadata;
mod mrr;
mod offer;
mod password;
mod program;
mod rate;
mod reading;
mod recorded;
mod registration;
mod reward;
mod statistic;
mod welcome;
