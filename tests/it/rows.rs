//! The operations that other systems have, one test for each row of the list in `docs/`, named after the row.

mod coupon;
mod item;
mod offer;
