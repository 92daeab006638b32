//! The only wiring: settings in, a listening server out, and its orderly stop.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures::TryStreamExt;
use secrecy::ExposeSecret;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity as TlsIdentity, ServerTlsConfig};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;
use uuid::Uuid;

use crate::app::{App, AppOptions};
use crate::auth::layer::AuthLayer;
use crate::auth::{Authenticator, key};
use crate::clock::{self, Clock};
use crate::config::Settings;
use crate::domain::account::{CreateApiKey, KeyKind};
use crate::domain::command::{Command, Envelope};
use crate::domain::id::AccountId;
use crate::domain::request::{Fingerprint, RequestScope};
use crate::gathered::Gathered;
use crate::limit::LimitLayer;
use crate::pb;
use crate::rpc::Services;
use crate::rpc::feed::{FeedLimits, FeedStreams};
use crate::store::{Identity, Store, StoreError, StoreOptions};

/// The services, by the name that health is asked for; the empty name is all of them.
const SERVICE_NAMES: [&str; 5] = [
    "",
    "headwater.v1.AccountService",
    "headwater.v1.AffiliateService",
    "headwater.v1.TrackingService",
    "headwater.v1.RewardService",
];

/// How long the writer and the database have at least to close on a stop, when connections took all the time there was.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// The name of the file that the first operator key is written to, in the data directory.
pub const OPERATOR_KEY_FILE: &str = "operator.key";

