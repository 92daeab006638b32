//! One test for each operation of the systems that Headwater replaces, named after the operation's row in the documentation. Each
//! runs over gRPC on both databases.

mod account;
mod affiliate;
mod affiliate_batch;
mod affiliate_erase;
mod affiliate_search;
mod affiliate_states;
mod audit;
mod conversion;
mod coupon;
mod coupon_validity;
mod event;
mod item;
mod keys;
mod leads;
mod link;
mod mrr;
mod offer;
mod program;
mod reading;
mod recorded;
mod reward;
