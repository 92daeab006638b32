//! The API on the wire. Each handler reads a message into a command or a query, has it carried out, and writes the answer; one
//! file per resource, and one per service that only names the handlers. Knows nothing of SQL, of rules, or of status codes.

mod account;
mod account_service;
mod affiliate;
mod affiliate_service;
mod batch;
mod click;
mod conversion;
mod coupon;
mod enrollment;
pub mod feed;
mod lead;
mod ledger;
mod link;
mod page;
mod parse;
mod program;
mod render;
mod reward;
mod reward_service;
mod sale;
mod selector;
mod tracking_service;
mod wire_enum;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;
use tonic::transport::server::Router;
use tonic::{Request, Response, Status};

use crate::app::{Answer, App};
use crate::auth::Authenticator;
use crate::auth::layer::Caller;
use crate::clock;
use crate::domain::command::{Command, Envelope};
use crate::domain::conversion::ConversionKind;
use crate::domain::id::AccountId;
use crate::domain::request::{Fingerprint, RequestScope};
use crate::domain::time::Time;
use crate::error::{CallName, Error};
use crate::pb::server::account_service_server::AccountServiceServer;
use crate::pb::server::affiliate_service_server::AffiliateServiceServer;
use crate::pb::server::reward_service_server::RewardServiceServer;
use crate::pb::server::tracking_service_server::TrackingServiceServer;
use crate::store::Store;
use account_service::AccountHandlers;
use affiliate_service::AffiliateHandlers;
use feed::FeedStreams;
use reward_service::RewardHandlers;
use tracking_service::TrackingHandlers;

/// How large an answer gets: what clients take by default.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// All services of `headwater.v1`.
pub struct Services {
    rpc: Arc<Rpc>,
    streams: Arc<FeedStreams>,
}

impl Services {
    /// Services that write and read through this app. No call but those that wait for news takes longer than `request_timeout`.
    pub fn new(
        app: Arc<App>,
        authenticator: Arc<Authenticator>,
        streams: FeedStreams,
        request_timeout: Duration,
    ) -> Self {
        Self { rpc: Arc::new(Rpc { app, authenticator, request_timeout }), streams: Arc::new(streams) }
    }

    /// Adds the services to a server that has the [`crate::auth::layer::AuthLayer`]. Larger messages than `message_bytes_max` are
    /// refused.
    pub fn add_to<L>(&self, router: Router<L>, message_bytes_max: usize) -> Router<L> {
        macro_rules! tuned {
            ($server:ident, $handlers:expr) => {
                $server::new($handlers)
                    .max_decoding_message_size(message_bytes_max)
                    .accept_compressed(CompressionEncoding::Gzip)
            };
        }
        let rpc = || Arc::clone(&self.rpc);
        router
            .add_service(tuned!(AccountServiceServer, AccountHandlers(rpc())))
            .add_service(tuned!(AffiliateServiceServer, AffiliateHandlers(rpc())))
            .add_service(tuned!(
                TrackingServiceServer,
                TrackingHandlers { rpc: rpc(), streams: Arc::clone(&self.streams) }
            ))
            .add_service(tuned!(RewardServiceServer, RewardHandlers(rpc())))
    }
}

/// What every handler works with.
struct Rpc {
    app: Arc<App>,
    authenticator: Arc<Authenticator>,
    request_timeout: Duration,
}

impl Rpc {
    fn call<T>(self: &Arc<Self>, request: &mut Request<T>) -> Result<Call, Status> {
        let caller = request.extensions_mut().remove::<Caller>().ok_or_else(|| {
            Error::Internal("a call came past the layer that finds out who calls".to_owned())
                .into_status(&CallName::default())
        })?;
        caller.received.cancel();
        let timeout = sent_timeout(request.metadata()).unwrap_or(self.request_timeout).min(self.request_timeout);
        Ok(Call { rpc: Arc::clone(self), caller, deadline: clock::monotonic_now() + timeout })
    }

