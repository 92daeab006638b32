//! Starts that fail: what they say, and that they change nothing. `binary.rs` tests starts that succeed.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Output;

use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ConnectionTrait, Database};
use tempfile::TempDir;
use testkit::process::{self, ServerOptions, Serving};
use testkit::say;

use crate::support::binary::{BINARY, operator_key, options, run_to_end, serve};
use crate::support::certificate::make_certificates;
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::register;

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-start-").tempdir().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the binary with these environment variables until it exits.
async fn run_with(directory: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = process::command(Path::new(BINARY), arguments);
    command.current_dir(directory).envs(environment.iter().copied());
    process::run_to_end(command).await.unwrap()
}

#[tokio::test]
async fn a_host_name_is_an_address_to_listen_on() {
    let folder = folder();
    let options = ServerOptions { listen_address: "localhost:0".to_owned(), ..options(folder.path(), &[]) };
    let server = Serving::start(&options).await.unwrap();
    register(&server.url(), &operator_key(folder.path()), "shop").await;
    // The clients' other spelling of the same machine must work too.
    let port = server.address().rsplit_once(':').unwrap().1;
    register(&format!("http://localhost:{port}"), &operator_key(folder.path()), "second").await;
}

#[tokio::test]
async fn a_wrong_variable_is_reported_by_its_name() {
    let folder = folder();
    for (name, value, words) in [
        (
            "HEADWATER_CALLS_MAX",
            "many",
            "the environment variable HEADWATER_CALLS_MAX: `many` is refused: invalid digit",
        ),
        (
            "HEADWATER_LISTEN_ADDRESS",
            "0.0.0.0:0",
            "the environment variable HEADWATER_LISTEN_ADDRESS: 0.0.0.0:0 can be",
        ),
        ("HEADWATER_LOG_FORMAT", "", "the environment variable HEADWATER_LOG_FORMAT: "),
        (
            "HEADWATER_LOG_FILTER",
            "headwater=loud",
            "the environment variable HEADWATER_LOG_FILTER: `headwater=loud` is",
        ),
        ("HEADWATER_TLS_KEY_FILE", "key.pem", "the environment variable HEADWATER_TLS_KEY_FILE: `tls_key_file` needs"),
        ("HEADWATER_CONFIG", "missing.toml", "cannot read the settings file missing.toml"),
    ] {
        let output = run_with(folder.path(), &["config"], &[(name, value)]).await;
        assert_eq!(output.status.code(), Some(2), "{name}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{name}: {}", stderr(&output));
    }
    // A flag that overrides the variable is the one to blame.
    let output = run_with(folder.path(), &["--calls-max", "0"], &[("HEADWATER_CALLS_MAX", "many")]).await;
    assert!(stderr(&output).contains("the flag --calls-max: `0`"), "{}", stderr(&output));
}

#[tokio::test]
async fn a_variable_that_is_no_setting_is_named_in_the_log() {
    let folder = folder();
    let environment = [("HEADWATER_LISTEN_ADRESS", "secret"), ("HEADWATER_TEST_POSTGRES", "x"), ("HEADWATER_KEY", "x")];
    let output = run_with(folder.path(), &["config"], &environment).await;
    assert_eq!(output.status.code(), Some(0));
    let said = stderr(&output);
    let words = "HEADWATER_LISTEN_ADRESS is no setting and has no effect; is it HEADWATER_LISTEN_ADDRESS?";
    assert!(said.contains(words), "{said}");
    assert_eq!((said.lines().count(), said.contains("secret")), (1, false), "{said}");
}

/// Whether anything was made in the database.
async fn is_untouched(database: &TestDatabase) -> bool {
    match database.kind {
        DatabaseKind::Sqlite => !Path::new(database.url.trim_start_matches("sqlite://")).exists(),
        DatabaseKind::Postgres => {
            let connection = Database::connect(&database.url).await.unwrap();
            let tables = Query::select()
                .column("table_name")
                .from(("information_schema", "tables"))
                .and_where(Expr::col("table_schema").eq("public"))
                .take();
            let found = connection.query_one(&tables).await.unwrap();
            connection.close().await.unwrap();
            found.is_none()
        }
    }
}

