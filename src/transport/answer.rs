//! The body of an answer. It is handed to the transport in small parts, so that the transport holds little of it for a reader that
//! takes nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::stream::Stream;

/// The size of a part, which is that of an HTTP/2 frame. The transport takes a part as soon as the reader has room for one byte,
/// and holds the rest.
const PART_BYTES: usize = 16 * 1024;

/// Of an answer longer than this, the last byte is a part of its own. The transport takes it when the reader has room for
/// everything before it, so a call is over only when its reader has taken almost all of its answer.
const WHOLE_BYTES_MAX: usize = 1024;

/// See the head of the file.
pub struct Answer<B> {
    body: B,
    /// What is left of the part that the body gave.
    rest: Bytes,
    stream: Option<Arc<Stream>>,
    /// Ends the answer when it completes.
    end: Option<End>,
    is_over: bool,
}

/// What ends an answer before its body does.
struct End {
    draining: Pin<Box<WaitForCancellationFutureOwned>>,
    /// The trailers that the answer then gets.
    trailers: HeaderMap,
}

impl<B> Answer<B> {
    /// The answer of a call.
    pub fn new(body: B, stream: Option<Arc<Stream>>) -> Self {
        Self { body, rest: Bytes::new(), stream, end: None, is_over: false }
    }

    /// Ends the answer with these trailers once `draining` completes, or once the stream is told to end.
    pub fn end_with(mut self, draining: WaitForCancellationFutureOwned, trailers: HeaderMap) -> Self {
        self.end = Some(End { draining: Box::pin(draining), trailers });
        self
    }
}

impl<B: Default> Default for Answer<B> {
    fn default() -> Self {
        Self::new(B::default(), None)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Answer<B> {
    /// The trailers of an answer that must end now.
    fn poll_end(&mut self, context: &mut Context<'_>) -> Option<HeaderMap> {
        let end = self.end.as_mut()?;
        let is_told = self.stream.as_ref().is_some_and(|stream| stream.is_ending());
        (is_told || end.draining.as_mut().poll(context).is_ready()).then(|| std::mem::take(&mut end.trailers))
    }

    fn next_part(&mut self) -> Bytes {
        let length = match self.rest.len() {
            length @ ..=WHOLE_BYTES_MAX => length,
            length => PART_BYTES.min(length - 1),
        };
        self.rest.split_to(length)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Answer<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let frame = if !self.rest.is_empty() {
            Some(Ok(Frame::data(self.next_part())))
        } else if let Some(trailers) = self.poll_end(context) {
            self.is_over = true;
            Some(Ok(Frame::trailers(trailers)))
        } else {
            match Pin::new(&mut self.body).poll_frame(context) {
                Poll::Pending => {
                    self.stream.iter().for_each(|stream| stream.waits_for_server());
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.rest = data;
                        Some(Ok(Frame::data(self.next_part())))
                    }
                    Err(other) => Some(Ok(other)),
                },
                Poll::Ready(other) => other,
            }
        };
        self.stream.iter().for_each(|stream| stream.waits_for_reader());
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || (self.rest.is_empty() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// The trailers of a gRPC answer that ends with this code and message, which must have no character that needs escaping.
pub fn trailers(code: &'static str, message: &'static str) -> HeaderMap {
    let trailers = [("grpc-status", code), ("grpc-message", message)];
    trailers
        .into_iter()
        .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
        .collect()
}
