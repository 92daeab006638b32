//! `stress attack`: whatever somebody does to the server, with a key or without, a shop goes on as every day. Each row is one kind
//! of attack on a server of its own, which has 512 MiB of memory and 256 open files.
//!
//! The victim is a shop at 127.0.0.1 that calls at a fixed rate. First it is measured while nobody attacks, then during the attack.
//! The attacker is a process of its own and comes from other addresses, or from the victim's address where the row says so.
//! Victim, attacker and server share the processors here, although each has a machine of its own in life. Therefore the attacker has
//! the lowest priority (`nice -n 19`): it takes only what the others leave. In the quiet time a process of the same priority keeps
//! all processors busy, so that both times have the same switches between processes, and the ratio shows only what the server itself
//! does to the victim. What the server does for the attacker takes processors from the victim's callers too, so the ratio is
//! rather too high than too low.

mod cage;
pub(crate) mod child;
mod doors;
mod frames;
mod keys;
mod logs;
mod memory;
mod poison;
mod raw;
mod scene;
mod shares;
mod stop;
mod trial;
mod victim;
mod wire;

use std::net::Ipv4Addr;
use std::path::PathBuf;

use anyhow::{Context, bail};
use futures::future::BoxFuture;

use crate::figures::{Table, machine, number};
use crate::rig::DatabaseKind;
use child::{Counts, Target};
use scene::{Scene, Setting};
use trial::Figures;

/// How much longer calls may take than in the quiet time: in attacks without a key, and in those with one.
const RATIO_MAX: f64 = 3.0;
const RATIO_WITH_KEY_MAX: f64 = 5.0;

/// All attacks, a list for each group.
const GROUPS: [&[Attack]; 8] = [
    doors::ATTACKS,
    memory::ATTACKS,
    shares::ATTACKS,
    poison::ATTACKS,
    keys::ATTACKS,
    frames::ATTACKS,
    logs::ATTACKS,
    stop::ATTACKS,
];

/// Not an attack: keeps the processors as busy as an attacker does.
const SPIN: Attack = Attack::new("spin", "keep the processors busy", |target| Box::pin(shares::spin(target)));

#[derive(clap::Args)]
pub(crate) struct Options {
    /// Runs only attacks whose names contain one of these texts. May be repeated; names may be separated by commas.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The database.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    database: DatabaseKind,
    /// How long the quiet time and each attack take.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    server: Option<PathBuf>,
    /// Ignore how long calls and stops took and how soon memory was back, for a machine that is busy with other work.
    #[arg(long)]
    any_speed: bool,
    /// Prints the names of the attacks, and what each does.
    #[arg(long)]
    list: bool,
}

/// What an attacker does to a target. It may go on for ever, because the process ends.
type CarryOut = fn(Target) -> BoxFuture<'static, anyhow::Result<()>>;

/// What is done before the victim is measured. Returns materials, such as keys.
type Prepare = for<'scene> fn(&'scene Scene) -> BoxFuture<'scene, anyhow::Result<Vec<String>>>;

/// A row that has its own course.
type Own = for<'setting> fn(&'setting Setting) -> BoxFuture<'setting, anyhow::Result<Seen>>;

/// One row.
#[derive(Clone, Copy)]
pub(super) struct Attack {
    name: &'static str,
    /// What the attacker does, in one line.
    does: &'static str,
    carry_out: CarryOut,
    prepare: Prepare,
    sources: Sources,
    /// Whether the attacker has a key and uses the server as others do, but more.
    has_key: bool,
    /// How much longer calls may take, if it is another limit than that of the other attackers with or without a key.
    own_ratio_max: Option<f64>,
    /// Whether the attacker keeps open what it has opened until the memory must be back.
    lingers: bool,
    uses_tls: bool,
    course: Course,
}

/// Where the attacker comes from.
#[derive(Clone, Copy)]
enum Sources {
    /// One address that is not the victim's.
    Other,
    /// The victim's address.
    Same,
    /// This many addresses that are not the victim's.
    Many(u8),
}

/// What happens in a row.
#[derive(Clone, Copy)]
enum Course {
    /// A victim calls meanwhile.
    Load,
    /// The server is asked to stop meanwhile. The attacker may be frozen before.
    Stop { freezes: bool },
    /// Something else.
    Own(Own),
}

/// What was seen in a row without a victim.
#[derive(Default)]
pub(super) struct Seen {
    figure: String,
    faults: Vec<String>,
}

impl Attack {
    const fn new(name: &'static str, does: &'static str, carry_out: CarryOut) -> Self {
        Self {
            name,
            does,
            carry_out,
            prepare: |_| Box::pin(std::future::ready(Ok(Vec::new()))),
            sources: Sources::Other,
            has_key: false,
            own_ratio_max: None,
            lingers: false,
            uses_tls: false,
            course: Course::Load,
        }
    }

    /// A row without an attacker's process.
    const fn own(name: &'static str, does: &'static str, own: Own) -> Self {
        let idle: CarryOut = |_| Box::pin(std::future::ready(Ok(())));
        Self { course: Course::Own(own), ..Self::new(name, does, idle) }
    }

    fn ratio_max(&self) -> f64 {
        self.own_ratio_max.unwrap_or(if self.has_key { RATIO_WITH_KEY_MAX } else { RATIO_MAX })
    }
}

impl Sources {
    fn addresses(self) -> Vec<Ipv4Addr> {
        match self {
            Self::Other => vec![Ipv4Addr::new(127, 0, 0, 2)],
            Self::Same => vec![Ipv4Addr::LOCALHOST],
            Self::Many(count) => (1..=count).map(|last| Ipv4Addr::new(127, 0, 1, last)).collect(),
        }
    }
}

