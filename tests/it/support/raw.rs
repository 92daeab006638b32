//! Calls over plain HTTP/2, for requests that no gRPC client makes and for clients that leave the deadline to the server.

use bytes::Bytes;
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::{HeaderMap, Request, StatusCode};
use prost::Message;
use tokio::net::TcpStream;
use tonic::Status;

/// One connection.
#[derive(Clone)]
pub(crate) struct RawClient {
    requests: SendRequest<Bytes>,
    address: String,
}

/// An answer as it came.
pub(crate) struct RawAnswer {
    pub(crate) http_status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl RawAnswer {
    /// The gRPC status, from the trailers or, where there are none, from the headers.
    pub(crate) fn status(&self) -> Option<Status> {
        Status::from_header_map(self.trailers.as_ref().unwrap_or(&self.headers))
    }
}

impl RawClient {
    /// Connects to the address of a [`TestServer`](super::server::TestServer).
    pub(crate) async fn connect(address: &str) -> Self {
        Self::connect_with_window(address, 65_535).await
    }

    /// Connects with room for so many bytes of each answer, until the caller makes more.
    pub(crate) async fn connect_with_window(address: &str, bytes: u32) -> Self {
        let socket = TcpStream::connect(address.trim_start_matches("http://")).await.unwrap();
        let mut builder = h2::client::Builder::new();
        let (requests, connection) = builder.initial_window_size(bytes).handshake(socket).await.unwrap();
        tokio::spawn(connection);
        Self { requests, address: address.to_owned() }
    }

    /// Sends the headers of a call and no message. The call ends when both values are dropped.
    pub(crate) async fn begin(&self, method: &str, headers: &[(&str, &str)]) -> (ResponseFuture, SendStream<Bytes>) {
        let mut request = Request::post(format!("{}/{method}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await.unwrap();
        requests.send_request(request.body(()).unwrap(), false).unwrap()
    }

    /// Sends a call and takes nothing of its answer. The call ends when the value is dropped.
    pub(crate) async fn ask(&self, method: &str, headers: &[(&str, &str)], message: &impl Message) -> ResponseFuture {
        let (answer, mut body) = self.begin(method, headers).await;
        body.send_data(frame(message), true).unwrap();
        answer
    }

    /// Sends a message to a method, such as `headwater.v1.TrackingService/RecordSale`, with these headers.
    pub(crate) async fn call(&self, method: &str, headers: &[(&str, &str)], message: &impl Message) -> RawAnswer {
        let mut request = Request::post(format!("{}/{method}", self.address));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut requests = self.requests.clone().ready().await.unwrap();
        let (answer, mut body) = requests.send_request(request.body(()).unwrap(), false).unwrap();
        // A server that answers before the body has arrived may refuse the rest.
        let _ = body.send_data(frame(message), true);
        let (head, mut body) = answer.await.unwrap().into_parts();
        let mut received = Vec::new();
        while let Some(data) = body.data().await {
            let data = data.unwrap();
            // Without this, the answers of this connection would use up its window.
            body.flow_control().release_capacity(data.len()).unwrap();
            received.extend(data);
        }
        let trailers = body.trailers().await.unwrap();
        RawAnswer { http_status: head.status, headers: head.headers, body: received, trailers }
    }
}

/// A message as gRPC sends it.
pub(crate) fn frame(message: &impl Message) -> Bytes {
    let content = message.encode_to_vec();
    let mut frame = vec![0];
    frame.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    frame.extend(content);
    frame.into()
}
