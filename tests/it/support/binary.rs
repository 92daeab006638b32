//! Runs the binary of this package as an operator does, in a directory of its own. Knows where it is, not its API.

use std::path::Path;
use std::process::Output;

use testkit::process::{self, ServerOptions, Serving};

/// The path of the binary.
pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_headwater");

/// Options to run the binary in the directory. Its data is in `headwater-data` there, unless the flags say otherwise.
pub(crate) fn options(directory: &Path, flags: &[&str]) -> ServerOptions {
    ServerOptions {
        directory: Some(directory.to_owned()),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        ..ServerOptions::new(Path::new(BINARY))
    }
}

/// Starts the binary and waits until it serves.
pub(crate) async fn serve(directory: &Path, flags: &[&str]) -> Serving {
    Serving::start(&options(directory, flags)).await.unwrap()
}

/// Runs the binary with only these arguments until it exits.
pub(crate) async fn run_to_end(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = process::command(Path::new(BINARY), arguments);
    command.current_dir(directory);
    process::run_to_end(command).await.unwrap()
}

/// The operator key that the first start wrote.
pub(crate) fn operator_key(directory: &Path) -> String {
    std::fs::read_to_string(directory.join("headwater-data/operator.key")).unwrap().trim().to_owned()
}