db_test!(a_start_that_cannot_listen_changes_nothing, empty, |database: TestDatabase| async move {
    let folder = folder();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let has_certificates = make_certificates(folder.path()).await;
    std::fs::write(folder.path().join("empty.pem"), "").unwrap();
    let key = "-----BEGIN ENCRYPTED PRIVATE KEY-----";
    std::fs::write(folder.path().join("locked.key"), key).unwrap();
    let address = format!("127.0.0.1:{port}");
    let by_name = format!("localhost:{port}");
    let mut cases = vec![
        (vec!["--listen-address", &address], format!("the flag --listen-address: cannot listen on {address}: Address")),
        (vec!["--listen-address", &by_name], format!("the flag --listen-address: cannot listen on {by_name}: Address")),
        (
            vec!["--listen-address", "nobody.invalid:0"],
            "the flag --listen-address: cannot listen on nobody.invalid:0: ".to_owned(),
        ),
        (
            vec!["--tls-certificate-file", "none.pem", "--tls-key-file", "locked.key"],
            "the flag --tls-certificate-file: cannot use none.pem: No such file".to_owned(),
        ),
        (
            vec!["--tls-certificate-file", "empty.pem", "--tls-key-file", "locked.key"],
            "the flag --tls-certificate-file: cannot use empty.pem: it has no certificate".to_owned(),
        ),
    ];
    if has_certificates {
        for (key, words) in [
            ("none.key", "the flag --tls-key-file: cannot use none.key: No such file"),
            ("empty.pem", "the flag --tls-key-file: cannot use empty.pem: it has no private key"),
            ("locked.key", "the flag --tls-key-file: cannot use locked.key: its key has a passphrase"),
            (
                "authority.key",
                "the flag --tls-certificate-file: cannot use server.pem: cannot be used with the key authority.key: ",
            ),
        ] {
            cases.push((vec!["--tls-certificate-file", "server.pem", "--tls-key-file", key], words.to_owned()));
        }
    } else {
        say("wrong TLS keys are not tested: there is no openssl in PATH");
    }
    for (arguments, words) in cases {
        let listen = if arguments[0] == "--listen-address" { &[][..] } else { &["--listen-address", "127.0.0.1:0"] };
        let arguments = [&["--database", &database.url], listen, &arguments].concat();
        let output = run_to_end(folder.path(), &arguments).await;
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", stderr(&output));
        assert!(stderr(&output).contains(&words), "{arguments:?}: {}", stderr(&output));
        assert!(!folder.path().join("headwater-data").exists(), "{arguments:?} left a directory behind");
        assert!(is_untouched(&database).await, "{arguments:?} changed the database");
    }
});

db_test!(a_new_database_never_gets_a_key_over_that_of_another, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &[]).await;
    let key = operator_key(folder.path());
    server.terminate().await.unwrap();
    let data_dir = folder.path().join("headwater-data");
    // As if the volume of the database were not mounted, or with another database.
    for file in ["headwater.sqlite", "headwater.sqlite.lock", "headwater.sqlite.key"] {
        std::fs::rename(data_dir.join(file), folder.path().join(file)).unwrap();
    }
    let flags = ["--listen-address", "127.0.0.1:0", "--database"];
    for (database_url, action) in
        [("sqlite", "serve"), (&database.url, "serve"), (&database.url, "create-operator-key")]
    {
        let output = run_to_end(folder.path(), &[&flags[..], &[database_url, action]].concat()).await;
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("headwater-data/operator.key has the operator key of another database"), "{said}");
        assert_eq!(operator_key(folder.path()), key);
        assert_eq!(std::fs::read_dir(&data_dir).unwrap().count(), 1, "something was made beside the key");
        assert!(is_untouched(&database).await);
    }
    // An empty file is what a failed mount or a restore can leave.
    std::fs::write(data_dir.join("headwater.sqlite"), "").unwrap();
    let output = run_to_end(folder.path(), &flags[..2]).await;
    assert!(stderr(&output).contains("operator key of another database"), "{}", stderr(&output));

    for file in ["headwater.sqlite", "headwater.sqlite.lock", "headwater.sqlite.key"] {
        std::fs::rename(folder.path().join(file), data_dir.join(file)).unwrap();
    }
    let server = serve(folder.path(), &[]).await;
    register(&server.url(), &key, "shop").await;
    server.terminate().await.unwrap();
    // Without the key's file the other database is a first start like any.
    std::fs::remove_file(data_dir.join("operator.key")).unwrap();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    register(&server.url(), &operator_key(folder.path()), "shop").await;
});

