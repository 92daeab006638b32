//! ExplainConversion: row N4.

use headwater::domain::time::Time;
use headwater::pb;
use headwater::store::entity::terms;
use pb::conversion_selector::Selector;
use pb::{
    CandidateResult, CommissionStepResult, ConversionKind, ExplanationAction, ExplanationDifference, ExplanationResult,
    RewardApproval,
};
use prost::Message;
use sea_orm::sea_query::Expr;
use sea_orm::{Database, EntityTrait};
use testkit::client::Client;
use tonic::Code;

use super::affiliate::mask;
use crate::support::database::TestDatabase;
use crate::support::feed::{cash, from_beginning};
use crate::support::server::{START_MICROS, TestServer, nameless_details};
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> pb::Money {
    pb::Money { amount_minor, currency_code: "USD".to_owned() }
}

fn percent(percent_ppm: i32) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(percent_ppm)) })
}

fn flat(amount_minor: i64) -> Option<pb::Commission> {
    Some(pb::Commission { rate: Some(pb::commission::Rate::Flat(usd(amount_minor))) })
}

fn rule(name: &str, commission: Option<pb::Commission>) -> pb::CommissionRule {
    pb::CommissionRule { name: name.to_owned(), commission, ..Default::default() }
}

fn at_least(amount_minor: i64) -> Option<pb::Condition> {
    Some(pb::Condition {
        field: pb::ConditionField::Amount.into(),
        comparison: pb::Comparison::MoreOrEqual.into(),
        values: vec![amount_minor.to_string()],
        ..Default::default()
    })
}

fn recorded(kind: ConversionKind, event_id: &str) -> pb::ExplainConversionRequest {
    let event = pb::RecordedEvent { kind: kind.into(), event_id: event_id.to_owned() };
    let selector = pb::ConversionSelector { selector: Some(Selector::RecordedEvent(event)) };
    pb::ExplainConversionRequest { conversion: Some(selector) }
}

async fn explain(client: &mut Client, kind: ConversionKind, event_id: &str) -> pb::ExplainConversionResponse {
    let told = client.tracking.explain_conversion(recorded(kind, event_id)).await.unwrap().into_inner();
    // The conversion is the one that GetConversion returns.
    let request = pb::GetConversionRequest { conversion: recorded(kind, event_id).conversion, ..Default::default() };
    let conversion = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion;
    assert_eq!(told.conversion, conversion);
    assert_eq!(told.rewards.len(), conversion.unwrap().rewards.len());
    told
}

async fn explain_sale(client: &mut Client, event_id: &str) -> pb::ExplainConversionResponse {
    explain(client, ConversionKind::Sale, event_id).await
}

fn says(told: &pb::ExplainConversionResponse, text: &str) {
    assert!(told.sentences.iter().any(|sentence| sentence.contains(text)), "{text}: {:#?}", told.sentences);
}

fn actions(told: &pb::ExplainConversionResponse) -> Vec<ExplanationAction> {
    told.actions().collect()
}

fn steps(told: &pb::ExplainConversionResponse) -> Vec<(&str, CommissionStepResult)> {
    told.credits[0].steps.iter().map(|step| (step.rule_name.as_str(), step.result())).collect()
}

/// So many days after the start of the clock.
fn later(server: &TestServer, days: i32) {
    server.clock.set(Time::from_micros(START_MICROS).plus_days(days));
}

/// Nothing in the account changed, so an explanation writes nothing.
async fn events(client: &mut Client) -> usize {
    let request = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    client.feed.read_events(request).await.unwrap().into_inner().events.len()
}

async fn refund(client: &mut Client, event_id: &str, sale: &str, amount_minor: i64) {
    let request = pb::RecordRefundRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale.to_owned(),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    };
    client.tracking.record_refund(request).await.unwrap();
}

async fn correct(client: &mut Client, event_id: &str, sale: &str, amount_minor: i64) {
    let request = pb::CorrectSaleRequest {
        event_id: event_id.to_owned(),
        sale_event_id: sale.to_owned(),
        amount: Some(usd(amount_minor)),
        ..Default::default()
    };
    client.tracking.correct_sale(request).await.unwrap();
}

