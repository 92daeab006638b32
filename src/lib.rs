//! Headwater: a self-hosted affiliate and referral engine.
//!
//! `rpc -> app -> domain`, with `store` beneath `app`. `ARCHITECTURE.md` has the map; `tests/it/tidy.rs` checks the layers.

#[macro_use]
pub mod failpoint;

pub mod app;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod deadline;
pub mod demo;
pub mod domain;
pub mod error;
pub mod gate;
pub mod http;
pub mod inbound;
pub mod limit;
pub mod logging;
pub mod mail;
pub mod outage;
pub mod outbound;
pub mod rpc;
pub mod sampled;
pub mod secrets;
pub mod server;
pub mod shares;
pub mod store;
pub mod transport;
pub mod turns;

/// The messages and clients of `proto/headwater/v1`, with the additions that only a server needs.
pub mod pb {
    pub use headwater_client::pb::*;

    /// The servers of the services. Two answers of the feed have the types of [`crate::rpc::feed::message`] here.
    pub mod server {
        #![allow(
            missing_docs,
            unused_qualifications,
            clippy::all,
            clippy::pedantic,
            clippy::restriction,
            clippy::allow_attributes,
            reason = "generated"
        )]
        tonic::include_proto!("headwater.v1");
    }

    /// Every message and service with its comments, for reflection and for tests that walk the API.
    pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/headwater.bin"));
}
