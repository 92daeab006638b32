//! The binary as an operator runs it: the settings it refuses, the files it leaves, and how it stops. `crash.rs` tests crashes.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use headwater::{clock, pb};
use pb::watch_events_response::Content;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::{process, say};
use tokio::io::{AsyncBufReadExt, BufReader};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::binary::{BINARY, operator_key, run_to_end, serve};
use crate::support::certificate::make_certificates;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::from_latest;
use crate::support::logged::Logged;
use crate::support::server::register;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-binary-").tempdir().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

db_test!(the_demo_plays_its_day_and_ends_well, empty, |database: TestDatabase| async move {
    let folder = folder();
    let arguments = ["demo", "--once", "--listen-address", "127.0.0.1:0", "--database", &database.url];
    // SQLite's key is made.
    let key_file = folder.path().join("secrets.key");
    std::fs::write(&key_file, "5".repeat(64)).unwrap();
    std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let with_key = ["--secrets-key-file", key_file.to_str().unwrap()];
    let with_key = if database.kind == DatabaseKind::Postgres { &with_key[..] } else { &[] };
    let output = run_to_end(folder.path(), &[&arguments[..], with_key].concat()).await;
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{said}{}", stderr(&output));
    assert!(said.contains("Everything checked"), "{said}");
    // The payouts in euros waited, and all were paid once.
    let count = |word: &str| said.matches(word).count();
    assert_eq!((count("awaiting_funds"), count("  paid ")), (2, 4), "{said}");
    assert!(said.contains("each of the 4 affiliates got the money by exactly one payment"), "{said}");
});