async fn update_terms(shop: &mut Shop, terms: pb::Terms) {
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), terms: Some(terms), ..Default::default() }),
        update_mask: mask(&["terms"]),
        ..Default::default()
    };
    shop.client.affiliates.update_program(request).await.unwrap();
}

db_test!(n4_a_reward_is_explained_to_the_cent, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        pb::CommissionRule { condition: at_least(50_000), ..rule("large", percent(300_000)) },
        rule("all", percent(123_456)),
        pb::CommissionRule { item_skus: vec!["MUG".to_owned()], ..rule("mugs", flat(100)) },
        pb::CommissionRule {
            coupon_codes: vec!["ANN".to_owned()],
            condition: at_least(1),
            ..rule("code", percent(111_111))
        },
    ];
    let terms = pb::Terms { rules, ..Default::default() };
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms.clone()).await;
    shop.client.tracking.record_sale(pb::RecordSaleRequest { item_sku: "CUP".to_owned(), ..sale(1) }).await.unwrap();
    later(&server, 1);
    update_terms(&mut shop, pb::Terms { commission: percent(500_000), ..Default::default() }).await;
    let before = events(&mut shop.client).await;
    let told = explain_sale(&mut shop.client, "sale-1").await;

    assert_eq!((told.result(), actions(&told)), (ExplanationResult::Earned, vec![ExplanationAction::ApproveRewards]));
    assert_eq!(told.candidates.len(), 1);
    assert_eq!(told.candidates[0].candidate.as_ref().unwrap().result(), CandidateResult::Won);
    assert_eq!(told.candidates[0].coupon_holders.len(), 1);
    let wanted = [
        ("", CommissionStepResult::NotSet),
        ("code", CommissionStepResult::Taken),
        ("mugs", CommissionStepResult::OtherItem),
        ("large", CommissionStepResult::ConditionNotMet),
        ("all", CommissionStepResult::Outranked),
        ("", CommissionStepResult::Outranked),
    ];
    assert_eq!(steps(&told), wanted);
    let credit = &told.credits[0];
    assert_eq!((credit.steps[2].actual.as_str(), credit.steps[2].rule_number), ("CUP", 3));
    let compared = &credit.steps[3].comparisons[0];
    assert_eq!((compared.actual.as_str(), compared.values[0].as_str(), compared.holds), ("1000", "50000", false));
    assert!(credit.steps[1].comparisons[0].holds && !compared.not_compared);
    // 11.1111 % of 10.00 USD are 111.111 cents.
    let computation = credit.computation.clone().unwrap();
    let unrounded = computation.commission_unrounded.unwrap();
    assert_eq!((unrounded.whole_minor, unrounded.millionths), (111, 111_000));
    assert_eq!((computation.base_amount, computation.value_amount), (Some(usd(1_000)), Some(usd(111))));
    assert_eq!((credit.expected_rest.clone(), credit.recorded_rest.clone()), (Some(usd(111)), Some(usd(111))));
    assert_eq!(credit.difference(), ExplanationDifference::Unspecified);
    assert_eq!((credit.hold_period_days, credit.credit.as_ref().unwrap().terms_version), (30, 1));
    assert_eq!(credit.later_terms.len(), 1);
    assert_eq!((credit.later_terms[0].version, credit.later_terms[0].result()), (2, pb::TermsResult::StartedLater));
    assert_eq!(told.rewards[0].approval(), RewardApproval::ByItself);
    assert_eq!(told.rewards[0].auto_approve_time, told.conversion.as_ref().unwrap().rewards[0].auto_approve_time);
    says(&told, "11.1111 % of 10.00 USD is 1.11111 USD, rounded half even to 1.11 USD.");
    says(
        &told,
        "The rule 1 \"large\" (30 %) does not apply, because its condition does not hold: the amount in minor units is 1000",
    );
    says(&told, "the server approves it by itself after");

    // Refunds and corrections: what each took, and what is left.
    refund(&mut shop.client, "refund-1", "sale-1", 500).await;
    correct(&mut shop.client, "fix-1", "sale-1", 60_000).await;
    let told = explain_sale(&mut shop.client, "sale-1").await;
    assert_eq!(told.credits[0].difference(), ExplanationDifference::Unspecified, "{told:#?}");
    // 11.1111 % of 600.00 USD are 66.67 USD, of which 5 / 600 are taken back.
    assert_eq!(told.credits[0].computation.as_ref().unwrap().value_amount, Some(usd(6_667)));
    assert_eq!(told.credits[0].expected_rest, Some(usd(6_611)));
    assert_eq!(told.credits[0].recorded_rest, Some(usd(6_611)));
    assert_eq!(steps(&told)[3], ("large", CommissionStepResult::Outranked));
    let changes: Vec<_> = told.rewards[0]
        .changes
        .iter()
        .map(|change| (change.kind(), change.event_id.as_str(), cash(change.value.as_ref()).amount_minor))
        .collect();
    assert_eq!(changes, [(ConversionKind::Refund, "refund-1", -56), (ConversionKind::Correction, "fix-1", 6_556)]);
    assert_eq!(cash(told.rewards[0].rest.as_ref()), &usd(6_611));
    says(&told, "The refund refund-1");

    // The refund and the correction explain themselves.
    let told = explain(&mut shop.client, ConversionKind::Refund, "refund-1").await;
    assert_eq!((told.result(), told.sale_result()), (ExplanationResult::ChangedRewards, ExplanationResult::Earned));
    assert_eq!(told.rewards[0].approval(), RewardApproval::WithAnother);
    let told = explain(&mut shop.client, ConversionKind::Correction, "fix-1").await;
    assert_eq!(told.result(), ExplanationResult::ChangedRewards);
    // The refund and the correction have two events each. The explanations have none.
    assert_eq!(events(&mut shop.client).await, before + 4);
});

