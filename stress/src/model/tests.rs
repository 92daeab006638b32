//! A short run on both databases. It also proves that the model finds a wrong answer, and that the failing sequence is shrunk.

use headwater_client::pb;
use testkit::postgres::Postgres;
use testkit::say;

use super::command::Command;
use super::drive::Tally;
use super::host::{Database, Host};
use super::reply::Reply;
use super::run::{self, Plan};
use super::shortest;

const FIXED_SEED: u64 = 20_260_101;

/// How many further seeds are played until everything in [`DRAWN`] was drawn: one seed alone may miss what is rare.
const FURTHER_SEEDS_MAX: usize = 20;

/// What must be drawn. A command that is never drawn would test nothing.
const DRAWN: [(&str, &str); 23] = [
    ("RecordRefund", "attributed"),
    ("RecordRefund", "not_referred"),
    ("RecordRefund", "waiting"),
    ("RecordRefund", "replayed"),
    ("RecordRefund", "IDEMPOTENCY_MISMATCH"),
    ("RecordRefund", "REFUND_EXCEEDS_SALE"),
    ("RecordAppointment", "attributed"),
    ("RecordAppointment", "not_referred"),
    ("RecordCustomEvent", "attributed"),
    ("RecordCustomEvent", "not_referred"),
    ("ListRewards", "on_a_step"),
    ("ListRewards", "by_a_rule"),
    ("ListRewards", "with_a_cap"),
    ("ReadEvents", "affiliate_deactivated"),
    ("ReadEvents", "appointment_recorded"),
    ("ReadEvents", "custom_event_recorded"),
    ("ReadEvents", "enrollment_ended"),
    ("ReadEvents", "lead_updated"),
    ("ReadEvents", "sale_attributed"),
    ("ReadEvents", "refund_waiting"),
    ("ReadEvents", "refund_exceeded_sale"),
    ("ReadEvents", "reward_reversed"),
    ("ReadEvents", "conversion_updated"),
];

/// The part of [`DRAWN`] that was not drawn yet.
fn missing(tally: &Tally) -> Vec<(&'static str, &'static str)> {
    DRAWN
        .into_iter()
        .filter(|(method, kind)| tally.get(&(method, (*kind).to_owned())).is_none_or(|count| *count == 0))
        .collect()
}

async fn play_shortly(database: Database) {
    let mut host = Host::start(database, None).await.unwrap();
    let mut tally = Tally::new();
    let further = std::iter::repeat_with(|| fastrand::u64(..)).take(FURTHER_SEEDS_MAX);
    for (place, seed) in std::iter::once(FIXED_SEED).chain(further).enumerate() {
        // The fixed seed and one other are always played.
        if place > 1 && missing(&tally).is_empty() {
            break;
        }
        say(&format!("model on {database:?}: seed {seed}"));
        let plan = Plan { seed, accounts: 4, steps_per_account: 250, check_every: 100 };
        if let Some(failure) = run::wave(&mut host, &plan, 0, None, &mut tally).await.unwrap() {
            let difference = failure.difference;
            let short = shortest(&mut host, failure.steps, None).await.unwrap();
            let (steps, at_last) = short.unzip();
            let steps: Vec<String> = steps.iter().flatten().map(ToString::to_string).collect();
            panic!("seed {seed}, {:?}: {difference:#?}\n{}\n{at_last:#?}", failure.place, steps.join("\n"));
        }
    }
    let missing = missing(&tally);
    assert!(missing.is_empty(), "was never drawn: {missing:?} of {tally:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_on_sqlite_answers_as_its_model_does() {
    play_shortly(Database::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_on_postgresql_answers_as_its_model_does() {
    let required = std::env::var("HEADWATER_REQUIRE_POSTGRES").is_ok_and(|value| value == "1");
    if !required && !Postgres::is_installed("initdb") {
        say("the model is not played on PostgreSQL: there is no initdb in PATH or /usr/lib/postgresql/*/bin");
        return;
    }
    play_shortly(Database::Postgres).await;
}

/// A server that pays one minor unit too much for one kind of refund.
fn takes_back_too_much(reply: &mut Reply) {
    if let Reply::Refund(refund) = reply
        && let Some(value) = refund.rewards.first_mut().and_then(|reward| reward.value.as_mut())
        && let Some(pb::reward_value::Amount::Cash(cash)) = value.amount.as_mut()
        && cash.amount_minor < -1
    {
        cash.amount_minor -= 1;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_answer_is_found_and_its_sequence_made_short() {
    let mut host = Host::start(Database::Sqlite, None).await.unwrap();
    let plan = Plan { seed: FIXED_SEED, accounts: 2, steps_per_account: 300, check_every: 100 };
    let failure = run::wave(&mut host, &plan, 0, Some(takes_back_too_much), &mut Tally::new()).await.unwrap().unwrap();
    assert!(failure.difference.parting.expected.contains("amount_minor: -"), "{:?}", failure.difference);
    let place = failure.place;
    let (steps, difference) = shortest(&mut host, failure.steps, Some(takes_back_too_much)).await.unwrap().unwrap();
    let told: Vec<String> = steps.iter().map(ToString::to_string).collect();
    // The clock must move if a later step has a time, because that must not be in the future.
    let has_time = steps.iter().any(|step| step.command.clone().occur_time().is_some());
    let is_needed = |command: &Command| match command {
        Command::Wait { .. } => has_time,
        command => !matches!(command, Command::Deny(_)),
    };
    assert!(steps.len() <= 6 && steps.iter().all(|step| is_needed(&step.command)), "{}", told.join("\n"));
    assert!(matches!(steps.last().unwrap().command, Command::Refund(_) | Command::Sale(_)));
    assert!(difference.asked.contains("Refund"), "{difference:?}");

    // The same sequence, replayed alone, fails at the same step. With correct answers neither fails.
    let again = run::alone(&mut host, &plan, place, Some(takes_back_too_much)).await.unwrap().unwrap();
    assert_eq!(again.difference.asked, failure.difference.asked);
    assert!(run::replay(&mut host, &steps, None).await.unwrap().is_none());
    host.stop().await;
}