    /// Answers a call that is carried to its end once it is begun: one that changes something, which must not be cut in the
    /// middle, and the audit that reads everything, which takes as long as the books are. Past its deadline a write is dropped
    /// only while nothing was begun.
    async fn write<Q, A, F>(
        self: &Arc<Self>,
        mut request: Request<Q>,
        handle: impl FnOnce(Call, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Error>>,
    {
        let call = self.call(&mut request)?;
        let name = call.caller.call.clone();
        handle(call, request.into_inner()).await.map(Response::new).map_err(|error| error.into_status(&name))
    }

    /// Answers a call that only reads: dropped at its deadline.
    async fn read<Q, A, F>(
        self: &Arc<Self>,
        mut request: Request<Q>,
        handle: impl FnOnce(Call, Q) -> F,
    ) -> Result<Response<A>, Status>
    where
        F: Future<Output = Result<A, Error>>,
        A: Message,
    {
        let call = self.call(&mut request)?;
        let name = call.caller.call.clone();
        let deadline = call.deadline;
        let answer = match tokio::time::timeout_at(deadline, handle(call, request.into_inner())).await {
            Ok(Ok(answer)) if answer.encoded_len() > ANSWER_BYTES_MAX => Err(Error::MessageTooLarge),
            Ok(answer) => answer,
            Err(_) => Err(Error::DeadlineExceeded),
        };
        answer.map(Response::new).map_err(|error| error.into_status(&name))
    }
}

/// One call: who makes it, and what it may use.
struct Call {
    rpc: Arc<Rpc>,
    caller: Caller,
    deadline: Instant,
}

impl Call {
    fn account_id(&self) -> AccountId {
        self.caller.principal.account_id
    }

    fn store(&self) -> &Store {
        self.rpc.app.store()
    }

    fn now(&self) -> Time {
        self.rpc.app.clock().now()
    }

    /// Has a command carried out.
    async fn submit(&self, fingerprint: Option<Fingerprint>, command: Command) -> Result<Answer, Error> {
        let envelope = Envelope { account_id: self.account_id(), fingerprint, command };
        Ok(self.rpc.app.submit(envelope, Some(self.deadline)).await?)
    }

    /// What a call with a request_id is recognised by when it is repeated; none without one.
    fn request_key(&self, request_id: &str, message: &impl Message) -> Option<Fingerprint> {
        self.fingerprint(RequestScope::Method(self.caller.call.method), request_id, message)
    }

    /// What a recorded event is recognised by when it is repeated, alone or in a batch; none without an event_id. No kind is a
    /// click.
    fn event_key(&self, kind: Option<ConversionKind>, event_id: &str, message: &impl Message) -> Option<Fingerprint> {
        self.fingerprint(RequestScope::Event(kind), event_id, message)
    }

    fn fingerprint(&self, scope: RequestScope, key: &str, message: &impl Message) -> Option<Fingerprint> {
        (!key.is_empty()).then(|| Fingerprint {
            scope: scope.as_str().to_owned(),
            key: key.to_owned(),
            is_kept_for_ever: scope.is_kept_for_ever(),
            content_hash: self.rpc.app.content_hash(scope.as_str(), &message.encode_to_vec()),
        })
    }
}

/// The fault of an outcome that is another command's. Says nothing of what is in it, which may be personal.
fn unexpected_outcome() -> Error {
    Error::Internal("a command came to the outcome of another".to_owned())
}

/// How long the caller waits for the answer, from `grpc-timeout`: up to eight digits and a unit.
fn sent_timeout(metadata: &MetadataMap) -> Option<Duration> {
    let text = metadata.get("grpc-timeout")?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    Some(match unit {
        "H" => Duration::from_secs(number * 60 * 60),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        let read = |text: &'static str| {
            let mut metadata = MetadataMap::new();
            metadata.insert("grpc-timeout", text.parse().unwrap());
            sent_timeout(&metadata)
        };
        assert_eq!(read("1H"), Some(Duration::from_secs(3_600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("250m"), Some(Duration::from_millis(250)));
        assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "5", "-1S", "123456789S", "1s", "1 S"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(sent_timeout(&MetadataMap::new()), None);
    }
}
