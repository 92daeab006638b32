//! Which version of the terms applies, whatever was scheduled, ended and withdrawn: the engine and a second, slow model agree. The model looks at
//! every version of every answer.

use headwater::domain::id::ProgramId;
use headwater::domain::outcome::Outcome;
use headwater::domain::rule::applicable_terms;
use headwater::domain::terms_period::Occasion;
use headwater::domain::time::Time;
use headwater::pb;
use proptest::option;
use proptest::prelude::*;

use super::config;
use super::rules::{Rules, START};

const HOUR_MICROS: i64 = 3_600_000_000;

/// What an owner does.
#[derive(Debug, Clone)]
struct Edit {
    /// The hours after the edit before.
    waits: u16,
    /// The hours until the version starts.
    starts_in: Option<i64>,
    /// The hours for which it lasts.
    lasts: Option<i64>,
    reach: pb::TermsReach,
    /// The version to withdraw.
    withdraws: Option<i32>,
}

fn edit() -> impl Strategy<Value = Edit> {
    let reach = prop_oneof![
        3 => Just(pb::TermsReach::NewSales),
        1 => Just(pb::TermsReach::NewCustomers),
        1 => Just(pb::TermsReach::NewAffiliates),
    ];
    (0..60_u16, option::weighted(0.6, 0..240_i64), option::of(1..200_i64), reach, option::weighted(0.2, 1..6_i32))
        .prop_map(|(waits, starts_in, lasts, reach, withdraws)| Edit { waits, starts_in, lasts, reach, withdraws })
}

fn wire(time: Time) -> Option<prost_types::Timestamp> {
    let nanos = i32::try_from(time.micros().rem_euclid(1_000_000) * 1_000).unwrap();
    Some(prost_types::Timestamp { seconds: time.micros().div_euclid(1_000_000), nanos })
}

fn hours(time: Time, count: i64) -> Time {
    time.plus_micros(count * HOUR_MICROS)
}

/// A version as the model knows it.
#[derive(Debug)]
struct Version {
    number: i32,
    starts_at: Time,
    ends_at: Option<Time>,
    reach: pb::TermsReach,
    is_withdrawn: bool,
}

fn applies(version: &Version, occasion: &Occasion) -> bool {
    let at = occasion.occurred_at;
    let is_running = version.starts_at <= at && version.ends_at.is_none_or(|end| at < end) && !version.is_withdrawn;
    let since = match version.reach {
        pb::TermsReach::NewCustomers => occasion.bound_at,
        pb::TermsReach::NewAffiliates => occasion.enrolled_at,
        _ => None,
    };
    version.number == 1 || (is_running && since.is_none_or(|since| since >= version.starts_at))
}

fn program(rules: &mut Rules) -> ProgramId {
    let request = pb::CreateProgramRequest {
        display_name: "main".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: terms(pb::TermsReach::NewSales),
        ..Default::default()
    };
    match rules.carry_out(&request).unwrap().outcome {
        Outcome::Program(made) => made.program.id,
        other => panic!("{other:?}"),
    }
}

fn terms(reach: pb::TermsReach) -> Option<pb::Terms> {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) };
    Some(pb::Terms { commission: Some(commission), reach: reach.into(), ..Default::default() })
}

/// Carries out an edit with the rules and with the model.
fn change(rules: &mut Rules, versions: &mut Vec<Version>, id: ProgramId, edit: &Edit) {
    rules.wait(edit.waits);
    let now = rules.now;
    let starts_at = hours(now, edit.starts_in.unwrap_or(0));
    let ends_at = edit.lasts.map(|lasts| hours(starts_at, lasts));
    let can_withdraw = edit.withdraws.filter(|number| {
        let is_coming = |version: &&Version| !version.is_withdrawn && version.starts_at > hours(now, 1);
        versions.iter().filter(is_coming).any(|version| version.number == *number && *number > 1)
    });
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: id.to_string(), terms: terms(edit.reach), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["terms".to_owned()] }),
        terms_start_time: edit.starts_in.and_then(|_| wire(starts_at)),
        terms_end_time: ends_at.and_then(wire),
        withdraw_terms_version: can_withdraw.unwrap_or(0),
        ..Default::default()
    };
    if rules.carry_out(&request).is_err() {
        // There are as many scheduled versions as may be.
        return;
    }
    versions
        .iter_mut()
        .filter(|version| Some(version.number) == can_withdraw)
        .for_each(|version| version.is_withdrawn = true);
    let number = i32::try_from(versions.len()).unwrap() + 1;
    versions.push(Version { number, starts_at, ends_at, reach: edit.reach, is_withdrawn: false });
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn n5_p13_the_slow_model_chooses_the_same_version(
        edits in prop::collection::vec(edit(), 1..30),
        moments in prop::collection::vec((-10..1_200_i64, option::of(-10..1_200_i64), option::of(-10..1_200_i64)), 30),
    ) {
        let mut rules = Rules::new();
        let id = program(&mut rules);
        let mut versions =
            vec![Version { number: 1, starts_at: START, ends_at: None, reach: pb::TermsReach::NewSales, is_withdrawn: false }];
        for edit in &edits {
            change(&mut rules, &mut versions, id, edit);
        }
        let program = rules.set.program(rules.account_id, id).unwrap();
        prop_assert_eq!(program.terms_version, i32::try_from(versions.len()).unwrap());
        for (at, bound, enrolled) in moments {
            let occasion = Occasion {
                occurred_at: hours(START, at),
                bound_at: bound.map(|bound| hours(START, bound)),
                enrolled_at: enrolled.map(|enrolled| hours(START, enrolled)),
            };
            let expected = versions
                .iter()
                .filter(|version| applies(version, &occasion))
                .max_by_key(|version| (version.starts_at, version.number))
                .map(|version| version.number);
            let chosen = applicable_terms(&rules.set, program, &occasion).unwrap().version;
            prop_assert_eq!(Some(chosen), expected, "{:?} of {:?}", occasion, versions);
        }
    }
}
