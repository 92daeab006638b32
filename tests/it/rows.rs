//! One test for each row of what other systems can do, named after the row. Each runs over gRPC on both databases.

mod conversion;
mod reading;
mod reward;