db_test!(n4_a_sale_that_nobody_referred_is_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let client = &mut shop.client;
    let stranger = |event_id: &str, email: &str| pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: email.to_owned(),
        coupon_code: String::new(),
        ..sale(0)
    };
    client.tracking.record_sale(stranger("plain", "bob@shop.example")).await.unwrap();
    let nameless = pb::RecordSaleRequest { tid: "lost".to_owned(), ..stranger("nameless", "") };
    client.tracking.record_sale(nameless).await.unwrap();
    let unknown =
        pb::RecordSaleRequest { coupon_code: "SUMMER99".to_owned(), ..stranger("unknown", "eve@shop.example") };
    client.tracking.record_sale(unknown).await.unwrap();

    let told = explain_sale(client, "plain").await;
    assert_eq!((told.result(), actions(&told)), (ExplanationResult::NotReferred, vec![ExplanationAction::CreateLead]));
    says(&told, "The request had no tracking id, ref_id or coupon code");
    let told = explain_sale(client, "nameless").await;
    assert_eq!(actions(&told), [ExplanationAction::RecordAgain]);
    let told = explain_sale(client, "unknown").await;
    let candidate = &told.candidates[0];
    assert_eq!(candidate.candidate.as_ref().unwrap().result(), CandidateResult::Unknown);
    assert!(candidate.actions.is_empty() && candidate.evidence_time.is_none() && candidate.coupon_holders.is_empty());

    // What the answer advises works.
    let occurred = told.conversion.as_ref().unwrap().occur_time;
    let referrer =
        pb::Referrer { selector: Some(pb::referrer::Selector::RefId("ann".to_owned())), ..Default::default() };
    let request = pb::CreateLeadRequest {
        email: "bob@shop.example".to_owned(),
        referrer: Some(referrer),
        referral_time: told
            .conversion
            .as_ref()
            .and(occurred)
            .map(|time| prost_types::Timestamp { seconds: time.seconds - 3_600, ..time }),
        ..Default::default()
    };
    client.tracking.create_lead(request).await.unwrap();
    let told = explain_sale(client, "plain").await;
    assert_eq!(told.result(), ExplanationResult::Earned);
    let candidate = &told.candidates[0];
    assert!(candidate.bound_by_hand && candidate.bind_time.is_some());
    assert!(candidate.evidence_time.unwrap().seconds < occurred.unwrap().seconds);
    says(&told, "made by hand at");
});

