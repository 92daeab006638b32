//! The business rules as scenarios in plain text, `tests/it/golden/scenarios/*.txt`. Each runs against the rules alone, over gRPC
//! on SQLite, and over gRPC on PostgreSQL. All three must give the same answers.
//!
//! `play.rs` turns each step into a request; the worlds differ in how they execute it.

mod bounty;
mod click;
mod event;
mod fraud;
mod leads;
mod line;
mod offer;
mod payout;
mod play;
mod pure;
mod read;
mod refund;
mod request;
mod rules;
mod schedule;
mod script;
mod sending;
mod tax;
mod wire;

use headwater::domain::conversion::ConversionKind;
use headwater::domain::money::Currency;
use headwater::domain::time::Time;
use headwater::rpc::call::change::Change;
use tonic::Status;

use crate::support::database::TestDatabase;
use play::Player;

/// A way to execute requests and to read their results. Ids have the form that messages have.
pub(crate) trait World {
    /// Sets the clock.
    fn set_now(&mut self, now: Time);

    /// Executes a request.
    async fn change<M: Change>(&mut self, request: M) -> Result<M::Response, Status>;

    /// Approves every due reward of the account. Returns how many.
    async fn approve_due(&mut self) -> usize;

    /// Creates the payout runs that the account's schedules have planned up to now, and their payouts.
    async fn run_schedules(&mut self);

    /// A payout schedule.
    async fn schedule(&mut self, id: &str) -> ScheduleFacts;

    /// Amount and state of the payouts of a run, by affiliate, in the order of the affiliates' ids.
    async fn payouts_of_run(&mut self, run_id: &str) -> Vec<(String, i64, String)>;

    /// The enrollment of an affiliate, in the named program if there is one.
    async fn enrollment_id(&mut self, affiliate_id: &str, program_id: &str) -> String;

    /// The link with this code.
    async fn link_id(&mut self, code: &str) -> String;

    /// The newest coupon with this code.
    async fn coupon_id(&mut self, code: &str) -> String;

    /// The event of this kind that was recorded under this event_id.
    async fn recorded(&mut self, kind: ConversionKind, event_id: &str) -> SaleFacts;

    /// The lead with this external_id, or else this email address.
    async fn lead(&mut self, email: &str, external_id: &str) -> Option<LeadFacts>;

    /// Pending, owed, earned and frozen of an affiliate.
    async fn balance(&mut self, affiliate_id: &str, currency: Currency) -> [i64; 4];

    /// The short answer of the explanation of an event, and what would change it.
    async fn explained(&mut self, kind: ConversionKind, event_id: &str) -> (String, Vec<String>);

    /// Amount, currency and state of an affiliate's rewards, oldest first.
    async fn rewards(&mut self, affiliate_id: &str) -> Vec<(i64, Currency, String)>;

    /// The state of an affiliate's tax profile.
    async fn tax_state(&mut self, affiliate_id: &str) -> String;

    /// The payments to an affiliate in a year, what of them came back, and the fees.
    async fn yearly_total(&mut self, affiliate_id: &str, year: i32, currency: Currency) -> [i64; 3];

    /// The types of all events about conversions.
    async fn feed(&mut self) -> Vec<String>;

    /// The server behind the world. The rules alone have none.
    fn server(&mut self) -> &mut wire::WireWorld {
        panic!("a scenario that needs a server begins with the step `server`")
    }
}

/// The fields of a sale, or of another event, that scenarios check.
pub(crate) struct SaleFacts {
    /// The source and the result of each candidate for the credit.
    pub(crate) candidates: Vec<(String, String)>,
    /// The version of the terms; 0 for none.
    pub(crate) terms_version: i32,
    pub(crate) reward_ids: Vec<String>,
    /// How each reward was priced.
    pub(crate) priced_by: Vec<String>,
    /// The findings of fraud rules, credit by credit.
    pub(crate) suspicions: Vec<String>,
    /// The lines of a sale.
    pub(crate) lines: Vec<line::LineFacts>,
}

/// The fields of a payout schedule that scenarios check.
pub(crate) struct ScheduleFacts {
    pub(crate) next_run_at: Option<Time>,
    /// The newest run. Empty if there is none.
    pub(crate) last_run_id: String,
    pub(crate) currency: Currency,
}

/// The fields of a lead that scenarios check.
pub(crate) struct LeadFacts {
    pub(crate) state: String,
    pub(crate) affiliate_id: Option<String>,
    pub(crate) email_as_sent: String,
    /// What was granted in each program, and its state.
    pub(crate) rewards: Vec<String>,
    /// The findings of fraud rules in the events of the lead.
    pub(crate) suspicion: Vec<String>,
}

/// Runs one scenario file. Returns every line whose answer differs.
async fn differences(path: &std::path::Path, world: &mut impl World) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap();
    let mut player = Player::new(world);
    let mut wrong = Vec::new();
    for step in script::parse(&text) {
        let answer = player.perform(&step).await;
        let expected = step.expected.as_deref().unwrap_or("ok");
        let is_right = answer == expected || (step.expected.is_none() && !answer.starts_with("error"));
        if !is_right {
            let place = format!("{}:{}", path.display(), step.line_number);
            wrong.push(format!("{place}: expected `{expected}`, was `{answer}`"));
        }
    }
    wrong
}

#[tokio::test]
async fn scenarios_hold_for_the_rules_alone() {
    let mut wrong = Vec::new();
    for path in script::files().into_iter().filter(|path| !script::needs_server(path)) {
        let mut world = pure::PureWorld::new();
        wrong.extend(differences(&path, &mut world).await);
        let changed = world.simulate();
        wrong.extend(changed.into_iter().map(|changed| format!("{}: simulated {changed}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Whether a scenario changes an affiliate's own rate in the very moment of a sale, because the clock stands still. A rate counts from that
/// moment on, so the sale is explained by the new one although it was told before the change.
fn has_ties(path: &std::path::Path) -> bool {
    let name = path.file_stem().and_then(|name| name.to_str());
    name.is_some_and(|name| ["commission_kinds", "enrollment_again", "rules_correction"].contains(&name))
}

db_test!(scenarios_hold_over_the_wire, |database: TestDatabase| async move {
    let blank = database.copy().await;
    let mut shared = wire::WireWorld::new(&database).await;
    let mut wrong = Vec::new();
    for path in script::files() {
        // Workers wait when the clock is set back, as it is for each scenario. So one that sends payouts has a server of its own.
        let needs_server = script::needs_server(&path);
        let own_database = if needs_server { Some(blank.copy().await) } else { None };
        let mut own = match &own_database {
            Some(database) => Some(wire::WireWorld::new(database).await),
            None => None,
        };
        let world = own.as_mut().unwrap_or(&mut shared);
        world.begin(path.file_stem().unwrap().to_str().unwrap()).await;
        wrong.extend(differences(&path, world).await);
        world.verify().await;
        world.simulate().await;
        let explained = world.explain_all().await.into_iter().filter(|_| !has_ties(&path));
        wrong.extend(explained.map(|fault| format!("{}: the explanation differs of {fault}", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
});
