//! Triggers every failpoint of the server under load: an error, a conflict, an unexpected fault, a pause, an abort. Clients retry
//! unanswered calls. At the end every acknowledged write exists once. The tests use the real binary, because failpoints are
//! global to a process.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use headwater::failpoint::Point;
use headwater::pb;
use tempfile::TempDir;
use testkit::client::Client;
use testkit::process::{ServerOptions, Serving};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::support::binary::options;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::load::{Ended, Load, Unanswered};
use crate::support::server::register;
use crate::support::shop::Shop;

const CLIENTS: usize = 4;
const SIGABRT: i32 = 6;

/// When a failpoint is reached, which decides how it is tested.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    /// Under load, with these actions. The last one ends the process.
    Working {
        /// How many times each action does nothing before it takes effect.
        passes: usize,
        actions: &'static [&'static str],
        /// Whether the failed call may have been committed, so that a repeat must find it.
        is_after_commit: bool,
    },
    /// `sending/killed.rs` has the tests.
    Sending,
    Stopping,
}

/// Before the commit nothing is stored, so every kind of failure is allowed.
const UNDONE: &[&str] = &["error", "conflict", "fault", "pause", "abort"];

/// Actions for places where the server itself cannot retry.
const FAILED: &[&str] = &["error", "pause", "abort"];

/// The phase of each failpoint. The match has no wildcard, so the compiler reports a missing one.
fn phase(point: Point) -> Phase {
    let working = |passes, actions, is_after_commit| Phase::Working { passes, actions, is_after_commit };
    match point {
        Point::BeforeMigration
        | Point::BeforeIdentity
        | Point::BeforeMigrationCommit
        | Point::AfterMigrationCommit
        | Point::BeforeOperatorKey => Phase::Starting,
        Point::BeforeQueue => working(20, FAILED, false),
        Point::BeforeBegin
        | Point::BeforeLock
        | Point::BeforeLoad
        | Point::BeforeDecide
        | Point::BeforeSave
        | Point::BeforeStatement
        | Point::BeforeCommit => working(20, UNDONE, false),
        Point::AfterCommit | Point::BeforePublish | Point::AfterPublish | Point::BeforeAnswer => {
            working(20, FAILED, true)
        }
        Point::BeforeFeedRead | Point::BeforeFeedSend => working(10, FAILED, false),
        // Each failure is followed by a rest.
        Point::InFold | Point::InStatisticFold => working(1, UNDONE, false),
        Point::AfterFold => working(1, FAILED, false),
        Point::BeforePayoutCall | Point::AfterPayoutCall => Phase::Sending,
        // Reached once a second.
        Point::BeforeApproval | Point::BeforeRemoval | Point::AfterRemoval => working(1, FAILED, false),
        Point::BeforeClose | Point::BetweenCloses | Point::AfterClose => Phase::Stopping,
    }
}

fn points(is_wanted: impl Fn(Phase) -> bool) -> impl Iterator<Item = Point> {
    Point::ALL.iter().copied().filter(move |point| is_wanted(phase(*point)))
}

/// All of a case's actions in turn, in the syntax of FAILPOINTS.
fn schedule(point: Point, passes: usize, actions: &[&str]) -> String {
    let mut steps = Vec::new();
    if point == Point::BeforeStatement {
        // A failing statement ends its batch, so this fails the first statement of one batch, then the second of another, and so
        // on.
        steps.extend((0..12).map(|passes| format!("{passes}*off->1*return(error)")));
    }
    for action in actions {
        // An action other than a pause runs three times in a row, because retries and single re-runs must fail too. An abort ends
        // the process the first time.
        let times = if *action == "pause" { 1 } else { 3 };
        steps.push(format!("{passes}*off->{times}*return({action})"));
    }
    format!("{}={}", point.name(), steps.join("->"))
}

