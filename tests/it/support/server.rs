//! A Headwater server in this process, on a free port, with a database of its own and a clock that the test moves. All calls go
//! over the wire.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use headwater::app::Providers;
use headwater::app::worker::send_mail;
use headwater::clock::{Clock, ManualClock};
use headwater::config::{CommandLine, Settings};
use headwater::domain::time::Time;
use headwater::pb;
use headwater::server::{OPERATOR_KEY_FILE, Server};
use headwater::store;
use tempfile::TempDir;
use testkit::client::Client;
use tonic::Status;
use tonic_types::StatusExt;

use super::database::TestDatabase;

/// Day 0 of tests: 2026-01-01T00:00:00Z.
pub(crate) const START_MICROS: i64 = 1_767_225_600_000_000;

/// A server and its resources. The server runs until the test ends, even if this is dropped.
pub(crate) struct TestServer {
    pub(crate) server: Server,
    pub(crate) clock: ManualClock,
    pub(crate) address: String,
    pub(crate) operator_key: String,
    /// Removed when the server is dropped.
    _data_dir: TempDir,
}

impl TestServer {
    pub(crate) async fn start(database: &TestDatabase) -> Self {
        Self::start_with(database, &[]).await
    }

    /// Starts with providers that payouts are sent to.
    pub(crate) async fn start_paying(database: &TestDatabase, providers: Providers) -> Self {
        Self::start_any(database, &[], Some(providers)).await
    }

    /// Starts with additional flags.
    pub(crate) async fn start_with(database: &TestDatabase, flags: &[&str]) -> Self {
        Self::start_any(database, flags, None).await
    }

    async fn start_any(database: &TestDatabase, flags: &[&str], providers: Option<Providers>) -> Self {
        let data_dir = tempfile::Builder::new().prefix("headwater-data-").tempdir().unwrap();
        let settings = settings(&database.url, data_dir.path(), flags);
        let clock = ManualClock::new(Time::from_micros(START_MICROS));
        let server = Server::start_with(&settings, Arc::new(clock.clone()), providers).await.unwrap();
        let address = format!("http://{}", server.address());
        // A second server on a database makes no operator key, because the first has made one.
        let operator_key = std::fs::read_to_string(data_dir.path().join(OPERATOR_KEY_FILE)).unwrap_or_default();
        Self { server, clock, address, operator_key: operator_key.trim().to_owned(), _data_dir: data_dir }
    }

    /// All mail so far, the oldest first. Sends what waits.
    pub(crate) async fn mails(&self) -> Vec<String> {
        let app = self.server.app();
        let sent = async {
            while let Some(mail) = store::mail::due(app.store(), Time::from_micros(i64::MAX), 1).await.unwrap().pop() {
                // What a later command of a batch writes is due some microseconds ahead of the clock, which stands still.
                if mail.tries == 0 && mail.due_at > self.clock.now() {
                    self.clock.set(mail.due_at);
                }
                app.wake_worker(send_mail::NAME);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), sent).await.unwrap();
        let files = std::fs::read_dir(self._data_dir.path().join("mail")).into_iter().flatten();
        // Ids of mail sort by time.
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// The token in the newest mail to this address.
    pub(crate) async fn mailed_token(&self, email: &str) -> String {
        let mails = self.mails().await;
        let mail = mails.iter().rfind(|mail| mail.contains(&format!("To: {email}\r\n"))).unwrap();
        // A text with many characters outside ASCII is in base64.
        let mail = match mail.split_once("base64\r\n\r\n") {
            Some((_, body)) => &String::from_utf8(BASE64_STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap(),
            None => mail,
        };
        let is_token = |line: &&str| line.len() == 43 && line.bytes().all(|byte| byte.is_ascii_alphanumeric());
        mail.lines().find(is_token).unwrap_or_else(|| panic!("no token in {mail}")).to_owned()
    }

    /// Registers an account and gives a client with its admin key.
    pub(crate) async fn new_account(&self, name: &str) -> Client {
        register(&self.address, &self.operator_key, name).await
    }
}

pub(crate) fn settings(database_url: &str, data_dir: &Path, flags: &[&str]) -> Settings {
    let fixed = [
        "headwater",
        "--listen-address",
        "127.0.0.1:0",
        "--database",
        database_url,
        "--data-dir",
        data_dir.to_str().unwrap(),
    ];
    // The server does no upkeep during a test, because tests approve due rewards explicitly.
    let upkeep = ["--upkeep-interval-seconds", "86400"];
    let upkeep = if flags.contains(&upkeep[0]) { &[][..] } else { &upkeep[..] };
    // The servers of a test share the key, as those of one PostgreSQL do. SQLite's key lies beside the database.
    let key_file = data_dir.join("secrets.key");
    let with_key = ["--secrets-key-file", key_file.to_str().unwrap()];
    let names_key = database_url.starts_with("postgres") && !flags.contains(&with_key[0]);
    if names_key {
        std::fs::create_dir_all(data_dir).unwrap();
        std::fs::write(&key_file, "5".repeat(64)).unwrap();
        std::fs::set_permissions(&key_file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let with_key = if names_key { &with_key[..] } else { &[][..] };
    let arguments: Vec<String> =
        fixed.iter().chain(with_key).chain(upkeep).chain(flags).map(|text| (*text).to_owned()).collect();
    CommandLine::read(arguments).unwrap().settings
}

/// Registers an account and gives a client with its admin key.
pub(crate) async fn register(address: &str, operator_key: &str, name: &str) -> Client {
    let mut operator = Client::connect(address, operator_key).await.unwrap();
    let request = pb::RegisterAccountRequest {
        display_name: name.to_owned(),
        email: format!("{name}@owners.example"),
        ..pb::RegisterAccountRequest::default()
    };
    let registered = operator.accounts.register_account(request).await.unwrap().into_inner();
    Client::connect(address, &registered.api_key_text).await.unwrap()
}

/// The reason in the ErrorInfo of a status. Fails for a status without one.
pub(crate) fn reason(status: &Status) -> String {
    let details = status.get_error_details();
    let info = details.error_info().unwrap_or_else(|| panic!("an error without ErrorInfo: {status:?}"));
    assert_eq!(info.domain, "headwater.dev");
    info.reason.clone()
}

/// An error without RequestInfo, so that errors of different calls can be compared. RequestInfo has the name of the call.
pub(crate) fn nameless(mut status: tonic_types::Status) -> tonic_types::Status {
    status.details.retain(|detail| !detail.type_url.ends_with("/google.rpc.RequestInfo"));
    status
}

/// Like [`nameless`], for the error that a call ended with.
pub(crate) fn nameless_details(status: &Status) -> tonic_types::Status {
    nameless(prost::Message::decode(status.details()).unwrap())
}
