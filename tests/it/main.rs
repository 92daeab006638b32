//! One test binary.
mod scenario;
