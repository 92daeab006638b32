//! The layer in front of every service: gives the call its request id, identifies the caller, and refuses calls that are not
//! allowed. It refuses in this order: not gRPC, unknown method, an address that makes too many calls, no key, a key that does not
//! work, a key that makes too many calls, a key of the wrong kind. Ends a call at the caller's deadline.

use std::any::Any;
use std::future::{Future, ready};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use ipnet::IpNet;
use tonic::Status;
use tower::{Layer, Service};
use tracing::{Instrument, Span};
use uuid::Uuid;

use super::client::Client;
use super::permission::{Access, MethodLists, Permissions, REGISTRATION};
use super::rate::CallRates;
use super::refusals::{self, peer};
use super::{Authenticator, Principal};
use crate::clock::RandomIds;
use crate::deadline::Deadline;
use crate::domain::account::KeyKind;
use crate::domain::id::IdSource;
use crate::error::{self, CallName, Error};
use crate::transport::stream::Stream;

/// The header in which a request id arrives and is returned.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const API_KEY: HeaderName = HeaderName::from_static("x-api-key");
const GRPC: &str = "application/grpc";
const REQUEST_ID_LENGTH_MAX: usize = 128;
/// Longer than any method's name. A longer name in a request is cut, because it goes into an answer's headers.
const METHOD_LENGTH_MAX: usize = 128;

/// The caller and the call's names. Every request that needs a key has this in its extensions. Other requests have only a
/// [`CallName`].
#[derive(Debug, Clone)]
pub struct Caller {
    /// The caller.
    pub principal: Principal,
    /// The names of the call.
    pub call: CallName,
    /// The deadline sent with the call; `None` if none was sent.
    pub deadline: Option<Deadline>,
}

/// See the head of the file.
#[derive(Clone)]
pub struct AuthLayer(Arc<Admission>);

/// Who may call, and how often.
struct Admission {
    authenticator: Arc<Authenticator>,
    permissions: Permissions,
    rates: CallRates,
    /// Whether everybody may register an account.
    is_registration_open: bool,
    proxies: Box<[IpNet]>,
}

impl AuthLayer {
    /// A layer that checks keys with this authenticator, for these methods, and limits calls to these rates. The proxies are believed
    /// about the addresses of callers.
    pub fn new(
        authenticator: Arc<Authenticator>,
        methods: MethodLists,
        rates: CallRates,
        is_registration_open: bool,
        proxies: &[IpNet],
    ) -> Self {
        let permissions = Permissions::new(methods);
        let proxies = proxies.into();
        Self(Arc::new(Admission { authenticator, permissions, rates, is_registration_open, proxies }))
    }
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> AuthService<S> {
        AuthService { inner, admission: Arc::clone(&self.0) }
    }
}

/// The service that [`AuthLayer`] makes.
#[derive(Clone)]
pub struct AuthService<S> {
    inner: S,
    admission: Arc<Admission>,
}

