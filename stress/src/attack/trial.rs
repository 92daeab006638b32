//! One row: the server is started, the victim calls, the attack comes and goes, and the figures are judged. Does not know what the
//! attack does.

use std::time::Duration;

use headwater::clock;
use tokio::time::Instant;

use super::cage::{Cage, MEMORY_BYTES_MAX};
use super::child::{Attacker, Counts};
use super::scene::{Scene, Setting};
use super::victim::{Phase, Record, Victim};
use super::{Attack, SPIN};
use crate::figures;

/// How long the victim calls before anything is measured.
const WARM_UP_TIME: Duration = Duration::from_secs(2);

/// How long a call of the victim may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The same on a machine of any speed.
const UNHURRIED_PATIENCE: Duration = Duration::from_secs(60);

/// The least share of the victim's calls that must succeed, in percent.
const GOOD_PERCENT_MIN: f64 = 99.0;

/// How much more memory than before the server may have after the attack.
const MEMORY_FACTOR_MAX: f64 = 1.1;

/// How soon after the attack the memory must be back.
pub(super) const SETTLING_TIME: Duration = Duration::from_secs(30);

/// How long the victim calls after an attack at least.
const AFTER_TIME: Duration = Duration::from_secs(2);

/// The most that SQLite's log may become, in MiB.
const LOG_MEBIBYTES_MAX: f64 = 128.0;

/// How long a stop may take.
pub(super) const STOP_TIME_MAX: Duration = Duration::from_secs(5);

/// gRPC's codes for faults of the server.
const UNKNOWN: i32 = 2;
const INTERNAL: i32 = 13;

/// What was seen in one row.
pub(super) struct Figures {
    pub(super) counts: Counts,
    pub(super) attacked_seconds: f64,
    pub(super) quiet: Record,
    pub(super) attacked: Record,
    pub(super) after: Record,
    /// Events of sales that the victim's reader did not get.
    pub(super) missed_events: u64,
    /// The server's memory: the most in the quiet time, the most ever, and in the end.
    pub(super) mebibytes: [f64; 3],
    /// How long the memory took to be back. `None` if it did not.
    pub(super) settled_after: Option<Duration>,
    /// Processors that the server used in the quiet time and during the attack.
    pub(super) processors: [f64; 2],
    pub(super) log_mebibytes: f64,
    pub(super) stop_time: Duration,
    /// How often the server was killed for want of memory. `None` where its memory is only watched.
    pub(super) kills: Option<u64>,
}

/// Carries one attack out.
pub(super) async fn run(attack: &Attack, setting: &Setting, seconds: u64) -> anyhow::Result<Figures> {
    let patience = if setting.any_speed { UNHURRIED_PATIENCE } else { PATIENCE };
    let setting = Setting { uses_tls: attack.uses_tls, ..setting.clone() };
    let scene = Scene::start(&setting).await?;
    let materials = (attack.prepare)(&scene).await?;
    let victim = Victim::start(&scene, patience).await?;
    tokio::time::sleep(WARM_UP_TIME).await;
    let mut watch = Watch::of(&scene)?;

    let spinning = Attacker::start(&SPIN, &scene.rig.options.listen_address, &[], seconds, 0).await?;
    victim.begin(Phase::Quiet);
    let half = Duration::from_secs(seconds) / 2;
    watch.during(half).await;
    // What the warm-up took is given back by now.
    watch.most = 0.0;
    let quiet_processors = watch.during(half).await;
    let before = watch.most;
    victim.begin(Phase::WarmUp);
    spinning.end().await?;

    let linger_seconds = if attack.lingers { SETTLING_TIME.as_secs() + 10 } else { 0 };
    let address = &scene.rig.options.listen_address;
    let mut attacker = Attacker::start(attack, address, &materials, seconds, linger_seconds).await?;
    victim.begin(Phase::Attack);
    let begun_at = clock::monotonic_now();
    let attack_processors = watch.during(Duration::from_secs(seconds)).await;
    let counts = attacker.counts().await?;
    let attacked_seconds = begun_at.elapsed().as_secs_f64();
    victim.begin(Phase::After);
    let attacker = if attack.lingers {
        Some(attacker)
    } else {
        attacker.end().await?;
        None
    };
    let settled_after = watch.until_back(before, setting.own_growth).await;
    let most = watch.most.max(figures::peak_resident_mebibytes(watch.pid));
    let last = figures::resident_mebibytes(watch.pid);
    let (records, missed_events) = victim.stop().await;
    let [_, quiet, attacked, after] = records;
    // What lingers is there still, because it may hold up the stop.
    let (kills, log_mebibytes) = (scene.cage.as_ref().map(Cage::kills), watch.log_most);
    let stop_time = stop(scene).await?;
    drop(attacker);
    Ok(Figures {
        counts,
        attacked_seconds,
        quiet,
        attacked,
        after,
        missed_events,
        mebibytes: [before, most, last],
        settled_after,
        processors: [quiet_processors, attack_processors],
        log_mebibytes,
        stop_time,
        kills,
    })
}

/// Asks the server to stop, and tells how long it took. A server that has ended already took no time.
pub(super) async fn stop(mut scene: Scene) -> anyhow::Result<Duration> {
    let begun_at = clock::monotonic_now();
    if scene.rig.server_pid().is_ok() {
        // It fails if the server was killed meanwhile, which is counted elsewhere.
        let _ = scene.rig.terminate_server().await;
    }
    Ok(begun_at.elapsed())
}

