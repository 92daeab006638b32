//! Bytes that other companies' servers send, and whether they are genuine. Pure: time, keys and certificates are passed in.

pub mod callback;
