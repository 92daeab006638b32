//! The signals that stop the process. Knows nothing of the server. `reload.rs` has the signal that does not stop it.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ServerError;

/// The signals that ask the process to stop: Ctrl-C and SIGTERM.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl StopSignals {
    /// Listens from now on. A signal that comes earlier ends the process at once.
    ///
    /// # Errors
    ///
    /// Fails when the operating system refuses to deliver the signals.
    pub fn listen() -> Result<Self, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::Signals);
        Ok(Self { interrupt: listen(SignalKind::interrupt())?, terminate: listen(SignalKind::terminate())? })
    }

    /// Completes when the process is asked to stop.
    pub async fn received(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
