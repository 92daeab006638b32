//! Stored forms: every golden text stays readable for ever, and its value is written as the same text today. A text of an unknown
//! version is an error that names its row.

mod closed_sets;
mod contested;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater::domain::account::{Account, ApiKey};
use headwater::domain::affiliate::{Affiliate, AffiliateOutcome, AffiliateSelector, AffiliateState, Profile};
use headwater::domain::attribution::{Candidate, CandidateResult};
use headwater::domain::bounty::{Bounty, Submission, SubmissionState};
use headwater::domain::click::{ClickOutcome, ClickPayment};
use headwater::domain::conversion::SaleChannel;
use headwater::domain::conversion::{
    AsRecorded, ConversionSelector, CouponUse, Credit, CustomerSale, KeptSale, OrderDetails, SaleLine, SaleOutcome,
};
use headwater::domain::coupon::{Coupon, CouponDetails, CouponRate, CouponState};
use headwater::domain::customer_reward::{CustomerRewardEvent, CustomerRewardPromise};
use headwater::domain::dated_commission::DatedCommission;
use headwater::domain::enrollment::{
    Enrollment, EnrollmentOutcome, EnrollmentStanding, EnrollmentWithLanding, PastStanding,
};
use headwater::domain::id::RewardId;
use headwater::domain::item::Item;
use headwater::domain::lead::{Lead, LeadDetails, LeadOutcome, SaleCount};
use headwater::domain::link::{Link, LinkWithDestination};
use headwater::domain::money::Rounding;
use headwater::domain::noted::NotedFacts;
use headwater::domain::offer::Offer;
use headwater::domain::outcome::Outcome;
use headwater::domain::payout::{Payout, PayoutPolicy, PayoutProvider};
use headwater::domain::payout_connection::PayoutConnection;
use headwater::domain::payout_method::Sealed;
use headwater::domain::payout_reconciliation::PayoutReconciliation;
use headwater::domain::payout_run::PayoutRun;
use headwater::domain::pricing::ConditionField;
use headwater::domain::program::{Commission, EnrollmentBonus, Invitation, Program, ProgramWithTerms, TermsDraft};
use headwater::domain::reward::{
    ByHand, Calculation, Reward, RewardClick, RewardLine, RewardRule, RewardState, RuleTaken,
};
use headwater::domain::set::{Needs, WorkingSet};
use headwater::domain::split::Split;
use headwater::domain::tally::{Counted, TallyChange};
use headwater::domain::tax_profile::{TaxDetails, TaxNumber};
use headwater::domain::timing::{Recurrence, Timing, Weekday};
use headwater::domain::upline::{UplineBasis, UplineLevel, UplineShare};
use headwater::store::entity::{affiliate, conversion, enrollment, request, reward, terms};
use headwater::store::form::Kept;
use headwater::store::set::catalogue::Catalogues;
use headwater::store::{self, StoreError};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Database, EntityTrait, QueryFilter};
use uuid::Uuid;

use super::load::by_every_name;
use super::{open_with_account, write};
use crate::support::database::TestDatabase;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};

/// The golden texts, and which of them a test has checked.
struct Golden {
    folder: PathBuf,
    update: bool,
    names: BTreeSet<String>,
}

impl Golden {
    fn open() -> Self {
        Self {
            folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/stored"),
            update: std::env::var("HEADWATER_UPDATE_GOLDEN").is_ok_and(|value| value == "1"),
            names: BTreeSet::new(),
        }
    }

    /// Checks that the file parses to the value, and that the value is written as the file has it.
    #[track_caller]
    fn holds<T: Kept + PartialEq + Debug>(&mut self, name: &str, value: &T) {
        let golden = frozen(&self.folder.join(format!("{name}.json")), &value.to_text().unwrap(), self.update);
        assert_eq!(T::from_text(&golden).as_ref().ok(), Some(value), "{name}");
        self.names.insert(format!("{name}.json"));
    }
}

/// Checks a golden file against this text. A missing file can be written; an existing one is never changed.
#[track_caller]
fn frozen(path: &Path, text: &str, update: bool) -> String {
    if update && !path.exists() {
        std::fs::write(path, format!("{text}\n")).unwrap();
    }
    let path_name = path.display();
    let golden = std::fs::read_to_string(path);
    let golden = golden.unwrap_or_else(|error| {
        panic!("{path_name}: {error}. Is the form or its version new? HEADWATER_UPDATE_GOLDEN=1 adds its file.")
    });
    assert_eq!(
        golden.trim_end(),
        text,
        "{path_name} is never changed, since rows are stored like that; see src/store/form/mod.rs for what to do instead"
    );
    golden
}

/// The name of an answer's variant, as the stored text has it.
fn name_of(outcome: &Outcome) -> String {
    let text: serde_json::Value = serde_json::from_str(&outcome.to_text().unwrap()).unwrap();
    text[1].as_object().unwrap().keys().next().unwrap().clone()
}

