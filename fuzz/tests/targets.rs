//! Runs each target for a moment: first the inputs of its corpus and those that once failed, then as many random ones as below.
//! `fuzz/run` runs them for longer, with inputs that reach new code.

use std::collections::BTreeMap;
use std::path::Path;

use bolero::check;
use fuzz::target;
use sha2::{Digest, Sha256};

/// More than any target takes, so that each runs the same number of inputs on every machine.
const TIME_MAX: std::time::Duration = std::time::Duration::from_secs(600);

macro_rules! targets {
    ($($name:ident: $iterations:literal inputs of up to $bytes:literal bytes;)*) => {$(
        #[test]
        fn $name() {
            check!()
                .with_test_time(TIME_MAX)
                .with_iterations($iterations)
                .with_max_len($bytes)
                .for_each(|input: &[u8]| _ = target::$name(input));
        }
    )*};
}

targets! {
    answers: 1_000 inputs of up to 256 bytes;
    callbacks: 1_000 inputs of up to 256 bytes;
    history: 40 inputs of up to 4096 bytes;
    message: 1_000 inputs of up to 512 bytes;
    results: 2_000 inputs of up to 128 bytes;
    settings: 500 inputs of up to 256 bytes;
    stored: 1_000 inputs of up to 64 bytes;
    text: 10_000 inputs of up to 64 bytes;
    wire: 1_000 inputs of up to 512 bytes;
}

/// The same bytes in every run, which look like random ones.
fn bytes(number: u32, length: u32) -> Vec<u8> {
    (0..length.div_ceil(32)).flat_map(|block| Sha256::digest([number, block].map(u32::to_be_bytes).concat())).collect()
}

/// How many histories are played at most until every change was accepted once. The server's ids differ from run to run, so the number does
/// too.
const HISTORIES_MAX: u32 = 4_000;

/// A target that never gets far finds nothing.
#[test]
fn histories_get_far() {
    // The token that VerifyAccountEmail wants is in a mail alone. The others want chains of calls that hardly any random history has:
    // ReleaseRewards a reward that a deactivation held, AcceptAgreement a program with an agreement and the number of its version,
    // FulfillCustomerReward a promise of the terms and a purchase that earned it, payouts
    // approved rewards in cash of one affiliate, and the calls about submissions an open bounty and an active affiliate of its program.
    let rare = [
        "/VerifyAccountEmail",
        "/ReleaseRewards",
        "/AcceptAgreement",
        "/FulfillCustomerReward",
        "/MarkPaid",
        "/CreatePayout",
        "/ApprovePayouts",
        "/ConfirmPayouts",
        "/CancelPayout",
        "/ExportPayoutFile",
        "/ImportPayoutResults",
        "/ReopenPayout",
        "/CancelPayoutRun",
        "/UpdatePayoutSchedule",
        "/ArchivePayoutSchedule",
        // A history has no key to seal details with, so that no payout is sent.
        "/SetPayoutMethod",
        "/RemovePayoutMethod",
        "/SetTaxProfile",
        "/ConfirmTaxProfile",
        "/RefuseTaxProfile",
        "/RemoveTaxProfile",
        // Names, addresses and forms must fit each other.
        "/SetBillingProfile",
        "/SetPayoutConnection",
        "/RemovePayoutConnection",
        "/ReconcilePayouts",
        "/RetryPayout",
        "/SubmitToBounty",
        "/ApproveSubmission",
        "/RejectSubmission",
        "/NameContestWinners",
    ];
    let is_rare = |name: &&str| rare.iter().any(|end| name.ends_with(end));
    let mut never: Vec<&str> = target::CHANGES.iter().copied().filter(|name| !is_rare(name)).collect();
    let mut accepted: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..HISTORIES_MAX {
        for (method, count) in target::history(&bytes(number, 4_096)) {
            never.retain(|name| *name != method);
            *accepted.entry(method).or_default() += count;
        }
        if never.is_empty() {
            return;
        }
    }
    panic!("never accepted: {never:?}; accepted: {accepted:#?}");
}

/// Every method has a message in the corpus from which inputs are made. With `HEADWATER_UPDATE_GOLDEN=1` a missing one is written.
#[test]
fn the_corpus_has_every_method() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/__fuzz__/message/corpus");
    let mut wrong = Vec::new();
    for method in fuzz::method_names() {
        let path = folder.join(method.rsplit(['.', '/']).next().unwrap());
        if std::env::var_os("HEADWATER_UPDATE_GOLDEN").is_some() && !path.exists() {
            let mut messages = (0..10_000).map(|number| target::usual_message(&method, &bytes(number, 512)));
            let message = messages.find(|message| target::is_well_formed(message));
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(&path, message.unwrap_or_else(|| fuzz::recorded(&method, &[]))).unwrap();
        }
        let message = std::fs::read(&path).unwrap_or_default();
        if !message.starts_with(method.as_bytes()) || !target::is_well_formed(&message) {
            wrong.push(method);
        }
    }
    assert!(wrong.is_empty(), "no message in {} for {wrong:?}", folder.display());
}

#[test]
fn every_rule_has_a_target() {
    assert_eq!(
        target::rules_without_target(),
        Vec::<String>::new(),
        "add their messages to fuzz/src/target/changes.rs"
    );
}
