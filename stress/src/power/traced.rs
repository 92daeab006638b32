//! Processes under strace: a server from its start, or processes already running. Knows nothing of the trace's contents.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use testkit::process::{self, ServerOptions, Serving};
use tokio::process::Child;

use super::trace;
use crate::figures;

/// The time limit for strace to attach and to end.
const PATIENCE: Duration = Duration::from_secs(60);

fn flags(trace: &Path) -> Vec<String> {
    let calls = format!("trace={}", trace::CALLS);
    let path = trace.to_string_lossy();
    trace::FLAGS.iter().copied().chain(["-e", &calls, "-o", &path]).map(str::to_owned).collect()
}

/// A server under strace from its start. It is killed when it is dropped.
pub(super) struct Traced {
    /// Its address.
    pub(super) url: String,
    /// `None` once it is stopped.
    strace: Option<Serving>,
    server_pid: u32,
}

impl Traced {
    pub(super) async fn start(options: &ServerOptions, trace: &Path) -> anyhow::Result<Self> {
        let runner = [vec!["strace".to_owned()], flags(trace), vec!["--seccomp-bpf".to_owned(), "--".to_owned()]];
        let strace = Serving::start(&ServerOptions { runner: runner.concat(), ..options.clone() }).await?;
        let server_pid = figures::tree(strace.pid()?).get(1).copied().context("strace has no server")?;
        Ok(Self { url: strace.url(), strace: Some(strace), server_pid })
    }

    /// Stops the server cleanly, and waits until the trace is complete.
    pub(super) async fn stop(mut self) -> anyhow::Result<()> {
        let strace = self.strace.take().context("it has been stopped")?;
        process::signal(self.server_pid, "TERM").await?;
        // strace ends with the traced process.
        strace.ended().await?;
        Ok(())
    }
}

impl Drop for Traced {
    fn drop(&mut self) {
        // Killing strace does not kill the traced process.
        if self.strace.is_some() {
            let _ = std::process::Command::new("kill").args(["-9", &self.server_pid.to_string()]).output();
        }
    }
}

/// strace attached to running processes and all their descendants. Dropping it detaches.
pub(super) struct Attached {
    strace: Child,
}

impl Attached {
    /// Attaches to these processes and their descendants.
    pub(super) async fn to(roots: &[u32], trace: &Path) -> anyhow::Result<Self> {
        let pids: Vec<u32> = roots.iter().flat_map(|root| figures::tree(*root)).collect();
        let mut arguments = flags(trace);
        // Sockets are printed with their addresses, because some lead to callers and some to the database.
        arguments.push("-y".to_owned());
        for pid in &pids {
            arguments.extend(["-p".to_owned(), pid.to_string()]);
        }
        let strace = process::command(Path::new("strace"), &arguments).stderr(Stdio::null()).spawn()?;
        let begun_at = clock::monotonic_now();
        while !pids.iter().all(|pid| is_traced(*pid)) {
            if begun_at.elapsed() > PATIENCE {
                bail!("strace could not attach to {pids:?}");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(Self { strace })
    }

    /// Detaches, and waits until the trace is complete.
    pub(super) async fn detach(mut self) -> anyhow::Result<()> {
        process::signal(self.strace.id().context("strace has ended")?, "TERM").await?;
        tokio::time::timeout(PATIENCE, self.strace.wait()).await.context("strace did not let go in time")??;
        Ok(())
    }
}

/// Whether all threads of a process are traced. Threads that have ended meanwhile do not count.
fn is_traced(pid: u32) -> bool {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| std::fs::read_to_string(thread.path().join("status")).ok()).all(|status| {
        let tracer = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        tracer.is_none_or(|tracer| tracer.trim() != "0")
    })
}
