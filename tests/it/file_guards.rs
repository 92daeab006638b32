//! The files of a SQLite database are opened by one server, with their own log, and by their owner. A server whose files are taken
//! away takes no more writes.

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use headwater::pb;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::process::{Serving, signal};
use tonic::Code;

use crate::support::binary::{operator_key, run_to_end, serve};
use crate::support::certificate::make_certificates;
use crate::support::server::{reason, register};
use crate::support::shop::Shop;

/// A time limit. Everything takes far less time, even on the busiest machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-guards-").tempdir().unwrap()
}

fn data(folder: &TempDir, name: &str) -> PathBuf {
    folder.path().join("headwater-data").join(name)
}

fn sale(event_id: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        coupon_code: "ANN".to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

/// A server with a shop.
async fn open_shop(folder: &Path) -> (Serving, Client) {
    let server = serve(folder, &[]).await;
    let client = register(&server.url(), &operator_key(folder), "shop").await;
    (server, Shop::furnish(client).await.client)
}

/// Sells in the same shop after a restart. Returns whether the sale was there before.
async fn sell_again(server: &Serving, key: &str, event_id: &str) -> bool {
    let mut client = Client::connect(&server.url(), key).await.unwrap();
    client.tracking.record_sale(sale(event_id)).await.unwrap().into_inner().replayed
}

/// The words of a start that fails. It must change none of the database's files.
async fn refused(folder: &Path, flags: &[&str]) -> String {
    let files = || {
        let entries = std::fs::read_dir(folder.join("headwater-data")).unwrap();
        let mut files: Vec<(PathBuf, Vec<u8>)> = entries
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.is_file() && !path.to_string_lossy().ends_with(".lock"))
            .map(|path| (path.clone(), std::fs::read(path).unwrap()))
            .collect();
        files.sort();
        files
    };
    let before = files();
    let output = run_to_end(folder, &[&["--listen-address", "127.0.0.1:0"], flags].concat()).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(files() == before, "a refused start changed something");
    said
}

/// [`refused`] beside a running server. The server is paused meanwhile, because its own workers write and read as soon as it serves.
async fn refused_beside(server: &Serving, folder: &Path, flags: &[&str]) -> String {
    let pid = server.pid().unwrap();
    signal(pid, "STOP").await.unwrap();
    while threads_run(pid) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let said = refused(folder, flags).await;
    signal(pid, "CONT").await.unwrap();
    said
}

/// Whether a thread of a process is not stopped. Only Linux tells.
fn threads_run(pid: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    let status = |thread: std::fs::DirEntry| std::fs::read_to_string(thread.path().join("status"));
    threads.flatten().filter_map(|thread| status(thread).ok()).any(|status| !status.contains("\nState:\tT"))
}

