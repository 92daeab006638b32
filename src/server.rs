//! The only wiring: takes settings, starts a listening server, and stops it in order.

mod callbacks;
mod descriptors;
mod health;
mod http_listener;
mod listener;
mod private;
mod reload;
mod secrets_key;
mod signals;
mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::future::OptionFuture;
use prost::Message;
use prost_types::FileDescriptorSet;
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use tower::ServiceBuilder;
use uuid::Uuid;

use crate::app::worker::connections::{Connections, ProviderAddresses};
use crate::app::worker::reseal_secrets::Keys;
use crate::app::worker::send_payouts::{CannotCall, NoConnections};
use crate::app::{App, AppOptions, Providers};
use crate::auth::Authenticator;
use crate::auth::layer::AuthLayer;
pub use crate::auth::operator::OPERATOR_KEY_FILE;
use crate::auth::operator::{self, FirstKeyProblem, OperatorKeyError};
use crate::auth::rate::{CallRate, CallRates};
use crate::clock::{self, Clock};
use crate::config::{ConfigError, Place, Registration, Settings};
use crate::limit::{self, LimitLayer, Limits};
use crate::mail::{Post, PostOptions, PostProblem};
use crate::outbound::client::{BaseAddress, Client, ClientLimits};
use crate::pb;
use crate::rpc::feed::{FeedLimits, FeedStreams};
use crate::rpc::{RegisteredBy, Services};
use crate::secrets::Secrets;
use crate::store::{Identity, Store, StoreError, StoreOptions};
use crate::transport::lane::Lane;
use crate::transport::serve::{ConnectionLimits, Transport, Version};
use health::{Following, Health};
use http_listener::{Http, Needs};
use listener::{Bound, Wanted};
pub use reload::Reloads;
pub use secrets_key::SecretsKeyProblem;
pub use signals::StopSignals;

/// The minimum time that the writer and the database get to close on a stop, even when the connections have used up the time
/// limit.
const CLOSING_TIME: Duration = Duration::from_secs(1);

