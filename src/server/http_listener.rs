//! The listener for HTTP and all that its requests need. What can fail for a wrong setting fails before the database is opened.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Method, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use super::listener::{Bound, Wanted};
use super::{ServerError, connection_limits, tls};
use crate::clock::Clock;
use crate::config::{ConfigError, Settings};
use crate::http::callback::{CallbackSecrets, Callbacks, WiseKeys};
use crate::http::certificate::{Certificates, Fetcher, NoCertificate};
use crate::http::nudge::{Nudges, Waker};
use crate::inbound::callback::paypal::Roots;
use crate::inbound::callback::wise::{NoKey, WiseKey};
use crate::outbound::client::{BaseAddress, Call, Client, ClientLimits};
use crate::transport::connections::Connections;
use crate::transport::serve::{Transport, Version};

/// A certificate has some kilobytes.
const CERTIFICATE_LIMITS: ClientLimits =
    ClientLimits { connect: Duration::from_secs(3), total: Duration::from_secs(5), body_bytes: 64 * 1024 };

/// A listener that is bound and refuses connections until [`Http::serve`].
pub(super) struct Http {
    bound: Bound,
    tls: Option<watch::Sender<TlsAcceptor>>,
    certificates: Certificates,
    wise_keys: WiseKeys,
}

/// Everything else of the server that requests need.
pub(super) struct Needs {
    pub(super) is_serving: watch::Receiver<bool>,
    pub(super) secrets: Arc<dyn CallbackSecrets>,
    pub(super) waker: Arc<dyn Waker>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) connections: Connections,
    pub(super) draining: CancellationToken,
    pub(super) cutting: CancellationToken,
}

impl Http {
    /// Binds the address and reads the files of the settings. `None` if the server is not to listen for HTTP.
    pub(super) async fn prepare(settings: &Settings) -> Result<Option<Self>, ServerError> {
        let Some(wanted) = wanted(settings) else { return Ok(None) };
        let bound = Bound::bind(wanted).await?;
        let tls = tls::read(settings, Version::Http1)?.map(|acceptor| watch::channel(acceptor).0);
        Ok(Some(Self { bound, tls, certificates: certificates(settings)?, wise_keys: wise_keys(settings)? }))
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.bound.address
    }

    /// The certificate of the listener, which can be replaced.
    pub(super) fn tls(&self) -> Option<watch::Sender<TlsAcceptor>> {
        self.tls.clone()
    }

    /// Serves until the server stops.
    pub(super) fn serve(
        self,
        settings: &Settings,
        needs: Needs,
    ) -> Result<impl Future<Output = ()> + Send + 'static, ServerError> {
        let callbacks = Callbacks::new(
            needs.secrets,
            Nudges::new(needs.waker, needs.draining.clone()),
            self.certificates,
            self.wise_keys,
            needs.clock,
            settings.listen.trusted_proxies.as_slice(),
        );
        let transport = Transport {
            version: Version::Http1,
            service: crate::http::routes(needs.is_serving, callbacks),
            tls: self.tls.as_ref().map(watch::Sender::subscribe),
            connections: needs.connections,
            limits: connection_limits(settings),
            draining: needs.draining,
        };
        let listeners = match wanted(settings) {
            Some(wanted) => self.bound.listen(wanted)?,
            None => Vec::new(),
        };
        Ok(transport.serve(listeners, needs.cutting))
    }
}

fn wanted(settings: &Settings) -> Option<Wanted<'_>> {
    let address = settings.http.http_address.as_ref()?;
    Some(Wanted { setting: "http_address", address, settings })
}

/// A setting whose value cannot be used.
fn wrong(settings: &Settings, setting: &str, problem: String) -> ServerError {
    ConfigError::Value { place: settings.places.of(setting), problem }.into()
}

fn wrong_file(settings: &Settings, setting: &str, path: &Path, problem: String) -> ServerError {
    ServerError::TlsFile { place: settings.places.of(setting), path: path.to_owned(), problem }
}

/// Fetches PayPal's certificates over HTTPS.
struct PayPalCertificates {
    client: Client,
    texts: Vec<String>,
    addresses: Vec<BaseAddress>,
}

impl Fetcher for PayPalCertificates {
    fn addresses(&self) -> &[String] {
        &self.texts
    }

    fn fetch<'a>(&'a self, address: usize, id: &'a str) -> BoxFuture<'a, Result<Bytes, NoCertificate>> {
        Box::pin(async move {
            let address = self.addresses.get(address).ok_or(NoCertificate::Foreign)?;
            let answer = self.client.send(address, Call::new(Method::GET, &[id])).await;
            let answer = answer.map_err(|_| NoCertificate::Later)?;
            match answer.status {
                status if status.is_success() => Ok(answer.body),
                StatusCode::NOT_FOUND | StatusCode::GONE => Err(NoCertificate::Absent),
                _ => Err(NoCertificate::Later),
            }
        })
    }
}

fn certificates(settings: &Settings) -> Result<Certificates, ServerError> {
    const ADDRESSES: &str = "paypal_certificate_addresses";
    let texts = settings.http.paypal_certificate_addresses.as_slice();
    let texts: Vec<String> = texts.iter().map(|text| text.trim_end_matches('/').to_owned()).collect();
    let addresses: Result<Vec<_>, _> = texts.iter().map(|text| BaseAddress::parse(text)).collect();
    let addresses = addresses.map_err(|problem| wrong(settings, ADDRESSES, format!("each {problem}")))?;
    let client = Client::new(CERTIFICATE_LIMITS).map_err(|problem| wrong(settings, ADDRESSES, problem.to_string()))?;
    let fetcher = PayPalCertificates { client, texts, addresses };
    Ok(Certificates::new(Box::new(fetcher), paypal_roots(settings)?))
}

fn paypal_roots(settings: &Settings) -> Result<Roots, ServerError> {
    const SETTING: &str = "paypal_roots_file";
    let Some(path) = &settings.http.paypal_roots_file else {
        return Ok(Roots::new(&rustls_native_certs::load_native_certs().certs));
    };
    let pem = std::fs::read(path).map_err(|error| wrong_file(settings, SETTING, path, error.to_string()))?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
    let roots = Roots::new(&certificates);
    if roots.is_empty() {
        return Err(wrong_file(settings, SETTING, path, "it has no certificate in PEM format".to_owned()));
    }
    Ok(roots)
}

fn wise_keys(settings: &Settings) -> Result<WiseKeys, ServerError> {
    let key = |setting: &str, path: &Option<PathBuf>, published: fn() -> Result<WiseKey, NoKey>| {
        let Some(path) = path else {
            return published().map_err(|problem| wrong(settings, setting, problem.to_string()));
        };
        let pem = std::fs::read(path).map_err(|error| wrong_file(settings, setting, path, error.to_string()))?;
        WiseKey::from_pem(&pem).map_err(|problem| wrong_file(settings, setting, path, problem.to_string()))
    };
    let http = &settings.http;
    Ok(WiseKeys {
        live: key("wise_callback_key_file", &http.wise_callback_key_file, WiseKey::live)?,
        sandbox: key("wise_sandbox_callback_key_file", &http.wise_sandbox_callback_key_file, WiseKey::sandbox)?,
    })
}
