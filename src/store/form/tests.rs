//! Forms across an upgrade: forms with one more field read every golden text, and the present forms read their output.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::field::{FormOf, Text};
use super::{Kept, later};
use crate::domain::affiliate::{PastUpline, Profile};
use crate::domain::attribution::Candidate;
use crate::domain::bounty::BountyReward;
use crate::domain::calendar::ZoneSince;
use crate::domain::conversion::{AsRecorded, OrderDetails};
use crate::domain::coupon::CouponDetails;
use crate::domain::dated_commission::DatedCommission;
use crate::domain::enrollment::{Acceptance, Moved, PastStanding};
use crate::domain::fraud::{FraudRule, RewardReview};
use crate::domain::fraud_note::FraudNoteContent;
use crate::domain::lead::LeadDetails;
use crate::domain::money::Rounding;
use crate::domain::outcome::Outcome;
use crate::domain::payout::{PayoutPolicy, Reopening, Sending};
use crate::domain::payout_document::DocumentContent;
use crate::domain::payout_purse::FundsWait;
use crate::domain::payout_reconciliation::PayoutDifference;
use crate::domain::program::{Agreement, Commission, Invitation, Question, TermsDraft};
use crate::domain::reward::{ByHand, Calculation, RewardClick, RewardDispute};
use crate::domain::tally::Counted;
use crate::domain::tax_profile::TaxDetails;
use crate::domain::threshold_bonus::EarnedBonus;
use crate::domain::timing::Timing;
use crate::domain::welcome::WelcomeMail;

/// The golden texts of version 1 with the names of their files.
fn golden() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden/stored");
    let mut texts = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if name.contains(".v1.") {
            texts.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
    texts
}

