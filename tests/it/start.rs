//! Starts that fail: what they say, and that they change nothing. `binary.rs` tests starts that succeed.

use std::path::Path;
use std::process::Output;

use tempfile::TempDir;
use testkit::process::{self, ServerOptions, Serving};

use crate::support::binary::{BINARY, operator_key, options};
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
