//! The server itself on the wire: version, limits and features. Shows nobody's data.

use super::call::Call;
use super::call::page;
use super::call::parse::LIST_LENGTH_MAX;
use super::call::wire_enum::WireEnum;
use crate::domain::request::REQUEST_ID_KEPT_DAYS;
use crate::error::Error;
use crate::pb;

/// Something that not every server can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ServerFeature {
    /// Several servers may work on the database at once.
    SeveralServers,
    /// Requests may be compressed with gzip.
    GzipRequests,
    /// The server takes callbacks of payout providers.
    Callbacks,
}

impl ServerFeature {
    pub(super) const ALL: &[Self] = &[Self::SeveralServers, Self::GzipRequests, Self::Callbacks];
}

pub(super) async fn get(call: Call, _: pb::GetServerInfoRequest) -> Result<pb::GetServerInfoResponse, Error> {
    let is_shared = call.store().wants_polling();
    let has = |feature: &ServerFeature| match feature {
        ServerFeature::SeveralServers => is_shared,
        ServerFeature::GzipRequests => true,
        ServerFeature::Callbacks => call.rpc.takes_callbacks,
    };
    let features = ServerFeature::ALL.iter().copied().filter(has);
    Ok(pb::GetServerInfoResponse {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        feed_id: call.store().identity.database_id.simple().to_string(),
        limits: Some(pb::ServerLimits {
            max_page_size: number(page::SIZE_MAX),
            default_page_size: number(page::SIZE_DEFAULT),
            max_batch_size: number(LIST_LENGTH_MAX as u64),
            max_request_bytes: number(call.rpc.message_bytes_max.into()),
            request_timeout_seconds: number(call.rpc.request_timeout.as_secs()),
            request_id_retention_days: REQUEST_ID_KEPT_DAYS,
        }),
        features: features.map(WireEnum::number).collect(),
    })
}

fn number(limit: u64) -> i32 {
    i32::try_from(limit).unwrap_or(i32::MAX)
}
