//! Runs the commands of the README and of docs/grpcurl.md as a reader would paste them. It takes every `sh` block that calls a local
//! server, in order, in one shell. The output shown under a block must appear.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use testkit::say;
use tokio::process::Command;

use crate::support::binary::{BINARY, operator_key, serve};
use crate::support::certificate::make_certificates;

/// The server address in the pages.
const ADDRESS: &str = "localhost:50051";

/// The address of a server with TLS and without reflection.
const TLS_ADDRESS: &str = "localhost:50052";

/// The pages' placeholder for output that varies. Alone on a line it matches any number of lines.
const ANYTHING: &str = "...";

/// grpcurl's exit code at `-max-time`: 64 plus the gRPC code DEADLINE_EXCEEDED.
const TIME_IS_UP: i32 = 64 + 4;

/// Much more time than all commands need.
const PATIENCE: Duration = Duration::from_secs(120);

/// Commands to paste, and their output.
struct Example {
    lines: String,
    shown: Option<String>,
}

/// A shell with the programs that the pages use, in a directory of its own.
struct Shell<'test> {
    directory: &'test Path,
    /// Folders of programs.
    path: Vec<PathBuf>,
    /// The addresses in the pages, and those in their place.
    addresses: Vec<(&'static str, String)>,
    environment: Vec<(&'static str, String)>,
}

#[tokio::test(flavor = "multi_thread")]
async fn the_readmes_lines_work_when_pasted() {
    let Some(grpcurl) = find("grpcurl", "HEADWATER_REQUIRE_GRPCURL") else { return };
    let directory = tempfile::Builder::new().prefix("headwater-readme-").tempdir().unwrap();
    let server = serve(directory.path(), &[]).await;
    let shell = Shell {
        directory: directory.path(),
        path: vec![grpcurl],
        addresses: vec![(ADDRESS, server.address().to_owned())],
        environment: vec![],
    };
    shell.check(&examples(include_str!("../../README.md"))).await;
    let (status, _) = server.terminate().await.unwrap();
    assert_eq!(status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lines_for_operators_work_when_pasted() {
    let Some(grpcurl) = find("grpcurl", "HEADWATER_REQUIRE_GRPCURL") else { return };
    let mut examples = examples(include_str!("../../docs/grpcurl.md"));
    let mut path = vec![grpcurl, Path::new(BINARY).parent().unwrap().to_owned()];
    match find("buf", "HEADWATER_REQUIRE_BUF") {
        Some(folder) => path.push(folder),
        None => examples.retain(|example| !example.lines.contains("buf curl")),
    }
    let (directory, tls_directory) = (folder(), folder());
    let server = serve(directory.path(), &[]).await;
    let mut addresses = vec![(ADDRESS, server.address().to_owned())];
    let mut environment = vec![];
    let mut tls_server = None;
    if make_certificates(tls_directory.path()).await {
        let flags = ["--tls-certificate-file", "server.pem", "--tls-key-file", "server.key", "--reflection", "false"];
        let server = serve(tls_directory.path(), &flags).await;
        // The certificate is for this name.
        addresses.push((TLS_ADDRESS, server.address().replace("127.0.0.1", "localhost")));
        environment.push(("TLS_KEY", operator_key(tls_directory.path())));
        std::fs::copy(tls_directory.path().join("authority.pem"), directory.path().join("authority.pem")).unwrap();
        tls_server = Some(server);
    } else {
        say("the lines with TLS are not tested: there is no openssl in PATH");
        examples.retain(|example| !example.lines.contains(TLS_ADDRESS));
    }
    Shell { directory: directory.path(), path, addresses, environment }.check(&examples).await;
    drop((server, tls_server));
}

fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("headwater-pages-").tempdir().unwrap()
}

/// The folder of a program. If the program is neither installed nor required, prints a line and returns `None`.
fn find(program: &str, requirement: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let of_go = std::env::var_os("HOME").map(|home| Path::new(&home).join("go/bin"));
    let found = std::env::split_paths(&path).chain(of_go).find(|folder| folder.join(program).is_file());
    if found.is_none() {
        let required = std::env::var(requirement).is_ok_and(|value| value == "1");
        assert!(!required, "{requirement}=1, but there is no {program} in PATH or ~/go/bin");
        say(&format!("the lines with {program} are not tested: it is not in PATH or ~/go/bin"));
    }
    found
}

impl Shell<'_> {
    /// Runs all examples, and compares the output of each with what the page shows.
    async fn check(&self, examples: &[Example]) {
        assert!(examples.len() > 10, "found only {} examples", examples.len());
        let outputs = self.paste(examples).await;
        for (example, output) in examples.iter().zip(&outputs) {
            if let Some(shown) = &example.shown
                && let Err(missing) = check_shown(shown, output)
            {
                panic!(
                    "the page shows\n  {missing}\nwhich is not in its place in the output of\n{}\n{output}",
                    example.lines
                );
            }
        }
    }

    /// Runs all examples in one shell, so that variables carry over. Returns the output of each.
    async fn paste(&self, examples: &[Example]) -> Vec<String> {
        const MARK: &str = "==== next example";
        let mut script = String::new();
        for Example { lines, .. } in examples {
            let mut lines = lines.clone();
            for (shown, real) in &self.addresses {
                lines = lines.replace(shown, real);
            }
            writeln!(script, "echo '{MARK}'").unwrap();
            if lines.contains("-max-time") {
                // Only an endless stream ends with this code.
                writeln!(script, "code=0\n{{\n{lines}}} || code=$?\ntest $code -eq {TIME_IS_UP}").unwrap();
            } else {
                script.push_str(&lines);
            }
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = self.path.iter().cloned().chain(std::env::split_paths(&path));
        let output = Command::new("sh")
            .args(["-eu", "-c", &script])
            .current_dir(self.directory)
            .env("PATH", std::env::join_paths(folders).unwrap())
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(PATIENCE, output).await.expect("the lines end in time").unwrap();
        let (said, troubles) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "a line failed, {}:\n{said}\n{troubles}", output.status);
        said.split(&format!("{MARK}\n")).skip(1).map(ToOwned::to_owned).collect()
    }
}

fn examples(page: &str) -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut lines = page.lines();
    // Whether only empty lines followed the last example.
    let mut is_next = false;
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix("```") else {
            is_next &= line.is_empty();
            continue;
        };
        let block: String =
            lines.by_ref().take_while(|line| *line != "```").fold(String::new(), |text, line| text + line + "\n");
        match kind {
            "sh" => {
                is_next = [ADDRESS, TLS_ADDRESS].iter().any(|address| block.contains(address));
                if is_next {
                    examples.push(Example { lines: block, shown: None });
                }
            }
            "json" | "text" if is_next => {
                examples.last_mut().unwrap().shown = Some(block);
                is_next = false;
            }
            _ => is_next = false,
        }
    }
    examples
}

