//! Slows down connections over which no call with a working key has come. Each call and each piece of bytes that is read costs a
//! step. A connection that has used up its free steps is not read for a while, the longer, the more connections are slowed down.
//! So all of them together get no more than a thousand steps a second, and each of them gets its part of these. The system then
//! holds the sender back, and nothing is refused or kept. The other connections are read as fast as they can be, but give others a
//! turn now and then. Knows nothing of HTTP/2.

use std::future::Future;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures::task::AtomicWaker;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::connections::Connection;
use crate::clock;

/// The time of a step while one connection is slowed down. Answering a health check takes the server some 50 microseconds.
const STEP: Duration = Duration::from_millis(1);

/// How many steps a connection may take at once after a rest. A TLS handshake takes two or three.
const FREE_STEPS_MAX: u32 = 64;

/// How many bytes are read at once, for a step.
const PIECE_BYTES: usize = 4 * 1024;

/// How many bytes of a connection that is not slowed down are read before other tasks have a turn.
const TURN_BYTES_MAX: usize = 64 * 1024;

/// The longest that a connection is not read. Its client must still be able to answer pings.
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// The steps of one connection. It is a part of [`Connection`].
#[derive(Default)]
pub(super) struct Pace {
    is_free: AtomicBool,
    /// The calls since it was looked at last.
    calls: AtomicU32,
    waker: AtomicWaker,
}

