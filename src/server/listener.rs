//! The sockets that the server listens on. Knows nothing of what it serves.

use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket, lookup_host};

use super::ServerError;
use crate::config::{ListenAddress, Settings};

/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1_024;

/// A setting that says where to listen.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    /// Its name.
    pub(super) setting: &'static str,
    pub(super) address: &'a ListenAddress,
    pub(super) settings: &'a Settings,
}

/// Sockets that have their port and refuse connections until [`Bound::listen`].
pub(super) struct Bound {
    sockets: Vec<TcpSocket>,
    /// The address of the first socket.
    pub(super) address: SocketAddr,
}

impl Bound {
    /// Binds every address of the setting, after it has checked that plaintext stays on this machine.
    pub(super) async fn bind(wanted: Wanted<'_>) -> Result<Self, ServerError> {
        let failed = |source| wanted.failed(source);
        let addresses = resolve(wanted.address).await.map_err(failed)?;
        wanted.settings.listen.check_plaintext(wanted.setting, &addresses, &wanted.settings.places)?;
        let (mut sockets, mut first, mut skipped) = (Vec::new(), None::<SocketAddr>, None);
        for mut address in addresses {
            if address.port() == 0 {
                // One free port for all addresses.
                address.set_port(first.map_or(0, |first| first.port()));
            }
            match bind_one(address) {
                Ok((socket, address)) => {
                    first = first.or(Some(address));
                    sockets.push(socket);
                }
                // Another program has the port, so that some clients would reach that program.
                Err(error) if matches!(error.kind(), io::ErrorKind::AddrInUse | io::ErrorKind::PermissionDenied) => {
                    return Err(failed(error));
                }
                // This machine may lack an address, such as ::1 without IPv6. One of them is enough.
                Err(error) => skipped = Some(error),
            }
        }
        match (first, skipped) {
            (Some(address), skipped) => {
                if let Some(error) = skipped {
                    tracing::info!(%error, host = %wanted.address, "an address of the host name is not used");
                }
                Ok(Self { sockets, address })
            }
            (None, Some(error)) => Err(failed(error)),
            (None, None) => Err(failed(io::Error::new(io::ErrorKind::NotFound, "the host name has no address"))),
        }
    }

    /// Begins to take connections.
    pub(super) fn listen(self, wanted: Wanted<'_>) -> Result<Vec<TcpListener>, ServerError> {
        let listen = |socket: TcpSocket| socket.listen(BACKLOG).map_err(|source| wanted.failed(source));
        self.sockets.into_iter().map(listen).collect()
    }
}

impl Wanted<'_> {
    fn failed(self, source: io::Error) -> ServerError {
        let place = self.settings.places.of(self.setting);
        ServerError::Listen { place, address: self.address.to_string(), source }
    }
}

/// Every address of the setting, without duplicates. IPv4 comes first.
async fn resolve(address: &ListenAddress) -> io::Result<Vec<SocketAddr>> {
    if let Some(literal) = address.literal() {
        return Ok(vec![literal]);
    }
    let found: BTreeSet<SocketAddr> = lookup_host(address.as_str()).await?.collect();
    Ok(found.into_iter().collect())
}

/// Binds a socket without listening, so that connections are refused until the server can serve them.
fn bind_one(address: SocketAddr) -> io::Result<(TcpSocket, SocketAddr)> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restarted server gets its port although connections of the one before are still closing.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    let address = socket.local_addr()?;
    Ok((socket, address))
}
