//! TrackingService.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use crate::auth::permission::{ADMINISTRATION, CLICKS, READING, RECORDING};
use crate::pb;
use crate::rpc;
use crate::rpc::call::service::service;
use crate::rpc::call::{Rpc, change};
use crate::rpc::feed::{FeedStreams, WatchStream};

/// Recording events, reading them back, and the stream of conversions.
pub(in crate::rpc) struct TrackingHandlers {
    pub(in crate::rpc) rpc: Arc<Rpc>,
    pub(in crate::rpc) streams: Arc<FeedStreams>,
}

service! {
    "headwater.v1" TrackingService(tracking_service_server) for TrackingHandlers {
        RecordClick = write rpc::click::record, CLICKS;
        ListClicks = read rpc::click::list, READING;
        RecordLead = write change, RECORDING;
        RecordSale = write change, RECORDING;
        RecordRefund = write change, RECORDING;
        UndoRefund = write change, RECORDING;
        RecordCancellation = write change, RECORDING;
        RecordAppointment = write change, RECORDING;
        RecordCustomEvent = write change, RECORDING;
        CorrectSale = write change, ADMINISTRATION;
        OpenDispute = write change, RECORDING;
        ResolveDispute = write change, RECORDING;
        BatchRecordEvents = write rpc::batch::record, RECORDING;
        CreateLead = write change, ADMINISTRATION;
        UpdateLead = write change, ADMINISTRATION;
        DeleteLead = write change, ADMINISTRATION;
        MergeLeads = write change, ADMINISTRATION;
        AttributeLead = write change, ADMINISTRATION;
        FulfillCustomerReward = write change, ADMINISTRATION;
        GetAttribution = read rpc::lead::attribution::get, READING;
        GetLead = read rpc::lead::get, READING;
        ListLeads = read rpc::lead::list, READING;
        GetConversion = read rpc::conversion::get, READING;
        ExplainConversion = read rpc::explanation::explain, READING;
        BatchGetConversions = read rpc::conversion::batch_get, READING;
        ListConversions = read rpc::conversion::list, READING;
    }
    own {
        WatchConversions, READING;
    }

    type WatchConversionsStream = WatchStream;

    async fn watch_conversions(
        &self,
        mut request: Request<pb::WatchConversionsRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let call = self.rpc.call_of(&mut request)?;
        let stream = self.streams.watch_conversions(&call, request.into_inner()).await;
        call.is_stream();
        stream.map(Response::new).map_err(|error| error.into_status(&call.name))
    }
}