/// The failpoint's actions, from the server's log.
fn actions_in(log: &str, point: Point) -> BTreeSet<String> {
    let entries = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let acts = entries.map(|entry| entry["fields"].clone()).filter(|fields| fields["message"] == "a failpoint acts");
    let here = acts.filter(|fields| fields["point"] == point.name());
    here.map(|fields| fields["action"].as_str().unwrap().to_owned()).collect()
}

fn assert_acted(log: &str, point: Point, actions: &[&str]) {
    let wanted: BTreeSet<String> = actions.iter().map(|action| (*action).to_owned()).collect();
    assert_eq!(actions_in(log, point), wanted, "{} did not do all that it was told to:\n{log}", point.name());
}

/// Checks the errors that clients got: UNAVAILABLE, or INTERNAL where a fault was injected.
fn assert_told_well(point: Point, actions: &[&str], ended: &Ended) {
    let failures: Vec<&Status> = ended.journals.iter().flat_map(|journal| &journal.failures).collect();
    // A status without details is the gRPC library's own, for a broken connection.
    let told = failures.into_iter().filter(|status| status.get_details_error_info().is_some());
    let others: Vec<_> = told
        .filter(|status| status.code() != Code::Unavailable)
        .filter(|status| !(actions.contains(&"fault") && status.code() == Code::Internal))
        .collect();
    assert!(others.is_empty(), "{}: {others:?}", point.name());
}

/// The folder and database of a server.
struct Home {
    folder: TempDir,
    database: TestDatabase,
}

impl Home {
    fn new(database: TestDatabase) -> Self {
        Self { folder: tempfile::Builder::new().prefix("headwater-failpoints-").tempdir().unwrap(), database }
    }

    async fn try_start(&self, failpoints: &str) -> Result<Serving, String> {
        let flags = ["--database", self.database.url.as_str(), "--upkeep-interval-seconds", "1"];
        let environment = vec![("FAILPOINTS".to_owned(), failpoints.to_owned())];
        let options = ServerOptions { environment, ..options(self.folder.path(), &flags) };
        Serving::start(&options).await.map_err(|error| error.to_string())
    }

    async fn start(&self, failpoints: &str) -> Serving {
        self.try_start(failpoints).await.unwrap_or_else(|said| panic!("{failpoints}: it did not serve:\n{said}"))
    }

    /// A shop in a new account, with no hold period.
    async fn furnish(&self, server: &Serving, name: &str) -> Shop {
        let key = std::fs::read_to_string(self.folder.path().join("headwater-data/operator.key")).unwrap();
        let client = register(&server.url(), key.trim(), &name.to_lowercase()).await;
        Shop::furnish_with(client, pb::Terms { hold_period_days: Some(0), ..pb::Terms::default() }).await
    }
}