async fn restore(folder: &Path, from: &str) -> String {
    let output = run_to_end(folder, &["restore", "--from", from]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_second_server_is_refused_whatever_it_calls_the_file() {
    let folder = folder();
    let server = serve(folder.path(), &[]).await;
    symlink("headwater-data/headwater.sqlite", folder.path().join("link.sqlite")).unwrap();
    let said = refused_beside(&server, folder.path(), &["--database", "sqlite://link.sqlite"]).await;
    assert!(said.contains("another process has link.sqlite open"), "{said}");
    assert!(!folder.path().join("link.sqlite.lock").exists(), "a lock of the link's name keeps nobody out");

    std::fs::hard_link(data(&folder, "headwater.sqlite"), folder.path().join("hard.sqlite")).unwrap();
    let said = refused_beside(&server, folder.path(), &["--database", "sqlite://hard.sqlite"]).await;
    assert!(said.contains("has 2 names (hard links)"), "{said}");
    server.terminate().await.unwrap();
    let said = refused(folder.path(), &[]).await;
    assert!(said.contains("has 2 names (hard links)"), "{said}");
    std::fs::remove_file(folder.path().join("hard.sqlite")).unwrap();
    // A link to the file is a name like any other when no server runs.
    serve(folder.path(), &["--database", "sqlite://link.sqlite"]).await.terminate().await.unwrap();
}

#[tokio::test]
async fn a_server_whose_files_are_taken_away_stops_writing_and_says_why() {
    type Act = fn(&Path);
    let cases: [(&str, &str, Act); 6] = [
        ("headwater.sqlite", "was removed or moved", |path| std::fs::remove_file(path).unwrap()),
        ("headwater.sqlite", "was removed or moved", |path| {
            std::fs::rename(path, path.with_extension("elsewhere")).unwrap();
        }),
        ("headwater.sqlite", "was replaced by another file", |path| {
            let copy = path.with_extension("copy");
            std::fs::copy(path, &copy).unwrap();
            std::fs::rename(copy, path).unwrap();
        }),
        ("headwater.sqlite-wal", "was removed or moved", |path| std::fs::remove_file(path).unwrap()),
        ("headwater.sqlite-shm", "was removed or moved", |path| std::fs::remove_file(path).unwrap()),
        ("headwater.sqlite.lock", "was removed or moved", |path| std::fs::remove_file(path).unwrap()),
    ];
    for (name, words, act) in cases {
        let folder = folder();
        let (server, mut client) = open_shop(folder.path()).await;
        client.tracking.record_sale(sale("before")).await.unwrap();
        act(&data(&folder, name));
        let status = tokio::time::timeout(PATIENCE, async {
            for number in 0.. {
                if let Err(status) = client.tracking.record_sale(sale(&format!("after-{number}"))).await {
                    return status;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            unreachable!()
        });
        let status = status.await.expect("it writes on");
        assert_eq!((status.code(), reason(&status).as_str()), (Code::Unavailable, "UNAVAILABLE"));
        client.tracking.record_sale(sale("later")).await.unwrap_err();
        // What another program puts there meanwhile is not the server's to remove.
        let log = data(&folder, "headwater.sqlite-wal");
        let others = name == "headwater.sqlite-wal";
        if others {
            std::fs::write(&log, "of another program").unwrap();
        }
        let (status, said) = server.terminate().await.unwrap();
        assert_eq!(status.code(), Some(0), "{said}");
        assert!(said.contains(&format!("{name} {words}")) && said.contains("takes no more writes"), "{said}");
        assert!(log.exists(), "{name}: the log was removed");
        if others {
            assert_eq!(std::fs::read_to_string(&log).unwrap(), "of another program");
        }
    }
}

#[tokio::test]
async fn a_moved_database_that_is_put_back_has_everything() {
    let folder = folder();
    let (server, mut client) = open_shop(folder.path()).await;
    let main = data(&folder, "headwater.sqlite");
    std::fs::rename(&main, folder.path().join("elsewhere")).unwrap();
    let mut acknowledged = Vec::new();
    for number in 0.. {
        let event_id = format!("sale-{number}");
        match client.tracking.record_sale(sale(&event_id)).await {
            Ok(_) => acknowledged.push(event_id),
            Err(_) => break,
        }
    }
    server.terminate().await.unwrap();
    let said = refused(folder.path(), &[]).await;
    assert!(said.contains("has the operator key of another database"), "{said}");
    std::fs::rename(folder.path().join("elsewhere"), &main).unwrap();
    let server = serve(folder.path(), &[]).await;
    for event_id in acknowledged {
        assert!(sell_again(&server, &client.key, &event_id).await, "{event_id} is lost");
    }
}

#[tokio::test]
async fn a_database_beside_a_log_that_is_not_its_own_is_refused() {
    let folder = folder();
    let (server, mut client) = open_shop(folder.path()).await;
    client.tracking.record_sale(sale("kept")).await.unwrap();
    let output = run_to_end(folder.path(), &["backup", "--to", "backup.sqlite"]).await;
    assert!(output.status.success());
    server.terminate().await.unwrap();
    // Without its log the file is whole, so a plain copy is a backup too.
    let main = data(&folder, "headwater.sqlite");
    std::fs::copy(&main, folder.path().join("plain.sqlite")).unwrap();

    for copy in ["backup.sqlite", "plain.sqlite"] {
        let server = serve(folder.path(), &[]).await;
        sell_again(&server, &client.key, &format!("lost-after-{copy}")).await;
        server.kill().await.unwrap();
        std::fs::copy(folder.path().join(copy), &main).unwrap();
        let said = refused(folder.path(), &[]).await;
        assert!(said.contains("headwater.sqlite-wal does not belong to"), "{copy}: {said}");
        let output = run_to_end(folder.path(), &["check"]).await;
        assert_eq!(output.status.code(), Some(1));
        let output = run_to_end(folder.path(), &["backup", "--to", "mixed.sqlite"]).await;
        assert_eq!(output.status.code(), Some(1));
        // The message's own way on.
        let said = restore(folder.path(), "headwater-data/headwater.sqlite").await;
        assert!(said.contains("does not belong to the copy and was left out"), "{said}");
        assert!(!data(&folder, "headwater.sqlite-wal").exists());
        let server = serve(folder.path(), &[]).await;
        assert!(sell_again(&server, &client.key, "kept").await);
        assert!(!sell_again(&server, &client.key, &format!("lost-after-{copy}")).await);
        server.terminate().await.unwrap();
    }
    // A log without a database, as after half a move.
    let server = serve(folder.path(), &[]).await;
    sell_again(&server, &client.key, "in the log").await;
    server.kill().await.unwrap();
    std::fs::rename(data(&folder, "operator.key"), folder.path().join("operator.key")).unwrap();
    std::fs::rename(&main, folder.path().join("elsewhere")).unwrap();
    let said = refused(folder.path(), &[]).await;
    assert!(said.contains("but its log") && said.contains("has commits"), "{said}");
    std::fs::rename(folder.path().join("elsewhere"), &main).unwrap();
    assert!(sell_again(&serve(folder.path(), &[]).await, &client.key, "in the log").await);
}

#[tokio::test]
async fn a_plain_copy_of_a_busy_database_is_refused_until_somebody_accepts_it() {
    let (folder, other) = (folder(), folder());
    let (server, mut client) = open_shop(folder.path()).await;
    client.tracking.record_sale(sale("in the log alone")).await.unwrap();
    std::fs::create_dir(other.path().join("headwater-data")).unwrap();
    std::fs::copy(data(&folder, "headwater.sqlite"), data(&other, "headwater.sqlite")).unwrap();
    let said = refused(other.path(), &[]).await;
    assert!(said.contains("headwater.sqlite-wal of") && said.contains("is missing"), "{said}");
    let said = restore(other.path(), "headwater-data/headwater.sqlite").await;
    assert!(said.contains("may not be in it") && said.contains("kept what was there"), "{said}");
    // What was in the log alone is not there, and the operator was told.
    let second = serve(other.path(), &[]).await;
    assert!(Client::connect(&second.url(), &client.key).await.unwrap().tracking.record_sale(sale("x")).await.is_err());
    second.terminate().await.unwrap();
    server.terminate().await.unwrap();
}

#[tokio::test]
async fn a_copy_with_its_log_and_a_backup_after_a_kill_have_everything() {
    let (folder, other) = (folder(), folder());
    let (server, mut client) = open_shop(folder.path()).await;
    client.tracking.record_sale(sale("before the kill")).await.unwrap();
    server.kill().await.unwrap();
    std::fs::create_dir(other.path().join("headwater-data")).unwrap();
    for name in ["headwater.sqlite", "headwater.sqlite-wal"] {
        std::fs::copy(data(&folder, name), data(&other, name)).unwrap();
    }
    // A backup of a database that was killed leaves its log to it.
    let output = run_to_end(folder.path(), &["backup", "--to", "copy.sqlite"]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for folder in [&folder, &other] {
        let server = serve(folder.path(), &[]).await;
        assert!(sell_again(&server, &client.key, "before the kill").await);
        server.kill().await.unwrap();
    }
    restore(folder.path(), "copy.sqlite").await;
    assert!(sell_again(&serve(folder.path(), &[]).await, &client.key, "before the kill").await);
    // The killed server's files can be the backup of another.
    let copied = other.path().join("headwater-data/headwater.sqlite");
    std::fs::create_dir(folder.path().join("second")).unwrap();
    let output =
        run_to_end(folder.path(), &["restore", "--data-dir", "second", "--from", copied.to_str().unwrap()]).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = serve(folder.path(), &["--data-dir", "second"]).await;
    assert!(sell_again(&server, &client.key, "before the kill").await);
}

#[tokio::test]
async fn a_missing_database_is_no_new_one() {
    let folder = folder();
    let (server, client) = open_shop(folder.path()).await;
    server.terminate().await.unwrap();
    // The operator keeps the key elsewhere, as the documents say.
    std::fs::rename(data(&folder, "operator.key"), folder.path().join("operator.key")).unwrap();
    let main = data(&folder, "headwater.sqlite");
    std::fs::rename(&main, folder.path().join("elsewhere")).unwrap();
    for is_empty in [false, true] {
        if is_empty {
            // What a failed mount or a restore can leave.
            std::fs::write(&main, "").unwrap();
        }
        let said = refused(folder.path(), &[]).await;
        assert!(said.contains("says that there was one") && said.contains("headwater restore"), "{said}");
    }
    let said = refused(folder.path(), &["create-operator-key"]).await;
    assert!(said.contains("says that there was one"), "{said}");
    restore(folder.path(), "elsewhere").await;
    let server = serve(folder.path(), &[]).await;
    assert!(!sell_again(&server, &client.key, "first").await);
    server.terminate().await.unwrap();
    // Whoever wants a new one says so.
    for name in ["headwater.sqlite", "headwater.sqlite.lock"] {
        std::fs::remove_file(data(&folder, name)).unwrap();
    }
    let server = serve(folder.path(), &[]).await;
    assert!(Client::connect(&server.url(), &client.key).await.unwrap().tracking.record_sale(sale("x")).await.is_err());
}

#[tokio::test]
async fn other_users_read_nothing() {
    let folder = folder();
    let mode = |name: &str| std::fs::metadata(data(&folder, name)).unwrap().permissions().mode() & 0o777;
    let (server, _) = open_shop(folder.path()).await;
    let names =
        ["headwater.sqlite", "headwater.sqlite-wal", "headwater.sqlite-shm", "headwater.sqlite.lock", "operator.key"];
    assert_eq!(names.map(mode), [0o600; 5]);
    assert_eq!(mode(""), 0o700);
    server.kill().await.unwrap();
    // Files of before become private. The directory may be shared on purpose.
    for name in &names[..4] {
        std::fs::set_permissions(data(&folder, name), PermissionsExt::from_mode(0o644)).unwrap();
    }
    std::fs::set_permissions(data(&folder, ""), PermissionsExt::from_mode(0o755)).unwrap();
    let server = serve(folder.path(), &[]).await;
    assert_eq!(names.map(mode), [0o600; 5]);
    assert_eq!(mode(""), 0o755);
    let (_, log) = server.terminate().await.unwrap();
    assert!(log.contains("other users could read this file"), "{log}");

    std::fs::set_permissions(data(&folder, "operator.key"), PermissionsExt::from_mode(0o644)).unwrap();
    let said = refused(folder.path(), &[]).await;
    assert!(said.contains("chmod o= headwater-data/operator.key"), "{said}");
    // A group may read, as with keys that an orchestrator mounts.
    std::fs::set_permissions(data(&folder, "operator.key"), PermissionsExt::from_mode(0o640)).unwrap();
    serve(folder.path(), &[]).await.terminate().await.unwrap();
}

#[tokio::test]
async fn a_tls_key_that_everybody_can_read_is_refused() {
    let folder = folder();
    if !make_certificates(folder.path()).await {
        testkit::say("a public TLS key is not tested: there is no openssl in PATH");
        return;
    }
    let key = folder.path().join("server.key");
    let flags = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key"];
    for (mode, is_served) in [(0o644, false), (0o604, false), (0o640, true), (0o600, true)] {
        std::fs::set_permissions(&key, PermissionsExt::from_mode(mode)).unwrap();
        if is_served {
            serve(folder.path(), &flags).await.terminate().await.unwrap();
            continue;
        }
        let output = run_to_end(folder.path(), &[&["--listen-address", "127.0.0.1:0"], &flags[..]].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("the flag --tls-key-file: cannot use server.key: every user"), "{said}");
        assert!(said.contains("chmod o= server.key"), "{said}");
    }
}
