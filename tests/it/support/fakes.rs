//! The fake payout providers in the test's process, their control, and a server's worker that sends payouts to them.

use std::time::Duration;

use headwater::app::worker::send_payouts;
use headwater::clock::Clock;
use headwater::domain::time::Time;
use headwater::outbound::client::{BaseAddress, Call, Client, ClientLimits};
use headwater::store;
use http::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;

use super::server::TestServer;

/// The fakes. Their time stands still until it is moved.
pub(crate) struct Fakes {
    running: fake_providers::Running,
    http: Client,
}

impl Fakes {
    pub(crate) async fn start() -> Self {
        let running = fake_providers::start(fake_providers::Settings::standing()).await.unwrap();
        Self { running, http: Client::new(ClientLimits::default()).unwrap() }
    }

    /// The base address of a part, see `fake_providers::Running`.
    pub(crate) fn url(&self, part: &str) -> String {
        self.running.url(part)
    }

    /// Calls any path with a bearer token.
    pub(crate) async fn call(&self, method: &str, path: &str, body: &str, token: &str) -> Value {
        let address = BaseAddress::parse(&format!("http://{}", self.running.address())).unwrap();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let segments: Vec<&str> = path.split('/').collect();
        let query: Vec<(&str, &str)> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
        let bearer = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let call = Call::new(method.parse().unwrap(), &segments).query(&query).secret(AUTHORIZATION, bearer);
        let answer = self.http.send(&address, call.body("text/plain", body.to_owned())).await.unwrap();
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.status.is_success(), "{method} {path}: {} {text}", answer.status);
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    /// Calls the control.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Option<Value>) -> Value {
        let body = body.map_or_else(String::new, |body| body.to_string());
        self.call(method, &format!("fake/{path}"), &body, "").await
    }
}

/// Makes a server send all that is due now.
pub(crate) async fn send_due(server: &TestServer) {
    let app = server.server.app();
    let runs = || {
        let statuses = app.worker_statuses().into_iter();
        statuses.filter(|status| status.name == send_payouts::NAME).map(|status| status.runs).next().unwrap()
    };
    let all = async {
        loop {
            let before = runs();
            app.wake_worker(send_payouts::NAME);
            while runs() == before {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            let now = Time::from_micros(server.clock.now().micros());
            let due = store::payout_attempt::due(app.store(), now, &[], 1).await.unwrap();
            let woken = store::payout_attempt::woken(app.store(), &[], 1).await.unwrap();
            if due.is_empty() && woken.is_empty() {
                break;
            }
        }
    };
    if tokio::time::timeout(Duration::from_secs(120), all).await.is_err() {
        let status = app.worker_statuses().into_iter().find(|status| status.name == send_payouts::NAME);
        panic!("the worker does not come to rest: {status:?}");
    }
}
