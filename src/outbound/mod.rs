//! Calls to other companies' servers, and the files that people upload there. Its input is passed in and its result is returned: it
//! knows ids and money of the domain, and no store, no clock and no worker.

pub mod client;
pub mod file;
pub mod provider;
pub mod receiver;
pub mod source;
