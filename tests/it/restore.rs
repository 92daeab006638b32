//! The command `restore`, and what a restored database gives its readers. `restored.rs` tests the cursors.

use std::path::Path;
use std::process::Output;

use headwater::pb;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::process;

use crate::support::binary::{BINARY, operator_key, run_to_end, serve};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::feed::{from_beginning, from_cursor};
use crate::support::load::{Load, Unanswered};
use crate::support::server::{reason, register};
use crate::support::shop::Shop;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-restore-").tempdir().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// All events, each with its cursor.
async fn feed(client: &mut Client) -> Vec<pb::Event> {
    let mut events = Vec::new();
    let mut start = from_beginning();
    loop {
        let request = pb::ReadEventsRequest { start: Some(start), page_size: 1_000, ..Default::default() };
        let page = client.feed.read_events(request).await.unwrap().into_inner();
        events.extend(page.events);
        if page.next_cursor == page.head_cursor {
            return events;
        }
        start = from_cursor(page.next_cursor);
    }
}

/// Reads after each of these events. Those of the restored part go on without a gap, all others are refused.
async fn readers_skip_nothing(client: &mut Client, events: &[pb::Event], kept: usize) {
    for event in events {
        let start = Some(from_cursor(event.cursor.clone()));
        let request = pb::ReadEventsRequest { start, page_size: 1_000, ..Default::default() };
        let read = client.feed.read_events(request).await;
        if event.sequence <= i64::try_from(kept).unwrap() {
            let first = read.unwrap().into_inner().events.first().map(|next| next.sequence);
            assert!(first.is_none_or(|first| first == event.sequence + 1), "after {} came {first:?}", event.sequence);
        } else {
            let reason = reason(&read.unwrap_err());
            assert!(reason == "CURSOR_AHEAD_OF_HEAD" || reason == "CURSOR_OF_ANOTHER_HISTORY", "{reason}");
        }
    }
}

/// Runs the command that a message proposes, with PostgreSQL's programs in PATH.
async fn run_proposed(folder: &Path, message: &str, program: &str) {
    let line = message.lines().map(str::trim).find(|line| line.starts_with(program)).expect(message);
    let mut command = process::command(
        Path::new("sh"),
        &["-c", &format!("PATH=$(echo /usr/lib/postgresql/*/bin | tr ' ' :):$PATH; {line}")],
    );
    command.current_dir(folder);
    let output = process::run_to_end(command).await.unwrap();
    assert!(output.status.success(), "{line}: {}", stderr(&output));
}