db_test!(n4_a_code_that_was_anothers_is_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let coupons =
        shop.client.affiliates.list_coupons(pb::ListCouponsRequest::default()).await.unwrap().into_inner().coupons;
    let request = pb::RemoveCouponRequest { coupon_id: coupons[0].id.clone(), ..Default::default() };
    shop.client.affiliates.remove_coupon(request).await.unwrap();
    let customer = pb::RecordSaleRequest { email: "bob@shop.example".to_owned(), ..sale(1) };
    shop.client.tracking.record_sale(customer).await.unwrap();
    later(&server, 1);
    let request = pb::CreateAffiliateRequest {
        email: "ben@affiliates.example".to_owned(),
        coupon_code: "ANN".to_owned(),
        ..Default::default()
    };
    let ben = shop.client.affiliates.create_affiliate(request).await.unwrap().into_inner().affiliate.unwrap().id;

    let told = explain_sale(&mut shop.client, "sale-1").await;
    assert_eq!(told.result(), ExplanationResult::NotReferred);
    let candidate = &told.candidates[0];
    assert_eq!(candidate.candidate.as_ref().unwrap().result(), CandidateResult::CouponRemoved);
    assert_eq!(candidate.cause_time, candidate.coupon_holders[0].remove_time);
    let holders: Vec<_> = candidate.coupon_holders.iter().map(|holder| holder.affiliate_id.as_str()).collect();
    assert_eq!(holders, [shop.affiliate_id.as_str(), ben.as_str()]);
    assert_eq!(candidate.actions().collect::<Vec<_>>(), [ExplanationAction::CreateLead]);
    says(&told, &format!("the code was {}'s until", shop.affiliate_id));
    says(&told, &format!("it is {ben}'s from"));
});

db_test!(n4_clicks_that_lost_are_explained_with_their_windows, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let terms = pb::Terms { attribution_window_days: Some(10), ..Default::default() };
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let at = |day: i64| {
        Some(prost_types::Timestamp { seconds: START_MICROS / 1_000_000 + (day - 40) * 86_400, nanos: 1_000 })
    };
    let click = |tid: &str, day: i64| pb::RecordClickRequest {
        ref_id: "ann".to_owned(),
        tid: tid.to_owned(),
        occur_time: at(day),
        ..Default::default()
    };
    let tid = shop.client.tracking.record_click(click("", 0)).await.unwrap().into_inner().tid;
    for day in [15, 16, 30] {
        shop.client.tracking.record_click(click(&tid, day)).await.unwrap();
    }
    let sold = pb::RecordSaleRequest { tid, occur_time: at(20), coupon_code: String::new(), ..sale(1) };
    shop.client.tracking.record_sale(sold).await.unwrap();
    let told = explain_sale(&mut shop.client, "sale-1").await;
    let results: Vec<_> = told
        .candidates
        .iter()
        .map(|told| (told.candidate.as_ref().unwrap().result(), told.evidence_time, told.window_end_time))
        .collect();
    let wanted = [
        (CandidateResult::OutsideWindow, at(0), at(10)),
        (CandidateResult::OtherClick, at(15), at(25)),
        (CandidateResult::Won, at(16), at(26)),
        (CandidateResult::AfterConversion, at(30), at(40)),
    ];
    assert_eq!(results, wanted);
    assert_eq!(told.candidates[1].attribution_model(), pb::AttributionModel::LastClick);
    assert_eq!(told.candidates[0].actions().collect::<Vec<_>>(), [ExplanationAction::UpdateProgram]);
    says(&told, "lost, because its attribution window ended at 20");
    says(&told, "lost, because the program credits the last click in the window.");
});

