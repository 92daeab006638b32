//! The attacker's process, seen from both sides: the command that attacks for a time and counts, and the handle on it. Does not
//! know any attack.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use headwater::clock;
use serde_json::{Value, json};
use testkit::process;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdout};
use tokio::time::Instant;

use super::{Attack, find};

/// The name of the hidden command.
pub(crate) const COMMAND: &str = "attack-child";

/// Raises the limit of open files and gives up the processor to everybody else. An attacker has a machine of its own, so it must
/// not take the processors from the server and the victim here.
const WRAPPER: &str = "ulimit -n 16384 2>/dev/null || ulimit -n \"$(ulimit -H -n)\"; exec nice -n 19 \"$@\"";

/// How long a connection may take to open.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What the attacker's process is told. The materials, such as keys, come by standard input, one in a line.
#[derive(clap::Args, Debug, Clone)]
pub(crate) struct Options {
    /// The name of the attack.
    #[arg(long)]
    attack: String,
    /// Where the server listens.
    #[arg(long)]
    address: SocketAddr,
    /// The address that connections come from. May be repeated.
    #[arg(long = "source")]
    sources: Vec<Ipv4Addr>,
    /// How long to attack.
    #[arg(long)]
    seconds: u64,
    /// How long to keep open what is open after that.
    #[arg(long, default_value_t = 0)]
    linger_seconds: u64,
}

/// What the attacker knows of its target, and what it has done to it. Clones count together.
#[derive(Clone)]
pub(super) struct Target {
    /// Where the server listens.
    pub(super) address: SocketAddr,
    sources: Vec<Ipv4Addr>,
    /// What the attack was prepared with, such as keys.
    pub(super) materials: Arc<Vec<String>>,
    ends_at: Instant,
    pub(super) tally: Arc<Tally>,
}

/// What an attacker has done, and what became of it.
#[derive(Default)]
pub(super) struct Tally {
    /// Calls, streams, connections or frames, whichever the attack counts.
    pub(super) sent: AtomicU64,
    /// Connections and streams that ended without a gRPC status.
    pub(super) ended: AtomicU64,
    /// Connections or streams that are open now.
    pub(super) open: AtomicI64,
    /// Answers by their gRPC status.
    answers: Mutex<BTreeMap<i32, u64>>,
    /// One text of a refusal.
    sample: Mutex<Option<String>>,
}

impl Target {
    /// Whether new connections and calls are still to be made.
    pub(super) fn is_attacked(&self) -> bool {
        clock::monotonic_now() < self.ends_at
    }

    /// A material by its number. They are used in turn.
    pub(super) fn material(&self, number: usize) -> String {
        self.materials.get(number % self.materials.len().max(1)).cloned().unwrap_or_default()
    }

    /// Opens a connection. The sources are used in turn.
    pub(super) async fn dial(&self, place: usize) -> anyhow::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = self.sources.get(place % self.sources.len().max(1)) {
            socket.bind(SocketAddrV4::new(*source, 0).into())?;
        }
        let stream = tokio::time::timeout(CONNECT_TIMEOUT, socket.connect(self.address)).await??;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// A target for tests, attacked until this moment.
    #[cfg(test)]
    pub(super) fn of(address: SocketAddr, ends_at: Instant) -> Self {
        Self { address, sources: vec![Ipv4Addr::LOCALHOST], materials: Arc::default(), ends_at, tally: Arc::default() }
    }
}