/// Samples the server's memory, log and processors.
struct Watch<'scene> {
    scene: &'scene Scene,
    pid: u32,
    most: f64,
    log_most: f64,
}

impl<'scene> Watch<'scene> {
    fn of(scene: &'scene Scene) -> anyhow::Result<Self> {
        Ok(Self { scene, pid: scene.rig.server_pid()?, most: 0.0, log_most: 0.0 })
    }

    fn sample(&mut self) -> f64 {
        let mebibytes = figures::resident_mebibytes(self.pid);
        self.most = self.most.max(mebibytes);
        self.log_most = self.log_most.max(self.scene.log_mebibytes());
        mebibytes
    }

    /// Samples for this time. Returns the processors that the server used.
    async fn during(&mut self, time: Duration) -> f64 {
        let begun_at = clock::monotonic_now();
        let used = figures::processor_seconds(self.pid);
        while begun_at.elapsed() < time {
            self.sample();
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        (figures::processor_seconds(self.pid) - used) / begun_at.elapsed().as_secs_f64()
    }

    /// Waits until the memory is back, but for what the server grows by itself. Returns how long it took; `None` if it took too
    /// long.
    async fn until_back(&mut self, before: f64, own_growth: Option<f64>) -> Option<Duration> {
        let begun_at: Instant = clock::monotonic_now();
        while begun_at.elapsed() < SETTLING_TIME {
            let sample = self.sample();
            let is_back = own_growth.is_some_and(|growth| sample <= before * MEMORY_FACTOR_MAX + growth);
            if is_back && begun_at.elapsed() >= AFTER_TIME {
                return Some(begun_at.elapsed());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        None
    }
}

impl Figures {
    /// The p99 under attack, as a multiple of that in the quiet time.
    pub(super) fn ratio(&self) -> f64 {
        self.attacked.latencies.p99() / self.quiet.latencies.p99().max(f64::EPSILON)
    }

    /// Whether the victim's calls succeeded while nobody attacked. If not, the machine is too slow or too busy to show anything.
    fn is_telling(&self) -> bool {
        [self.quiet.calls, self.quiet.newcomers, self.quiet.health].iter().all(|it| it.percent() >= GOOD_PERCENT_MIN)
    }

    /// What is wrong with them.
    pub(super) fn faults(&self, attack: &Attack, any_speed: bool) -> Vec<String> {
        if !self.is_telling() {
            let (calls, newcomers) = (self.quiet.calls.percent(), self.quiet.newcomers.percent());
            let shares = format!("{calls:.1} % of calls and {newcomers:.1} % of newcomers");
            return vec![format!(
                "shows nothing, because only {shares} succeeded in the quiet time: is the machine busy?"
            )];
        }
        let mut faults = Vec::new();
        let mut fault = |is_one: bool, text: String| {
            if is_one {
                faults.push(text);
            }
        };
        fault(self.counts.sent == 0, "the attack did nothing".to_owned());
        let (most, most_max) = (self.mebibytes[1], MEMORY_BYTES_MAX as f64 / (1024.0 * 1024.0));
        match self.kills {
            Some(kills) => fault(kills > 0, format!("the server was killed for want of memory at {most:.0} MiB")),
            None => fault(most > most_max, format!("memory of {most:.0} MiB")),
        }
        for (phase, record) in [("under attack", &self.attacked), ("after it", &self.after)] {
            for (who, outcomes) in
                [("calls", record.calls), ("newcomers", record.newcomers), ("health checks", record.health)]
            {
                let text =
                    format!("{phase} {:.1} % of {} {who} succeeded", outcomes.percent(), outcomes.good + outcomes.bad);
                fault(outcomes.percent() < GOOD_PERCENT_MIN, text);
            }
            if let Some((failure, count)) = record.failures.iter().max_by_key(|(_, count)| **count) {
                let calls = record.calls.good + record.calls.bad + record.newcomers.bad + record.health.bad;
                fault(*count * 200 > calls, format!("{phase}, {count} times: {failure}"));
            }
        }
        let ratio_max = attack.ratio_max();
        fault(!any_speed && self.ratio() > ratio_max, format!("p99 {:.1} times that of the quiet time", self.ratio()));
        fault(self.missed_events > 0, format!("the reader of the feed missed {} sales", self.missed_events));
        let [before, _, last] = self.mebibytes;
        fault(
            !any_speed && self.settled_after.is_none(),
            format!("memory {last:.0} MiB after 30 s, {before:.0} MiB before"),
        );
        fault(self.log_mebibytes > LOG_MEBIBYTES_MAX, format!("SQLite's log {:.0} MiB", self.log_mebibytes));
        fault(
            !any_speed && self.stop_time > STOP_TIME_MAX,
            format!("the stop took {:.1} s", self.stop_time.as_secs_f64()),
        );
        for code in [UNKNOWN, INTERNAL] {
            let count = self.counts.answers.get(&code).copied().unwrap_or_default();
            let sample = self.counts.sample.as_deref().unwrap_or_default();
            fault(count > 0, format!("{count} answers with code {code}: {sample}"));
        }
        faults
    }
}
