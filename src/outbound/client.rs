//! The HTTP client for calls to other companies: TLS, time-outs, a bound for answers, no redirects. Tells a request that was certainly
//! not sent from one whose effect is unknown. Knows no company.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::{Method, StatusCode};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

/// How long a call may take, and how large an answer may be.
#[derive(Debug, Clone, Copy)]
pub struct ClientLimits {
    /// Until the connection stands, with TLS.
    pub connect: Duration,
    /// From the beginning of a call to the last byte of its answer.
    pub total: Duration,
    /// The most bytes of an answer's body.
    pub body_bytes: usize,
}

impl Default for ClientLimits {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), total: Duration::from_secs(60), body_bytes: 16 * 1024 * 1024 }
    }
}

/// The client cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientProblem {
    /// Nobody can be trusted.
    #[error("the system has no certificates of authorities; install ca-certificates, or name a file in SSL_CERT_FILE")]
    NoAuthorities,
    /// TLS or HTTP cannot be set up.
    #[error("calls to other servers cannot be set up: {0}")]
    SetUp(String),
}

/// An address that calls cannot be sent to. The texts have nothing of the address, which may have a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressProblem {
    /// No URL of a host.
    #[error("must be a URL with a host, such as https://api.example.com")]
    NoUrl,
    /// Everybody between here and there could read and change the calls.
    #[error("must begin with https://; http:// is for addresses of this machine alone, such as http://127.0.0.1:8799")]
    NotEncrypted,
    /// Parts that are not used.
    #[error("must have no user, password, query or fragment")]
    Parts,
}

/// Where the calls of one company are sent to. All paths are below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseAddress(Url);

impl BaseAddress {
    /// The address in this text.
    ///
    /// # Errors
    /// [`AddressProblem`].
    pub fn parse(text: &str) -> Result<Self, AddressProblem> {
        let mut url: Url = text.parse().map_err(|_| AddressProblem::NoUrl)?;
        let is_local = match url.host() {
            None => return Err(AddressProblem::NoUrl),
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
            Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        };
        match url.scheme() {
            "https" => {}
            "http" if is_local => {}
            "http" => return Err(AddressProblem::NotEncrypted),
            _ => return Err(AddressProblem::NoUrl),
        }
        let is_plain = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !is_plain || url.fragment().is_some() {
            return Err(AddressProblem::Parts);
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(Self(url))
    }

    /// The address of a path below this one. Each segment is encoded, so that an id cannot leave its place.
    fn below(&self, segments: &[&str], query: &[(&str, &str)]) -> Url {
        let mut url = self.0.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }
}

/// A request.
#[derive(Debug)]
pub struct Call<'a> {
    method: Method,
    segments: &'a [&'a str],
    query: &'a [(&'a str, &'a str)],
    headers: HeaderMap,
    body: Bytes,
}

impl<'a> Call<'a> {
    /// A request without a body.
    pub fn new(method: Method, segments: &'a [&'a str]) -> Self {
        Self { method, segments, query: &[], headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// With this query.
    #[must_use]
    pub fn query(mut self, query: &'a [(&'a str, &'a str)]) -> Self {
        self.query = query;
        self
    }

    /// With this header. A value that is no header's is left out.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    /// With this header, whose value appears in no log.
    #[must_use]
    pub fn secret(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers.insert(name, value);
        self
    }

    /// With this body.
    #[must_use]
    pub fn body(self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut call = self.header(http::header::CONTENT_TYPE, content_type);
        call.body = body.into();
        call
    }
}

/// An answer that arrived whole.
#[derive(Clone)]
#[expect(missing_docs, reason = "fields are named after what they hold")]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Without the content, which may be a secret.
impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// A header as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// How long the other side wants to be left alone. A date is not read, because that takes a clock.
    pub fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds))
    }
}

/// There is no answer. The texts have no address and no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing was sent, so nothing can have happened.
    #[error("no connection to the server could be made")]
    NotSent,
    /// The request may have been carried out.
    #[error("the server did not answer in time")]
    TimedOut,
    /// The request may have been carried out.
    #[error("the connection was cut before the answer was whole")]
    Cut,
    /// The request was probably carried out.
    #[error("the answer is larger than it may be")]
    TooLarge,
}

