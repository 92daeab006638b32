//! Waves of sequences: many accounts at once on one server, each with its model, all with one clock. A sequence depends only on
//! the run's seed, its wave and its index, so any one can be replayed alone.

use anyhow::Context;
use tokio::task::JoinSet;

use super::command::Step;
use super::drive::{Difference, Distortion, Player, Tally};
use super::generate::{Generator, Moment, derived, moments};
use super::host::Host;

/// The size of a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan {
    pub(super) seed: u64,
    /// The number of concurrent accounts.
    pub(super) accounts: u32,
    /// The number of commands for each.
    pub(super) steps_per_account: u32,
    /// Compare everything after this many commands, and always at the end of a sequence.
    pub(super) check_every: u32,
}

/// One sequence of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) wave: u32,
    pub(super) account: u32,
}

/// A failure: the sequence, the difference, and all steps up to it.
pub(super) struct Failure {
    pub(super) place: Place,
    pub(super) difference: Difference,
    pub(super) steps: Vec<Step>,
}

/// An account during its sequence.
struct Sequence {
    place: Place,
    player: Player,
    generator: Generator,
    steps: Vec<Step>,
    check_every: u32,
    until_check: u32,
}

impl Plan {
    fn moments(&self, wave: u32) -> Vec<Moment> {
        moments(derived(self.seed, u64::from(wave)), self.steps_per_account)
    }

    fn generator(&self, place: Place) -> Generator {
        let of_wave = derived(self.seed, u64::from(place.wave));
        Generator::new(derived(of_wave, u64::from(place.account) + 1))
    }

    async fn sequence(
        &self,
        host: &mut Host,
        place: Place,
        distortion: Option<Distortion>,
    ) -> anyhow::Result<Sequence> {
        Ok(Sequence {
            place,
            player: host.new_player(distortion).await?,
            generator: self.generator(place),
            steps: Vec::new(),
            check_every: self.check_every,
            until_check: self.check_every,
        })
    }
}

impl Sequence {
    /// Tells the model of the new time and of the server's own work.
    fn hear(&mut self, moment: Moment) {
        let step = moment.step(self.generator.label());
        self.player.world.apply(step.label, &step.command);
        self.steps.push(step);
    }

    /// Draws and plays the commands of one moment.
    async fn play(&mut self, moment: Moment) -> anyhow::Result<Option<Difference>> {
        for _ in 0..moment.steps {
            let step = self.generator.step(&self.player.world, self.player.origin);
            self.steps.push(step.clone());
            if let Some(difference) = self.player.play(&step).await? {
                return Ok(Some(difference));
            }
        }
        if let Some(difference) = self.player.flush().await? {
            return Ok(Some(difference));
        }
        self.until_check = self.until_check.saturating_sub(moment.steps);
        if self.until_check > 0 {
            return Ok(None);
        }
        self.until_check = self.check_every;
        self.player.check().await
    }

    fn failure(self, difference: Difference) -> Failure {
        Failure { place: self.place, difference, steps: self.steps }
    }
}

/// Plays one wave to its end or to the first difference. Counts the answers.
pub(super) async fn wave(
    host: &mut Host,
    plan: &Plan,
    wave: u32,
    distortion: Option<Distortion>,
    tally: &mut Tally,
) -> anyhow::Result<Option<Failure>> {
    let mut sequences = Vec::new();
    for account in 0..plan.accounts {
        sequences.push(plan.sequence(host, Place { wave, account }, distortion).await?);
    }
    for moment in plan.moments(wave) {
        host.wait(moment.micros, moment.approves_due).await?;
        let played = each(sequences, move |mut sequence| async move {
            sequence.hear(moment);
            let difference = sequence.play(moment).await;
            (sequence, difference)
        });
        match played.await? {
            Ok(all) => sequences = all,
            Err(failure) => return Ok(Some(failure)),
        }
    }
    let checked = each(sequences, |mut sequence| async move {
        let difference = sequence.player.check().await;
        (sequence, difference)
    });
    Ok(match checked.await? {
        Ok(all) => {
            let counts = all.iter().flat_map(|sequence| &sequence.player.tally);
            counts.for_each(|(kind, count)| *tally.entry(kind.clone()).or_default() += count);
            None
        }
        Err(failure) => Some(failure),
    })
}

/// Runs a function on all sequences at once.
async fn each<F>(
    sequences: Vec<Sequence>,
    act: impl Fn(Sequence) -> F,
) -> anyhow::Result<Result<Vec<Sequence>, Failure>>
where
    F: Future<Output = (Sequence, anyhow::Result<Option<Difference>>)> + Send + 'static,
{
    let mut tasks = JoinSet::new();
    for sequence in sequences {
        tasks.spawn(act(sequence));
    }
    let mut all = Vec::new();
    let mut failures = Vec::new();
    while let Some(done) = tasks.join_next().await {
        let (sequence, difference) = done?;
        let Place { wave, account } = sequence.place;
        match difference.with_context(|| format!("sequence {wave}:{account} could not go on"))? {
            Some(difference) => failures.push(sequence.failure(difference)),
            None => all.push(sequence),
        }
    }
    // The failures are sorted, so that a repeated run reports the same one.
    failures.sort_by_key(|failure| failure.place.account);
    match failures.into_iter().next() {
        Some(failure) => Ok(Err(failure)),
        None => {
            all.sort_by_key(|sequence| sequence.place.account);
            Ok(Ok(all))
        }
    }
}

/// Plays one sequence of a run alone. Its commands do not depend on the others of its wave.
pub(super) async fn alone(
    host: &mut Host,
    plan: &Plan,
    place: Place,
    distortion: Option<Distortion>,
) -> anyhow::Result<Option<Failure>> {
    let mut sequence = plan.sequence(host, place, distortion).await?;
    for moment in plan.moments(place.wave) {
        host.wait(moment.micros, moment.approves_due).await?;
        sequence.hear(moment);
        if let Some(difference) = sequence.play(moment).await? {
            return Ok(Some(sequence.failure(difference)));
        }
    }
    let difference = sequence.player.check().await?;
    Ok(difference.map(|difference| sequence.failure(difference)))
}

/// Plays steps in a new account, compares everything at the end, and returns the first difference.
pub(super) async fn replay(
    host: &mut Host,
    steps: &[Step],
    distortion: Option<Distortion>,
) -> anyhow::Result<Option<Difference>> {
    use super::command::Command;
    let mut player = host.new_player(distortion).await?;
    for step in steps {
        let difference = match step.command {
            Command::Wait { micros, approves_due } => {
                let difference = player.flush().await?;
                host.wait(micros, approves_due).await?;
                player.world.apply(step.label, &step.command);
                difference
            }
            _ => player.play(step).await?,
        };
        if difference.is_some() {
            return Ok(difference);
        }
    }
    match player.flush().await? {
        Some(difference) => Ok(Some(difference)),
        None => player.check().await,
    }
}