impl<S, RequestBody, ResponseBody> Service<Request<RequestBody>> for AuthService<S>
where
    S: Service<Request<RequestBody>, Response = Response<ResponseBody>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    RequestBody: Send + 'static,
    ResponseBody: Default + Send + 'static,
{
    type Response = Response<ResponseBody>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<RequestBody>) -> Self::Future {
        let deadline = Deadline::sent_in(request.headers());
        let request_id = request_id(request.headers());
        let peer = peer(request.extensions());
        // An answer of success to CONNECT would turn the call into a tunnel.
        let fault = match (request.method(), is_grpc(request.headers())) {
            (&Method::POST, true) => None,
            (&Method::POST, false) => Some(StatusCode::UNSUPPORTED_MEDIA_TYPE),
            _ => Some(StatusCode::METHOD_NOT_ALLOWED),
        };
        if let Some(fault) = fault {
            let mut response = Response::new(ResponseBody::default());
            *response.status_mut() = fault;
            return Box::pin(ready(Ok(named(response, &request_id))));
        }
        // This call takes the service that was polled, because the clone may not be ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let admission = Arc::clone(&self.admission);
        let client = Client::of(request.headers(), peer, &admission.proxies);
        let address = client.address;
        let mut name = CallName { request_id: Arc::clone(&request_id), ..CallName::default() };
        let call = async move {
            let refusal = match admission.identify(client, &mut name, &mut request).await {
                Ok(principal) => {
                    let span = span_of(&name);
                    if let Some(principal) = principal {
                        request.extensions_mut().insert(Caller { principal, call: name.clone(), deadline });
                    } else {
                        request.extensions_mut().insert(name.clone());
                    }
                    // A panic in one call must not end the other calls of its connection.
                    match AssertUnwindSafe(inner.call(request)).catch_unwind().instrument(span).await {
                        Err(panic) => Error::Internal(format!("a handler panicked: {}", text_of(&*panic))),
                        Ok(response) => {
                            let response = response?;
                            let status = Status::from_header_map(response.headers());
                            match status.as_ref().and_then(error::adopt) {
                                None => {
                                    status.iter().for_each(|status| refusals::count(status, &name, address));
                                    return Ok(named(response, &name.request_id));
                                }
                                Some(error) => error,
                            }
                        }
                    }
                }
                Err(error) => error,
            };
            if matches!(refusal, Error::RateLimited { .. }) {
                refusals::count_limited(&name, address);
            }
            let status = refusal.into_status(&name);
            refusals::count(&status, &name, address);
            Ok(named(status.into_http(), &name.request_id))
        };
        let Some(deadline) = deadline else { return Box::pin(call) };
        // The deadline includes the look-up of the key. It no longer applies to a stream once its answer has begun.
        Box::pin(async move {
            match deadline.hold(call).await {
                Some(answer) => answer,
                // The call's outcome is unknown, because the writer finishes a command that it has begun.
                None => {
                    let name = CallName { request_id, ..CallName::default() };
                    let error = Error::DeadlineExceeded { is_unchanged: false };
                    Ok(named(error.into_status(&name).into_http(), &name.request_id))
                }
            }
        })
    }
}

/// The call's span, at debug level only: it costs a few microseconds, and faults are logged with the call's name anyway.
fn span_of(CallName { request_id, method, key }: &CallName) -> Span {
    match key {
        Some((key_id, account_id)) => {
            tracing::debug_span!("call", method, request_id = &**request_id, %key_id, %account_id)
        }
        None => tracing::debug_span!("call", method, request_id = &**request_id),
    }
}

/// The message of a panic.
fn text_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("nothing")
}

impl Admission {
    /// Identifies the caller; `None` for a method that is open to everybody. Adds the method and the key to the call's names.
    async fn identify<Body>(
        &self,
        client: Client,
        name: &mut CallName,
        request: &mut Request<Body>,
    ) -> Result<Option<Principal>, Error> {
        // Always removed, because no inner layer needs the key and a removed key cannot be logged.
        let bearer = request.headers_mut().remove(AUTHORIZATION);
        let api_key = request.headers_mut().remove(API_KEY);
        let path = request.uri().path().trim_start_matches('/');
        let Some(Access { method, kinds }) = self.permissions.access(path) else {
            return Err(Error::MethodUnknown { method: path.chars().take(METHOD_LENGTH_MAX).collect() });
        };
        name.method = method;
        let Some(kinds) = kinds else { return Ok(None) };
        // Before the key is looked up, so that somebody who tries out keys is limited too.
        self.rates.count_address(client.address)?;
        let principal = match sent_key(bearer.as_ref(), api_key.as_ref()) {
            Err(Error::KeyMissing) if self.is_registration_open && kinds == REGISTRATION => Principal::stranger(client),
            sent => self.authenticator.resolve(sent?, client).await?,
        };
        name.key = Some((principal.key_id, principal.account_id));
        if let Some(stream) = request.extensions().get::<Arc<Stream>>() {
            stream.connection().shows_key();
            // Everybody can read a publishable key in a web page.
            if !matches!(principal.kind, KeyKind::Publishable | KeyKind::Invitation) {
                stream.connection().becomes_known(principal.account_id.uuid().as_u128());
            }
        }
        self.rates.count_key(&principal)?;
        if !kinds.contains(&principal.kind) {
            return Err(Error::KeyKindNotAllowed { method, kind: principal.kind, allowed: kinds });
        }
        if principal.kind == KeyKind::Invitation && kinds == REGISTRATION {
            self.rates.count_registration(principal.client.address)?;
        }
        // The methods of read keys change nothing.
        if let Some(suspension) = &principal.suspension
            && !kinds.contains(&KeyKind::Read)
        {
            return Err(Error::AccountSuspended { reason: Arc::clone(suspension) });
        }
        Ok(Some(principal))
    }
}