/// Clicks one after another for ever. The figures of an account without sales are folded apart from lists.
async fn click_on(mut client: Client) {
    loop {
        let click = pb::RecordClickRequest { ref_id: "ann".to_owned(), ..pb::RecordClickRequest::default() };
        if client.tracking.record_click(click).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

db_test!(failpoints_under_load_lose_and_double_nothing, |database: TestDatabase| async move {
    let home = Home::new(database);
    let mut server = home.start("").await;
    for point in points(|phase| matches!(phase, Phase::Working { .. })) {
        let Phase::Working { passes, actions, is_after_commit } = phase(point) else { continue };
        let shop = home.furnish(&server, point.name()).await;
        let other = home.furnish(&server, &format!("{}-clicks", point.name())).await;
        server.kill().await.unwrap();
        server = home.start(&schedule(point, passes, actions)).await;
        let load = Load::start(&server.url(), &shop.client.key, CLIENTS, Unanswered::Repeat);
        // Elsewhere clicks might take the action, and no answer to a sale would be lost.
        let clicks = if point == Point::InStatisticFold {
            let client = Client::connect(&server.url(), &other.client.key).await.unwrap();
            Some(tokio::spawn(click_on(client)))
        } else {
            None
        };
        let (status, log) = server.ended().await.unwrap();
        clicks.iter().for_each(tokio::task::JoinHandle::abort);
        assert_eq!(status.signal(), Some(SIGABRT), "{}: {status}\n{log}", point.name());
        assert_acted(&log, point, actions);

        server = home.start("").await;
        load.moved_to(&server.url());
        load.go_on_for(20).await;
        let ended = load.end().await;
        assert_told_well(point, actions, &ended);
        let replayed: usize = ended.journals.iter().map(|journal| journal.replayed).sum();
        assert!(replayed > 0 || !is_after_commit, "{}: no answer was lost after its commit", point.name());
    }
    server.terminate().await.unwrap();
});

db_test!(failpoints_at_startup_leave_a_start_possible, empty, |database: TestDatabase| async move {
    let kind = database.kind;
    let mut first = Some(database);
    for point in points(|phase| phase == Phase::Starting) {
        // These points are reached at the first start alone, so each needs an empty database.
        let database = match (first.take(), kind) {
            (Some(database), _) => database,
            (None, DatabaseKind::Sqlite) => TestDatabase::empty_sqlite().await,
            (None, DatabaseKind::Postgres) => TestDatabase::empty_postgres().await.unwrap(),
        };
        let home = Home::new(database);
        for (action, end) in [("error", "exit status: 1"), ("abort", "signal: 6")] {
            let said = home.try_start(&format!("{}=return({action})", point.name())).await.err();
            let said = said.unwrap_or_else(|| panic!("{} did not {action}", point.name()));
            assert_acted(&said, point, &[action]);
            assert!(said.contains(end), "{}: {said}", point.name());
        }
        let server = home.start(&format!("{}=return(pause)", point.name())).await;
        let shop = home.furnish(&server, point.name()).await;
        let load = Load::start(&server.url(), &shop.client.key, CLIENTS, Unanswered::Repeat);
        load.go_on_for(20).await;
        load.end().await;
        let (status, log) = server.terminate().await.unwrap();
        assert!(status.success(), "{}: {log}", point.name());
        assert_acted(&log, point, &["pause"]);
    }
});

db_test!(failpoints_at_shutdown_lose_nothing, |database: TestDatabase| async move {
    let home = Home::new(database);
    for point in points(|phase| phase == Phase::Stopping) {
        let mut server = home.start("").await;
        let shop = home.furnish(&server, point.name()).await;
        let load = Load::start(&server.url(), &shop.client.key, CLIENTS, Unanswered::Repeat);
        for action in FAILED {
            server.kill().await.unwrap();
            server = home.start(&format!("{}=return({action})", point.name())).await;
            load.moved_to(&server.url());
            load.go_on_for(20).await;
            let (status, log) = server.terminate().await.unwrap();
            assert_acted(&log, point, &[action]);
            let end = (status.code(), status.signal());
            let expected = if *action == "abort" { (None, Some(SIGABRT)) } else { (Some(0), None) };
            assert_eq!(end, expected, "{}: {log}", point.name());
            server = home.start("").await;
            load.moved_to(&server.url());
        }
        load.go_on_for(20).await;
        assert_told_well(point, FAILED, &load.end().await);
        server.terminate().await.unwrap();
    }
});

/// Without the fail library a build has no failpoints.
#[test]
fn no_build_but_that_of_the_tests_has_failpoints() {
    let library_of = |edges: &str| {
        let output = Command::new(env!("CARGO"))
            .args(["tree", "--workspace", "--frozen", "--prefix", "none", "--edges", edges])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
            .output()
            .unwrap();
        let (tree, troubles) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && tree.contains("headwater v"), "{tree}{troubles}");
        tree.lines().find(|line| line.starts_with("fail v")).map(ToOwned::to_owned)
    };
    assert_eq!(library_of("normal,build"), None);
    assert!(library_of("normal,build,dev").is_some());
}
