//! The rows of the tables of operations and features: a test for each row, named after it, over gRPC on both databases.

mod affiliate;
mod affiliate_search;
