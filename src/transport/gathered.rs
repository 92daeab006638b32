//! A connection that buffers its writes and sends them in few pieces. When a batch commits, all its calls of one connection are
//! answered at once. Without the buffer, HTTP/2 would send each answer by itself. Knows nothing of the content.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, BufWriter, ReadBuf};

/// The size of the buffer. A full buffer is always sent, and a larger piece is not buffered. The answers to a batch of sales on
/// one connection are about 16 KiB.
const GATHERED_BYTES_MAX: usize = 32 * 1024;

/// See the head of the file.
#[derive(Debug)]
pub struct Gathered<Connection: AsyncWrite + Unpin> {
    connection: BufWriter<Connection>,
    /// Whether other ready tasks have had a turn since something was written.
    has_waited: bool,
}

impl<Connection: AsyncWrite + Unpin> Gathered<Connection> {
    /// Buffers the writes to this connection.
    pub fn new(connection: Connection) -> Self {
        Self { connection: BufWriter::with_capacity(GATHERED_BYTES_MAX, connection), has_waited: false }
    }
}

impl<Connection: AsyncWrite + Unpin> AsyncWrite for Gathered<Connection> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.connection).poll_write_vectored(context, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.connection.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.connection.buffer().is_empty() && !self.has_waited {
            // Yields once, so that the other ready tasks on this thread can add their writes.
            self.has_waited = true;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        ready!(Pin::new(&mut self.connection).poll_flush(context))?;
        self.has_waited = false;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_shutdown(context)
    }
}

impl<Connection: AsyncWrite + Unpin> Drop for Gathered<Connection> {
    /// Sends the rest if the connection takes it at once. This is needed because the reason of a failed TLS handshake is written
    /// and never flushed.
    fn drop(&mut self) {
        let _ = Pin::new(&mut self.connection).poll_flush(&mut Context::from_waker(Waker::noop()));
    }
}

impl<Connection: AsyncRead + AsyncWrite + Unpin> AsyncRead for Gathered<Connection> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.connection).poll_read(context, buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::{Arc, Mutex};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Two tasks write an answer each to one connection, and the first flushes at once.
    #[tokio::test]
    async fn writes_of_ready_tasks_are_sent_together() {
        let (here, mut there) = tokio::io::duplex(1_000);
        let connection = Arc::new(Mutex::new(Gathered::new(here)));
        let tasks = ["one ", "other"].map(|answer| {
            let connection = Arc::clone(&connection);
            tokio::spawn(async move {
                poll_fn(|context| {
                    let mut connection = connection.lock().unwrap();
                    Pin::new(&mut *connection).poll_write(context, answer.as_bytes())
                })
                .await
                .unwrap();
                poll_fn(|context| Pin::new(&mut *connection.lock().unwrap()).poll_flush(context)).await.unwrap();
            })
        });
        let mut arrived = [0; 100];
        let length = there.read(&mut arrived).await.unwrap();
        assert_eq!(&arrived[..length], b"one other");
        for task in tasks {
            task.await.unwrap();
        }
    }

    #[tokio::test]
    async fn unflushed_bytes_are_sent_when_the_connection_is_dropped() {
        let (here, mut there) = tokio::io::duplex(100);
        let mut connection = Gathered::new(here);
        connection.write_all(b"why it ended").await.unwrap();
        drop(connection);
        let mut arrived = String::new();
        there.read_to_string(&mut arrived).await.unwrap();
        assert_eq!(arrived, "why it ended");
    }

    #[tokio::test]
    async fn everything_arrives_in_order_whatever_its_length() {
        let (here, mut there) = tokio::io::duplex(100);
        let mut connection = Gathered::new(here);
        let sent: Vec<u8> = (0..3 * GATHERED_BYTES_MAX).map(|place| place as u8).collect();
        let expected = sent.clone();
        let sender = tokio::spawn(async move {
            let (mut rest, mut length) = (&sent[..], 1);
            while !rest.is_empty() {
                let (piece, others) = rest.split_at(length.min(rest.len()));
                connection.write_all(piece).await.unwrap();
                if length % 3 == 0 {
                    connection.flush().await.unwrap();
                }
                (rest, length) = (others, length * 2 + 1);
            }
            connection.shutdown().await.unwrap();
        });
        let mut arrived = Vec::new();
        there.read_to_end(&mut arrived).await.unwrap();
        sender.await.unwrap();
        assert_eq!(arrived, expected);
    }
}
