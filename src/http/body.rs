//! Receives the body of a request whole, within a size, a time and the share of memory of the network that it comes from.

use std::net::IpAddr;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, HeaderMap};

use super::REQUEST_TIMEOUT;
use crate::shares::{Share, Shares};
use crate::transport::connections::network;

/// The largest body. Callbacks of payout providers have some kilobytes.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The bodies of all requests together.
const ALL_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The memory for bodies. Clones share it.
#[derive(Clone)]
pub struct Bodies(Shares<IpAddr>);

impl Default for Bodies {
    fn default() -> Self {
        Self(Shares::new(ALL_BYTES_MAX))
    }
}

/// A body that has arrived.
pub(super) struct Received {
    pub(super) bytes: Bytes,
    /// Held as long as the bytes are.
    _share: Option<Share<IpAddr>>,
}

impl Bodies {
    /// Receives a body from this address.
    ///
    /// # Errors
    /// 413 for a larger one, 408 for one that comes too slowly, 400 for one that does not come, and 503 when there is no room.
    pub(super) async fn receive(
        &self,
        headers: &HeaderMap,
        body: Body,
        address: Option<IpAddr>,
    ) -> Result<Received, StatusCode> {
        let length = match headers.get(CONTENT_LENGTH) {
            Some(length) => length.to_str().ok().and_then(|text| text.parse().ok()).ok_or(StatusCode::BAD_REQUEST)?,
            None => BODY_BYTES_MAX,
        };
        if length > BODY_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        let take = |address| self.0.take(network(address), length as u64).ok_or(StatusCode::SERVICE_UNAVAILABLE);
        let share = address.map(take).transpose()?;
        match tokio::time::timeout(REQUEST_TIMEOUT, whole(body)).await {
            Ok(bytes) => Ok(Received { bytes: bytes?, _share: share }),
            Err(_) => Err(StatusCode::REQUEST_TIMEOUT),
        }
    }
}

async fn whole(body: Body) -> Result<Bytes, StatusCode> {
    let mut parts = body.into_data_stream();
    let mut whole = BytesMut::new();
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| StatusCode::BAD_REQUEST)?;
        if whole.len() + part.len() > BODY_BYTES_MAX {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        whole.extend_from_slice(&part);
    }
    Ok(whole.freeze())
}
