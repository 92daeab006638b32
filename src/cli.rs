//! The command line: runs the binary's commands. Only this file and the demo write to standard output.
#![expect(clippy::print_stdout, reason = "a command line answers on the terminal")]

mod care;

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::app::App;
use crate::auth::operator;
use crate::clock::{self, SystemClock};
use crate::config::{self, Action, CommandLine, ConfigError, Settings};
use crate::server::{self, Reloads, Server, ServerError, StopSignals};
use crate::store::StoreError;
use crate::{demo, logging};

/// Runs the binary. Returns 0 on success, 2 for a wrong command line or setting, 1 for any other failure.
pub fn main() -> ExitCode {
    let line = match read_line() {
        Ok(line) => line,
        Err(ConfigError::CommandLine(error)) => {
            // Help and version are errors of clap too, and are no failure.
            let _ = error.print();
            return if error.use_stderr() { ExitCode::from(2) } else { ExitCode::SUCCESS };
        }
        Err(error) => {
            complain(&error.to_string());
            return ExitCode::from(2);
        }
    };
    let log = &line.settings.log;
    if let Err(error) = logging::start(log.log_format, &log.log_filter) {
        complain(&format!("{}: `{}` is refused: {error}", line.settings.places.of("log_filter"), log.log_filter));
        return ExitCode::from(2);
    }
    for unknown in config::unknown_variables() {
        let similar = unknown.similar.map(|name| format!("; is it {name}?")).unwrap_or_default();
        tracing::warn!("the environment variable {} is no setting and has no effect{similar}", unknown.name);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            complain(&format!("cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let result = runtime.block_on(act(line));
    match result {
        Ok(code) => code,
        Err(error) => {
            complain(&error.to_string());
            if matches!(error, ServerError::Setting(_)) { ExitCode::from(2) } else { ExitCode::FAILURE }
        }
    }
}

/// The command line with its settings.
fn read_line() -> Result<CommandLine, ConfigError> {
    let mut line = CommandLine::read(std::env::args_os())?;
    // The demo is quiet by default, because people read its output and the log would come between its lines.
    let filter = &mut line.settings.log.log_filter;
    if matches!(line.action, Some(Action::Demo { .. })) && filter == "info" {
        *filter = "warn".to_owned();
    }
    Ok(line)
}

/// Says on standard error why the command failed. Unlike `eprintln`, it does not panic if nobody can read it.
fn complain(text: &str) {
    let _ = writeln!(std::io::stderr(), "headwater: {text}");
}

/// Writes to standard output. Unlike `print`, it does not panic if nobody can read it.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

async fn act(line: CommandLine) -> Result<ExitCode, ServerError> {
    let settings = line.settings;
    match line.action.unwrap_or(Action::Serve) {
        Action::Serve => {
            // The signals are handled before the server starts, because a user may stop the server as soon as it reports that it
            // serves.
            let mut signals = StopSignals::listen()?;
            let reloads = reloads(&settings)?;
            let server = tokio::select! {
                started = Server::start(&settings, clock::of_server()) => started?,
                () = signals.received() => return Ok(ExitCode::FAILURE),
            };
            server.run_until(signals.received(), Some(reloads)).await?;
        }
        Action::Demo { once } => return demo::run(&settings, once, reloads(&settings)?).await,
        Action::CreateOperatorKey => println!("{}", create_operator_key(&settings).await?.expose_secret()),
        Action::Backup { to } => return care::back_up(&settings, &to),
        Action::Restore { from } => return care::restore(&settings, &from).await,
        Action::Check => return care::check_all(&settings).await,
        Action::Config => match settings.to_toml() {
            Ok(text) => print!("{text}"),
            Err(error) => {
                complain(&error.to_string());
                return Ok(ExitCode::FAILURE);
            }
        },
        Action::Protoset => {
            if let Err(error) = write_protoset() {
                complain(&format!("cannot write the API's description: {error}"));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// SIGHUP, from now on.
fn reloads(settings: &Settings) -> Result<Reloads, ServerError> {
    Reloads::listen(settings.clone(), || Ok(read_line()?.settings))
}

/// Writes a `google.protobuf.FileDescriptorSet`. A terminal is refused, because the description is binary.
fn write_protoset() -> std::io::Result<()> {
    let mut output = std::io::stdout().lock();
    if output.is_terminal() {
        return Err(std::io::Error::other(
            "it is binary; redirect it to a file, as in `headwater protoset > headwater.protoset`",
        ));
    }
    output.write_all(crate::pb::FILE_DESCRIPTOR_SET)?;
    output.flush()
}

async fn create_operator_key(settings: &Settings) -> Result<secrecy::SecretString, ServerError> {
    let store = server::open_store(settings).await.map_err(|error| match error {
        ServerError::Store(cause @ StoreError::Refused(_)) => ServerError::NoOperatorKey(cause),
        error => error,
    })?;
    let store = Arc::new(store);
    let options = server::app_options(settings, &store, server::post(settings)?).await?;
    let (app, writer) = App::start(store, Arc::new(SystemClock), &options).map_err(ServerError::Writer)?;
    let key = operator::create(&app).await;
    app.close();
    // The writer ends once its queue is empty. Its own failure needs no check, because `key` is an error in that case.
    let _ = writer.await;
    app.store().close().await?;
    Ok(key?)
}
