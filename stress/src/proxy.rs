//! A TCP proxy whose traffic can be frozen, as when a machine freezes or a network drops packets. Passes bytes on without reading
//! them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A proxy to one server. It closes when dropped.
pub(crate) struct Proxy {
    address: String,
    is_frozen: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A proxy to this address and port.
    pub(crate) async fn to(address: &str) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let own = listener.local_addr()?.to_string();
        let (is_frozen, frozen) = watch::channel(false);
        let target = address.to_owned();
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::spawn(pass(from_client, to_server, frozen.clone()));
                tokio::spawn(pass(from_server, to_client, frozen.clone()));
            }
        });
        Ok(Self { address: own, is_frozen, accepting })
    }

    /// The address to connect to instead of the server's.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops reading from both sides, or starts again.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.is_frozen.send_replace(is_frozen);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes bytes on until one side or the proxy ends.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        if frozen.wait_for(|is_frozen| !is_frozen).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            // The proxy was frozen while it waited, so it stops reading.
            _ = frozen.wait_for(|is_frozen| *is_frozen) => continue,
        };
        match read {
            Ok(length) if length > 0 => {
                if to.write_all(&bytes[..length]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}
