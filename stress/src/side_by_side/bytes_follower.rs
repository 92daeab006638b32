//! A reader of the feed that does not parse events. It returns each as bytes to be forwarded or parsed later, as brokers' clients
//! do. Its calls and bytes on the wire are those of any other reader. Measures nothing.

use anyhow::{Context, ensure};
use headwater_client::pb;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};
use testkit::client::Bearer;
use tonic::Streaming;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;
use tonic_prost::ProstCodec;

/// The most events in one message.
const BATCH_EVENTS_MAX: i32 = 1_000;

/// `WatchEventsResponse` with its events unparsed.
#[derive(Clone, PartialEq, prost::Message)]
struct Raw {
    /// An `EventBatch`.
    #[prost(bytes = "bytes", optional, tag = "3")]
    batch: Option<Bytes>,
    /// `CaughtUp`.
    #[prost(bytes = "bytes", optional, tag = "5")]
    caught_up: Option<Bytes>,
}

/// A stream that is open.
pub(super) struct BytesFollower(Streaming<Raw>);

impl BytesFollower {
    /// Opens a stream.
    pub(super) async fn open(channel: &Channel, key: &str, start: pb::FeedStart) -> anyhow::Result<Self> {
        let request = pb::WatchEventsRequest {
            start: Some(start),
            max_batch_size: BATCH_EVENTS_MAX,
            ..pb::WatchEventsRequest::default()
        };
        let mut grpc = Grpc::new(Bearer::of(key)?.on(channel));
        grpc.ready().await?;
        let path = PathAndQuery::from_static("/headwater.v1.FeedService/WatchEvents");
        let codec: ProstCodec<pb::WatchEventsRequest, Raw> = ProstCodec::default();
        Ok(Self(grpc.server_streaming(tonic::Request::new(request), path, codec).await?.into_inner()))
    }

    /// Returns the next events; `None` once it has caught up.
    pub(super) async fn next(&mut self) -> anyhow::Result<Option<Events>> {
        loop {
            let message = self.0.message().await?.context("the feed ended")?;
            if message.caught_up.is_some() {
                return Ok(None);
            }
            if let Some(batch) = message.batch {
                return Ok(Some(Events(batch)));
            }
        }
    }
}

/// The events of one message in order, each an encoded `Event`.
pub(super) struct Events(Bytes);

impl Iterator for Events {
    type Item = anyhow::Result<Bytes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.has_remaining().then(|| self.take())
    }
}

impl Events {
    fn take(&mut self) -> anyhow::Result<Bytes> {
        let (tag, wire_type) = decode_key(&mut self.0)?;
        ensure!((tag, wire_type) == (1, WireType::LengthDelimited), "a batch has a field {tag}");
        let length = usize::try_from(decode_varint(&mut self.0)?)?;
        ensure!(length <= self.0.len(), "an event is cut");
        Ok(self.0.split_to(length))
    }
}