db_test!(n4_credited_events_that_earned_nothing_are_explained, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let rules = vec![
        pb::CommissionRule { event_kind: pb::CommissionEvent::Lead.into(), ..rule("sign-up", flat(200)) },
        pb::CommissionRule { event_kind: pb::CommissionEvent::CustomEvent.into(), ..rule("deposit", percent(100_000)) },
    ];
    let terms = pb::Terms { rules, custom_kinds: vec!["deposit".to_owned()], ..Default::default() };
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let client = &mut shop.client;
    let of = |event_id: &str, amount_minor: i64| pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        email: "bob@shop.example".to_owned(),
        amount: Some(usd(amount_minor)),
        ..sale(0)
    };
    client.tracking.record_sale(of("tiny", 2)).await.unwrap();
    let told = explain_sale(client, "tiny").await;
    assert_eq!(told.result(), ExplanationResult::Zero);
    assert_eq!(actions(&told), [ExplanationAction::UpdateProgram, ExplanationAction::CreateReward]);
    let unrounded = told.credits[0].computation.as_ref().unwrap().commission_unrounded.clone().unwrap();
    assert_eq!((unrounded.whole_minor, unrounded.millionths), (0, 400_000));
    says(&told, "20 % of 0.02 USD is 0.004 USD, rounded half even to 0.00 USD.");

    // The sale has bound the customer, so the sign-up earns nothing. There is no rule for appointments, and no amount of the deposit.
    let request = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "kim@shop.example".to_owned(),
        ref_id: "ann".to_owned(),
        ..Default::default()
    };
    client.tracking.record_lead(request).await.unwrap();
    let told = explain(client, ConversionKind::Lead, "lead").await;
    assert_eq!((told.result(), steps(&told)[1]), (ExplanationResult::Earned, ("sign-up", CommissionStepResult::Taken)));
    let request = pb::RecordAppointmentRequest {
        event_id: "meeting".to_owned(),
        email: "bob@shop.example".to_owned(),
        ..Default::default()
    };
    client.tracking.record_appointment(request).await.unwrap();
    let told = explain(client, ConversionKind::Appointment, "meeting").await;
    assert_eq!(told.result(), ExplanationResult::NoCommission);
    assert!(steps(&told).iter().skip(1).all(|(_, result)| *result == CommissionStepResult::OtherEventKind));
    let request = pb::RecordCustomEventRequest {
        event_id: "deposit".to_owned(),
        email: "bob@shop.example".to_owned(),
        custom_kind: "deposit".to_owned(),
        ..Default::default()
    };
    client.tracking.record_custom_event(request).await.unwrap();
    let told = explain(client, ConversionKind::CustomEvent, "deposit").await;
    assert_eq!(told.result(), ExplanationResult::NoAmount);

    // Refunded in full, and denied.
    client.tracking.record_sale(of("refunded", 1_000)).await.unwrap();
    refund(client, "refund-1", "refunded", 1_000).await;
    let told = explain_sale(client, "refunded").await;
    assert_eq!((told.result(), told.rewards[0].approval()), (ExplanationResult::TakenBack, RewardApproval::Never));
    assert_eq!(told.credits[0].expected_rest, Some(usd(0)));
    let sold = client.tracking.record_sale(of("denied", 1_000)).await.unwrap().into_inner();
    let reward_ids = vec![sold.rewards[0].reward_id.clone()];
    let request = pb::DenyRewardsRequest { reward_ids, reason: "Order was a test".to_owned(), ..Default::default() };
    client.rewards.deny_rewards(request).await.unwrap();
    let told = explain_sale(client, "denied").await;
    assert_eq!((told.result(), actions(&told)), (ExplanationResult::Denied, vec![ExplanationAction::CreateReward]));
    assert_eq!(told.credits[0].difference(), ExplanationDifference::Unspecified);
    says(&told, "it is denied, which is final: Order was a test.");
    refund(client, "refund-2", "denied", 500).await;
    let told = explain(client, ConversionKind::Refund, "refund-2").await;
    assert_eq!((told.result(), told.sale_result()), (ExplanationResult::ChangedNothing, ExplanationResult::Denied));
    says(&told, "a person denied the reward of its sale");

    // A refund that waits, and a cancellation.
    refund(client, "refund-3", "later", 500).await;
    let told = explain(client, ConversionKind::Refund, "refund-3").await;
    assert_eq!((told.result(), actions(&told)), (ExplanationResult::Waiting, vec![ExplanationAction::RecordSale]));
    let request = pb::RecordCancellationRequest {
        event_id: "cancelled".to_owned(),
        email: "bob@shop.example".to_owned(),
        ..Default::default()
    };
    client.tracking.record_cancellation(request).await.unwrap();
    let told = explain(client, ConversionKind::Cancellation, "cancelled").await;
    assert_eq!(told.result(), ExplanationResult::Cancellation);
});

