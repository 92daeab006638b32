//! The Rust client of Headwater, a self-hosted affiliate and referral engine: the messages and clients of its gRPC API,
//! generated from the protos with their comments. Knows nothing of the server.
//!
//! ```no_run
//! # async fn record() -> Result<(), Box<dyn std::error::Error>> {
//! use headwater_client::pb;
//! use headwater_client::pb::tracking_service_client::TrackingServiceClient;
//!
//! let channel = tonic::transport::Endpoint::from_static("http://localhost:50051").connect().await?;
//! let key: tonic::metadata::MetadataValue<_> = "Bearer hw_tracking_...".parse()?;
//! let mut tracking = TrackingServiceClient::with_interceptor(channel, move |mut request: tonic::Request<()>| {
//!     request.metadata_mut().insert("authorization", key.clone());
//!     Ok(request)
//! });
//! let sale = pb::RecordSaleRequest {
//!     event_id: "order-1001".to_owned(),
//!     email: "kim@customers.example".to_owned(),
//!     amount: Some(pb::Money { amount_minor: 4_999, currency_code: "USD".to_owned() }),
//!     ..pb::RecordSaleRequest::default()
//! };
//! tracking.record_sale(sale).await?;
//! # Ok(())
//! # }
//! ```

/// The messages and clients of `proto/headwater/v1`.
pub mod pb {
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
