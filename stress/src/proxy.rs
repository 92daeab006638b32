//! A way for a connection on which the traffic can be made to stand still, as when a machine freezes or a network swallows packets.
//! Passes bytes on and knows nothing of them.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A way to one server, open for as long as this is kept.
pub(crate) struct Proxy {
    address: String,
    is_frozen: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    /// A way to this address and port.
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

    /// Where to connect to instead of the server.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From now on nothing is taken from either side, or everything again.
    pub(crate) fn freeze(&self, is_frozen: bool) {
        self.is_frozen.send_replace(is_frozen);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Until one side ends, or the proxy.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut frozen: watch::Receiver<bool>) {
    let mut bytes = vec![0; 16 * 1024];
    loop {
        if frozen.wait_for(|is_frozen| !is_frozen).await.is_err() {
            return;
        }
        let read = tokio::select! {
            read = from.read(&mut bytes) => read,
            // Frozen while it waited: nothing more is taken.
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