/// Reads a text of version 1 with the later form. Writes the value with the later form, and reads that text with the present
/// form. Returns the names of the forms that had the added field.
macro_rules! pass_through {
    ($type:ty, $later:ty, $text:expr) => {{
        let present = <$type>::from_text($text).unwrap();
        let (version, form): (u16, $later) = serde_json::from_str($text).unwrap();
        assert_eq!(version, 1);
        assert!(FormOf::<'_, $type>::value(form) == present, "the later form reads {} otherwise", $text);
        let old = later::take_read();
        assert!(old.values().flatten().all(|added| *added == 0), "a field that is not in {}: {old:?}", $text);

        let written = serde_json::to_string(&(version, <$later as FormOf<'_, $type>>::of(&present))).unwrap();
        assert!(<$type>::from_text(&written).unwrap() == present, "the present form reads {written} otherwise");
        let (_, form): (u16, $later) = serde_json::from_str(&written).unwrap();
        assert!(FormOf::<'_, $type>::value(form) == present, "the later form reads {written} otherwise");
        let new = later::take_read();
        assert!(new.values().flatten().all(|added| *added == later::ADDED), "{written}: {new:?}");
        assert!(new.keys().eq(old.keys()));
        new.into_keys().map(ToOwned::to_owned)
    }};
}

#[test]
fn old_texts_and_those_of_a_later_release_are_read() {
    let mut read = BTreeSet::new();
    for (name, text) in golden() {
        match name.split(".v1").next().unwrap() {
            "terms_rules" => read.extend(pass_through!(TermsDraft, later::program::TermsDraftForm, &text)),
            "enrollment_commission_override" => {
                read.extend(pass_through!(Commission, later::program::CommissionForm, &text));
            }
            "enrollment_past" => {
                read.extend(pass_through!(Vec<PastStanding>, Vec<later::enrollment::PastStandingForm>, &text));
            }
            "enrollment_dated_commissions" => {
                let text = &text;
                read.extend(pass_through!(Vec<DatedCommission>, Vec<later::enrollment::DatedCommissionForm>, text));
            }
            "enrollment_acceptances" => {
                read.extend(pass_through!(Vec<Acceptance>, Vec<later::enrollment::AcceptanceForm<'_>>, &text));
            }
            "program_agreement" => {
                read.extend(pass_through!(Agreement, later::program::AgreementForm<'_>, &text));
            }
            "program_welcome_mail" => {
                read.extend(pass_through!(WelcomeMail, later::program::WelcomeMailForm<'_>, &text));
            }
            "program_questions" => {
                read.extend(pass_through!(Vec<Question>, Vec<later::program::QuestionForm<'_>>, &text));
            }
            "program_invitations" => {
                read.extend(pass_through!(Vec<Invitation>, Vec<later::program::InvitationForm<'_>>, &text));
            }
            "enrollment_metadata" | "program_metadata" => {
                read.extend(pass_through!(BTreeMap<String, String>, BTreeMap<Text<'_>, Text<'_>>, &text));
            }
            "program_fraud_rules" => {
                read.extend(pass_through!(Vec<FraudRule>, Vec<later::fraud::FraudRuleForm<'_>>, &text));
            }
            "reward_review" => {
                read.extend(pass_through!(RewardReview, later::fraud::RewardReviewForm<'_>, &text));
            }
            "fraud_note_content" => {
                read.extend(pass_through!(FraudNoteContent, later::fraud::FraudNoteContentForm<'_>, &text));
            }
            "enrollment_moved" => read.extend(pass_through!(Moved, later::enrollment::MovedForm, &text)),
            "affiliate_profile" => read.extend(pass_through!(Profile, later::affiliate::ProfileForm<'_>, &text)),
            "account_time_zones" => {
                read.extend(pass_through!(Vec<ZoneSince>, Vec<later::account::ZoneSinceForm<'_>>, &text));
            }
            "payout_sending" => read.extend(pass_through!(Sending, later::payout::SendingForm<'_>, &text)),
            "payout_purse_waits" => {
                read.extend(pass_through!(Vec<FundsWait>, Vec<later::payout::FundsWaitForm>, &text));
            }
            "payout_document_content" => {
                read.extend(pass_through!(DocumentContent, later::payout_document::DocumentContentForm<'_>, &text));
            }
            "account_payout_policy" => {
                read.extend(pass_through!(PayoutPolicy, later::payout::PayoutPolicyForm, &text));
            }
            "payout_reconciliation_differences" => {
                let text = &text;
                read.extend(pass_through!(
                    Vec<PayoutDifference>,
                    Vec<later::payout_reconciliation::PayoutDifferenceForm<'_>>,
                    text
                ));
            }
            "payout_schedule_timing" => {
                read.extend(pass_through!(Timing, later::payout_schedule::TimingForm, &text));
            }
            "tax_profile_details" => {
                read.extend(pass_through!(TaxDetails, later::tax_profile::TaxDetailsForm<'_>, &text));
            }
            "payout_reopenings" => {
                read.extend(pass_through!(Vec<Reopening>, Vec<later::payout::ReopeningForm<'_>>, &text));
            }
            "affiliate_past_uplines" => {
                read.extend(pass_through!(Vec<PastUpline>, Vec<later::affiliate::PastUplineForm>, &text));
            }
            "ladder_tally_step_values" => read.extend(pass_through!(Vec<i64>, Vec<i64>, &text)),
            "coupon_details" => read.extend(pass_through!(CouponDetails, later::coupon::CouponDetailsForm<'_>, &text)),
            "lead_details" => read.extend(pass_through!(LeadDetails, later::lead::LeadDetailsForm<'_>, &text)),
            "conversion_order_details" => {
                read.extend(pass_through!(OrderDetails, later::conversion::OrderDetailsForm<'_>, &text));
            }
            "conversion_candidates" => {
                read.extend(pass_through!(Vec<Candidate>, Vec<later::attribution::CandidateForm<'_>>, &text));
            }
            "conversion_as_recorded" => {
                read.extend(pass_through!(AsRecorded, later::conversion::AsRecordedForm, &text));
            }
            "bounty_rewards" => {
                read.extend(pass_through!(Vec<BountyReward>, Vec<later::bounty::BountyRewardForm>, &text));
            }
            "sales_tally_bonuses" => {
                read.extend(pass_through!(Vec<EarnedBonus>, Vec<later::sales_tally::EarnedBonusForm>, &text));
            }
            "reward_by_hand" => read.extend(pass_through!(ByHand, later::reward::ByHandForm<'_>, &text)),
            "reward_dispute" => read.extend(pass_through!(RewardDispute, later::reward::RewardDisputeForm, &text)),
            "reward_click" => read.extend(pass_through!(RewardClick, later::reward::RewardClickForm, &text)),
            "counted_click_counted" => read.extend(pass_through!(Counted, later::tally::CountedForm, &text)),
            "reward_calculation" => read.extend(pass_through!(Calculation, later::reward::CalculationForm, &text)),
            name => {
                assert!(name.starts_with("request_outcome_"), "{name}");
                read.extend(pass_through!(Outcome, later::outcome::OutcomeForm<'_>, &text));
            }
        }
    }
    assert_eq!(read, declared(), "forms that are in a golden text, and those that are declared");
}

/// The names of all forms that can have the added field, from the sources of this folder.
fn declared() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store/form");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.ends_with("tests.rs") {
            continue;
        }
        let source = std::fs::read_to_string(path).unwrap();
        let heads =
            source.lines().filter(|line| line.starts_with("    ") && line.contains(" of ") && line.contains('{'));
        let forms = heads.filter_map(|line| line.trim().split(['<', ' ']).next());
        names.extend(forms.filter(|name| name.ends_with("Form")).map(ToOwned::to_owned));
    }
    // No variant of them has fields of its own, so they cannot have the added field.
    for name in [
        "CommissionForm",
        "ConditionForm",
        "DisputePartForm",
        "EvidenceForm",
        "FraudNoteContentForm",
        "OutcomeForm",
        "ThresholdForm",
    ] {
        names.remove(name);
    }
    names
}

#[test]
fn malformed_texts_and_unknown_versions_are_refused() {
    let reads = |text: &str| Profile::from_text(text).map(|profile| profile.company);
    assert_eq!(reads(r#"[1,{"address":{},"company":"Engines"}]"#).unwrap(), "Engines");
    assert_eq!(reads(r#"[1,{"address":{},"company":"Engines","later":{"a":[1]}}]"#).unwrap(), "Engines");
    let message = |text| reads(text).unwrap_err().to_string();
    assert!(message(r#"[2,{"address":{},"company":"Engines"}]"#).contains("version 2 is not known here"));
    assert!(message(r#"[0,{}]"#).contains("version 0 is not known here"));
    for text in [
        "",
        "{}",
        r#"{"address":{},"company":"Engines"}"#,
        "[]",
        "[1]",
        "[1,{},3]",
        "[1,{}]x",
        "[-1,{}]",
        "[1,{\"address\":{},\"company\":5}]",
    ] {
        assert!(reads(text).is_err(), "{text}");
    }
}

#[test]
fn an_answer_of_an_unknown_kind_is_refused() {
    assert!(Outcome::from_text(r#"[1,{"payout":{"id":"x"}}]"#).is_err());
    assert!(Commission::from_text(r#"[1,{"tiered":[1,2]}]"#).is_err());
}

#[test]
fn a_field_that_every_text_has_is_demanded() {
    let text = |rest| {
        format!(
            r#"[1,{{"rule":"program","terms_version":1,"rounding":"down","share_ppm":1000000,"commission":{{"percent_ppm":5}},"sale_amount":{{"amount_minor":9,"currency":"USD"}}{rest}}}]"#
        )
    };
    let base = r#","base_amount":{"amount_minor":5,"currency":"USD"}"#;
    assert!(Calculation::from_text(&text("")).unwrap_err().to_string().contains("missing field `base_amount`"));
    assert_eq!(Calculation::from_text(&text(base)).unwrap().commission, Commission::PercentPpm(5));
}

#[test]
fn a_usual_value_is_left_out_and_read_also_when_it_is_there() {
    let text = |rest| {
        format!(
            r#"[1,{{"rule":"program","base_amount":{{"amount_minor":9,"currency":"USD"}},"commission":{{"percent_ppm":5}},"terms_version":1{rest}}}]"#
        )
    };
    let usual = Calculation::from_text(&text("")).unwrap();
    assert_eq!(
        (usual.share_ppm, usual.rounding, usual.sale_amount),
        (1_000_000, Rounding::HalfEven, usual.base_amount)
    );
    let whole = r#","share_ppm":1000000,"rounding":"half_even","sale_amount":{"amount_minor":9,"currency":"USD"}"#;
    assert_eq!(Calculation::from_text(&text(whole)).unwrap(), usual);
    assert_eq!(usual.to_text().unwrap(), text(""));
    let other = r#","share_ppm":500000,"rounding":"down","sale_amount":{"amount_minor":10,"currency":"USD"}"#;
    let unusual = Calculation::from_text(&text(other)).unwrap();
    assert_eq!((unusual.share_ppm, unusual.rounding, unusual.sale_amount.amount_minor), (500_000, Rounding::Down, 10));
    assert_eq!(unusual.to_text().unwrap(), text(other));
}

/// A type whose text got a second version. The first had no note, and weight in kilograms under another name.
#[derive(Debug, PartialEq)]
struct Parcel {
    grams: i64,
    note: String,
}

form! {
    /// Version 2.
    ParcelForm<'a> of Parcel {
        #[serde(rename = "weight_grams")]
        grams: i64,
        note: Text<'a>,
    }
}

/// Version 1.
#[derive(serde::Serialize, serde::Deserialize)]
struct ParcelFormV1 {
    kilograms: i64,
}

impl FormOf<'_, Parcel> for ParcelFormV1 {
    fn of(parcel: &Parcel) -> Self {
        Self { kilograms: parcel.grams / 1_000 }
    }

    fn value(self) -> Parcel {
        Parcel { grams: self.kilograms * 1_000, note: "none".to_owned() }
    }
}

kept! {
    Parcel: writes 2 ParcelForm<'_>, reads 1 ParcelFormV1;
}

#[test]
fn a_second_version_is_written_and_the_first_one_still_read() {
    let parcel = Parcel { grams: 2_500, note: "fragile".to_owned() };
    assert_eq!(parcel.to_text().unwrap(), r#"[2,{"weight_grams":2500,"note":"fragile"}]"#);
    assert_eq!(Parcel::from_text(&parcel.to_text().unwrap()).unwrap(), parcel);
    let old = Parcel::from_text(r#"[1,{"kilograms":2}]"#).unwrap();
    assert_eq!(old, Parcel { grams: 2_000, note: "none".to_owned() });
    assert!(Parcel::from_text(r#"[1,{"weight_grams":2500,"note":"fragile"}]"#).is_err());
    assert!(Parcel::from_text(r#"[3,{"weight_grams":2500,"note":"fragile"}]"#).is_err());
}