/// See the head of the file.
#[derive(Clone)]
pub struct Client {
    inner: reqwest::Client,
    body_bytes_max: usize,
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client with these limits. Reads the system's certificates, and connects to nothing.
    ///
    /// # Errors
    /// [`ClientProblem`].
    pub fn new(limits: ClientLimits) -> Result<Self, ClientProblem> {
        let set_up = |error: &dyn fmt::Display| ClientProblem::SetUp(error.to_string());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err(ClientProblem::NoAuthorities);
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| set_up(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let inner = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .connect_timeout(limits.connect)
            .timeout(limits.total)
            .redirect(reqwest::redirect::Policy::none())
            // The caller alone decides whether a request is sent again.
            .retry(reqwest::retry::never())
            // Secrets go to the address that was set, and to no other machine.
            .no_proxy()
            .referer(false)
            .user_agent(concat!("headwater/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| set_up(&error.without_url()))?;
        Ok(Self { inner, body_bytes_max: limits.body_bytes })
    }

    /// Sends a request once.
    ///
    /// # Errors
    /// [`NoAnswer`]. An answer with any status is an answer.
    pub async fn send(&self, address: &BaseAddress, call: Call<'_>) -> Result<Answer, NoAnswer> {
        let url = address.below(call.segments, call.query);
        let request = self.inner.request(call.method, url).headers(call.headers).body(call.body);
        let mut response = request.send().await.map_err(|error| no_answer(&error))?;
        if response.content_length().is_some_and(|length| length > self.body_bytes_max as u64) {
            return Err(NoAnswer::TooLarge);
        }
        let mut body = BytesMut::new();
        while let Some(part) = response.chunk().await.map_err(|error| no_answer(&error))? {
            if body.len() + part.len() > self.body_bytes_max {
                return Err(NoAnswer::TooLarge);
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status: response.status(), headers: std::mem::take(response.headers_mut()), body: body.freeze() })
    }
}

fn no_answer(error: &reqwest::Error) -> NoAnswer {
    // A time-out while connecting is of both kinds, and nothing was sent then.
    if error.is_connect() || error.is_builder() {
        NoAnswer::NotSent
    } else if error.is_timeout() {
        NoAnswer::TimedOut
    } else {
        NoAnswer::Cut
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_called_without_tls() {
        for right in [
            "https://api.example.com",
            "https://api.example.com/v2/",
            "https://10.0.0.1",
            "http://127.0.0.1:8799/paypal",
            "http://[::1]:1",
            "http://localhost:80",
        ] {
            assert!(BaseAddress::parse(right).is_ok(), "{right}");
        }
        for (wrong, problem) in [
            ("", AddressProblem::NoUrl),
            ("api.example.com", AddressProblem::NoUrl),
            ("ftp://api.example.com", AddressProblem::NoUrl),
            ("https://", AddressProblem::NoUrl),
            ("http://api.example.com", AddressProblem::NotEncrypted),
            ("http://10.0.0.1", AddressProblem::NotEncrypted),
            ("http://localhost.example.com", AddressProblem::NotEncrypted),
            ("http://127.0.0.1.example.com", AddressProblem::NotEncrypted),
            ("https://me:secret@api.example.com", AddressProblem::Parts),
            ("https://me@api.example.com", AddressProblem::Parts),
            ("https://api.example.com?key=1", AddressProblem::Parts),
            ("https://api.example.com#top", AddressProblem::Parts),
        ] {
            assert_eq!(BaseAddress::parse(wrong), Err(problem), "{wrong}");
        }
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_the_path() {
        let address = BaseAddress::parse("http://127.0.0.1:1/paypal/").unwrap();
        let text = |segments: &[&str], query: &[(&str, &str)]| address.below(segments, query).to_string();
        assert_eq!(text(&["v1", "payouts"], &[]), "http://127.0.0.1:1/paypal/v1/payouts");
        assert_eq!(text(&["v1", "../../x?a=b#c"], &[]), "http://127.0.0.1:1/paypal/v1/..%2F..%2Fx%3Fa=b%23c");
        assert_eq!(text(&["v1"], &[("a", "1&2")]), "http://127.0.0.1:1/paypal/v1?a=1%262");
        let bare = BaseAddress::parse("https://api.example.com").unwrap();
        assert_eq!(bare.below(&["v1"], &[]).as_str(), "https://api.example.com/v1");
    }
}
