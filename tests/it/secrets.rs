//! A password in a database URL is in no output of any command, however wrong the URL is and wherever it comes from.

use std::path::Path;

use futures::StreamExt;
use tempfile::TempDir;
use testkit::process;

use crate::support::binary::BINARY;

/// The part of a password that no output may have.
const CANARY: &str = "canary";

/// How many processes run at a time.
const PROCESSES_MAX: usize = 32;

/// Passwords with characters that have a meaning in a URL, and URLs that are wrong in other ways. No database answers.
const URLS: [&str; 19] = [
    "postgres://me:canary/canary@127.0.0.1:1/db",
    "postgres://me:canary#canary@127.0.0.1:1/db",
    "postgres://me:canary?canary@127.0.0.1:1/db",
    "postgres://me:1/canary@127.0.0.1:1/db",
    "postgres://me:1?canary@127.0.0.1:1/db",
    "postgres://me:canary@canary@127.0.0.1:1/db",
    "postgres://me:canary%zz@127.0.0.1:1/db",
    "postgres://me:canary%ff@127.0.0.1:1/db",
    "postgres://me:canary[]@127.0.0.1:1/db",
    "postgres://me:canary@127.0.0.1:port/db",
    "postgres://me:canary@/db",
    "postgres://me:canary@127.0.0.1:1/db?password=canary&canary=1",
    "postgres://127.0.0.1:1/db?user=me&passwd=canary",
    "postgres://127.0.0.1:1/db?user=me&password=can#canary",
    "postgres://me:canary@127.0.0.1:1/db",
    "postgres:me:canary@127.0.0.1/db",
    "mysql://me:canary@127.0.0.1/db",
    "sqlite://me:canary@127.0.0.1/db",
    " postgres://me:canary@127.0.0.1:1/db",
];

/// How the URL reaches the program.
#[derive(Clone, Copy, Debug)]
enum Way {
    Flag,
    Variable,
    File,
    /// By mistake, as an argument without a flag.
    Argument,
}

fn command(folder: &Path, number: usize, url: &str, way: Way, action: &[&str]) -> tokio::process::Command {
    let mut arguments = action.to_vec();
    arguments.extend(["--listen-address", "127.0.0.1:0", "--log-filter", "trace"]);
    let file = format!("settings-{number}.toml");
    match way {
        Way::Flag => arguments.extend(["--database", url]),
        Way::Argument => arguments.push(url),
        Way::File => {
            std::fs::write(folder.join(&file), format!("database = '{url}'\n")).unwrap();
            arguments.extend(["--config", &file]);
        }
        Way::Variable => {}
    }
    let mut command = process::command(Path::new(BINARY), &arguments);
    command.current_dir(folder);
    if matches!(way, Way::Variable) {
        command.env("HEADWATER_DATABASE", url);
    }
    command
}

#[tokio::test]
async fn a_password_is_in_no_output() {
    let folder: TempDir = tempfile::Builder::new().prefix("headwater-secrets-").tempdir().unwrap();
    let actions: [&[&str]; 6] =
        [&[], &["config"], &["check"], &["create-operator-key"], &["backup", "--to", "x"], &["restore", "--from", "x"]];
    let mut runs = Vec::new();
    for url in URLS {
        for way in [Way::Flag, Way::Variable, Way::File, Way::Argument] {
            for action in actions {
                let command = command(folder.path(), runs.len(), url, way, action);
                runs.push(async move {
                    let output = process::run_to_end(command).await.unwrap();
                    let said = [output.stdout, output.stderr]
                        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                        .concat();
                    assert!(!said.contains(CANARY), "{url} by {way:?} to {action:?}: {said}");
                    assert!(!said.is_empty(), "{url} by {way:?} to {action:?} says nothing");
                });
            }
        }
    }
    let count = runs.len();
    let done = futures::stream::iter(runs).buffer_unordered(PROCESSES_MAX).collect::<Vec<()>>().await;
    assert_eq!(done.len(), count);
}

#[tokio::test]
async fn a_wrong_url_is_explained() {
    let folder: TempDir = tempfile::Builder::new().prefix("headwater-secrets-").tempdir().unwrap();
    for (url, words) in [
        ("postgres://me:p/w@h/db", "write / as %2F"),
        ("postgres://me:p#w@h/db", "# as %23"),
        ("postgres://me:pw@h:port/db", "it cannot be read: invalid port number"),
        ("postgres://h/db?passwd=x", "it has a parameter that is none of application_name"),
        ("sqlite://me:pw@h/db", "a SQLite database is a file"),
        ("mysql://h/db", "must be `sqlite`"),
    ] {
        let output = process::run_to_end(command(folder.path(), 0, url, Way::Variable, &["config"])).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{url}: {said}");
        assert!(said.contains("the environment variable HEADWATER_DATABASE: its value is refused: "), "{url}: {said}");
        assert!(said.contains(words), "{url}: {said}");
    }
}