/// Why the server cannot start, or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// A file or directory cannot be used.
    #[error("cannot use {path}: {source}")]
    File {
        /// The path of the file or directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A setting cannot be used on this machine.
    #[error(transparent)]
    Setting(#[from] ConfigError),
    /// A file with a key can be read by everybody.
    #[error(
        "{path} has a key and every user of this machine can read it. Replace the key if somebody may have read it, and run \
         `chmod o= {path}`",
        path = path.display()
    )]
    PublicKeyFile {
        /// The file.
        path: PathBuf,
    },
    /// A TLS file cannot be used.
    #[error("{place}: cannot use {}: {problem}", path.display())]
    TlsFile {
        /// Where the setting comes from.
        place: Place,
        /// The path of the file.
        path: PathBuf,
        /// The cause.
        problem: String,
    },
    /// The keys that seal payout details cannot be used.
    #[error(transparent)]
    SecretsKey(#[from] SecretsKeyProblem),
    /// The server cannot listen on the address.
    #[error("{place}: cannot listen on {address}: {source}")]
    Listen {
        /// Where the setting comes from.
        place: Place,
        /// The address as it was set.
        address: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use the database: {0}")]
    Store(#[from] StoreError),
    /// The database is new, and its first operator key must not be created.
    #[error(transparent)]
    FirstKey(#[from] FirstKeyProblem),
    /// The first operator key cannot be created.
    #[error("cannot make the operator key: {0}")]
    OperatorKey(#[from] crate::app::SubmitError),
    /// The listener ended without being told to.
    #[error("the listener ended; nobody can connect any more")]
    ListenerEnded,
    /// No operator key can be made without the server.
    #[error(
        "cannot make an operator key: {0}. If a server has the database open: call its CreateApiKey with an operator key that works. \
         If there is none, stop the server, run this command, and start the server again"
    )]
    NoOperatorKey(StoreError),
    /// The reflection data cannot be read.
    #[error("the API's description is broken: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The writer's thread cannot be started.
    #[error("cannot start the writer: {0}")]
    Writer(std::io::Error),
    /// The signals that stop the server cannot be received.
    #[error("cannot listen for the signals that stop the server: {0}")]
    Signals(std::io::Error),
    /// The writer ended without being told to.
    #[error("the writer ended; nothing can be written any more")]
    WriterEnded,
}

impl From<OperatorKeyError> for ServerError {
    fn from(error: OperatorKeyError) -> Self {
        match error {
            OperatorKeyError::File { path, source } => Self::File { path, source },
            OperatorKeyError::Store(error) => Self::Store(error),
            OperatorKeyError::Submit(error) => Self::OperatorKey(error),
        }
    }
}

/// A running server.
pub struct Server {
    address: SocketAddr,
    /// The address of the listener for HTTP.
    http_address: Option<SocketAddr>,
    app: Arc<App>,
    writer: JoinHandle<()>,
    serving: JoinHandle<()>,
    health: Following,
    /// Cancelled when the feed streams must end and no more calls are taken.
    draining: CancellationToken,
    /// Cancelled when the connections must end at once.
    cutting: CancellationToken,
    /// The certificates of the listeners, which can be replaced. None for plaintext.
    tls: Vec<(Version, watch::Sender<TlsAcceptor>)>,
    settings: Settings,
    drain_delay: Duration,
    shutdown_deadline: Duration,
}

impl Server {
    /// Checks the settings that depend on this machine, opens the database, creates the first operator key if there is none, and
    /// starts to listen.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Self, ServerError> {
        Self::start_with(settings, clock, None).await
    }

    /// As [`Server::start`], with other providers than those of the settings.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start_with(
        settings: &Settings,
        clock: Arc<dyn Clock>,
        providers: Option<Providers>,
    ) -> Result<Self, ServerError> {
        // All that can fail without the database comes first. A mistake in a setting must not migrate the database, because the
        // version before could then not be started again.
        let wanted = Wanted { setting: "listen_address", address: &settings.listen.listen_address, settings };
        let bound = Bound::bind(wanted).await?;
        let tls = tls::read(settings, Version::Http2)?.map(|acceptor| watch::channel(acceptor).0);
        let http = Http::prepare(settings).await?;
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut routes = Routes::builder();
        routes.add_service(health_service);
        if settings.listen.reflection {
            // The largest message is for methods with a key, and these have none.
            let bytes = limit::open::MESSAGE_BYTES_MAX;
            routes.add_service(reflection()?.build_v1()?.max_decoding_message_size(bytes));
            routes.add_service(reflection()?.build_v1alpha()?.max_decoding_message_size(bytes));
        }
        let service_names = service_names()?;

        let post = post(settings)?;
        let secrets = secrets_key::read(settings)?;
        let addresses = provider_addresses(settings)?;
        let store = Arc::new(open_store(settings).await?);
        let secrets = Arc::new(secrets_key::of_database(settings, &store, secrets).await?);
        let options = app_options(settings, &store, post).await?;
        let providers = providers.unwrap_or_else(|| connections(&store, &secrets, addresses));
        let options = AppOptions { providers, keys: Keys(Arc::clone(&secrets)), ..options };
        let (app, writer) =
            App::start(Arc::clone(&store), Arc::clone(&clock), &options).map_err(ServerError::Writer)?;
        operator::ensure_first(&app, &settings.database.data_dir).await?;

        let authenticator =
            Arc::new(Authenticator::new(Arc::clone(&store), Arc::clone(&clock), Arc::clone(app.key_uses())));
        let draining = CancellationToken::new();
        let streams =
            FeedStreams::new(Arc::clone(&app), Arc::clone(&authenticator), feed_limits(settings), draining.clone());
        let services = Services::new(
            Arc::clone(&app),
            Arc::clone(&authenticator),
            streams,
            registered_by(settings.registration.registration),
            settings.limits.request_timeout(),
            settings.limits.message_bytes_max,
            Arc::clone(&secrets),
        );
        services.with_callbacks(http.is_some()).add_to(&mut routes);
        let layers = ServiceBuilder::new()
            .layer(AuthLayer::new(
                authenticator,
                crate::rpc::METHODS,
                call_rates(settings),
                settings.registration.registration == Registration::Open,
                settings.listen.trusted_proxies.as_slice(),
            ))
            .layer(LimitLayer::new(call_limits(settings, &draining)));

        let cutting = CancellationToken::new();
        let address = bound.address;
        let tables = descriptors::connections(settings);
        let transport = Transport {
            version: Version::Http2,
            service: layers.service(routes.routes().prepare()),
            tls: tls.as_ref().map(watch::Sender::subscribe),
            connections: tables.grpc,
            limits: connection_limits(settings),
            draining: draining.clone(),
        };
        let health = Health::new(health, service_names);
        let needs = Needs {
            is_serving: health.is_serving(),
            secrets: Arc::new(callbacks::Connections { store, secrets }),
            waker: Arc::new(callbacks::Wakes(Arc::clone(&app))),
            clock,
            connections: tables.http,
            draining: draining.clone(),
            cutting: cutting.clone(),
        };
        let http_address = http.as_ref().map(Http::address);
        let http_tls = http.as_ref().and_then(Http::tls);
        let http = http.map(|http| http.serve(settings, needs)).transpose()?;
        let grpc = transport.serve(bound.listen(wanted)?, cutting.clone());
        // Both end when the server stops, and a panic of one ends the other.
        let serving = tokio::spawn(async { _ = tokio::join!(grpc, OptionFuture::from(http)) });
        let health = health.follow(Arc::clone(&app), health_outage(settings)).await;
        tracing::info!(%address, http_address = http_address.map(tracing::field::display), "serving");
        let tls = [(Version::Http2, tls), (Version::Http1, http_tls)];
        Ok(Self {
            address,
            http_address,
            app,
            writer,
            serving,
            health,
            draining,
            cutting,
            tls: tls.into_iter().filter_map(|(version, tls)| Some((version, tls?))).collect(),
            settings: settings.clone(),
            drain_delay: Duration::from_millis(settings.shutdown.drain_delay_milliseconds.into()),
            shutdown_deadline: seconds(settings.shutdown.shutdown_seconds),
        })
    }

    /// The address on which the server listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address on which the server listens for HTTP, if it does.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// The app that the server runs.
    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    /// Reads the certificate and its key again. New connections get them. If they cannot be used, the log says why, and the ones
    /// before stay.
    pub fn reload_certificate(&self) {
        for (version, current) in &self.tls {
            match tls::read(&self.settings, *version) {
                Ok(Some(acceptor)) => {
                    current.send_replace(acceptor);
                    tracing::info!("the certificate was read again; new connections get it");
                }
                Ok(None) => {}
                Err(error) => tracing::error!(%error, "the certificate was not renewed; the one before stays"),
            }
        }
    }

    /// Serves until `stop` completes, then stops in order. Reads the settings again when asked to. Returns an error at once if the
    /// server cannot go on.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn run_until(
        mut self,
        stop: impl Future<Output = ()>,
        mut reloads: Option<Reloads>,
    ) -> Result<(), ServerError> {
        let mut stop = std::pin::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => {
                    self.stop().await;
                    return Ok(());
                }
                _ = &mut self.writer => return Err(ServerError::WriterEnded),
                _ = &mut self.serving => return Err(ServerError::ListenerEnded),
                () = Reloads::received(reloads.as_mut()) => {
                    if let Some(reloads) = &mut reloads {
                        reloads.apply();
                    }
                    self.reload_certificate();
                }
            }
        }
    }

    /// Stops in order: reports NOT_SERVING, ends the feed streams, accepts no more calls, finishes calls and worker runs in
    /// progress, and commits waiting commands. Work that is not done by the deadline is cut, and was not acknowledged. The
    /// database gets a second more to close.
    pub async fn stop(mut self) {
        tracing::info!("stopping");
        self.health.stop().await;
        tokio::time::sleep(self.drain_delay).await;
        let deadline = clock::monotonic_now() + self.shutdown_deadline;
        self.draining.cancel();
        let serving = tokio::time::timeout_at(deadline, &mut self.serving);
        let workers = tokio::time::timeout_at(deadline, self.app.stop_workers());
        let (serving, workers) = tokio::join!(serving, workers);
        if serving.is_err() {
            tracing::warn!("some connections did not end by the deadline and are cut");
            self.cutting.cancel();
        }
        if workers.is_err() {
            tracing::warn!("some workers did not end by the deadline and are cut");
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

/// The limits of each connection.
fn connection_limits(settings: &Settings) -> ConnectionLimits {
    let listen = &settings.listen;
    ConnectionLimits {
        streams_max: listen.connection_streams_max,
        keepalive_interval: seconds(listen.keepalive_interval_seconds),
        keepalive_timeout: seconds(listen.keepalive_timeout_seconds),
        age: seconds(listen.connection_age_minutes * 60),
        handshake: seconds(listen.first_request_seconds) / 3,
        first_request: seconds(listen.first_request_seconds),
        stall: seconds(settings.feed.feed_stall_seconds),
        lane: Lane::of_this_machine(),
    }
}

fn registered_by(registration: Registration) -> RegisteredBy {
    match registration {
        Registration::OperatorOnly => RegisteredBy::Nobody,
        Registration::InviteOnly => RegisteredBy::Invited,
        Registration::Open => RegisteredBy::Everybody,
    }
}

fn call_rates(settings: &Settings) -> CallRates {
    let limits = &settings.limits;
    let registrations = settings.registration.registrations_per_minute;
    CallRates::new(
        CallRate { per_minute: limits.address_calls_per_minute, burst: limits.address_calls_burst },
        CallRate { per_minute: limits.key_calls_per_minute, burst: limits.key_calls_burst },
        CallRate { per_minute: registrations, burst: registrations },
    )
}

fn call_limits(settings: &Settings, draining: &CancellationToken) -> Limits {
    let limits = &settings.limits;
    Limits::new(
        limits.calls_max as usize,
        limits.message_bytes_max as usize,
        limits.transfer_bytes_max as usize,
        limits.request_timeout(),
        draining.clone(),
    )
}

/// Opens the database that the settings name.
///
/// # Errors
/// See [`ServerError`].
pub async fn open_store(settings: &Settings) -> Result<Store, ServerError> {
    let data_dir = &settings.database.data_dir;
    let file_error = |source| ServerError::File { path: data_dir.clone(), source };
    let is_new_dir = !tokio::fs::try_exists(data_dir).await.map_err(file_error)?;
    // A directory that is there keeps its mode, because it may be a mounted volume or shared on purpose. The files in it are private.
    tokio::fs::DirBuilder::new().recursive(true).mode(0o700).create(data_dir).await.map_err(file_error)?;
    let key_file = data_dir.join(OPERATOR_KEY_FILE);
    if private::is_public(&key_file) {
        return Err(ServerError::PublicKeyFile { path: key_file });
    }
    let problem = operator::first_key_problem(data_dir);
    let options = StoreOptions {
        url: settings.database.url().expose_secret().to_owned(),
        read_connections_max: settings.database.read_connections_max,
        sqlite_checkpoint_mib: settings.database.sqlite_checkpoint_mib,
        new_identity: Identity { database_id: Uuid::from_bytes(clock::random_bytes()), secret: clock::random_bytes() },
        may_be_new: problem.is_none(),
    };
    let opened = Store::open(&options).await;
    if opened.is_err() && is_new_dir {
        // Only an empty directory is removed.
        let _ = tokio::fs::remove_dir(data_dir).await;
    }
    match (opened, problem) {
        (Err(StoreError::New), Some(problem)) => Err(problem.into()),
        (opened, _) => Ok(opened?),
    }
}

/// The app's options from these settings.
///
/// # Errors
/// The newest commit cannot be read.
pub async fn app_options(settings: &Settings, store: &Store, post: Arc<Post>) -> Result<AppOptions, StoreError> {
    /// If no other process can write, polling is only a backstop.
    const BACKSTOP_POLL: Duration = Duration::from_secs(1);
    Ok(AppOptions {
        queue_commands_max: settings.limits.queue_commands_max as usize,
        batch_commands_max: settings.limits.batch_commands_max as usize,
        feed_poll_interval: if store.wants_polling() {
            Duration::from_millis(settings.feed.feed_poll_milliseconds.into())
        } else {
            BACKSTOP_POLL
        },
        upkeep_interval: seconds(settings.workers.upkeep_interval_seconds),
        newest_commit: crate::store::account_head::newest_commit(store).await?,
        event_retention_days: retention_days(settings),
        event_form: crate::rpc::feed::event::FORM,
        post,
        providers: Providers(Arc::new(NoConnections)),
        keys: Keys::default(),
    })
}

/// The way of mail that these settings ask for.
///
/// # Errors
/// A setting cannot be used.
pub fn post(settings: &Settings) -> Result<Arc<Post>, ServerError> {
    let mail = &settings.mail;
    let spool_dir = mail.mail_spool_dir.clone().unwrap_or_else(|| settings.database.data_dir.join("mail"));
    let smtp_url = mail.mail_smtp_url.as_ref().map(|url| url.secret().clone());
    let post = Post::new(&PostOptions { from: mail.mail_from.clone(), smtp_url, spool_dir });
    post.map(Arc::new).map_err(|problem| {
        let setting = match problem {
            PostProblem::From => "mail_from",
            PostProblem::Url => "mail_smtp_url",
        };
        ConfigError::Value { place: settings.places.of(setting), problem: problem.to_string() }.into()
    })
}

/// The addresses of the payout providers: those that move money, and those of the sandboxes.
///
/// # Errors
/// A setting is no address.
pub fn provider_addresses(settings: &Settings) -> Result<[ProviderAddresses; 2], ServerError> {
    let payouts = &settings.payouts;
    let address = |setting, text: &str| {
        BaseAddress::parse(text)
            .map_err(|problem| ConfigError::Value { place: settings.places.of(setting), problem: problem.to_string() })
    };
    let live = ProviderAddresses {
        paypal: address("paypal_address", &payouts.paypal_address)?,
        stripe: address("stripe_address", &payouts.stripe_address)?,
        wise: address("wise_address", &payouts.wise_address)?,
    };
    let sandbox = ProviderAddresses {
        paypal: address("paypal_sandbox_address", &payouts.paypal_sandbox_address)?,
        stripe: address("stripe_sandbox_address", &payouts.stripe_sandbox_address)?,
        wise: address("wise_sandbox_address", &payouts.wise_sandbox_address)?,
    };
    Ok([live, sandbox])
}

/// The providers of the accounts' connections.
fn connections(store: &Arc<Store>, secrets: &Arc<Secrets>, [live, sandbox]: [ProviderAddresses; 2]) -> Providers {
    match Client::new(ClientLimits::default()) {
        Ok(client) => {
            Providers(Arc::new(Connections::new(Arc::clone(store), Arc::clone(secrets), client, live, sandbox)))
        }
        Err(error) => {
            // Everything else works without it, such as on a machine that has no certificates of authorities.
            tracing::warn!(%error, "payouts cannot be sent to providers");
            Providers(Arc::new(CannotCall(error.to_string())))
        }
    }
}

fn retention_days(settings: &Settings) -> Option<i32> {
    i32::try_from(settings.feed.event_retention_days).ok().filter(|days| *days > 0)
}

fn feed_limits(settings: &Settings) -> FeedLimits {
    FeedLimits {
        streams_per_key_max: settings.feed.feed_streams_per_key_max as usize,
        streams_max: settings.feed.feed_streams_max as usize,
        stream_age: seconds(settings.feed.feed_stream_age_seconds),
        stall: seconds(settings.feed.feed_stall_seconds),
        retention: (settings.feed.event_retention_days > 0)
            .then(|| seconds(settings.feed.event_retention_days) * 86_400),
    }
}

/// How long the database must fail until health says so; `None` for never.
fn health_outage(settings: &Settings) -> Option<Duration> {
    let outage = seconds(settings.database.health_outage_seconds);
    (!outage.is_zero()).then_some(outage)
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(seconds.into())
}

/// The service names that the health service knows: every service of the API, and the empty name for all of them.
fn service_names() -> Result<Vec<String>, ServerError> {
    let api =
        FileDescriptorSet::decode(pb::FILE_DESCRIPTOR_SET).map_err(tonic_reflection::server::Error::DecodeError)?;
    let services = api
        .file
        .iter()
        .flat_map(|file| file.service.iter().map(|service| format!("{}.{}", file.package(), service.name())));
    Ok(std::iter::once(String::new()).chain(services).collect())
}

fn reflection<'data>() -> Result<tonic_reflection::server::Builder<'data>, ServerError> {
    Ok(tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET))
}