db_test!(a_new_database_is_not_made_where_its_key_cannot_be_written, empty, |database: TestDatabase| async move {
    let folder = folder();
    // Nobody may make files there, not even the superuser.
    std::os::unix::fs::symlink("/proc", folder.path().join("headwater-data")).unwrap();
    let flags = ["--listen-address", "127.0.0.1:0", "--database", &database.url];
    let output = run_to_end(folder.path(), &flags).await;
    let said = stderr(&output);
    assert!(said.contains("its operator key cannot be written to headwater-data/operator.key"), "{said}");
    assert!(is_untouched(&database).await);
});

#[tokio::test]
async fn a_full_disk_is_named() {
    let folder = folder();
    // A file system of its own, which only this process and its children see. The first has no room for anything, the second none
    // for the schema.
    for size in ["4k", "64k"] {
        let script = format!(
            "mount -t tmpfs -o size={size} tmpfs . && cd \"$PWD\" && exec \"$0\" --data-dir . --listen-address 127.0.0.1:0"
        );
        let arguments = ["--user", "--map-root-user", "--mount", "sh", "-c", &script, BINARY];
        let mut command = process::command(Path::new("unshare"), &arguments);
        command.current_dir(folder.path());
        let Ok(output) = process::run_to_end(command).await else {
            say("a full disk is not tested: there is no unshare");
            return;
        };
        let said = stderr(&output);
        if said.contains("unshare: ") || said.contains("mount: ") {
            say("a full disk is not tested: this user may not mount");
            return;
        }
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("cannot use the database: the disk of the database is full"), "{size}: {said}");
    }
}

/// What the binary says in a user namespace, after a script. `None`: this machine does not allow it.
async fn said_after(folder: &Path, flags: &[&str], script: &str) -> Option<String> {
    let script = format!("{script} && cd \"$PWD\" && exec \"$0\" --listen-address 127.0.0.1:0");
    let arguments = [flags, &["sh", "-c", &script, BINARY]].concat();
    let mut command = process::command(Path::new("unshare"), &arguments);
    command.current_dir(folder);
    let output = process::run_to_end(command).await.ok()?;
    let said = stderr(&output);
    if said.contains("unshare: ") || said.contains("mount: ") {
        return None;
    }
    assert_eq!(output.status.code(), Some(1), "{said}");
    Some(said)
}

#[tokio::test]
async fn a_file_system_that_cannot_be_written_is_named() {
    let folder = folder();
    serve(folder.path(), &[]).await.terminate().await.unwrap();
    let data_dir = folder.path().join("headwater-data");
    let files = ["headwater.sqlite", "headwater.sqlite.lock", "operator.key"];
    let before = files.map(|name| std::fs::read(data_dir.join(name)).unwrap());
    let mount = "mount --bind \"$PWD\" \"$PWD\" && mount -o remount,bind,ro \"$PWD\"";
    match said_after(folder.path(), &["--user", "--map-root-user", "--mount"], mount).await {
        Some(said) => {
            assert!(said.contains("headwater.sqlite.lock: Read-only file system"), "{said}");
            assert!(said.contains("Mount the file system so that it can be written"), "{said}");
        }
        None => say("a read-only file system is not tested: this user may not mount"),
    }
    // Without the superuser's rights, the file's mode counts.
    std::fs::set_permissions(data_dir.join("headwater.sqlite"), PermissionsExt::from_mode(0o400)).unwrap();
    match said_after(folder.path(), &["--user"], "true").await {
        Some(said) => {
            assert!(said.contains("headwater.sqlite: Permission denied"), "{said}");
            assert!(said.contains("with chown or chmod"), "{said}");
        }
        None => say("a file without permission is not tested: there are no user namespaces"),
    }
    assert!(
        files.map(|name| std::fs::read(data_dir.join(name)).unwrap()) == before,
        "a failed start changed something"
    );
}
