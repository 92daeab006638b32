//! A server in the test's process that answers as a script says, and keeps what it was asked.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use headwater_client::{Client, ConnectOptions, pb};
use http::{Request, Response};
use prost::Message;
use tokio::net::TcpListener;
use tokio_stream::Stream;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::{Grpc, NamedService};
use tonic::{Code, Status};
use tonic_prost::ProstCodec;
use tonic_types::{ErrorDetail, ErrorInfo, FieldViolation, RetryInfo, StatusExt};
use tower::Service;

/// What the fake does with one call after the other.
pub(crate) enum Act {
    /// Answers a unary call with an empty message.
    Answer,
    /// Ends the call with an error.
    Fail(Status),
    /// Does not answer.
    Hang,
    /// Sends messages of the feed and then ends the stream. Without an end the stream stays open.
    Send(Vec<pb::WatchEventsResponse>, Option<Status>),
}

/// What a call brought.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub path: String,
    pub timeout: Option<String>,
    /// The encoded request.
    pub request: Vec<u8>,
}

impl Asked {
    pub(crate) fn request<Q: Message + Default>(&self) -> Q {
        Q::decode(self.request.as_slice()).unwrap()
    }
}

#[derive(Clone, Default)]
pub(crate) struct Fake {
    acts: Arc<Mutex<VecDeque<Act>>>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Fake {
    /// Starts a server, and connects a client to it. The check of the key is answered and not kept.
    pub(crate) async fn start(acts: impl IntoIterator<Item = Act>) -> (Client, Self) {
        let fake = Self::default();
        let url = format!("http://{}", fake.serve().await);
        fake.acts.lock().unwrap().push_back(Act::Answer);
        let options = ConnectOptions::new(url, "hw_tracking_1").timeout(Duration::from_secs(5));
        let client = Client::connect(options).await.unwrap();
        fake.asked.lock().unwrap().clear();
        fake.acts.lock().unwrap().extend(acts);
        (client, fake)
    }

    /// Serves on a free port.
    pub(crate) async fn serve(&self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tonic::transport::Server::builder()
            .add_service(Accounts(self.clone()))
            .add_service(Affiliates(self.clone()))
            .add_service(Feed(self.clone()))
            .add_service(Tracking(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    pub(crate) fn push(&self, act: Act) {
        self.acts.lock().unwrap().push_back(act);
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    async fn answer(self, request: Request<Body>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let timeout = request.headers().get("grpc-timeout").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let is_stream = path.contains("/Watch");
        let handle = move |request: tonic::Request<Bytes>| {
            let Bytes(request) = request.into_inner();
            let act = self.acts.lock().unwrap().pop_front().expect("an act for each call");
            self.asked.lock().unwrap().push(Asked { path: path.clone(), timeout: timeout.clone(), request });
            act
        };
        let mut grpc = Grpc::new(ProstCodec::<Bytes, Bytes>::default());
        if is_stream {
            let serve = tower::service_fn(move |request| {
                let act = handle(request);
                async move { stream(act).await }
            });
            return grpc.server_streaming(serve, request).await;
        }
        let serve = tower::service_fn(move |request| {
            let act = handle(request);
            async move {
                match act {
                    Act::Answer => Ok(tonic::Response::new(Bytes(Vec::new()))),
                    Act::Fail(status) => Err(status),
                    Act::Hang => std::future::pending().await,
                    Act::Send(..) => Err(Status::internal("the script has a stream for a unary call")),
                }
            }
        });
        grpc.unary(serve, request).await
    }
}

type Messages = std::pin::Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

async fn stream(act: Act) -> Result<tonic::Response<Messages>, Status> {
    let (messages, end) = match act {
        Act::Answer => (Vec::new(), Some(Status::ok(""))),
        Act::Fail(status) => return Err(status),
        Act::Hang => std::future::pending().await,
        Act::Send(messages, end) => (messages, end),
    };
    let (sender, receiver) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        for message in messages {
            if sender.send(Ok(Bytes(message.encode_to_vec()))).await.is_err() {
                return;
            }
        }
        match end {
            None => sender.closed().await,
            Some(status) if status.code() == Code::Ok => {}
            Some(status) => drop(sender.send(Err(status)).await),
        }
    });
    Ok(tonic::Response::new(Box::pin(ReceiverStream::new(receiver))))
}

/// Any message, as it is on the wire.
#[derive(Debug, Clone, Default)]
pub(crate) struct Bytes(Vec<u8>);

impl Message for Bytes {
    fn encode_raw(&self, buffer: &mut impl prost::bytes::BufMut) {
        buffer.put_slice(&self.0);
    }

    fn merge_field(
        &mut self,
        tag: u32,
        wire_type: prost::encoding::WireType,
        buffer: &mut impl prost::bytes::Buf,
        context: prost::encoding::DecodeContext,
    ) -> Result<(), prost::DecodeError> {
        // Encodes the field again. The requests of the tests have only fields with a length, and numbers.
        prost::encoding::encode_key(tag, wire_type, &mut self.0);
        if wire_type == prost::encoding::WireType::LengthDelimited {
            let mut content = Vec::new();
            prost::encoding::bytes::merge(wire_type, &mut content, buffer, context)?;
            prost::encoding::encode_varint(content.len() as u64, &mut self.0);
            self.0.extend(content);
        } else {
            prost::encoding::encode_varint(prost::encoding::decode_varint(buffer)?, &mut self.0);
        }
        Ok(())
    }

    fn encoded_len(&self) -> usize {
        self.0.len()
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

macro_rules! service {
    ($name:ident, $service:literal) => {
        #[derive(Clone)]
        struct $name(Fake);

        impl NamedService for $name {
            const NAME: &'static str = concat!("headwater.v1.", $service);
        }

        impl Service<Request<Body>> for $name {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = std::pin::Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, request: Request<Body>) -> Self::Future {
                let fake = self.0.clone();
                Box::pin(async move { Ok(fake.answer(request).await) })
            }
        }
    };
}

service!(Accounts, "AccountService");
service!(Affiliates, "AffiliateService");
service!(Feed, "FeedService");
service!(Tracking, "TrackingService");

/// An error as the server makes it.
pub(crate) fn failure(code: Code, reason: &str, details: Vec<ErrorDetail>, pushback: Option<&str>) -> Status {
    let mut all =
        vec![ErrorDetail::ErrorInfo(ErrorInfo::new(reason, "headwater.dev", [("key".to_owned(), "value".to_owned())]))];
    all.extend(details);
    let mut metadata = MetadataMap::new();
    if let Some(pushback) = pushback {
        metadata.insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    }
    Status::with_error_details_vec_and_metadata(code, "the message", all, metadata)
}

pub(crate) fn violations(fields: &[&str]) -> ErrorDetail {
    let violations: Vec<_> = fields.iter().map(|field| FieldViolation::new(*field, "is wrong")).collect();
    ErrorDetail::BadRequest(tonic_types::BadRequest::new(violations))
}

pub(crate) fn retry_after(delay: Duration) -> ErrorDetail {
    ErrorDetail::RetryInfo(RetryInfo::new(Some(delay)))
}
