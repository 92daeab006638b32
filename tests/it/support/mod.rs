//! Helpers of the integration tests. They know the environment of the test process, not what Headwater does.

pub(crate) mod binary;
pub(crate) mod certificate;
#[macro_use]
pub(crate) mod database;
pub(crate) mod dossier;
pub(crate) mod fakes;
pub(crate) mod feed;
pub(crate) mod golden;
pub(crate) mod load;
pub(crate) mod logged;
pub(crate) mod raw;
pub(crate) mod request;
pub(crate) mod rows;
pub(crate) mod server;
pub(crate) mod shop;
pub(crate) mod simulation;
pub(crate) mod store;
mod template;