db_test!(a_copy_taken_under_load_is_put_back_by_the_command, empty, |database: TestDatabase| async move {
    let folder = folder();
    let flags = |url: &str| vec!["--database".to_owned(), url.to_owned()];
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    let load = Load::start(&server.url(), &shop.client.key, 4, Unanswered::Repeat);
    load.go_on_for(100).await;
    let backup = ["backup", "--to", "copy", "--database", &database.url];
    let output = run_to_end(folder.path(), &backup).await;
    if database.kind == DatabaseKind::Postgres {
        // The command makes no dump, and says so with its exit status. What it proposes works.
        assert_eq!(output.status.code(), Some(1));
        assert!(!folder.path().join("copy").exists());
        run_proposed(folder.path(), &stderr(&output), "pg_dump").await;
        let output = run_to_end(folder.path(), &backup).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    } else {
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    load.go_on_for(100).await;
    load.end().await;
    let mut client = Client::connect(&server.url(), &shop.client.key).await.unwrap();
    let old = feed(&mut client).await;
    let restore = ["restore", "--from", "copy", "--database"];
    let busy = run_to_end(folder.path(), &[&restore[..], &[&database.url]].concat()).await;
    assert_eq!(busy.status.code(), Some(1));
    let words = if database.kind == DatabaseKind::Sqlite { "another process has" } else { "is not empty" };
    assert!(stderr(&busy).contains(words), "{}", stderr(&busy));
    server.kill().await.unwrap();

    let target = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestDatabase::empty_postgres().await.unwrap()),
    };
    let url = target.as_ref().map_or(&database.url, |target| &target.url);
    let output = run_to_end(folder.path(), &[&restore[..], &[url]].concat()).await;
    match database.kind {
        DatabaseKind::Sqlite => {
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
            let said = String::from_utf8(output.stdout).unwrap();
            let kept: Vec<&str> = said.lines().filter_map(|line| line.strip_prefix("kept what was there: ")).collect();
            assert!(kept.len() >= 2 && kept.iter().all(|path| Path::new(path).is_file()), "{said}");
            assert!(kept.iter().all(|path| path.contains(".before-restore-")), "{said}");
        }
        DatabaseKind::Postgres => {
            assert_eq!(output.status.code(), Some(1));
            run_proposed(folder.path(), &stderr(&output), "pg_restore").await;
        }
    }
    let output = run_to_end(folder.path(), &["check", "--database", url]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let flags = flags(url);
    let server = serve(folder.path(), &flags.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let mut client = Client::connect(&server.url(), &client.key).await.unwrap();
    let kept = feed(&mut client).await;
    assert!(kept.len() < old.len(), "the copy is of a moment during the load");
    assert!(kept.iter().zip(&old).all(|(kept, old)| kept.id == old.id));
    let at_the_seam = &old[kept.len() - 3..kept.len() + 3];
    readers_skip_nothing(&mut client, at_the_seam, kept.len()).await;
    for number in 0..20 {
        let sale = pb::RecordSaleRequest {
            event_id: format!("new-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 100, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        client.tracking.record_sale(sale).await.unwrap();
    }
    readers_skip_nothing(&mut client, at_the_seam, kept.len()).await;
    readers_skip_nothing(&mut client, &old[old.len() - 1..], kept.len()).await;
    server.terminate().await.unwrap();
});

#[tokio::test]
async fn a_restore_checks_its_copy_and_deletes_nothing() {
    let folder = folder();
    serve(folder.path(), &[]).await.terminate().await.unwrap();
    let main = folder.path().join("headwater-data/headwater.sqlite");
    let original = std::fs::read(&main).unwrap();
    std::fs::write(folder.path().join("cut.sqlite"), &original[..original.len() / 2]).unwrap();
    std::fs::write(folder.path().join("text.sqlite"), "no database, but a text that is longer than a header".repeat(9))
        .unwrap();
    let other = rusqlite::Connection::open(folder.path().join("other.sqlite")).unwrap();
    other.execute_batch(&format!("{} one (id)", "CREATE TABLE")).unwrap();
    drop(other);
    for (from, words) in [
        ("missing.sqlite", "there is no file missing.sqlite"),
        ("cut.sqlite", "Nothing was changed"),
        ("text.sqlite", "it is no SQLite database"),
        ("other.sqlite", "other.sqlite is no database of Headwater. Nothing was changed"),
    ] {
        let output = run_to_end(folder.path(), &["restore", "--from", from]).await;
        assert_eq!(output.status.code(), Some(1), "{from}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{from}: {}", stderr(&output));
        assert!(std::fs::read(&main).unwrap() == original, "{from} changed the database");
        let entries = std::fs::read_dir(folder.path().join("headwater-data")).unwrap();
        let names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        assert_eq!(names.len(), 4, "{from} left something behind: {names:?}");
    }
    // Twice in the same second, and every file of before is kept.
    run_to_end(folder.path(), &["backup", "--to", "copy.sqlite"]).await;
    for _ in 0..3 {
        let output = run_to_end(folder.path(), &["restore", "--from", "copy.sqlite"]).await;
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let entries = std::fs::read_dir(folder.path().join("headwater-data")).unwrap();
    let kept =
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains(".before-restore-"));
    assert_eq!(kept.count(), 3);
    serve(folder.path(), &[]).await.terminate().await.unwrap();
}

#[tokio::test]
async fn a_dump_that_is_not_whole_is_no_backup() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let folder = folder();
    let url = database.url.as_str();
    serve(folder.path(), &["--database", url]).await.terminate().await.unwrap();
    let backup = async |to: &str| run_to_end(folder.path(), &["backup", "--database", url, "--to", to]).await;
    let proposal = stderr(&backup("whole.dump").await);
    run_proposed(folder.path(), &proposal, "pg_dump").await;
    assert_eq!(backup("whole.dump").await.status.code(), Some(0));
    let whole = std::fs::read(folder.path().join("whole.dump")).unwrap();
    std::fs::write(folder.path().join("cut.dump"), &whole[..whole.len() - 100]).unwrap();
    std::fs::write(folder.path().join("text.dump"), "-- PostgreSQL database dump\n").unwrap();
    run_proposed(folder.path(), &proposal.replace("whole.dump", "part.dump --exclude-table-data=reward"), "pg_dump")
        .await;
    for (file, words) in [
        ("cut.dump", "cut.dump is no whole backup"),
        ("text.dump", "text.dump is no whole backup in the form of `pg_dump --format=custom`"),
        ("part.dump", "it lacks the rows of reward"),
    ] {
        let output = backup(file).await;
        assert_eq!(output.status.code(), Some(1), "{file}");
        assert!(stderr(&output).contains(words), "{file}: {}", stderr(&output));
        let empty = TestDatabase::empty_postgres().await.unwrap();
        let output = run_to_end(folder.path(), &["restore", "--database", &empty.url, "--from", file]).await;
        assert!(stderr(&output).contains(words), "{file}: {}", stderr(&output));
    }
    // Without PostgreSQL's programs nothing is said about the file.
    let mut command = process::command(Path::new(BINARY), &["backup", "--database", url, "--to", "whole.dump"]);
    command.current_dir(folder.path()).env("PATH", "");
    let output = process::run_to_end(command).await.unwrap();
    let is_found_elsewhere = std::fs::read_dir("/usr/lib/postgresql").is_ok();
    assert!(
        is_found_elsewhere || stderr(&output).contains("Install PostgreSQL's client programs"),
        "{}",
        stderr(&output)
    );
}