#[tokio::test]
async fn the_operator_key_is_made_once_and_is_its_owners_alone() {
    let folder = folder();
    let path = folder.path().join("headwater-data/operator.key");
    let server = serve(folder.path(), &[]).await;
    let key = operator_key(folder.path());
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut client = Client::connect(&server.url(), &key).await.unwrap();
    let checked = client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap().into_inner();
    assert_eq!(checked.api_key.unwrap().kind(), pb::ApiKeyKind::ServerOperator);
    let (_, log) = server.terminate().await.unwrap();
    assert!(log.contains("operator.key"), "{log}");
    assert!(!log.contains(&key), "the log shows the operator key");

    std::fs::remove_file(&path).unwrap();
    let server = serve(folder.path(), &[]).await;
    assert!(!path.exists(), "a second start made a key nobody asked for");
    let output = run_to_end(folder.path(), &["create-operator-key"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("call its CreateApiKey"), "{}", stderr(&output));
    server.terminate().await.unwrap();

    let output = run_to_end(folder.path(), &["create-operator-key"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let further = String::from_utf8(output.stdout).unwrap();
    let server = serve(folder.path(), &[]).await;
    for key in [key.as_str(), further.trim()] {
        let mut client = Client::connect(&server.url(), key).await.unwrap();
        client.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap();
    }
}

#[tokio::test]
async fn refused_calls_are_one_line_of_the_log_and_not_one_each() {
    let folder = folder();
    let server = serve(folder.path(), &[]).await;
    let mut operator = Client::connect(&server.url(), &operator_key(folder.path())).await.unwrap();
    let mut stranger = Client::connect(&server.url(), "hw_admin_guessed").await.unwrap();
    for _ in 0..50 {
        operator.accounts.register_account(pb::RegisterAccountRequest::default()).await.unwrap_err();
        stranger.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap_err();
    }
    let (_, log) = server.terminate().await.unwrap();
    let lines = |text| {
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(text)).collect();
        assert!((1..=2).contains(&lines.len()), "{log}");
        lines[0]
    };
    let wrong = lines("calls were refused: wrong fields");
    assert!(wrong.contains("InvalidArgument, method headwater.v1.AccountService/RegisterAccount"), "{log}");
    assert!(wrong.contains("address 127.0.0.1"), "{log}");
    let keys = lines("calls were refused: no key, or a key that does not work");
    assert!(keys.contains("Unauthenticated, method headwater.v1.AccountService/CheckApiKey"), "{log}");
    assert!(keys.contains("\"most_frequent_address\":\"127.0.0.1\""), "{log}");
    assert!(!log.contains("guessed"), "the log shows a key");
}

#[tokio::test]
async fn a_second_process_on_one_sqlite_file_is_refused() {
    let folder = folder();
    let server = serve(folder.path(), &[]).await;
    let output = run_to_end(folder.path(), &["--listen-address", "127.0.0.1:0"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("another process has headwater-data/headwater.sqlite open"),
        "{}",
        stderr(&output)
    );

    // The operating system releases the file lock, whichever way the first process ended.
    server.kill().await.unwrap();
    serve(folder.path(), &[]).await.terminate().await.unwrap();
}

#[tokio::test]
async fn wrong_settings_are_refused_with_what_to_do() {
    let folder = folder();
    let file = folder.path().join("headwater.toml");
    std::fs::write(&file, "listen_adress = \"127.0.0.1:0\"\n").unwrap();
    for (arguments, words) in [
        (vec!["--listen-address", "0.0.0.0:0"], "allow_plaintext"),
        (vec!["--database", "mysql://localhost/headwater"], "postgres://"),
        (vec!["--queue-commands-max", "many"], "--queue-commands-max"),
        (vec!["--tls-key-file", "key.pem"], "`tls_certificate_file`"),
        (vec!["--config", file.to_str().unwrap()], "`listen_adress`, which is no setting"),
        (vec!["--config", "missing.toml"], "missing.toml"),
        (vec!["--log-filter", "headwater=loud"], "the flag --log-filter"),
        (vec!["fly"], "fly"),
    ] {
        let output = run_to_end(folder.path(), &arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
    }
    assert!(!folder.path().join("headwater-data").exists(), "a refused start left something behind");
}

#[tokio::test]
async fn unusable_files_and_folders_exit_with_1() {
    let folder = folder();
    std::fs::write(folder.path().join("file"), "").unwrap();
    for (arguments, words) in [
        (vec!["--data-dir", "file"], "file"),
        (vec!["--database", "sqlite://missing/folder/headwater.sqlite"], "its folder must be there"),
        (vec!["--database", "sqlite://headwater.sqlite?mode=memory"], "in memory would lose everything"),
        (vec!["--tls-certificate-file", "none.pem", "--tls-key-file", "none.pem"], "none.pem"),
    ] {
        let output =
            run_to_end(folder.path(), &[&["--listen-address", "127.0.0.1:0"], arguments.as_slice()].concat()).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).contains('\u{1b}'), "colours in a log that is no terminal");
    }
}

#[tokio::test]
async fn the_printed_settings_hide_the_password() {
    let folder = folder();
    let output =
        run_to_end(folder.path(), &["config", "--database", "postgres://me:hunter2@localhost/headwater"]).await;
    assert_eq!(output.status.code(), Some(0));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("postgres://me:masked@localhost/headwater"), "{printed}");
    assert!(!printed.contains("hunter2") && !stderr_contains_password(&output.stderr));
}

fn stderr_contains_password(stderr: &[u8]) -> bool {
    String::from_utf8_lossy(stderr).contains("hunter2")
}

#[tokio::test]
async fn sigterm_drains_the_streams_and_stops_within_the_deadline() {
    let folder = folder();
    let server = serve(folder.path(), &["--shutdown-seconds", "2"]).await;
    let mut client = register(&server.url(), &operator_key(folder.path()), "shop").await;
    let request = pb::WatchEventsRequest { start: Some(from_latest()), ..pb::WatchEventsRequest::default() };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    let opened = stream.message().await.unwrap().unwrap();
    assert!(matches!(opened.content, Some(Content::Opened(_))), "{opened:?}");
    // A connection that never sends a byte must not delay the stop.
    let silent = tokio::net::TcpStream::connect(server.address()).await.unwrap();

    let asked_at = clock::monotonic_now();
    let stopping = tokio::spawn(server.terminate());
    let mut last = opened;
    while let Some(message) = stream.message().await.expect("the stream ends with OK") {
        last = message;
    }
    let Some(Content::Draining(draining)) = last.content else { panic!("the last word was {last:?}") };
    assert_eq!(draining.reason(), pb::DrainReason::Shutdown);
    let (status, log) = stopping.await.unwrap().unwrap();
    assert_eq!(status.code(), Some(0), "{log}");
    // The server waits once for the connections and once for the writer. The rest of the limit is slack for a busy machine.
    assert!(asked_at.elapsed() < Duration::from_secs(10), "it took {:?}", asked_at.elapsed());
    drop(silent);
}

#[tokio::test]
async fn sighup_reads_the_log_filter_again_and_stops_nothing() {
    let folder = folder();
    let file = folder.path().join("headwater.toml");
    let set = |text: &str| std::fs::write(&file, text).unwrap();
    set("log_filter = \"info\"\n");
    let server = Logged::start(folder.path(), &folder.path().join("log"), &["--config", "headwater.toml"]).await;
    let mut client = register(&server.url, &operator_key(folder.path()), "shop").await;
    let request = pb::WatchEventsRequest { start: Some(from_latest()), ..pb::WatchEventsRequest::default() };
    let mut stream = client.feed.watch_events(request).await.unwrap().into_inner();
    stream.message().await.unwrap().unwrap();
    let is_debugging = || server.lines().iter().any(|line| line["level"] == "DEBUG");
    assert!(!is_debugging());

    for (text, line) in [
        ("log_filter = \"nonsense=loud\"\n", "SIGHUP: the filter of the log cannot be used; the one in force stays"),
        ("log_filtre = \"debug\"\n", "SIGHUP: the settings cannot be read; those in force stay"),
        ("log_filter = \"debug\"\nshutdown_seconds = 7\n", "SIGHUP: these settings have changed and need a restart"),
    ] {
        assert!(!is_debugging(), "before {text}");
        set(text);
        process::signal(server.pid(), "HUP").await.unwrap();
        let line = server.wait_for(line, 1).await;
        if text.contains("shutdown") {
            assert_eq!(line["settings"], "shutdown_seconds");
        }
    }
    // A further event proves that the stream and the server go on.
    let program = pb::CreateProgramRequest {
        display_name: "Shop".to_owned(),
        currency_code: "EUR".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms {
            commission: Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(1)) }),
            ..pb::Terms::default()
        }),
        ..pb::CreateProgramRequest::default()
    };
    client.affiliates.create_program(program).await.unwrap();
    while !matches!(stream.message().await.unwrap().unwrap().content, Some(Content::Batch(_))) {}
    let debugging = async {
        while !is_debugging() {
            client.accounts.get_account(pb::GetAccountRequest {}).await.unwrap();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), debugging).await.expect("the filter was not applied");
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test]
async fn a_log_whose_reader_went_away_stops_nothing() {
    let folder = folder();
    let mut command = process::command(Path::new(BINARY), &["--log-format", "json", "--listen-address", "127.0.0.1:0"]);
    let mut child = command.current_dir(folder.path()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let served = async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it ended");
            let line: serde_json::Value = serde_json::from_str(&line).unwrap();
            if line["fields"]["message"] == "serving" {
                return line["fields"]["address"].as_str().unwrap().to_owned();
            }
        }
    };
    let url = format!("http://{}", tokio::time::timeout(Duration::from_secs(60), served).await.unwrap());
    drop(lines);
    // Refused calls and SIGHUP write lines.
    let mut stranger = Client::connect(&url, "hw_admin_guessed").await.unwrap();
    for _ in 0..3 {
        stranger.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap_err();
        process::signal(child.id().unwrap(), "HUP").await.unwrap();
    }
    register(&url, &operator_key(folder.path()), "shop").await;
    process::signal(child.id().unwrap(), "TERM").await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

