//! The signals of the operating system. Knows nothing of the server.

use std::io::IsTerminal;

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ServerError;

/// The signals that ask the process to stop: Ctrl-C and SIGTERM, and SIGHUP if the log goes to a terminal. Otherwise SIGHUP has no
/// effect.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hang_up: Signal,
}

impl StopSignals {
    /// Listens from now on. A signal that comes earlier ends the process at once.
    ///
    /// # Errors
    ///
    /// Fails when the operating system refuses to deliver the signals.
    pub fn listen() -> Result<Self, ServerError> {
        let listen = |kind| signal(kind).map_err(ServerError::Signals);
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hang_up: listen(SignalKind::hangup())?,
        })
    }

    /// Completes when the process is asked to stop.
    pub async fn received(&mut self) {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return,
                _ = self.terminate.recv() => return,
                _ = self.hang_up.recv() => {
                    // The kernel sends SIGHUP when a terminal is closed. Other programs send it to make a server read its files
                    // again. Most servers do not stop then, and a log rotation must not stop this one.
                    if std::io::stderr().is_terminal() {
                        return;
                    }
                    tracing::info!("SIGHUP has no effect; a restart reads the settings and the certificate again");
                }
            }
        }
    }
}