/// The attack with this name.
fn find(name: &str) -> anyhow::Result<&'static Attack> {
    let attacks = GROUPS.into_iter().flatten().chain(std::iter::once(&SPIN));
    attacks.into_iter().find(|attack| attack.name == name).with_context(|| format!("there is no attack {name}"))
}

/// The attacks whose names contain one of these texts; all without a text.
fn chosen(only: &[String]) -> anyhow::Result<Vec<&'static Attack>> {
    let is_chosen = |attack: &Attack| only.is_empty() || only.iter().any(|text| attack.name.contains(text));
    if let Some(text) = only.iter().find(|text| !GROUPS.into_iter().flatten().any(|it| it.name.contains(*text))) {
        bail!("no attack has {text} in its name; --list prints them");
    }
    Ok(GROUPS.into_iter().flatten().filter(|attack| is_chosen(attack)).collect())
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let attacks = chosen(&options.only)?;
    if options.list {
        attacks.iter().for_each(|attack| println!("{:<32} {}", attack.name, attack.does));
        return Ok(());
    }
    let cage = cage::Cage::new().map_or(
        "no control group can be made here, so memory is only watched",
        |_| "the server is in a control group of 512 MiB",
    );
    println!("stress attack, {:?}, {}\n{cage}, with 256 open files", options.database, machine());
    let mut setting = Setting {
        database: options.database,
        binary: options.server.clone(),
        uses_tls: false,
        any_speed: options.any_speed,
        own_growth: None,
    };
    if attacks.iter().any(|attack| matches!(attack.course, Course::Load)) {
        let figures = trial::run(&SPIN, &setting, options.seconds).await?;
        let own_growth = (figures.mebibytes[2] - figures.mebibytes[0]).max(0.0);
        println!("without an attack the server grows by {own_growth:.0} MiB meanwhile");
        setting.own_growth = Some(own_growth);
    }
    let mut table = Table::new(&[
        "attack", "sent/s", "answers", "ok %", "p99 ms", "ratio", "MiB", "back s", "cores", "stop s", "verdict",
    ]);
    let (mut failed, mut texts) = (Vec::new(), Vec::new());
    for attack in &attacks {
        let begun_at = headwater::clock::monotonic_now();
        let (mut cells, faults) = row(attack, &setting, &options).await;
        let verdict = if faults.is_empty() { "held" } else { "FAILED" };
        println!("{:<32} {verdict:<6} {:>5.1} s", attack.name, begun_at.elapsed().as_secs_f64());
        faults.iter().for_each(|fault| println!("  - {fault}"));
        cells.push(verdict.to_owned());
        table.row(cells);
        if !faults.is_empty() {
            failed.push(attack.name);
            texts.extend(faults);
        }
    }
    println!("\n{table}\n(p99 and cores: quiet / under attack; MiB: before / most / after)");
    println!("attacks {}, held {}, failed {}", attacks.len(), attacks.len() - failed.len(), failed.len());
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    Ok(())
}

/// The cells of a row, and what is wrong with it.
async fn row(attack: &Attack, setting: &Setting, options: &Options) -> (Vec<String>, Vec<String>) {
    let seen = match attack.course {
        Course::Load => match trial::run(attack, setting, options.seconds).await {
            Ok(figures) => return (cells(attack, &figures), figures.faults(attack, setting.any_speed)),
            Err(error) => Err(error),
        },
        Course::Stop { freezes } => stop::run(attack, setting, freezes).await,
        Course::Own(own) => own(setting).await,
    };
    let seen = seen.unwrap_or_else(|error| Seen { figure: String::new(), faults: vec![format!("{error:#}")] });
    let mut cells = vec![attack.name.to_owned(), seen.figure];
    cells.resize(TABLE_CELLS, String::new());
    (cells, seen.faults)
}

/// The cells of a row before its verdict.
const TABLE_CELLS: usize = 10;

fn cells(attack: &Attack, figures: &Figures) -> Vec<String> {
    let [before, most, last] = figures.mebibytes;
    let [quiet, attacked] = figures.processors;
    vec![
        attack.name.to_owned(),
        number(figures.counts.sent as f64 / figures.attacked_seconds),
        answers(&figures.counts),
        format!("{:.1}", figures.attacked.calls.percent()),
        format!("{:.1} / {:.1}", figures.quiet.latencies.p99(), figures.attacked.latencies.p99()),
        format!("{:.1}", figures.ratio()),
        format!("{before:.0} / {most:.0} / {last:.0}"),
        figures.settled_after.map_or_else(|| "never".to_owned(), |time| format!("{:.0}", time.as_secs_f64())),
        format!("{quiet:.2} / {attacked:.2}"),
        format!("{:.1}", figures.stop_time.as_secs_f64()),
    ]
}

/// How the attacker's calls were answered, by gRPC code.
fn answers(counts: &Counts) -> String {
    let mut parts: Vec<String> = counts.answers.iter().map(|(code, count)| format!("{code}: {count}")).collect();
    if counts.ended > 0 {
        parts.push(format!("ended: {}", counts.ended));
    }
    if counts.open > 0 {
        parts.push(format!("open: {}", counts.open));
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attack_has_a_name_of_its_own() {
        let mut names: Vec<&str> = GROUPS.into_iter().flatten().map(|attack| attack.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        assert!(names.iter().all(|name| find(name).is_ok_and(|attack| attack.name == *name)));
    }

    #[test]
    fn attacks_are_chosen_by_parts_of_their_names() {
        assert!(chosen(&[]).unwrap().len() > 30);
        let some = chosen(&["stop-".to_owned(), "poison".to_owned()]).unwrap();
        assert!(some.len() > 2 && some.iter().all(|it| it.name.contains("stop-") || it.name.contains("poison")));
        assert!(chosen(&["no such attack".to_owned()]).is_err());
    }
}