/// The key in either of the two headers.
fn sent_key<'headers>(
    authorization: Option<&'headers HeaderValue>,
    api_key: Option<&'headers HeaderValue>,
) -> Result<&'headers str, Error> {
    let text = |value: &'headers HeaderValue| value.to_str().map_err(|_| Error::KeyInvalid);
    if let Some(authorization) = authorization
        && let Some((scheme, key)) = text(authorization)?.split_once(' ')
        && scheme.eq_ignore_ascii_case("bearer")
    {
        return Ok(key.trim());
    }
    api_key.map_or(Err(Error::KeyMissing), |key| Ok(text(key)?.trim()))
}

/// Whether the request is gRPC, with messages in any encoding. gRPC-Web is another protocol.
fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let (name, rest) = content_type.split_at_checked(GRPC.len()).unwrap_or_default();
    name.eq_ignore_ascii_case(GRPC) && (rest.is_empty() || rest.starts_with(['+', ';']))
}

/// The caller's request id if it is safe to log, otherwise a new one.
fn request_id(headers: &HeaderMap) -> Arc<str> {
    let is_fit =
        |id: &&str| (1..=REQUEST_ID_LENGTH_MAX).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
    match headers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).filter(is_fit) {
        Some(id) => id.into(),
        None => (&*RandomIds.next_uuid().simple().encode_lower(&mut Uuid::encode_buffer())).into(),
    }
}

/// Adds the request id to the response's headers.
fn named<Body>(mut response: Response<Body>, request_id: &str) -> Response<Body> {
    if let Ok(mut request_id) = HeaderValue::from_str(request_id) {
        // The request id is marked sensitive, because it is never repeated and would evict reusable headers from the connection's
        // HPACK table.
        request_id.set_sensitive(true);
        response.headers_mut().insert(REQUEST_ID, request_id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_panic_is_found() {
        let said = |panic: Result<(), Box<dyn Any + Send>>| text_of(&*panic.unwrap_err()).to_owned();
        assert_eq!(said(std::panic::catch_unwind(|| panic!("plain"))), "plain");
        assert_eq!(said(std::panic::catch_unwind(|| panic!("made of {}", 2))), "made of 2");
        assert_eq!(said(std::panic::catch_unwind(|| std::panic::panic_any(7))), "nothing");
    }

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    fn key_in(pairs: &[(&'static str, &'static str)]) -> Option<String> {
        let headers = headers(pairs);
        sent_key(headers.get(AUTHORIZATION), headers.get(API_KEY)).ok().map(ToOwned::to_owned)
    }

    #[test]
    fn a_key_comes_in_either_header() {
        assert_eq!(key_in(&[("authorization", "Bearer k1")]).as_deref(), Some("k1"));
        assert_eq!(key_in(&[("authorization", "bearer  k1 ")]).as_deref(), Some("k1"));
        assert_eq!(key_in(&[("x-api-key", "k2")]).as_deref(), Some("k2"));
        assert_eq!(key_in(&[("authorization", "Basic abc"), ("x-api-key", "k2")]).as_deref(), Some("k2"));
        assert_eq!(key_in(&[("authorization", "Bearer k1"), ("x-api-key", "k2")]).as_deref(), Some("k1"));
        assert_eq!(key_in(&[("authorization", "Basic abc")]), None);
        assert_eq!(key_in(&[]), None);
    }

    #[test]
    fn a_request_id_is_taken_over_only_when_it_is_fit_for_a_log() {
        assert_eq!(&*request_id(&headers(&[("x-request-id", "order-17/a")])), "order-17/a");
        for unfit in ["", "a b", "tab\there"] {
            assert_eq!(request_id(&headers(&[("x-request-id", unfit)])).len(), 32, "{unfit}");
        }
        let long: &'static str = Box::leak("x".repeat(129).into_boxed_str());
        assert_eq!(request_id(&headers(&[("x-request-id", long)])).len(), 32);
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
