//! TrackingService: names the handler of each method.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::feed::message::ListConversionEventsResponse;
use super::feed::{FeedStreams, WatchStream};
use super::{Rpc, batch, click, conversion, lead, sale};
use crate::pb;
use crate::pb::server::tracking_service_server::TrackingService;

/// Recording, reading back, and the feed.
pub(super) struct TrackingHandlers {
    pub(super) rpc: Arc<Rpc>,
    pub(super) streams: Arc<FeedStreams>,
}

#[tonic::async_trait]
impl TrackingService for TrackingHandlers {
    async fn record_click(
        &self,
        request: Request<pb::RecordClickRequest>,
    ) -> Result<Response<pb::RecordClickResponse>, Status> {
        self.rpc.write(request, click::record).await
    }

    async fn record_lead(
        &self,
        request: Request<pb::RecordLeadRequest>,
    ) -> Result<Response<pb::RecordLeadResponse>, Status> {
        self.rpc.write(request, lead::record).await
    }

    async fn record_sale(
        &self,
        request: Request<pb::RecordSaleRequest>,
    ) -> Result<Response<pb::RecordSaleResponse>, Status> {
        self.rpc.write(request, sale::record).await
    }

    async fn record_refund(
        &self,
        request: Request<pb::RecordRefundRequest>,
    ) -> Result<Response<pb::RecordRefundResponse>, Status> {
        self.rpc.write(request, sale::record_refund).await
    }

    async fn record_cancellation(
        &self,
        request: Request<pb::RecordCancellationRequest>,
    ) -> Result<Response<pb::RecordCancellationResponse>, Status> {
        self.rpc.write(request, lead::record_cancellation).await
    }

    async fn batch_record(
        &self,
        request: Request<pb::BatchRecordRequest>,
    ) -> Result<Response<pb::BatchRecordResponse>, Status> {
        self.rpc.write(request, batch::record).await
    }

    async fn get_lead(&self, request: Request<pb::GetLeadRequest>) -> Result<Response<pb::GetLeadResponse>, Status> {
        self.rpc.read(request, lead::get).await
    }

    async fn list_leads(
        &self,
        request: Request<pb::ListLeadsRequest>,
    ) -> Result<Response<pb::ListLeadsResponse>, Status> {
        self.rpc.read(request, lead::list).await
    }

    async fn get_conversion(
        &self,
        request: Request<pb::GetConversionRequest>,
    ) -> Result<Response<pb::GetConversionResponse>, Status> {
        self.rpc.read(request, conversion::get).await
    }

    async fn list_conversions(
        &self,
        request: Request<pb::ListConversionsRequest>,
    ) -> Result<Response<pb::ListConversionsResponse>, Status> {
        self.rpc.read(request, conversion::list).await
    }

    async fn list_conversion_events(
        &self,
        mut request: Request<pb::ListConversionEventsRequest>,
    ) -> Result<Response<ListConversionEventsResponse>, Status> {
        // Waits for news, so that the deadline of other reads is not for it.
        let call = self.rpc.call(&mut request)?;
        let answer = self.streams.list(&call.caller, request.into_inner()).await;
        answer.map(Response::new).map_err(|error| error.into_status(&call.caller.call))
    }

    type WatchConversionsStream = WatchStream;

    async fn watch_conversions(
        &self,
        mut request: Request<pb::WatchConversionsRequest>,
    ) -> Result<Response<WatchStream>, Status> {
        let call = self.rpc.call(&mut request)?;
        let stream = self.streams.watch(&call.caller, request.into_inner()).await;
        stream.map(Response::new).map_err(|error| error.into_status(&call.caller.call))
    }
}
