//! The API on the wire. There is one file for each subject. A handler parses a message into a rule or a query, has it carried
//! out, and renders the answer. `service/` lists the methods of each service, and `call/` has everything that all calls share.
//! Knows nothing of SQL, of what a rule says, or of status codes.

mod account;
mod affiliate;
mod affiliate_group;
mod appointment;
mod audit;
mod batch;
mod billing_profile;
mod bounty;
pub mod call;
mod click;
mod conversion;
mod correction;
mod coupon;
mod custom_event;
mod customer_reward;
mod dated_commission;
mod dispute;
mod enrollment;
mod explanation;
pub mod feed;
mod fraud_replay;
mod invoice_tax;
mod item;
mod ladder;
mod lead;
mod ledger;
mod line;
mod link;
mod offer;
mod payout;
mod payout_connection;
mod payout_document;
mod payout_file;
mod payout_method;
mod payout_reconciliation;
mod payout_run;
mod payout_schedule;
mod postal_address;
mod program;
mod refund_undo;
mod reward;
mod sale;
mod server_info;
mod service;
mod simulation;
mod statement;
mod statistic;
mod submission;
mod tax_profile;
mod yearly_total;

use std::sync::Arc;
use std::time::Duration;

use tonic::codec::CompressionEncoding;
use tonic::service::RoutesBuilder;

use crate::app::App;
use crate::auth::Authenticator;
use crate::auth::password::Passwords;
use crate::pb::server::account_service_server::AccountServiceServer;
use crate::pb::server::affiliate_service_server::AffiliateServiceServer;
use crate::pb::server::feed_service_server::FeedServiceServer;
use crate::pb::server::payout_service_server::PayoutServiceServer;
use crate::pb::server::reward_service_server::RewardServiceServer;
use crate::pb::server::tracking_service_server::TrackingServiceServer;
use crate::secrets::Secrets;
pub use call::RegisteredBy;
use call::Rpc;
use feed::FeedStreams;
pub use service::METHODS;
use service::{AccountHandlers, AffiliateHandlers, FeedHandlers, PayoutHandlers, RewardHandlers, TrackingHandlers};

/// All services of `headwater.v1`.
pub struct Services {
    rpc: Arc<Rpc>,
    streams: Arc<FeedStreams>,
}

impl Services {
    /// Services that read and write through this app. `registration` says who but operators may register accounts. No call takes longer than
    /// `request_timeout`, except calls that wait for new events. Messages larger than `message_bytes_max` are refused. `secrets` seals payout
    /// details and credentials.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<Authenticator>,
        streams: FeedStreams,
        registration: RegisteredBy,
        request_timeout: Duration,
        message_bytes_max: u32,
        secrets: Arc<Secrets>,
    ) -> Self {
        let passwords = Passwords::default();
        let rpc = Rpc {
            app,
            authenticator,
            passwords,
            secrets,
            registration,
            request_timeout,
            message_bytes_max,
            takes_callbacks: false,
        };
        Self { rpc: Arc::new(rpc), streams: Arc::new(streams) }
    }

    /// The same of a server that takes callbacks of payout providers.
    #[must_use]
    pub fn with_callbacks(mut self, takes_callbacks: bool) -> Self {
        if let Some(rpc) = Arc::get_mut(&mut self.rpc) {
            rpc.takes_callbacks = takes_callbacks;
        }
        self
    }

    /// Adds the services to the routes behind the [`crate::auth::layer::AuthLayer`].
    pub fn add_to(&self, routes: &mut RoutesBuilder) {
        let message_bytes_max = self.rpc.message_bytes_max as usize;
        macro_rules! tuned {
            ($server:ident, $handlers:expr) => {
                $server::new($handlers)
                    .max_decoding_message_size(message_bytes_max)
                    .accept_compressed(CompressionEncoding::Gzip)
            };
        }
        let rpc = || Arc::clone(&self.rpc);
        let streams = || Arc::clone(&self.streams);
        routes
            .add_service(tuned!(AccountServiceServer, AccountHandlers { rpc: rpc() }))
            .add_service(tuned!(AffiliateServiceServer, AffiliateHandlers { rpc: rpc() }))
            .add_service(tuned!(TrackingServiceServer, TrackingHandlers { rpc: rpc(), streams: streams() }))
            .add_service(tuned!(FeedServiceServer, FeedHandlers { rpc: rpc(), streams: streams() }))
            .add_service(tuned!(RewardServiceServer, RewardHandlers { rpc: rpc(), streams: streams() }))
            .add_service(tuned!(PayoutServiceServer, PayoutHandlers { rpc: rpc() }));
    }
}