#[test]
fn stored_forms_are_the_golden_ones() {
    let mut golden = Golden::open();
    for outcome in rows::outcomes() {
        golden.holds(&format!("request_outcome_{}.v1", name_of(&outcome)), &outcome);
    }
    golden.holds("terms_rules.v1", &rows::terms().rules);
    golden.holds("enrollment_commission_override.v1", &rows::enrollment().commission_override.unwrap());
    golden.holds("enrollment_dated_commissions.v1", &vec![rows::dated_commission()]);
    let open = DatedCommission { commission: None, ends_at: None, withdrawn_at: None, ..rows::dated_commission() };
    golden.holds("enrollment_dated_commissions.v1.short", &vec![open]);
    golden.holds("enrollment_past.v1", &vec![rows::past_standing()]);
    golden.holds("program_agreement.v1", &rows::agreement());
    golden.holds("program_welcome_mail.v1", &rows::welcome_mail());
    golden.holds("program_questions.v1", &vec![rows::question()]);
    golden.holds("program_invitations.v1", &vec![rows::invitation()]);
    contested::holds_forms(&mut golden);
    golden.holds("enrollment_acceptances.v1", &vec![rows::acceptance()]);
    golden.holds("enrollment_metadata.v1", &rows::metadata());
    golden.holds("program_metadata.v1", &rows::metadata());
    golden.holds("enrollment_moved.v1", &rows::moved());
    let standing = EnrollmentStanding { moved: Some(rows::moved()), ..rows::past_standing().standing };
    golden.holds("enrollment_past.v1.moved", &vec![PastStanding { standing, ..rows::past_standing() }]);
    golden.holds("affiliate_profile.v1", &rows::profile());
    golden.holds("affiliate_past_uplines.v1", &rows::past_uplines());
    golden.holds("coupon_details.v1", &rows::coupon_details());
    golden.holds("lead_details.v1", &rows::lead_details());
    golden.holds("account_time_zones.v1", &rows::time_zones());
    golden.holds("payout_sending.v1", rows::waiting_payout().sending.as_deref().unwrap());
    golden.holds("payout_purse_waits.v1", &rows::payout_purse().waits);
    golden.holds("account_payout_policy.v1", &rows::payout_policy());
    let with_invoices = PayoutPolicy { self_billing_invoices: true, ..rows::payout_policy() };
    golden.holds("account_payout_policy.v1.with_invoices", &with_invoices);
    golden.holds("payout_document_content.v1", &rows::document_content());
    let with_tax = Profile { invoice_tax: Some(rows::invoice_tax()), ..rows::profile() };
    golden.holds("affiliate_profile.v1.with_invoice_tax", &with_tax);
    let invoiced = Outcome::Payout(Arc::new(rows::invoiced_payout()));
    golden.holds("request_outcome_payout.v1.with_document", &invoiced);
    let with_profile = PayoutPolicy { requires_tax_profile: true, ..rows::payout_policy() };
    golden.holds("account_payout_policy.v1.with_tax_profile", &with_profile);
    let number = TaxNumber { sealed: Sealed::new([]), ..rows::tax_details().number.unwrap() };
    golden.holds("tax_profile_details.v1", &TaxDetails { number: Some(number), ..rows::tax_details() });
    golden.holds("tax_profile_details.v1.bare", &rows::bare_tax_details());
    golden.holds("payout_schedule_timing.v1", &rows::payout_schedule().timing);
    let weekly = Timing { recurrence: Recurrence::Weekdays(Weekday::ALL.to_vec()), minute_of_day: 1 };
    golden.holds("payout_schedule_timing.v1.weekdays", &weekly);
    golden.holds("payout_schedule_timing.v1.cycle", &rows::archived_payout_schedule().timing);
    golden.holds("payout_reopenings.v1", &rows::reopenings());
    golden.holds("payout_reconciliation_differences.v1", &rows::payout_differences());
    golden.holds("conversion_order_details.v1", &rows::order_details());
    golden.holds("conversion_candidates.v1", &vec![rows::candidate()]);
    golden.holds("conversion_as_recorded.v1", &rows::as_recorded());
    golden.holds(
        "reward_calculation.v1",
        &Calculation {
            sale_amount: rows::usd(12_000),
            share_ppm: 500_000,
            rounding: Rounding::Down,
            ..rows::calculation()
        },
    );
    golden.holds("reward_by_hand.v1", &rows::by_hand());
    golden.holds("reward_click.v1", &rows::reward_click());
    golden.holds("counted_click_counted.v1", &rows::tallies::counted());
    golden.holds("bounty_rewards.v1", &rows::bounty().rewards);
    holds_forms_that_say_little(&mut golden);

    let files = std::fs::read_dir(&golden.folder).unwrap();
    let files: BTreeSet<String> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
    let of_forms = files.into_iter().filter(|name| name.ends_with(".json"));
    assert_eq!(
        of_forms.collect::<BTreeSet<_>>(),
        golden.names,
        "a golden text that no form is compared with, or none of its own"
    );
}

