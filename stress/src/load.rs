//! A closed loop: each caller calls again as soon as it has its answer. Does not know what is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Context;
use headwater::clock;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::figures::{self, Latencies};

/// When callers stop.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Until {
    /// After this time.
    Time(Duration),
    /// After this many calls in total.
    Calls(u64),
}

impl Until {
    /// Whether a caller goes on. The run began at `begun`, and `done` calls were made since.
    pub(crate) fn goes_on(self, begun: Instant, done: u64) -> bool {
        match self {
            Self::Time(time) => begun.elapsed() < time,
            Self::Calls(calls) => done < calls,
        }
    }
}

/// The result of a run of calls.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Successful calls.
    pub(crate) calls: u64,
    /// Units in these calls: one each, or the size of a batch.
    pub(crate) units: u64,
    /// From the first call to the last answer.
    pub(crate) seconds: f64,
    /// Latencies of calls.
    pub(crate) latencies: Latencies,
    /// The processor time per unit, in microseconds: first this process, then each named process with its descendants.
    pub(crate) processor_micros: Vec<f64>,
}

impl Measured {
    /// Units in a second.
    pub(crate) fn per_second(&self) -> f64 {
        self.units as f64 / self.seconds.max(f64::EPSILON)
    }
}

/// Runs this many callers. `caller` makes the function that one caller calls again and again. That function gets a unique number
/// for each call, and returns the units of the call. The first error ends the run.
pub(crate) async fn run<Caller, Call, Answer>(
    callers: usize,
    until: Until,
    numbers: &Arc<AtomicU64>,
    processes: &[u32],
    caller: Caller,
) -> anyhow::Result<Measured>
where
    Caller: Fn(usize) -> anyhow::Result<Call>,
    Call: FnMut(u64) -> Answer + Send + 'static,
    Answer: Future<Output = anyhow::Result<u64>> + Send,
{
    let clocks = Clocks::read(processes);
    let begun = clock::monotonic_now();
    let first = numbers.load(Ordering::Relaxed);
    let mut tasks = JoinSet::new();
    for place in 0..callers {
        let mut call = caller(place)?;
        let numbers = Arc::clone(numbers);
        tasks.spawn(async move {
            let mut latencies = Latencies::new();
            let mut units = 0;
            loop {
                let number = numbers.fetch_add(1, Ordering::Relaxed);
                if !until.goes_on(begun, number - first) {
                    break;
                }
                let before = clock::monotonic_now();
                units += call(number).await?;
                latencies.record(before.elapsed());
            }
            anyhow::Ok((units, latencies))
        });
    }
    let (mut units, mut latencies) = (0, Latencies::new());
    while let Some(done) = tasks.join_next().await {
        let (more, of_caller) = done.context("a caller panicked")??;
        units += more;
        latencies.add(&of_caller);
    }
    let seconds = begun.elapsed().as_secs_f64();
    let processor_micros = clocks.micros_per(units, processes);
    Ok(Measured { calls: latencies.count(), units, seconds, latencies, processor_micros })
}

/// The processor time at the start of a measurement: first this process, then each named process.
pub(crate) struct Clocks(Vec<f64>);

impl Clocks {
    pub(crate) fn read(processes: &[u32]) -> Self {
        let others = processes.iter().map(|pid| figures::processor_seconds_of_tree(*pid));
        Self(std::iter::once(figures::own_processor_seconds()).chain(others).collect())
    }

    /// The processor time used since, in microseconds per unit.
    pub(crate) fn micros_per(&self, units: u64, processes: &[u32]) -> Vec<f64> {
        let now = Self::read(processes);
        now.0.iter().zip(&self.0).map(|(now, before)| (now - before) * 1e6 / units.max(1) as f64).collect()
    }
}