db_test!(n4_a_changed_record_is_told_and_not_hidden, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    shop.client.tracking.record_sale(sale(1)).await.unwrap();
    shop.client.tracking.record_sale(pb::RecordSaleRequest { amount: Some(usd(2)), ..sale(2) }).await.unwrap();
    let told = explain_sale(&mut shop.client, "sale-1").await;
    assert_eq!(told.credits[0].difference(), ExplanationDifference::Unspecified);
    // Somebody changes the terms in the database, from 20 % to 90 %.
    let connection = Database::connect(&database.url).await.unwrap();
    let row = terms::Entity::find().one(&connection).await.unwrap().unwrap();
    let rules = row.rules.replace("200000", "900000");
    assert_ne!(rules, row.rules);
    let update = terms::Entity::update_many().col_expr(terms::Column::Rules, Expr::value(rules));
    update.exec(&connection).await.unwrap();
    let told = explain_sale(&mut shop.client, "sale-1").await;
    assert_eq!(told.credits[0].difference(), ExplanationDifference::OtherCalculation);
    assert_eq!(told.credits[0].recorded_rest, Some(usd(200)));
    says(&told, "The recorded reward was computed by another rate or rule than the terms give.");
    let told = explain_sale(&mut shop.client, "sale-2").await;
    assert_eq!(told.credits[0].difference(), ExplanationDifference::NoReward);
    assert_eq!(told.result(), ExplanationResult::NotRecorded);
});

db_test!(n4_others_learn_nothing_and_erased_persons_stay_erased, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let sold = pb::RecordSaleRequest { email: "bob.vossbergen@shop.example".to_owned(), ..sale(1) };
    shop.client.tracking.record_sale(sold).await.unwrap();
    let mut stranger = Shop::open(&server, "stranger").await.client;
    let id = explain_sale(&mut shop.client, "sale-1").await.conversion.unwrap().id;
    let by_id = |id: &str| pb::ExplainConversionRequest {
        conversion: Some(pb::ConversionSelector { selector: Some(Selector::Id(id.to_owned())) }),
    };
    // Another account's conversion and one that does not exist are told apart by nothing but the id that was sent.
    let of_another = stranger.tracking.explain_conversion(by_id(&id)).await.unwrap_err();
    let nobody = format!("cnv_{:032x}", 1);
    let of_nobody = stranger.tracking.explain_conversion(by_id(&nobody)).await.unwrap_err();
    assert_eq!(of_another.code(), Code::NotFound);
    let text = |status: &tonic::Status, id: &str| format!("{:?}", nameless_details(status).message).replace(id, "-");
    assert_eq!(text(&of_another, &id), text(&of_nobody, &nobody));

    let lead = pb::LeadSelector {
        selector: Some(pb::lead_selector::Selector::Email("bob.vossbergen@shop.example".to_owned())),
    };
    let request = pb::DeleteLeadRequest { lead: Some(lead), ..Default::default() };
    shop.client.tracking.delete_lead(request).await.unwrap();
    let request = pb::EraseAffiliateRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.affiliates.erase_affiliate(request).await.unwrap();
    let told = explain_sale(&mut shop.client, "sale-1").await;
    assert_eq!(told.result(), ExplanationResult::Earned);
    assert_eq!(told.credits[0].difference(), ExplanationDifference::Unspecified);
    let text = format!("{told:?}").to_lowercase();
    assert!(!text.contains("vossbergen") && !text.contains("affiliates.example"), "{text}");
});

db_test!(n4_the_largest_explanation_is_answered, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let compare = pb::Condition {
        field: pb::ConditionField::Plan.into(),
        comparison: pb::Comparison::NotExists.into(),
        ..Default::default()
    };
    // As many rules and comparisons as there may be, and as long a plan. The bytes of the terms have a limit too.
    let condition = pb::Condition { all_of: vec![compare; 50], ..Default::default() };
    let rules = (0..100).map(|number| pb::CommissionRule {
        condition: Some(condition.clone()),
        ..rule(&number.to_string(), percent(1))
    });
    let terms = pb::Terms { rules: rules.collect(), ..Default::default() };
    let mut shop = Shop::furnish_with(server.new_account("shop").await, terms).await;
    let plan: String = std::iter::repeat_n('\u{1F600}', 128).collect();
    shop.client.tracking.record_sale(pb::RecordSaleRequest { plan, ..sale(1) }).await.unwrap();
    let told = explain_sale(&mut shop.client, "sale-1").await;
    let count: usize = told.credits[0].steps.iter().map(|step| step.comparisons.len()).sum();
    assert_eq!(count, 5_000);
    assert!(told.encoded_len() < 4 * 1_024 * 1_024 - 65_536, "{}", told.encoded_len());
});
