//! One test for each operation of the systems that Headwater replaces, named after the operation's row in the documentation. Each
//! runs over gRPC on both databases.

mod affiliate;
mod affiliate_search;
mod conversion;
mod coupon;
mod item;
mod leads;
mod offer;
mod reading;
mod reward;
mod statistic;
