//! The health service: SERVING from the start to the stop, except while an outage of the database lasts. Knows no database.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::app::App;
use crate::clock;

/// How often the database's state is looked at. The look costs nothing.
const INTERVAL: Duration = Duration::from_millis(250);

/// The status of all services.
pub(super) struct Health {
    reporter: HealthReporter,
    /// The service names that the health service knows.
    service_names: Vec<String>,
    /// The same for HTTP.
    is_serving: watch::Sender<bool>,
}

/// A health service that follows the database until it is stopped.
pub(super) struct Following {
    stop: CancellationToken,
    task: AbortOnDropHandle<Health>,
}

impl Health {
    pub(super) fn new(reporter: HealthReporter, service_names: Vec<String>) -> Self {
        Self { reporter, service_names, is_serving: watch::Sender::new(false) }
    }

    /// Whether the whole server serves.
    pub(super) fn is_serving(&self) -> watch::Receiver<bool> {
        self.is_serving.subscribe()
    }

    /// Says SERVING, and NOT_SERVING while the database has failed for at least this long; never with `None`.
    pub(super) async fn follow(self, app: Arc<App>, outage: Option<Duration>) -> Following {
        self.set(ServingStatus::Serving).await;
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            // The status is changed to its end before the stop, because the stop sets it too.
            while let Some(outage) = outage
                && stopped.run_until_cancelled(changed(&app, outage, true)).await.is_some()
            {
                tracing::warn!(
                    outage_seconds = outage.as_secs(),
                    "health says NOT_SERVING, because of the outage of the database"
                );
                self.set(ServingStatus::NotServing).await;
                if stopped.run_until_cancelled(changed(&app, outage, false)).await.is_none() {
                    break;
                }
                tracing::warn!("health says SERVING again");
                self.set(ServingStatus::Serving).await;
            }
            self
        });
        Following { stop, task: AbortOnDropHandle::new(task) }
    }

    async fn set(&self, status: ServingStatus) {
        self.is_serving.send_replace(status == ServingStatus::Serving);
        for name in &self.service_names {
            self.reporter.set_service_status(name, status).await;
        }
    }
}

/// Waits until an outage has lasted for this long, or until there is none.
async fn changed(app: &App, outage: Duration, is_out: bool) {
    let lasts = || app.database_fails_since().map(|since| clock::monotonic_now().duration_since(since));
    // A short success ends the outage, because the next calls may succeed too.
    while if is_out { lasts().is_none_or(|lasted| lasted < outage) } else { lasts().is_some() } {
        tokio::time::sleep(INTERVAL).await;
    }
}

impl Following {
    /// Says NOT_SERVING for good.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Ok(health) = self.task.await {
            health.set(ServingStatus::NotServing).await;
        }
    }
}
