//! Receives the whole request before its handler begins. What has come counts towards the account's share of memory, and a
//! request that does not come is given up.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Body;

use super::{Limits, Owner, RETRY_AFTER};
use crate::error::Error;
use crate::shares::Share;
use crate::transport::stream::Stream;

/// How many bytes of a request count towards no share. Almost all requests are smaller.
const FREE_BYTES: usize = 16 * 1024;

/// The steps in which larger requests take their share.
const STEP_BYTES: usize = 64 * 1024;

/// Pieces shorter than this are copied together.
const SMALL_BYTES: usize = 1024;

/// A request up to this size is not heavy. A single sale is smaller, and a batch of 1,000 items larger.
const LIGHT_BYTES_MAX: usize = 1024;

/// The same for a compressed one. It becomes some hundred KiB at most, because DEFLATE makes a thousandth at best.
const LIGHT_COMPRESSED_BYTES_MAX: usize = 256;

/// The bytes in front of a message.
const PREFIX_BYTES: usize = 5;

/// How often a caller that sends nothing is looked at. When places are short, it is then given up.
const LOOK: Duration = Duration::from_secs(1);

/// How long a stop waits for the rest of a request.
const STOP_GRACE: Duration = Duration::from_millis(500);

/// A request that has arrived.
pub(super) struct Received {
    pub(super) parts: VecDeque<Bytes>,
    /// Small pieces after the last part.
    small: BytesMut,
    /// Held until the request is worked off.
    pub(super) shares: Vec<Share<Owner>>,
    bytes: usize,
}

impl Received {
    /// Keeps a piece. Small ones are copied together, because each refers to the whole buffer that it was read into.
    fn add(&mut self, data: Bytes) {
        if data.len() >= SMALL_BYTES {
            self.finish();
            self.parts.push_back(data);
        } else {
            self.small.extend_from_slice(&data);
        }
    }

    /// Whether decoding it may take long, and much memory. It then waits for its turn before it is decoded.
    pub(super) fn is_heavy(&self) -> bool {
        let is_compressed = self.parts.front().and_then(|part| part.first()).is_some_and(|flag| *flag != 0);
        self.bytes > if is_compressed { LIGHT_COMPRESSED_BYTES_MAX } else { LIGHT_BYTES_MAX }
    }

    fn finish(&mut self) {
        if !self.small.is_empty() {
            self.parts.push_back(self.small.split().freeze());
        }
    }
}

/// Receives the request of an account, up to `bytes_max` bytes.
///
/// # Errors
/// [`Error::DeadlineExceeded`], [`Error::Overloaded`] or [`Error::Unavailable`] when it does not come, and
/// [`Error::MessageTooLarge`].
pub(super) async fn receive<B>(
    limits: &Limits,
    owner: Owner,
    bytes_max: usize,
    stream: &Stream,
    body: &mut B,
) -> Result<Received, Error>
where
    B: Body<Data = Bytes> + Unpin,
{
    let mut received = Received { parts: VecDeque::new(), small: BytesMut::new(), shares: Vec::new(), bytes: 0 };
    let mut paid = FREE_BYTES;
    // The timers are made only when the call waits, because most requests have already arrived.
    let mut too_late: Option<Pin<Box<dyn Future<Output = Error> + Send + '_>>> = None;
    loop {
        let frame = tokio::select! {
            biased;
            frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)) => frame,
            error = poll_fn(|context| {
                let wait = too_late.get_or_insert_with(|| Box::pin(give_up(limits, owner, stream)));
                wait.as_mut().poll(context)
            }) => return Err(error),
        };
        match frame {
            None => break,
            // The connection or the call has ended, so nobody gets this.
            Some(Err(_)) => return Err(Error::Unavailable),
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                received.bytes += data.len();
                if received.bytes > bytes_max + PREFIX_BYTES {
                    return Err(Error::MessageTooLarge);
                }
                while received.bytes > paid {
                    let share = limits.request_bytes.take(owner, STEP_BYTES as u64);
                    received.shares.push(share.ok_or(Error::Overloaded { retry_after: RETRY_AFTER })?);
                    paid += STEP_BYTES;
                }
                received.add(data);
            }
        }
        if body.is_end_stream() {
            break;
        }
    }
    received.finish();
    stream.received();
    Ok(received)
}

/// Completes when the rest of the request is given up.
async fn give_up(limits: &Limits, owner: Owner, stream: &Stream) -> Error {
    // Nothing was changed, because a handler begins only when the request has been received.
    let too_late = Error::DeadlineExceeded { is_unchanged: true };
    let patience = async {
        let mut waited = Duration::ZERO;
        while waited < limits.receive_timeout {
            let pause = LOOK.min(limits.receive_timeout - waited);
            tokio::time::sleep(pause).await;
            waited += pause;
            if limits.calls.is_short_for(owner) {
                return;
            }
        }
    };
    let stopping = async {
        limits.draining.cancelled().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    // The task of the call is woken when the call is told to end.
    let told = poll_fn(|_| if stream.is_ending() { Poll::Ready(()) } else { Poll::Pending });
    tokio::select! {
        () = patience => too_late,
        () = stopping => Error::Unavailable,
        () = told => Error::Overloaded { retry_after: RETRY_AFTER },
    }
}