impl Pace {
    /// Counts a call.
    pub(super) fn called(&self) {
        if !self.is_free() {
            self.calls.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Lets the connection be read as fast as it can be, from now on.
    pub(super) fn becomes_free(&self) {
        if !self.is_free() && !self.is_free.swap(true, Ordering::Release) {
            self.waker.wake();
        }
    }

    fn is_free(&self) -> bool {
        self.is_free.load(Ordering::Acquire)
    }
}

/// How many connections are slowed down at the moment. Clones share one number.
#[derive(Clone, Default)]
pub(super) struct SlowedCount(Arc<AtomicUsize>);

impl SlowedCount {
    fn enter(&self) -> Slowed {
        self.0.fetch_add(1, Ordering::Relaxed);
        Slowed(self.clone())
    }

    /// The time of a step at the moment.
    fn step(&self) -> Duration {
        let count = u32::try_from(self.0.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        STEP.saturating_mul(count.max(1))
    }
}

/// A connection that is slowed down, until this is dropped.
struct Slowed(SlowedCount);

impl Drop for Slowed {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection whose reads keep its pace.
pub(super) struct Paced<IO> {
    io: IO,
    connection: Arc<Connection>,
    slowed_count: SlowedCount,
    free_steps: u32,
    counted_at: Instant,
    /// Pieces that were read since it paid last.
    pieces: u32,
    pause: Option<(Pin<Box<Sleep>>, Slowed)>,
    /// Bytes that were read since others had a turn.
    turn_bytes: usize,
}

impl<IO> Paced<IO> {
    pub(super) fn new(io: IO, connection: Arc<Connection>, slowed_count: SlowedCount) -> Self {
        let counted_at = clock::monotonic_now();
        Self {
            io,
            connection,
            slowed_count,
            free_steps: FREE_STEPS_MAX,
            counted_at,
            pieces: 0,
            pause: None,
            turn_bytes: 0,
        }
    }

    /// Takes steps. Returns how long the connection must then pause.
    fn take(&mut self, steps: u32) -> Option<Duration> {
        let (now, step) = (clock::monotonic_now(), self.slowed_count.step());
        let gained = now.duration_since(self.counted_at).as_nanos() / step.as_nanos().max(1);
        if gained > 0 {
            let gained = u32::try_from(gained).unwrap_or(u32::MAX);
            self.free_steps = self.free_steps.saturating_add(gained).min(FREE_STEPS_MAX);
            self.counted_at = now;
        }
        let debt = steps.saturating_sub(self.free_steps);
        self.free_steps = self.free_steps.saturating_sub(steps);
        (debt > 0).then(|| step.saturating_mul(debt).min(PAUSE_MAX))
    }

    /// Completes when the connection may be read.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let connection = Arc::clone(&self.connection);
        let pace = connection.pace();
        if self.pause.is_none() {
            let owed = pace.calls.swap(0, Ordering::Relaxed) + std::mem::take(&mut self.pieces);
            let Some(time) = self.take(owed) else { return Poll::Ready(()) };
            self.pause = Some((Box::pin(tokio::time::sleep(time)), self.slowed_count.enter()));
        }
        pace.waker.register(context.waker());
        if let Some((sleep, _)) = &mut self.pause
            && !pace.is_free()
        {
            ready!(sleep.as_mut().poll(context));
            // The pause has paid the debt, so it gains no free steps.
            self.counted_at = clock::monotonic_now();
        }
        self.pause = None;
        Poll::Ready(())
    }
}

impl<IO: AsyncRead + Unpin> Paced<IO> {
    fn poll_fast(&mut self, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.turn_bytes >= TURN_BYTES_MAX {
            self.turn_bytes = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.io).poll_read(context, buffer);
        match &read {
            Poll::Ready(_) => self.turn_bytes += buffer.filled().len() - before,
            Poll::Pending => self.turn_bytes = 0,
        }
        read
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Paced<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.connection.pace().is_free() {
            self.pause = None;
            return self.poll_fast(context, buffer);
        }
        ready!(self.poll_turn(context));
        let mut bytes = [0; PIECE_BYTES];
        let mut piece = ReadBuf::new(&mut bytes[..PIECE_BYTES.min(buffer.remaining())]);
        ready!(Pin::new(&mut self.io).poll_read(context, &mut piece))?;
        self.pieces += 1;
        buffer.put_slice(piece.filled());
        Poll::Ready(Ok(()))
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Paced<IO> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

    use super::*;
    use crate::transport::connections::Connections;

    fn connection(table: &Connections) -> Arc<Connection> {
        table.admit(([10, 0, 0, 1], 1).into()).unwrap()
    }

    /// A connection whose client has sent this many bytes.
    async fn sent(connection: &Arc<Connection>, slowed_count: &SlowedCount, bytes: usize) -> Paced<DuplexStream> {
        let (mut there, here) = tokio::io::duplex(bytes);
        there.write_all(&vec![7; bytes]).await.unwrap();
        Paced::new(here, Arc::clone(connection), slowed_count.clone())
    }

    /// Reads so many bytes. Returns the milliseconds that it took.
    async fn read(paced: &mut Paced<DuplexStream>, bytes: usize) -> u128 {
        let begun_at = clock::monotonic_now();
        let mut read = vec![0; bytes];
        paced.read_exact(&mut read).await.unwrap();
        assert!(read.iter().all(|byte| *byte == 7));
        begun_at.elapsed().as_millis()
    }

    const FREE_BYTES: usize = PIECE_BYTES * (FREE_STEPS_MAX as usize + 1);

    #[tokio::test(start_paused = true)]
    async fn one_connection_is_slowed_down_after_its_free_steps() {
        let (table, slowed_count) = (Connections::new(10, 10), SlowedCount::default());
        let connection = connection(&table);
        let mut paced = sent(&connection, &slowed_count, FREE_BYTES + 100 * PIECE_BYTES).await;
        assert_eq!(read(&mut paced, FREE_BYTES).await, 0);
        let slow = read(&mut paced, 100 * PIECE_BYTES).await;
        assert!((100..=220).contains(&slow), "{slow}");
    }

    #[tokio::test(start_paused = true)]
    async fn calls_cost_as_much_as_pieces_and_a_rest_gives_steps_back() {
        let (table, slowed_count) = (Connections::new(10, 10), SlowedCount::default());
        let connection = connection(&table);
        let mut paced = sent(&connection, &slowed_count, 1_000).await;
        assert_eq!(read(&mut paced, 1).await, 0);
        (0..300).for_each(|_| connection.called());
        let slow = read(&mut paced, 1).await;
        assert!((230..=250).contains(&slow), "{slow}");
        tokio::time::sleep(Duration::from_secs(1)).await;
        (0..50).for_each(|_| connection.called());
        assert_eq!(read(&mut paced, 1).await, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn many_connections_share_the_steps() {
        let (table, slowed_count) = (Connections::new(30, 30), SlowedCount::default());
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..10 {
            let connection = connection(&table);
            let mut paced = sent(&connection, &slowed_count, FREE_BYTES + 100 * PIECE_BYTES).await;
            tasks.spawn(async move { read(&mut paced, FREE_BYTES + 100 * PIECE_BYTES).await });
        }
        let slowest = tasks.join_all().await.into_iter().max().unwrap();
        assert!(slowest >= 800, "{slowest} ms for 1,000 steps");
        assert_eq!(slowed_count.0.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_working_key_ends_the_pause_at_once() {
        let (table, slowed_count) = (Connections::new(10, 10), SlowedCount::default());
        let connection = connection(&table);
        let mut paced = sent(&connection, &slowed_count, 10 * FREE_BYTES).await;
        read(&mut paced, 1).await;
        (0..5_000).for_each(|_| connection.called());
        let keyed = Arc::clone(&connection);
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            keyed.shows_key();
        });
        let time = read(&mut paced, 9 * FREE_BYTES).await;
        assert!((10..=12).contains(&time), "{time}");
    }
}
