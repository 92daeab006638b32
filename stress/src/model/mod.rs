//! Random commands against a server and a model of it in memory. Every answer, list, balance and event must match the model. The
//! seed determines the run; a failing sequence is shrunk and printed.

mod command;
mod compare;
mod drive;
mod generate;
mod host;
mod names;
mod reply;
mod run;
mod shrink;
#[cfg(test)]
mod tests;
mod world;

use headwater::clock::monotonic_now;
use headwater::config::LogFormat;

use command::Step;
use drive::{Difference, Tally};
use host::{Database, Host};
use run::{Failure, Place, Plan};

/// How many replays may be used to shrink a failing sequence.
const TRIES: u32 = 400;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The server's database.
    #[arg(long, value_enum, default_value = "sqlite")]
    database: Database,
    /// A PostgreSQL database to use; without it a private cluster is made.
    #[arg(long)]
    url: Option<String>,
    /// How many commands to play.
    #[arg(long, default_value_t = 1_000_000)]
    steps: u64,
    /// The seed of the commands. Drawn and printed if not set.
    #[arg(long)]
    seed: Option<u64>,
    /// The number of concurrent accounts.
    #[arg(long, default_value_t = 32)]
    accounts: u32,
    /// The number of commands for each account.
    #[arg(long, default_value_t = 500)]
    steps_per_account: u32,
    /// Compare everything after this many commands of an account.
    #[arg(long, default_value_t = 250)]
    check_every: u32,
    /// Play one sequence of the run alone: its wave and account, as `3:17`.
    #[arg(long)]
    only: Option<Place>,
}

impl std::str::FromStr for Place {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (wave, account) = text.split_once(':').ok_or_else(|| anyhow::anyhow!("must be as `3:17`"))?;
        Ok(Self { wave: wave.parse()?, account: account.parse()? })
    }
}

/// Runs the commands and fails at the first difference.
pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..));
    let plan = Plan {
        seed,
        accounts: options.accounts.max(1),
        steps_per_account: options.steps_per_account.max(1),
        check_every: options.check_every.max(1),
    };
    // Logs the server's warnings and errors, which explain unanswered calls.
    headwater::logging::start(LogFormat::Text, "warn")?;
    let mut host = Host::start(options.database, options.url.as_deref()).await?;
    println!("model on {:?}, seed {seed}: {} steps", options.database, options.steps);
    let started = monotonic_now();
    let (mut played, mut wave, mut tally) = (0, 0, Tally::new());
    let failure = match options.only {
        Some(place) => {
            played = u64::from(plan.steps_per_account);
            run::alone(&mut host, &plan, place, None).await?
        }
        None => loop {
            let failure = run::wave(&mut host, &plan, wave, None, &mut tally).await?;
            wave += 1;
            played += u64::from(plan.accounts) * u64::from(plan.steps_per_account);
            if failure.is_some() || played >= options.steps {
                break failure;
            }
            if wave % 10 == 0 {
                println!("{played} steps, {:.0} steps/s", rate(played, started.elapsed()));
            }
        },
    };
    let elapsed = started.elapsed();
    let result = match failure {
        Some(failure) => {
            explain(&mut host, &options, &plan, failure).await?;
            Err(anyhow::anyhow!("the server and its model differ"))
        }
        None => Ok(()),
    };
    print_tally(&tally);
    println!(
        "model: database {:?}, seed {seed}, {played} steps in {:.1} s, {:.0} steps/s, {} differences",
        options.database,
        elapsed.as_secs_f64(),
        rate(played, elapsed),
        u32::from(result.is_err())
    );
    host.stop().await;
    result
}

fn rate(steps: u64, elapsed: std::time::Duration) -> f64 {
    steps as f64 / elapsed.as_secs_f64().max(f64::EPSILON)
}

/// Prints the point of the difference, shrinks the sequence, and prints the rest.
async fn explain(host: &mut Host, options: &Options, plan: &Plan, failure: Failure) -> anyhow::Result<()> {
    let Place { wave, account } = failure.place;
    println!("difference in sequence {wave}:{account}, after {} steps", failure.steps.len());
    print_difference(&failure.difference);
    let database = format!("{:?}", options.database).to_lowercase();
    println!(
        "alone again with: stress model --database {database} --seed {} --steps-per-account {} --check-every {} --only {wave}:{account}",
        plan.seed, plan.steps_per_account, plan.check_every
    );
    let Some((steps, difference)) = shortest(host, failure.steps, None).await? else {
        println!("it does not part when it is played alone: the accounts beside it have to do with it");
        return Ok(());
    };
    println!("the shortest that still parts, {} steps:", steps.len());
    for step in &steps {
        println!("{step}");
    }
    print_difference(&difference);
    Ok(())
}

/// The shortest failing part of the steps and its difference; `None` if a replay does not fail.
async fn shortest(
    host: &mut Host,
    steps: Vec<Step>,
    distortion: Option<drive::Distortion>,
) -> anyhow::Result<Option<(Vec<Step>, Difference)>> {
    if run::replay(host, &steps, distortion).await?.is_none() {
        return Ok(None);
    }
    let steps =
        shrink::shrink(steps, TRIES, async |part: &[Step]| Ok(run::replay(host, part, distortion).await?.is_some()))
            .await?;
    let difference = run::replay(host, &steps, distortion).await?;
    Ok(difference.map(|difference| (steps, difference)))
}

/// A line for each method with the counts of its answers.
fn print_tally(tally: &Tally) {
    let mut method = "";
    for ((name, kind), count) in tally {
        if method != *name {
            print!("{}{name:<20}", if method.is_empty() { "" } else { "\n" });
            method = name;
        }
        print!(" {kind} {count}");
    }
    println!();
}

fn print_difference(difference: &Difference) {
    println!("asked:  {}", difference.asked);
    println!("model:  {}", difference.parting.expected);
    println!("server: {}", difference.parting.actual);
}
