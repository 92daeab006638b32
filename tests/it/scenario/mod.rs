//! The business rules as scenarios in plain text, `tests/it/golden/scenarios/*.txt`, each run three ways: against the rules alone,
//! over gRPC on SQLite, and over gRPC on PostgreSQL. The same words must get the same answers everywhere.

mod pure;
mod script;
mod wire;

use headwater::domain::money::Currency;

use crate::support::database::TestDatabase;
use script::{Step, amount};

/// Something that carries out steps and answers as the scenario writes it.
pub(crate) trait World {
    async fn perform(&mut self, step: &Step) -> String;
}

/// Runs one scenario file and fails with every line that was answered otherwise than it says.
async fn check(path: &std::path::Path, world: &mut impl World) {
    let text = std::fs::read_to_string(path).unwrap();
    let mut wrong = Vec::new();
    for step in script::parse(&text) {
        let answer = world.perform(&step).await;
        let expected = step.expected.as_deref().unwrap_or("ok");
        let is_right = answer == expected || (step.expected.is_none() && !answer.starts_with("error"));
        if !is_right {
            wrong.push(format!("line {}: expected `{expected}`, was `{answer}`", step.line_number));
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", path.display(), wrong.join("\n"));
}

fn balance_text(pending: i64, owed: i64, earned: i64, currency: Currency) -> String {
    format!("pending {} owed {} earned {}", amount(pending, currency), amount(owed, currency), amount(earned, currency))
}

fn lead_text(state: &str, affiliate: Option<String>) -> String {
    match affiliate {
        Some(affiliate) => format!("{state} {affiliate}"),
        None => format!("{state} unbound"),
    }
}

/// `20%` is 200,000 parts per million, `12.5%` is 125,000.
fn percent_ppm(text: &str) -> i64 {
    let digits = text.strip_suffix('%').unwrap_or_else(|| panic!("{text} is no commission"));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let decimals = format!("{decimals:0<4}");
    format!("{whole}{decimals}").parse().unwrap()
}

#[tokio::test]
async fn scenarios_hold_for_the_rules_alone() {
    for path in script::files() {
        check(&path, &mut pure::PureWorld::new()).await;
    }
}

db_test!(scenarios_hold_over_the_wire, |database: TestDatabase| async move {
    let mut world = wire::WireWorld::new(&database).await;
    for path in script::files() {
        world.begin(path.file_stem().unwrap().to_str().unwrap()).await;
        check(&path, &mut world).await;
        world.verify().await;
    }
});