/// Checks the golden texts whose values lack every optional field.
fn holds_forms_that_say_little(golden: &mut Golden) {
    let (affiliate, key) = rows::without_secrets();
    let (sale, coupon) = (rows::sale(1), rows::coupon(1, "ADA10", CouponState::Active));
    let enrollment =
        Enrollment { landing_url: String::new(), commission_override: None, ended_at: None, ..rows::enrollment() };
    let enrollment = EnrollmentWithLanding {
        enrollment: Arc::new(enrollment),
        landing_url: "https://shop.test/".to_owned(),
        lacks_newest_agreement: false,
    };
    let mut link = rows::link();
    (link.destination_url, link.revoked_at) = (String::new(), None);
    let mut reward = rows::reward(1, &sale, None);
    (reward.reversed_minor, reward.deny_reason) = (0, String::new());
    let outcomes = [
        Outcome::ApiKey(Arc::new(ApiKey { expires_at: None, revoked_at: None, ..key })),
        Outcome::from(Arc::new(AffiliateOutcome {
            affiliate: Arc::new(Affiliate {
                external_id: None,
                first_name: String::new(),
                last_name: String::new(),
                profile: Profile::default(),
                ..affiliate
            }),
            enrollment: enrollment.clone(),
            coupon: None,
        })),
        Outcome::from(Arc::new(EnrollmentOutcome { enrollment, coupon: None })),
        Outcome::Link(Arc::new(LinkWithDestination {
            link: Arc::new(link),
            destination_url: "https://shop.test/".to_owned(),
        })),
        Outcome::Coupon(Arc::new(Coupon { note: String::new(), ..coupon })),
        Outcome::Item(Arc::new(Item {
            display_name: String::new(),
            note: String::new(),
            archived_at: None,
            ..rows::item()
        })),
        Outcome::Offer(Arc::new(Offer {
            about: String::new(),
            item_id: None,
            code_prefix: String::new(),
            starts_at: None,
            ends_at: None,
            max_claims: 0,
            max_claims_per_affiliate: 0,
            claim_count: 0,
            archived_at: None,
            ..rows::offer()
        })),
        Outcome::Bounty(Arc::new(Bounty {
            about: String::new(),
            rewards: Vec::new(),
            starts_at: None,
            ends_at: None,
            max_submissions: 0,
            max_submissions_per_affiliate: 0,
            submission_count: 0,
            archived_at: None,
            decided_at: None,
            ..rows::bounty()
        })),
        Outcome::Submission(Arc::new(Submission {
            state: SubmissionState::Submitted,
            place: 0,
            reward_id: None,
            decided_at: None,
            ..rows::submission().without_personal_data()
        })),
        Outcome::Lead(LeadOutcome {
            lead_id: rows::lead().id,
            credits: Default::default(),
            conversion_id: None,
            rewards: Vec::new(),
            customer_reward: None,
        }),
        Outcome::ChangedLead(Arc::new(Lead {
            binding: None,
            plan: String::new(),
            mrr: None,
            first_sale_at: None,
            merged_into: None,
            deleted_at: None,
            ..rows::kept_lead()
        })),
        Outcome::Sale(SaleOutcome {
            conversion_id: sale.id,
            lead_id: None,
            other_lead_id: None,
            credits: Default::default(),
            rewards: Vec::new(),
            coupon_fault: None,
            is_known_by_ref_id: false,
            is_known_by_tid: false,
            is_undeclared: false,
            customer_reward: None,
        }),
        Outcome::KeptSale(KeptSale::default()),
        Outcome::Rewards(vec![Arc::new(reward.clone())]),
        Outcome::Reward(Arc::new(Reward { by_hand: Some(ByHand::default()), ..rows::reward_by_hand(3) })),
    ];
    for outcome in outcomes {
        golden.holds(&format!("request_outcome_{}.v1.short", name_of(&outcome)), &outcome);
    }
    let suspended = Outcome::Account(Arc::new(rows::suspended_account(ACCOUNT)));
    golden.holds("request_outcome_account.v1.with_suspension", &suspended);
    let limited = Outcome::Account(Arc::new(Account { calls_per_minute: 50, ..rows::account(ACCOUNT) }));
    golden.holds("request_outcome_account.v1.with_call_limit", &limited);
    let bound = Outcome::ApiKey(Arc::new(ApiKey { secret_hash: [0; 32], ..rows::bound_key() }));
    golden.holds("request_outcome_api_key.v1.with_places", &bound);
    let other = SaleOutcome {
        conversion_id: sale.id,
        lead_id: Some(rows::lead().id),
        other_lead_id: Some(rows::lead().id),
        credits: Default::default(),
        rewards: Vec::new(),
        coupon_fault: None,
        is_known_by_ref_id: false,
        is_known_by_tid: false,
        is_undeclared: false,
        customer_reward: None,
    };
    let applied = Enrollment { affiliate_state: AffiliateState::Applied, ..rows::enrollment() };
    let applied = EnrollmentWithLanding {
        enrollment: Arc::new(applied),
        landing_url: "https://shop.test/".to_owned(),
        lacks_newest_agreement: false,
    };
    let applied = Outcome::from(Arc::new(EnrollmentOutcome { enrollment: applied, coupon: None }));
    golden.holds("request_outcome_enrollment.v1.with_affiliate_state", &applied);
    let unchanged = Outcome::ChangedAffiliate(Arc::new(rows::without_secrets().0));
    golden.holds("request_outcome_changed_affiliate.v1.short", &unchanged);
    golden.holds("request_outcome_sale.v1.with_other_lead_id", &Outcome::Sale(other.clone()));
    let fault = Some(CandidateResult::CouponOfOtherItem);
    let undeclared = Outcome::Sale(SaleOutcome { is_undeclared: true, ..other.clone() });
    golden.holds("request_outcome_sale.v1.with_is_undeclared", &undeclared);
    let other = Outcome::Sale(SaleOutcome { coupon_fault: fault, ..other });
    golden.holds("request_outcome_sale.v1.with_coupon_fault", &other);
    let kept = Outcome::KeptSale(KeptSale { is_undeclared: true, ..KeptSale::default() });
    golden.holds("request_outcome_kept_sale.v1.with_is_undeclared", &kept);
    let known = Outcome::KeptSale(KeptSale { is_known_by_ref_id: true, is_known_by_tid: true, ..KeptSale::default() });
    golden.holds("request_outcome_kept_sale.v1.with_known_customer", &known);
    let mut rules = rows::terms().rules;
    rules.custom_kinds = vec!["demo".to_owned()];
    golden.holds("terms_rules.v1.with_custom_kinds", &rules);
    golden.holds("terms_rules.v1.with_commission_rules", &rows::rules::terms_with_rules());
    golden.holds("terms_rules.v1.with_customer_limits", &rows::rules::terms_with_customer_limits());
    let taken = RuleTaken { name: "mugs".into(), number: 2, quantity: 3, first_sale_bonus: None };
    let (rule, commission) = (RewardRule::TermsRule, Commission::Flat(rows::usd(125)));
    let by_rule =
        Calculation { rule, commission, rule_taken: Some(taken), amount_not_compared: true, ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_rule_taken", &by_rule);
    let rate = UplineLevel { basis: UplineBasis::SaleAmount, percent_ppm: 50_000 };
    let rules = TermsDraft { upline_levels: vec![rate], ..rows::terms().rules };
    golden.holds("terms_rules.v1.with_upline_levels", &rules);
    let upline = UplineShare { level: 2, rate, credited_enrollment_id: rows::enrollment().id };
    let of_upline = Calculation { upline: Some(upline), ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_upline", &of_upline);
    let rules = TermsDraft { caps: vec![rows::tallies::cap()], ..rows::terms().rules };
    golden.holds("terms_rules.v1.with_caps", &rules);
    let capped = Calculation { caps: vec![rows::tallies::cap_applied()], ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_caps", &capped);
    let change = TallyChange { paid_before_minor: 300, paid_after_minor: 250, booked_minor: 270 };
    let of_tally = Calculation { rule: RewardRule::TallyChange, tally_change: Some(change), ..capped };
    golden.holds("reward_calculation.v1.with_tally_change", &of_tally);
    let in_tallies = OrderDetails { counted: vec![rows::tallies::counted()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_counted", &in_tallies);
    let rules = TermsDraft { ladder: Some(rows::ladders::ladder()), ..rows::terms().rules };
    golden.holds("terms_rules.v1.with_ladder", &rules);
    let on_step = Calculation { ladder: Some(rows::ladders::met()), ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_ladder", &on_step);
    golden.holds("sales_tally_bonuses.v1", &rows::sales::bonuses());
    let rules = TermsDraft {
        threshold_bonuses: rows::sales::threshold_bonuses(),
        sales_tallies: rows::sales::counted_since(),
        ..rows::terms().rules
    };
    golden.holds("terms_rules.v1.with_threshold_bonuses", &rules);
    let tallied = OrderDetails { tallied: vec![rows::sales::tallied()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_tallied", &tallied);
    let of_threshold = ByHand { threshold: Some(rows::sales::reached()), ..ByHand::default() };
    golden.holds("reward_by_hand.v1.with_threshold", &of_threshold);
    let on_ladder = OrderDetails { laddered: vec![rows::ladders::laddered()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_laddered", &on_ladder);
    let on_ladder = OrderDetails { laddered: vec![rows::ladders::paid()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_laddered_paid", &on_ladder);
    let divided = Calculation { brackets: Some(rows::ladders::brackets()), ..on_step };
    golden.holds("reward_calculation.v1.with_brackets", &divided);
    golden.holds("ladder_tally_step_values.v1", &rows::ladders::tally().step_values);
    let mut noted = NotedFacts::none(rows::enrollment().id);
    noted.keep(ConditionField::AffiliateCountry.noted_as(""), "DE");
    noted.keep(ConditionField::LeadMetadata.noted_as("tier"), "");
    let told = OrderDetails { country_code: "US".to_owned(), noted: vec![noted], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_noted", &told);
    golden.holds("terms_rules.v1.with_noted", &rows::rules::terms_with_noted());
    let told = LeadDetails { country_code: "US".to_owned(), ..LeadDetails::default() };
    golden.holds("lead_details.v1.with_country_code", &told);
    let taken = by_rule.rule_taken.clone().map(|taken| RuleTaken { first_sale_bonus: Some(rows::usd(500)), ..taken });
    let with_bonus = Calculation { rule_taken: taken, ..by_rule };
    golden.holds("reward_calculation.v1.with_first_sale_bonus", &with_bonus);
    let place = CustomerSale { number: 3, age_days: 59, age_months: 1, void_at: Some(NOW) };
    let rest = SaleLine { amount_minor: 500, ..SaleLine::default() };
    let lines = OrderDetails { lines: vec![rows::lines::sale_line(), rest], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_lines", &lines);
    let corrected = OrderDetails { lines_before: vec![rows::lines::sale_line()], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_lines_before", &corrected);
    let lines = Calculation { lines: vec![rows::lines::reward_line()], ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_lines", &lines);
    let split = Split { shares_ppm: vec![333_334, 333_333, 333_333], place: 1 };
    let shared = Calculation { share_ppm: 333_333, split: Some(split), ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_split", &shared);
    let counted = OrderDetails { customer_sale: Some(place), ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_customer_sale", &counted);
    let count =
        SaleCount { program_id: rows::program().id, count: 3, first_at: Some(NOW), last_at: Some(NOW.plus_days(7)) };
    golden
        .holds("lead_details.v1.with_sale_counts", &LeadDetails { sale_counts: vec![count], ..LeadDetails::default() });
    let rewards = vec![rows::reward(1, &sale, None).summary()];
    let paid = LeadOutcome {
        lead_id: rows::lead().id,
        credits: Default::default(),
        conversion_id: Some(sale.id),
        rewards,
        customer_reward: None,
    };
    golden.holds("request_outcome_lead.v1.with_rewards", &Outcome::Lead(paid.clone()));
    let granted = rows::customer_reward();
    let grants = LeadOutcome { rewards: Vec::new(), customer_reward: Some(granted), ..paid };
    golden.holds("request_outcome_lead.v1.with_customer_reward", &Outcome::Lead(grants));
    let kept = KeptSale { customer_reward: Some(granted), ..KeptSale::default() };
    golden.holds("request_outcome_kept_sale.v1.with_customer_reward", &Outcome::KeptSale(kept));
    let details = LeadDetails { customer_rewards: vec![granted].into(), ..LeadDetails::default() };
    golden.holds("lead_details.v1.with_customer_rewards", &details);
    let (event, unit, value) = (CustomerRewardEvent::FirstSale, granted.unit, granted.value);
    let promise = CustomerRewardPromise { event, unit, value };
    let promising = TermsDraft { customer_reward: Some(promise), ..rows::terms().rules };
    golden.holds("terms_rules.v1.with_customer_reward", &promising);
    let bonus = Some(EnrollmentBonus { unit: granted.unit, value: granted.value });
    golden
        .holds("terms_rules.v1.with_enrollment_bonus", &TermsDraft { enrollment_bonus: bonus, ..rows::terms().rules });
    let details = LeadDetails { asked_for_new_at: Some(NOW), ..LeadDetails::default() };
    golden.holds("lead_details.v1.with_asked_for_new", &details);
    let new_only = TermsDraft { new_customers_only: true, ..rows::terms().rules };
    golden.holds("terms_rules.v1.for_new_customers", &new_only);
    golden.holds("reward_by_hand.v1.of_enrollment", &ByHand { bonus_terms_version: 3, ..ByHand::default() });
    let submission_id = Some(rows::submission().id);
    golden.holds("reward_by_hand.v1.of_submission", &ByHand { submission_id, ..ByHand::default() });
    let of_click = Some(rows::reward_of_click(4).summary());
    let (click_id, tid) = (rows::reward_click().click_id, rows::reward_click().tid);
    let earning = ClickOutcome {
        click_id,
        tid,
        destination_url: String::new(),
        affiliate_id: rows::affiliate().id,
        payment: ClickPayment::Earned,
        reward: of_click,
    };
    golden.holds("request_outcome_click.v1.with_reward", &Outcome::Click(earning));
    golden.holds("reward_click.v1.short", &RewardClick { sub_id: "".into(), ..rows::reward_click() });
    let counted =
        Counted { caps: Vec::new(), earned_minor: 0, paid_minor: 0, changed_minor: 0, ..rows::tallies::counted() };
    golden.holds("counted_click_counted.v1.short", &counted);
    let paid = TermsDraft { commission_rules: vec![rows::rule_for_clicks()], ..rows::terms().rules };
    golden.holds("terms_rules.v1.with_rule_for_clicks", &paid);
    let candidate = Candidate { sub_id: "newsletter".to_owned(), ..rows::candidate() };
    golden.holds("conversion_candidates.v1.with_sub_id", &vec![candidate]);
    let link = Link { claimed_page: Some("shop.test/ada".to_owned()), ..rows::link() };
    let link = LinkWithDestination { link: Arc::new(link), destination_url: "https://shop.test/blog".to_owned() };
    golden.holds("request_outcome_link.v1.with_claimed_page", &Outcome::Link(Arc::new(link)));
    let program = Program { hosts: vec!["shop.test".to_owned()], ..rows::program() };
    let program = ProgramWithTerms { program: Arc::new(program), terms: Arc::new(rows::terms()) };
    golden.holds("request_outcome_program.v1.with_hosts", &Outcome::Program(Arc::new(program)));
    let invitation = Invitation { expires_at: None, max_uses: 0, use_count: 0, ..rows::invitation() };
    golden.holds("program_invitations.v1.short", &vec![invitation]);
    let program = Program { is_private: true, invitations: vec![rows::invitation()], ..rows::program() };
    let program = ProgramWithTerms { program: Arc::new(program), terms: Arc::new(rows::terms()) };
    golden.holds("request_outcome_program.v1.with_invitations", &Outcome::Program(Arc::new(program)));
    let program = Program { metadata: rows::metadata(), ..rows::program() };
    let program = ProgramWithTerms { program: Arc::new(program), terms: Arc::new(rows::terms()) };
    golden.holds("request_outcome_program.v1.with_metadata", &Outcome::Program(Arc::new(program)));
    let described = OrderDetails { metadata: rows::metadata(), ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_metadata", &described);
    let custom = OrderDetails { custom_kind: "demo".to_owned(), ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_custom_kind", &custom);
    let kept = Outcome::KeptSale(KeptSale { coupon_fault: fault, ..KeptSale::default() });
    golden.holds("request_outcome_kept_sale.v1.with_coupon_fault", &kept);
    let tied = Outcome::Coupon(Arc::new(rows::tied_coupon(2)));
    golden.holds("request_outcome_coupon.v1.with_item_id_and_offer_id", &tied);
    let zoned = Account { time_zones: rows::time_zones(), ..rows::account(ACCOUNT) };
    golden.holds("request_outcome_account.v1.with_time_zones", &Outcome::Account(Arc::new(zoned)));
    let policy = Account { payout_policy: Some(rows::payout_policy()), ..rows::account(ACCOUNT) };
    golden.holds("request_outcome_account.v1.with_payout_policy", &Outcome::Account(Arc::new(policy)));
    let cancelled = Outcome::Payout(Arc::new(rows::cancelled_payout()));
    golden.holds("request_outcome_payout.v1.with_cancelled_at", &cancelled);
    let sent = Outcome::Payout(Arc::new(rows::waiting_payout()));
    golden.holds("request_outcome_payout.v1.with_sending", &sent);
    let reopened = Outcome::Payout(Arc::new(rows::reopened_payout()));
    golden.holds("request_outcome_payout.v1.with_reopenings", &reopened);
    let cancelled = Outcome::PayoutRun(Arc::new(rows::cancelled_payout_run()));
    golden.holds("request_outcome_payout_run.v1.with_cancelled_at", &cancelled);
    let of_tests = Payout { is_test: true, ..rows::payout() };
    golden.holds("request_outcome_payout.v1.with_is_test", &Outcome::Payout(Arc::new(of_tests)));
    let of_provider = PayoutRun { provider: Some(PayoutProvider::PayPal), ..rows::payout_run() };
    golden.holds("request_outcome_payout_run.v1.with_provider", &Outcome::PayoutRun(Arc::new(of_provider)));
    let planned = Outcome::PayoutRun(Arc::new(rows::planned_payout_run()));
    golden.holds("request_outcome_payout_run.v1.with_plan", &planned);
    let archived = Outcome::PayoutSchedule(Arc::new(rows::archived_payout_schedule()));
    golden.holds("request_outcome_payout_schedule.v1.with_archived_at", &archived);
    let connection =
        PayoutConnection { sealed: Sealed::new([]), last_reconciliation_id: None, ..rows::payout_connection() };
    let connection = Outcome::PayoutConnection(Arc::new(connection));
    golden.holds("request_outcome_payout_connection.v1.with_next_reconciliation_at", &connection);
    let running = PayoutReconciliation {
        differences: Vec::new(),
        tries: 0,
        lease_id: Uuid::nil(),
        ..rows::running_payout_reconciliation()
    };
    let running = Outcome::PayoutReconciliation(Arc::new(running));
    golden.holds("request_outcome_payout_reconciliation.v1.running", &running);
    let for_tests = Account { is_test: true, ..rows::account(ACCOUNT) };
    golden.holds("request_outcome_account.v1.with_is_test", &Outcome::Account(Arc::new(for_tests)));
    let waiting = PayoutPolicy { method_change_hours: 24, ..rows::payout_policy() };
    golden.holds("account_payout_policy.v1.with_method_change_hours", &waiting);
    let reserved = Reward {
        state: RewardState::InPayout,
        payout_id: Some(rows::payout().id),
        approved_at: Some(NOW),
        ..rows::reward(1, &rows::sale(1), None)
    };
    golden.holds("request_outcome_reward.v1.with_approved_at", &Outcome::Reward(Arc::new(reserved)));
    let linked = Credit { link_id: Some(rows::link().id), ..rows::credit() };
    let linked = AsRecorded { lead_id: None, credits: [linked].into_iter().collect() };
    golden.holds("conversion_as_recorded.v1.with_link_id", &linked);
    let placed = Credit { sub_id: Some("newsletter".into()), ..rows::credit() };
    let placed = AsRecorded { lead_id: None, credits: [placed].into_iter().collect() };
    golden.holds("conversion_as_recorded.v1.with_sub_id", &placed);
    let limited = Coupon {
        starts_at: Some(NOW),
        ends_at: Some(NOW.plus_days(7)),
        channel: Some(SaleChannel::PointOfSale),
        ..rows::tied_coupon(3)
    };
    golden.holds("request_outcome_coupon.v1.with_validity", &Outcome::Coupon(Arc::new(limited)));
    let single_use = Outcome::Offer(Arc::new(Offer { max_uses_per_coupon: 1, ..rows::offer() }));
    golden.holds("request_outcome_offer.v1.with_max_uses_per_coupon", &single_use);
    let limited = Outcome::Coupon(Arc::new(rows::limited_coupon(3)));
    golden.holds("request_outcome_coupon.v1.with_limits", &limited);
    let in_total = CouponUse { coupon_id: rows::limited_coupon(3).id, lead_id: None };
    for (name, used) in [
        ("conversion_order_details.v1.with_coupon_use", in_total),
        (
            "conversion_order_details.v1.with_coupon_use_of_customer",
            CouponUse { lead_id: Some(rows::lead().id), ..in_total },
        ),
    ] {
        golden.holds(name, &OrderDetails { coupon_use: Some(used), ..OrderDetails::default() });
    }
    golden.holds("coupon_details.v1.short", &CouponDetails::default());
    let (commission, ends_at) = (Some(Commission::PercentPpm(250_000)), Some(NOW.plus_days(7)));
    let first = CouponRate { starts_at: None, commission, ends_at };
    let none = CouponRate { starts_at: Some(NOW), commission: None, ends_at: None };
    let with_rates = CouponDetails { rates: vec![first, none], ..CouponDetails::default() };
    golden.holds("coupon_details.v1.with_rates", &with_rates);
    let open = DatedCommission { commission: None, ends_at: None, withdrawn_at: None, ..rows::dated_commission() };
    let dated_commissions = vec![rows::dated_commission(), open];
    let with_dates = CouponDetails { dated_commissions, ..CouponDetails::default() };
    golden.holds("coupon_details.v1.with_dated_commissions", &with_dates);
    let sold = OrderDetails { item_sku: "MUG-1".to_owned(), ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_item_sku", &sold);
    let collections = vec!["sale".to_owned(), "shirts".to_owned()];
    let line = SaleLine { collections: vec!["shirts".to_owned()], ..rows::lines::sale_line() };
    let sold = OrderDetails { collections, lines: vec![line], ..OrderDetails::default() };
    golden.holds("conversion_order_details.v1.with_collections", &sold);
    let line = RewardLine { collections: vec!["shirts".into()], ..rows::lines::reward_line() };
    let calculation = Calculation { lines: vec![line], ..rows::calculation() };
    golden.holds("reward_calculation.v1.with_collections", &calculation);
    golden.holds("enrollment_commission_override.v1.percent", &Commission::PercentPpm(125_000));
    let mut past = rows::past_standing();
    past.standing.commission_override = None;
    golden.holds("enrollment_past.v1.short", &vec![past]);
    past.standing.affiliate_state = AffiliateState::Applied;
    golden.holds("enrollment_past.v1.with_affiliate_state", &vec![past]);
    golden.holds("affiliate_profile.v1.short", &Profile::default());
    let cancelled = LeadDetails { cancelled_at: Some(NOW), ..LeadDetails::default() };
    golden.holds("lead_details.v1.with_cancellation", &cancelled);
    let mut details = rows::lead_details();
    (details.manual_bindings[0].reason, details.manual_bindings[0].merged_id) = (String::new(), None);
    golden.holds(
        "lead_details.v1.short",
        &LeadDetails { manual_bindings: details.manual_bindings, ..LeadDetails::default() },
    );
    golden.holds("affiliate_profile.v1.with_custom_fields", &rows::profile_with_custom_fields());
    golden.holds("conversion_order_details.v1.short", &OrderDetails::default());
    golden.holds("conversion_candidates.v1.short", &Vec::<Candidate>::new());
    golden.holds("conversion_as_recorded.v1.short", &AsRecorded::default());
    golden.holds("reward_calculation.v1.short", &reward.calculation.unwrap());
    golden.holds("reward_by_hand.v1.short", &ByHand::default());
}

#[test]
fn secrets_are_not_in_stored_forms() {
    let lead = |lead: Lead| Outcome::ChangedLead(Arc::new(lead)).to_text().unwrap();
    let personal = Lead { details: LeadDetails::default(), ..rows::lead() };
    assert_eq!(lead(personal.clone()), lead(personal.without_personal_data()));
    let key = |key: ApiKey| Outcome::ApiKey(Arc::new(key)).to_text().unwrap();
    assert_eq!(key(rows::api_key()), key(rows::without_secrets().1));
    let affiliate = |affiliate: Affiliate| {
        let enrollment = EnrollmentWithLanding {
            enrollment: Arc::new(rows::enrollment()),
            landing_url: String::new(),
            lacks_newest_agreement: false,
        };
        let outcome =
            Outcome::from(Arc::new(AffiliateOutcome { affiliate: Arc::new(affiliate), enrollment, coupon: None }));
        outcome.to_text().unwrap()
    };
    assert_eq!(affiliate(rows::affiliate()), affiliate(rows::without_secrets().0));
}

#[test]
fn a_golden_text_can_be_added_and_never_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("form.v1.json");
    let fails = |text: &'static str, update| {
        let path = path.clone();
        let panic = std::thread::spawn(move || frozen(&path, text, update)).join().unwrap_err();
        panic.downcast_ref::<String>().unwrap().clone()
    };
    assert!(fails("[1,{}]", false).contains("HEADWATER_UPDATE_GOLDEN=1 adds its file"));
    assert_eq!(frozen(&path, "[1,{}]", true), "[1,{}]\n");
    assert_eq!(frozen(&path, "[1,{}]", false), "[1,{}]\n");
    for update in [false, true] {
        assert!(fails("[1,[]]", update).contains("never changed"));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "[1,{}]\n");
}

db_test!(a_text_of_an_unknown_version_names_its_row, |database: TestDatabase| async move {
    let store = open_with_account(&database).await;
    write(&store, Needs::default(), rows::everything::put_everything, NOW).await.unwrap();
    let connection = Database::connect(database.url.as_str()).await.unwrap();
    let (sale, first_reward) = (rows::sale(1).id, RewardId::from_uuid(uuid(1)));

    macro_rules! becomes_unknown {
        ($table:ident . $column:ident, $filter:expr) => {
            let update = $table::Entity::update_many().col_expr($table::Column::$column, Expr::value("[9,{}]"));
            assert!(update.filter($filter).exec(&connection).await.unwrap().rows_affected > 0);
        };
    }
    let error = |table, row: Uuid| Some(StoreError::Inconsistent { table, row });

    becomes_unknown!(conversion.Candidates, conversion::Column::Id.eq(uuid(2)));
    becomes_unknown!(conversion.OrderDetails, conversion::Column::Id.eq(sale.uuid()));
    for id in [sale.uuid(), uuid(2)] {
        let id = headwater::domain::id::ConversionId::from_uuid(id);
        assert_eq!(
            store::conversion::find(&store, ACCOUNT, &ConversionSelector::Id(id)).await.err(),
            error("conversion", id.uuid())
        );
    }

    let restored = conversion::Entity::update_many()
        .col_expr(conversion::Column::OrderDetails, Expr::value("[1,{}]"))
        .filter(conversion::Column::Id.eq(sale.uuid()));
    restored.exec(&connection).await.unwrap();
    let found = async || store::conversion::find(&store, ACCOUNT, &ConversionSelector::Id(sale)).await;
    assert!(found().await.is_ok());
    becomes_unknown!(conversion.AsRecorded, conversion::Column::Id.eq(sale.uuid()));
    assert_eq!(found().await.err(), error("conversion", sale.uuid()));

    becomes_unknown!(reward.Calculation, reward::Column::Id.eq(first_reward.uuid()));
    let found = store::reward::find(&store, ACCOUNT, first_reward).await;
    assert_eq!(found.err(), error("reward", first_reward.uuid()));

    becomes_unknown!(affiliate.Profile, affiliate::Column::AccountId.eq(ACCOUNT.uuid()));
    let id = rows::affiliate().id;
    let found = store::affiliate::find(&store, ACCOUNT, &AffiliateSelector::Id(id)).await;
    assert_eq!(found.err(), error("affiliate", id.uuid()));

    becomes_unknown!(enrollment.CommissionOverride, enrollment::Column::AccountId.eq(ACCOUNT.uuid()));
    let id = rows::enrollment().id;
    assert_eq!(store::enrollment::find(&store, ACCOUNT, id).await.err(), error("enrollment", id.uuid()));

    becomes_unknown!(terms.Rules, terms::Column::AccountId.eq(ACCOUNT.uuid()));
    let id = rows::program().id;
    assert_eq!(store::program::find_terms(&store, ACCOUNT, id, 1).await.err(), error("terms", id.uuid()));

    becomes_unknown!(request.Outcome, request::Column::AccountId.eq(ACCOUNT.uuid()));
    let needs = Needs { requests: by_every_name().requests, ..Needs::default() };
    let transaction = store.begin().await.unwrap();
    let loaded = store::set::load(&transaction, needs, &mut Catalogues::default(), &mut WorkingSet::default()).await;
    assert_eq!(loaded.err(), error("request", sale.uuid()));
    connection.close().await.unwrap();
});