/// Why the server cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file or directory cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the database: {0}")]
    Store(#[from] StoreError),
    /// The first operator key cannot be made.
    #[error("cannot make the operator key: {0}")]
    OperatorKey(#[from] crate::app::SubmitError),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(#[from] tonic::transport::Error),
    /// The reflection data cannot be read.
    #[error("the API's description is broken: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// There is no thread for a writer.
    #[error("cannot start the writer: {0}")]
    Writer(std::io::Error),
    /// The writer ended by itself.
    #[error("the writer ended; nothing can be written any more")]
    WriterEnded,
}

/// A server that is running.
pub struct Server {
    address: SocketAddr,
    app: Arc<App>,
    writer: JoinHandle<()>,
    serving: JoinHandle<Result<(), tonic::transport::Error>>,
    health: HealthReporter,
    /// Ends the feed streams.
    draining: CancellationToken,
    /// Ends listening.
    closing: CancellationToken,
    drain_delay: Duration,
    shutdown_deadline: Duration,
}

impl Server {
    /// Opens the database, makes the first operator key if there is none, and listens.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, ServerError> {
        let store = Arc::new(open_store(settings).await?);
        let (app, writer) = App::start(Arc::clone(&store), Arc::clone(&clock), &app_options(settings, &store))
            .map_err(ServerError::Writer)?;
        ensure_operator_key(&app, &settings.data_dir).await?;

        let authenticator = Arc::new(Authenticator::new(Arc::clone(&store), clock));
        let draining = CancellationToken::new();
        let streams =
            FeedStreams::new(Arc::clone(&app), Arc::clone(&authenticator), feed_limits(settings), draining.clone());
        let services = Services::new(Arc::clone(&app), Arc::clone(&authenticator), streams, settings.request_timeout());

        let tls = tls_config(settings)?;
        let listen_error = |source| ServerError::Listen { address: settings.listen_address, source };
        let listener = TcpListener::bind(settings.listen_address).await.map_err(listen_error)?;
        let address = listener.local_addr().map_err(listen_error)?;
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true)).map_ok(Gathered::new);

        let (health, health_service) = tonic_health::server::health_reporter();
        let mut builder = tonic::transport::Server::builder()
            .http2_keepalive_interval(Some(seconds(settings.keepalive_interval_seconds)))
            .http2_keepalive_timeout(Some(seconds(settings.keepalive_timeout_seconds)))
            .max_connection_age(seconds(settings.connection_age_minutes * 60))
            .max_concurrent_streams(settings.connection_streams_max)
            .http2_max_header_list_size(16 * 1024);
        if let Some(tls) = tls {
            builder = builder.tls_config(tls)?;
        }
        let mut router = builder
            .layer(AuthLayer::new(authenticator))
            .layer(LimitLayer::new(settings.calls_max as usize, settings.request_timeout()))
            .add_service(health_service);
        if settings.reflection {
            router = router.add_service(reflection()?.build_v1()?).add_service(reflection()?.build_v1alpha()?);
        }
        let router = services.add_to(router, settings.message_bytes_max as usize);

        let closing = CancellationToken::new();
        let serving = tokio::spawn(router.serve_with_incoming_shutdown(incoming, closing.clone().cancelled_owned()));
        for name in SERVICE_NAMES {
            health.set_service_status(name, ServingStatus::Serving).await;
        }
        tracing::info!(%address, "serving");
        Ok(Self {
            address,
            app,
            writer,
            serving,
            health,
            draining,
            closing,
            drain_delay: Duration::from_millis(settings.drain_delay_milliseconds.into()),
            shutdown_deadline: seconds(settings.shutdown_seconds),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its app.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Serves until `stop` is done, then stops in order. Ends at once with an error if the server cannot go on.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), ServerError> {
        tokio::select! {
            () = stop => {
                self.stop().await;
                Ok(())
            }
            _ = &mut self.writer => Err(ServerError::WriterEnded),
            served = &mut self.serving => match served {
                Ok(result) => Ok(result?),
                Err(_) => Err(ServerError::WriterEnded),
            },
        }
    }

    /// Stops in order: says NOT_SERVING, ends the feed streams, takes no more calls, finishes those in progress, commits what
    /// waits. What is not done by the deadline is cut; it was not acknowledged. The database has a second more to close.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        for name in SERVICE_NAMES {
            self.health.set_service_status(name, ServingStatus::NotServing).await;
        }
        tokio::time::sleep(self.drain_delay).await;
        let deadline = clock::monotonic_now() + self.shutdown_deadline;
        self.draining.cancel();
        self.closing.cancel();
        // Our own deadline: a connection that never spoke would hold up the listener for ever.
        if tokio::time::timeout_at(deadline, &mut self.serving).await.is_err() {
            tracing::warn!("some connections did not end by the deadline and are cut");
            self.serving.abort();
        }
        self.app.close();
        let deadline = deadline.max(clock::monotonic_now() + CLOSING_TIME);
        if tokio::time::timeout_at(deadline, &mut self.writer).await.is_err() {
            tracing::warn!("the last batch was not committed by the deadline");
        }
        match tokio::time::timeout_at(deadline, self.app.store().close()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the database did not close cleanly"),
            Err(_) => tracing::warn!("the database did not close by the deadline"),
        }
        tracing::info!("stopped");
    }
}

/// Opens the database that the settings name.
///
/// # Errors
/// See [`ServerError`].
pub async fn open_store(settings: &Settings) -> Result<Store, ServerError> {
    let file_error = |source| ServerError::File { path: settings.data_dir.clone(), source };
    tokio::fs::create_dir_all(&settings.data_dir).await.map_err(file_error)?;
    let options = StoreOptions {
        url: settings.database_url().expose_secret().to_owned(),
        read_connections_max: settings.read_connections_max,
        new_identity: Identity { database_id: Uuid::from_bytes(clock::random_bytes()), secret: clock::random_bytes() },
    };
    Ok(Store::open(&options).await?)
}

/// How the app works under these settings.
pub fn app_options(settings: &Settings, store: &Store) -> AppOptions {
    /// Where no other process can write, polling is only a backstop.
    const BACKSTOP_POLL: Duration = Duration::from_secs(1);
    AppOptions {
        queue_commands_max: settings.queue_commands_max as usize,
        batch_commands_max: settings.batch_commands_max as usize,
        feed_poll_interval: if store.wants_polling() {
            Duration::from_millis(settings.feed_poll_milliseconds.into())
        } else {
            BACKSTOP_POLL
        },
        upkeep_interval: seconds(settings.upkeep_interval_seconds),
        event_retention_days: retention_days(settings),
        event_form: crate::rpc::feed::event::FORM,
    }
}