#[tokio::test]
async fn a_log_that_cannot_be_written_stops_nothing() {
    let folder = folder();
    // Every write to this device fails as on a full disk.
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else {
        say("a full log is not tested: there is no /dev/full");
        return;
    };
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let mut command =
        process::command(Path::new(BINARY), &["--log-filter", "trace", "--listen-address", address.as_str()]);
    let mut child = command.current_dir(folder.path()).stderr(full).spawn().unwrap();
    let url = format!("http://{address}");
    let connected = async {
        loop {
            match Endpoint::from_shared(url.clone()).unwrap().connect().await {
                Ok(channel) => return channel,
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let channel = tokio::time::timeout(Duration::from_secs(60), connected).await.expect("it did not serve");
    assert_eq!(health(channel).await.unwrap(), ServingStatus::Serving);
    register(&url, &operator_key(folder.path()), "shop").await;
    process::signal(child.id().unwrap(), "TERM").await.unwrap();
    assert_eq!(child.wait().await.unwrap().code(), Some(0));
}

async fn health(channel: Channel) -> Result<ServingStatus, tonic::Status> {
    let answer = HealthClient::new(channel).check(HealthCheckRequest { service: String::new() }).await?;
    Ok(answer.into_inner().status())
}

#[tokio::test]
async fn with_a_certificate_it_speaks_tls_and_nothing_else() {
    let folder = folder();
    if !make_certificates(folder.path()).await {
        say("TLS is not tested: there is no openssl in PATH");
        return;
    }
    let flags = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key"];
    let server = serve(folder.path(), &flags).await;
    let authority = Certificate::from_pem(std::fs::read(folder.path().join("authority.pem")).unwrap());
    let tls = ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost");
    let url = format!("https://{}", server.address());
    let channel = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap().connect().await.unwrap();
    assert_eq!(health(channel).await.unwrap(), ServingStatus::Serving);

    let plaintext = Endpoint::from_shared(server.url()).unwrap().connect_lazy();
    assert!(health(plaintext).await.is_err(), "plaintext was answered");
}
