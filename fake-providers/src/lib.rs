//! PayPal Payouts, Stripe Connect and Wise on this machine: their paths and their answers over HTTP, with money in a ledger that says who
//! truly got what, and with faults on demand. For tests and demonstrations. Knows nothing of Headwater.

mod clock;
mod control;
mod crypto;
mod exchange;
mod faults;
mod form;
mod hooks;
mod ids;
mod ledger;
mod money;
mod paypal;
mod sender;
mod serve;
mod stripe;
mod wise;
mod world;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

pub use clock::Time;

/// How the fakes are started.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where to listen. Port 0 chooses a free one.
    pub address: SocketAddr,
    /// Decides ids and the faults that come by chance.
    pub seed: u64,
    /// How time passes.
    pub time: Time,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings { address: SocketAddr::from(([127, 0, 0, 1], 0)), seed: 1, time: Time::Running }
    }
}

impl Settings {
    /// Time that stands still, at 2026-12-01, until it is moved with `/fake/clock`.
    #[must_use]
    pub fn standing() -> Settings {
        Settings { time: Time::Standing(1_796_083_200_000), ..Settings::default() }
    }
}

/// Fakes that serve until this is dropped.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Running {
    /// Where they listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of one part: `paypal`, `stripe`, `wise`, or `fake`, which is the control.
    #[must_use]
    pub fn url(&self, part: &str) -> String {
        format!("http://{}/{part}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Starts the fakes in this process.
///
/// # Errors
///
/// If the address cannot be listened on.
pub async fn start(settings: Settings) -> anyhow::Result<Running> {
    let keys = Arc::new(crypto::Keys::make()?);
    let listener =
        TcpListener::bind(settings.address).await.with_context(|| format!("cannot listen on {}", settings.address))?;
    let address = listener.local_addr()?;
    let (outbox, waiting) = tokio::sync::mpsc::unbounded_channel();
    let app = Arc::new(serve::App::new(world::World::new(settings, keys), outbox));
    let ticking = Arc::clone(&app);
    let tasks = vec![
        tokio::spawn(sender::run(Arc::clone(&app), waiting)),
        tokio::spawn(serve::tick_often(ticking)),
        tokio::spawn(serve::accept(app, listener)),
    ];
    Ok(Running { address, tasks })
}