fn retention_days(settings: &Settings) -> Option<i32> {
    i32::try_from(settings.event_retention_days).ok().filter(|days| *days > 0)
}

fn feed_limits(settings: &Settings) -> FeedLimits {
    FeedLimits {
        streams_per_key_max: settings.feed_streams_per_key_max as usize,
        stream_age: seconds(settings.feed_stream_age_seconds),
        stall: seconds(settings.feed_stall_seconds),
        retention: (settings.event_retention_days > 0).then(|| seconds(settings.event_retention_days) * 86_400),
    }
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

fn tls_config(settings: &Settings) -> Result<Option<ServerTlsConfig>, ServerError> {
    let (Some(certificate), Some(key)) = (&settings.tls_certificate_file, &settings.tls_key_file) else {
        return Ok(None);
    };
    let read = |path: &Path| std::fs::read(path).map_err(|source| ServerError::File { path: path.to_owned(), source });
    Ok(Some(ServerTlsConfig::new().identity(TlsIdentity::from_pem(read(certificate)?, read(key)?))))
}

fn reflection<'data>() -> Result<tonic_reflection::server::Builder<'data>, ServerError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET))
}

/// Makes the first operator key of an empty database and leaves it in a file that only its owner can read.
async fn ensure_operator_key(app: &App, data_dir: &Path) -> Result<(), ServerError> {
    if !crate::store::account::list_keys(app.store(), AccountId::SERVER, None, 1).await?.is_empty() {
        return Ok(());
    }
    let path = data_dir.join(OPERATOR_KEY_FILE);
    let (text, new_key) = key::generate(KeyKind::Operator);
    // The file first: a key that is in the database and nowhere else is lost.
    write_secret(&path, text.expose_secret())
        .await
        .map_err(|source| ServerError::File { path: path.clone(), source })?;
    failpoint!(BeforeOperatorKey);
    // Of several server instances that start at once on an empty database, one makes the key.
    let fingerprint = Fingerprint {
        scope: RequestScope::Method("first operator key").as_str().to_owned(),
        key: "first operator key".to_owned(),
        is_kept_for_ever: true,
        content_hash: [0; 32],
    };
    let answer = app.submit(operator_key_envelope(new_key, Some(fingerprint)), None).await?;
    if answer.replayed {
        tokio::fs::remove_file(&path).await.map_err(|source| ServerError::File { path, source })?;
    } else {
        tracing::info!(path = %path.display(), "made the operator key; it is in this file");
    }
    Ok(())
}

/// Makes a further operator key and returns its text.
///
/// # Errors
/// See [`ServerError`].
pub async fn create_operator_key(app: &App) -> Result<secrecy::SecretString, ServerError> {
    let (text, new_key) = key::generate(KeyKind::Operator);
    app.submit(operator_key_envelope(new_key, None), None).await?;
    Ok(text)
}

fn operator_key_envelope(key: crate::domain::account::NewApiKey, fingerprint: Option<Fingerprint>) -> Envelope {
    let command = CreateApiKey { kind: KeyKind::Operator, display_name: "operator".to_owned(), expires_at: None, key };
    Envelope { account_id: AccountId::SERVER, fingerprint, command: Command::CreateApiKey(command) }
}

async fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    use tokio::io::AsyncWriteExt;
    // A file left by a start that failed half-way is replaced, so that the mode is ours.
    if let Err(error) = tokio::fs::remove_file(path).await
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let mut file = tokio::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).await?;
    file.write_all(text.as_bytes()).await?;
    file.write_all(b"\n").await?;
    file.sync_all().await
}