/// Whether the output matches; otherwise the first line that is missing or out of order.
fn check_shown<'page>(shown: &'page str, output: &str) -> Result<(), &'page str> {
    let output: Vec<&str> = output.lines().collect();
    let (mut place, mut anywhere) = (0, false);
    for line in shown.lines() {
        if line.trim() == ANYTHING {
            anywhere = true;
            continue;
        }
        let distance = output[place..].iter().position(|other| fits(line, other)).ok_or(line)?;
        if distance > 0 && !anywhere {
            return Err(line);
        }
        place += distance + 1;
        anywhere = false;
    }
    if anywhere || place == output.len() { Ok(()) } else { Err("(the end)") }
}

fn fits(shown: &str, line: &str) -> bool {
    let mut parts = shown.split(ANYTHING);
    let Some(mut rest) = parts.next().and_then(|beginning| line.strip_prefix(beginning)) else { return false };
    let mut is_open = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        is_open = part.is_empty();
    }
    is_open || rest.is_empty()
}

#[test]
fn shown_output_is_compared() {
    let output = "{\n  \"id\": \"cnv_1\",\n  \"amount\": \"-120\"\n}\n";
    assert_eq!(check_shown(output, output), Ok(()));
    assert_eq!(check_shown("...\n  \"id\": \"cnv_...\",\n...\n", output), Ok(()));
    assert_eq!(check_shown("...\n}\n", output), Ok(()));
    assert_eq!(check_shown("...\n  \"id\": \"cnv_2\",\n...\n", output), Err("  \"id\": \"cnv_2\","));
    assert_eq!(check_shown("{\n  \"amount\": \"-120\"\n...\n", output), Err("  \"amount\": \"-120\""));
    assert_eq!(check_shown("{\n", output), Err("(the end)"));
}

#[test]
fn examples_are_found_with_what_they_show() {
    let page = "```sh\ncargo run\n```\n\n```sh\ngrpcurl localhost:50051 list\n```\n\n```text\nall\n```\n\nand\n\n```text\nno\n```\n";
    let found = examples(page);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].lines, "grpcurl localhost:50051 list\n");
    assert_eq!(found[0].shown.as_deref(), Some("all\n"));
}
