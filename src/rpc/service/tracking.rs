//! TrackingService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::auth::permission::{CLICKS, READING, RECORDING};
use crate::pb;
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};
use crate::rpc::feed::message::ListConversionEventsResponse;
use crate::rpc::feed::{FeedStreams, WatchStream};

/// Recording, reading back, and the feed.
pub(in crate::rpc) struct TrackingHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
    pub(in crate::rpc) streams: Arc<FeedStreams>,
}

service! {
    "headwater.v1" TrackingService(tracking_service_server) for TrackingHandlers {
        RecordClick = write rpc::click::record, CLICKS;
        RecordLead = write change, RECORDING;
        RecordSale = write change, RECORDING;
        RecordRefund = write change, RECORDING;
        RecordCancellation = write change, RECORDING;
        BatchRecord = write rpc::batch::record, RECORDING;
        GetLead = read rpc::lead::get, READING;
        ListLeads = read rpc::lead::list, READING;
        GetConversion = read rpc::conversion::get, READING;
        ListConversions = read rpc::conversion::list, READING;
    }
    own {
        ListConversionEvents, READING;
        WatchConversions, READING;
    }

    async fn list_conversion_events(
        &self,
        mut request: Request<pb::ListConversionEventsRequest>,
    ) -> Result<Response<ListConversionEventsResponse>, Status> {
        // The call waits for news, so the deadline of other reads does not apply.
        let call = self.rpc.call_of(&mut request)?;
        let answer = self.streams.list(&call.principal, call.sent_deadline, request.into_inner()).await;
        answer.map(Response::new).map_err(|error| error.into_status(&call.name))
    }

    type WatchConversionsStream = WatchStream;

    async fn watch_conversions(
        &self,
        mut request: Request<pb::WatchConversionsRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let call = self.rpc.call_of(&mut request)?;
        let stream = self.streams.watch(&call.principal, &call.name, request.into_inner()).await;
        stream.map(Response::new).map_err(|error| error.into_status(&call.name))
    }
}
