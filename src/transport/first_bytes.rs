//! Waits for the first bytes of a connection before anything is kept for it. An open HTTP/2 connection takes some 50 KiB, which nobody
//! gets by connecting and saying nothing.

use std::io;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;

/// The first bytes of HTTP/2 (RFC 9113, section 3.4). The client's SETTINGS frame follows them.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The header of a frame.
const FRAME_HEADER_BYTES: usize = 9;

/// The protocol of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) enum Protocol {
    Http1,
    Http2,
    Tls,
}

impl Protocol {
    /// Whether these first bytes are enough to begin with: of HTTP/2 the preface and the header of the first frame, of the others
    /// any byte. Bytes of another protocol are enough too, because they are refused at once.
    fn may_begin(self, bytes: &[u8]) -> bool {
        match self {
            Self::Http1 | Self::Tls => !bytes.is_empty(),
            Self::Http2 => {
                bytes.len() >= PREFACE.len() + FRAME_HEADER_BYTES
                    || bytes.iter().zip(PREFACE).any(|(byte, expected)| byte != expected)
            }
        }
    }
}

/// Completes when the first bytes have come. They stay in the socket.
///
/// # Errors
/// When the connection ended before.
pub(super) async fn come(socket: &TcpStream, protocol: Protocol) -> io::Result<()> {
    let mut bytes = [0; PREFACE.len() + FRAME_HEADER_BYTES];
    loop {
        let ready = socket.ready(Interest::READABLE).await?;
        // Too few bytes are as good as none: the socket then waits for further ones.
        let seen = socket.try_io(Interest::READABLE, || {
            let (_, length) = recv(socket, &mut bytes[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
            if protocol.may_begin(&bytes[..length]) { Ok(()) } else { Err(io::ErrorKind::WouldBlock.into()) }
        });
        match seen {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && !ready.is_read_closed() => {}
            seen => return seen,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::time::timeout;

    use super::*;

    async fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let there = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        there.set_nodelay(true).unwrap();
        (there, listener.accept().await.unwrap().0)
    }

    #[tokio::test]
    async fn the_preface_may_come_in_parts_and_stays_in_the_socket() {
        let (mut there, mut here) = pair().await;
        let all = [PREFACE, &[0; FRAME_HEADER_BYTES]].concat();
        for part in [&all[..10], &all[10..24]] {
            there.write_all(part).await.unwrap();
            assert!(timeout(Duration::from_millis(100), come(&here, Protocol::Http2)).await.is_err());
        }
        there.write_all(&all[24..]).await.unwrap();
        come(&here, Protocol::Http2).await.unwrap();
        let mut read = vec![0; all.len()];
        here.read_exact(&mut read).await.unwrap();
        assert_eq!(read, all);
    }

    #[tokio::test]
    async fn another_protocol_is_not_waited_for() {
        for (protocol, first) in [(Protocol::Http1, &b"G"[..]), (Protocol::Http2, b"GET"), (Protocol::Tls, &[22])] {
            let (mut there, here) = pair().await;
            there.write_all(first).await.unwrap();
            come(&here, protocol).await.unwrap();
        }
    }

    #[tokio::test]
    async fn a_connection_that_ends_is_not_waited_for() {
        for first in [&PREFACE[..0], &PREFACE[..10]] {
            let (mut there, here) = pair().await;
            there.write_all(first).await.unwrap();
            there.shutdown().await.unwrap();
            come(&here, Protocol::Http2).await.unwrap_err();
        }
    }
}
