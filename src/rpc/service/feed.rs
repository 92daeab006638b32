//! FeedService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::auth::permission::READING;
use crate::pb;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, response};
use crate::rpc::feed::message::ReadEventsResponse;
use crate::rpc::feed::{FeedStreams, WatchStream};

/// The feed of every event.
pub(in crate::rpc) struct FeedHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
    pub(in crate::rpc) streams: Arc<FeedStreams>,
}

service! {
    "headwater.v1" FeedService(feed_service_server) for FeedHandlers {}
    own {
        WatchEvents, READING;
        ReadEvents, READING;
    }

    type WatchEventsStream = WatchStream;

    async fn watch_events(&self, mut request: Request<pb::WatchEventsRequest>) -> Result<Response<WatchStream>, Status> {
        let call = self.rpc.call_of(&mut request)?;
        let stream = self.streams.watch(&call, request.into_inner()).await;
        call.is_stream();
        stream.map(Response::new).map_err(|error| error.into_status(&call.name))
    }

    async fn read_events(
        &self,
        mut request: Request<pb::ReadEventsRequest>,
    ) -> Result<Response<ReadEventsResponse>, Status> {
        // The deadline of other reads does not apply, because this call waits for new events.
        let call = self.rpc.call_of(&mut request)?;
        let answer = self.streams.list(&call, request.into_inner()).await;
        answer.map(response).map_err(|error| error.into_status(&call.name))
    }
}
