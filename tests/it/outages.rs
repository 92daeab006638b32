//! Outages of the database: their lines in the log, and the health service.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use headwater::pb;
use sea_orm::{Database, SqliteTransactionMode, TransactionOptions, TransactionTrait};
use testkit::client::Client;
use testkit::postgres::{Postgres, StopMode};
use testkit::say;
use tonic::transport::Endpoint;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::binary::operator_key;
use crate::support::database::TestDatabase;
use crate::support::logged::{Line, Logged};
use crate::support::server::{TestServer, register};

const BEGINS: &str = "an outage of the database begins";
const LASTS: &str = "the outage of the database lasts";
const ENDED: &str = "the outage of the database has ended";

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("headwater-outage-").tempdir().unwrap()
}

async fn health(url: &str, service: &str) -> ServingStatus {
    let channel = Endpoint::from_shared(url.to_owned()).unwrap().connect().await.unwrap();
    let request = HealthCheckRequest { service: service.to_owned() };
    HealthClient::new(channel).check(request).await.unwrap().into_inner().status()
}

/// Waits until health says this, for all services.
async fn wait_for_health(url: &str, status: ServingStatus) {
    let said = async {
        for service in ["", "headwater.v1.TrackingService", "headwater.v1.FeedService"] {
            while health(url, service).await != status {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(120), said)
        .await
        .unwrap_or_else(|_| panic!("health never says {status:?}"));
}

async fn record(client: &Client, event_id: &str) -> Result<(), Status> {
    let request = pb::RecordLeadRequest {
        event_id: event_id.to_owned(),
        email: format!("{event_id}@shop.example"),
        ..pb::RecordLeadRequest::default()
    };
    client.clone().tracking.record_lead(request).await.map(|_| ())
}

async fn read(client: &Client) -> Result<(), Status> {
    client.clone().accounts.get_account(pb::GetAccountRequest {}).await.map(|_| ())
}

/// The messages of the lines that are warnings or errors and not about an outage.
fn other_warnings(lines: &[Line]) -> Vec<&Line> {
    let is_expected = |message: &str| [BEGINS, LASTS, ENDED].contains(&message) || message.starts_with("health says");
    let is_loud = |line: &&Line| ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap());
    lines.iter().filter(is_loud).filter(|line| !is_expected(line["message"].as_str().unwrap())).collect()
}

fn count(lines: &[Line], message: &str) -> usize {
    lines.iter().filter(|line| line["message"] == message).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_down_or_read_only_health_says_so_and_the_log_has_few_lines() {
    // The cluster of the other tests cannot be stopped.
    let Ok(mut cluster) = Postgres::start_new() else {
        assert!(std::env::var_os("HEADWATER_REQUIRE_POSTGRES").is_none(), "PostgreSQL is required");
        return say("an outage of PostgreSQL is not tested: it is not installed");
    };
    let url = cluster.create_database("outage").await.unwrap();
    let folder = folder();
    let flags = ["--database", &url, "--health-outage-seconds", "1", "--upkeep-interval-seconds", "1"];
    let server = Logged::start(folder.path(), &folder.path().join("log"), &flags).await;
    let client = register(&server.url, &operator_key(folder.path()), "shop").await;
    wait_for_health(&server.url, ServingStatus::Serving).await;

    cluster.stop(StopMode::Immediate).unwrap();
    // Together, because each waits 5 seconds for the database.
    let calls = (0..20).map(|number| {
        let (client, event_id) = (client.clone(), format!("lead-{number}"));
        async move { tokio::join!(record(&client, &event_id), read(&client)) }
    });
    let answers = futures::future::join_all(calls).await;
    assert!(answers.iter().all(|(written, read)| written.is_err() && read.is_err()));
    wait_for_health(&server.url, ServingStatus::NotServing).await;
    cluster.start().unwrap();
    // Nobody calls, and health says so nevertheless.
    wait_for_health(&server.url, ServingStatus::Serving).await;
    let ended = server.wait_for(ENDED, 1).await;
    assert!(ended["failed_writes"].as_u64().unwrap() + ended["failed_reads"].as_u64().unwrap() >= 20, "{ended}");
    record(&client, "lead-0").await.unwrap();
    let lines = server.lines();
    assert_eq!((count(&lines, BEGINS), count(&lines, ENDED)), (1, 1), "{lines:?}");
    let lasted = ended["lasted_seconds"].as_u64().unwrap();
    assert!(count(&lines, LASTS) as u64 <= lasted / 60, "one line a minute: {lines:?}");
    assert_eq!(other_warnings(&lines), Vec::<&Line>::new());

    let alter = "ALTER SYSTEM SET default_transaction_read_only = on";
    cluster.query("postgres", alter).await.unwrap();
    cluster.query("postgres", "SELECT pg_reload_conf()").await.unwrap();
    let refused = async {
        let mut number = 0;
        while record(&client, &format!("read-only-{number}")).await.is_ok() {
            number += 1;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), refused).await.unwrap();
    read(&client).await.unwrap();
    wait_for_health(&server.url, ServingStatus::NotServing).await;
    cluster.query("postgres", "ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    cluster.query("postgres", "SELECT pg_reload_conf()").await.unwrap();
    wait_for_health(&server.url, ServingStatus::Serving).await;
    server.wait_for(ENDED, 2).await;
    let lines = server.lines();
    let begins: Vec<_> = lines.iter().filter(|line| line["message"] == BEGINS).collect();
    assert_eq!(begins.len(), 2, "{lines:?}");
    assert!(begins[1]["problem"].as_str().unwrap().contains("read-only"), "{begins:?}");
    assert_eq!(other_warnings(&lines), Vec::<&Line>::new());
    assert_eq!(server.terminate().await, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_sqlite_file_is_locked_health_says_so_unless_it_must_not() {
    let (watched, ignored) = (TestDatabase::sqlite().await, TestDatabase::sqlite().await);
    let server = TestServer::start_with(&watched, &["--health-outage-seconds", "1"]).await;
    let constant = TestServer::start_with(&ignored, &["--health-outage-seconds", "0"]).await;
    let mut clients = Vec::new();
    let mut held = Vec::new();
    for (server, database) in [(&server, &watched), (&constant, &ignored)] {
        clients.push(server.new_account("shop").await);
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let console = Database::connect(&database.url).await.unwrap();
        held.push(console.begin_with_options(options).await.unwrap());
    }
    for client in &clients {
        assert_eq!(record(client, "lead").await.unwrap_err().code(), Code::Unavailable);
        read(client).await.unwrap();
    }
    wait_for_health(&server.address, ServingStatus::NotServing).await;
    assert!(constant.server.app().database_fails_since().is_some());
    assert_eq!(health(&constant.address, "").await, ServingStatus::Serving);
    drop(held);
    wait_for_health(&server.address, ServingStatus::Serving).await;
    record(&clients[0], "lead").await.unwrap();
}

/// A small file system of its own. Removed when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` without the right to mount one.
    fn mount(folder: &Path) -> Option<Self> {
        let path = folder.join("disk");
        std::fs::create_dir(&path).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=8m", "headwater-test"]).arg(&path);
        let is_mounted = mount.output().is_ok_and(|output| output.status.success());
        is_mounted.then_some(Self(path))
    }

    /// Fills it to the last byte.
    fn fill(&self) -> PathBuf {
        use std::io::Write;
        let path = self.0.join("ballast");
        let mut file = std::fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4_096]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, because a process may still end in it.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn on_a_full_disk_it_reads_and_says_so_and_goes_on_when_there_is_room() {
    let folder = folder();
    let Some(disk) = SmallDisk::mount(folder.path()) else {
        return say("a full disk is not tested: nothing can be mounted here");
    };
    // The log is on the same disk, and cannot be written either.
    let log = disk.0.join("log");
    let flags = ["--health-outage-seconds", "1", "--log-filter", "debug"];
    let server = Logged::start(&disk.0, &log, &flags).await;
    let client = register(&server.url, &operator_key(&disk.0), "shop").await;
    let ballast = disk.fill();
    let refused = async {
        for number in 0.. {
            if let Err(status) = record(&client, &format!("full-{number}")).await {
                return status;
            }
        }
        unreachable!()
    };
    let refused = tokio::time::timeout(Duration::from_secs(60), refused).await.unwrap();
    assert_eq!(refused.code(), Code::Unavailable);
    read(&client).await.unwrap();
    wait_for_health(&server.url, ServingStatus::NotServing).await;
    // A long outage writes many lines that are lost.
    for number in 0..200 {
        record(&client, &format!("lost-{number}")).await.unwrap_err();
        read(&client).await.unwrap();
    }
    assert_eq!(health(&server.url, "").await, ServingStatus::NotServing, "only a write that works ends it");
    std::fs::remove_file(ballast).unwrap();
    wait_for_health(&server.url, ServingStatus::Serving).await;
    record(&client, "room").await.unwrap();
    let ended = server.wait_for(ENDED, 1).await;
    assert!(ended["failed_writes"].as_u64().unwrap() >= 200, "{ended}");
    assert_eq!(server.terminate().await, Some(0));
}