impl Tally {
    pub(super) fn sent(&self, count: u64) {
        self.sent.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn ended(&self) {
        self.ended.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn answered(&self, code: i32, message: &str) {
        *self.answers.lock().unwrap_or_else(PoisonError::into_inner).entry(code).or_default() += 1;
        if code != 0 {
            self.sample.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| message.to_owned());
        }
    }

    /// Counts something as open until the returned guard is dropped.
    pub(super) fn hold(self: &Arc<Self>) -> Open {
        self.open.fetch_add(1, Ordering::Relaxed);
        Open(Arc::clone(self))
    }

    /// The answers by their gRPC status.
    pub(super) fn answers(&self) -> BTreeMap<i32, u64> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn line(&self) -> String {
        let answers: BTreeMap<String, u64> =
            self.answers().into_iter().map(|(code, count)| (code.to_string(), count)).collect();
        let sample = self.sample.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        let open = self.open.load(Ordering::Relaxed);
        json!({"sent": count(&self.sent), "ended": count(&self.ended), "open": open, "answers": answers, "sample": sample})
            .to_string()
    }
}

/// Something that is open.
pub(super) struct Open(Arc<Tally>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A tally as its reader sees it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Counts {
    pub(super) sent: u64,
    pub(super) ended: u64,
    pub(super) open: i64,
    pub(super) answers: BTreeMap<i32, u64>,
    pub(super) sample: Option<String>,
}

impl Counts {
    fn parse(line: &str) -> anyhow::Result<Self> {
        let value: Value = serde_json::from_str(line).with_context(|| format!("the attacker said: {line}"))?;
        let answers = value["answers"].as_object().into_iter().flatten();
        Ok(Self {
            sent: value["sent"].as_u64().unwrap_or_default(),
            ended: value["ended"].as_u64().unwrap_or_default(),
            open: value["open"].as_i64().unwrap_or_default(),
            answers: answers.filter_map(|(code, count)| Some((code.parse().ok()?, count.as_u64()?))).collect(),
            sample: value["sample"].as_str().map(str::to_owned),
        })
    }
}

/// Attacks for the given time. Prints the counts then, and again after lingering.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let attack = find(&options.attack)?;
    let materials = std::io::stdin().lock().lines().collect::<Result<Vec<_>, _>>()?;
    let time = Duration::from_secs(options.seconds);
    let target = Target {
        address: options.address,
        sources: options.sources,
        materials: Arc::new(materials),
        ends_at: clock::monotonic_now() + time,
        tally: Arc::default(),
    };
    let attacking = tokio::spawn((attack.carry_out)(target.clone()));
    tokio::time::sleep(time).await;
    println!("{}", target.tally.line());
    if attacking.is_finished() {
        attacking.await?.context("the attack ended early")?;
    } else {
        tokio::time::sleep(Duration::from_secs(options.linger_seconds)).await;
    }
    println!("{}", target.tally.line());
    Ok(())
}

/// The process of an attacker. It is killed when dropped.
pub(super) struct Attacker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Attacker {
    /// Starts to attack.
    pub(super) async fn start(
        attack: &Attack,
        address: &str,
        materials: &[String],
        seconds: u64,
        linger_seconds: u64,
    ) -> anyhow::Result<Self> {
        let own = std::env::current_exe().context("cannot tell where this program is")?;
        let mut arguments = vec!["-c".to_owned(), WRAPPER.to_owned(), "sh".to_owned()];
        arguments.extend([own.to_string_lossy().into_owned(), COMMAND.to_owned()]);
        arguments.extend(["--attack", attack.name, "--address", address].map(str::to_owned));
        arguments
            .extend(attack.sources.addresses().iter().flat_map(|source| ["--source".to_owned(), source.to_string()]));
        arguments.extend(["--seconds".to_owned(), seconds.to_string()]);
        arguments.extend(["--linger-seconds".to_owned(), linger_seconds.to_string()]);
        let mut command = process::command(Path::new("sh"), &arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
        let mut stdin = child.stdin.take().context("the attacker has no standard input")?;
        stdin.write_all(materials.join("\n").as_bytes()).await?;
        // The end of the input says that all materials are there.
        drop(stdin);
        let stdout = child.stdout.take().context("the attacker has no standard output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    /// The next counts: first those after the attack, then those after lingering.
    pub(super) async fn counts(&mut self) -> anyhow::Result<Counts> {
        let line = self.lines.next_line().await?.context("the attacker ended without its counts")?;
        Counts::parse(&line)
    }

    /// Stops the process without ending it. Its connections stay open, and nobody answers on them.
    pub(super) async fn freeze(&self) -> anyhow::Result<()> {
        process::signal(self.child.id().context("the attacker has ended")?, "STOP").await
    }

    /// Ends the attacker with all its connections.
    pub(super) async fn end(mut self) -> anyhow::Result<()> {
        Ok(self.child.kill().await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_they_were_printed() {
        let tally = Arc::new(Tally::default());
        tally.sent(5);
        tally.ended();
        tally.answered(0, "");
        tally.answered(8, "too many");
        tally.answered(8, "again");
        let held = tally.hold();
        let counts = Counts::parse(&tally.line()).unwrap();
        let answers = BTreeMap::from([(0, 1), (8, 2)]);
        assert_eq!(counts, Counts { sent: 5, ended: 1, open: 1, answers, sample: Some("too many".to_owned()) });
        drop(held);
        assert_eq!(Counts::parse(&tally.line()).unwrap().open, 0);
        assert!(Counts::parse("no counts").is_err());
    }
}
