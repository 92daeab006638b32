//! The rules for every name, number and comment of the API. They are checked on its descriptor before the first release, because
//! released names cannot change. Knows nothing of the server. `.ci/breaking` compares the API with the last release.

mod breaches;
mod rules;
mod view;
mod words;

use std::collections::BTreeSet;
use std::fmt::Write;

use prost::Message;
use prost_types::FileDescriptorSet;

use breaches::BREACHES;
use rules::RULES;
use view::Contract;
use words::{Named, sections};

fn descriptor() -> FileDescriptorSet {
    FileDescriptorSet::decode(headwater::pb::FILE_DESCRIPTOR_SET).unwrap()
}

/// All violations, each with the name of its rule.
fn violations(set: &FileDescriptorSet) -> BTreeSet<(&'static str, String)> {
    let contract = Contract::of(set);
    assert!(contract.messages().count() > 50, "the contract is not in the descriptor");
    let violations = RULES.iter().flat_map(|(name, rule)| rule(&contract).into_iter().map(|text| (*name, text)));
    violations.collect()
}

#[test]
fn the_contract_keeps_its_rules() {
    let mut report = String::new();
    for (rule, violation) in violations(&descriptor()) {
        writeln!(report, "{rule}: {violation}").unwrap();
    }
    assert!(report.is_empty(), "the protos break rules of tests/it/contract/rules.rs:\n{report}");
}

#[test]
fn each_breach_is_found_by_its_rule_and_by_no_other() {
    let set = descriptor();
    let before = violations(&set);
    let mut report = String::new();
    for breach in BREACHES {
        let mut broken = set.clone();
        (breach.commit)(&mut broken);
        let found: Vec<_> = violations(&broken).into_iter().filter(|violation| !before.contains(violation)).collect();
        if found.is_empty() || found.iter().any(|(rule, _)| *rule != breach.rule) {
            writeln!(report, "{}, {}: {found:?}", breach.rule, breach.how).unwrap();
        }
    }
    assert!(report.is_empty(), "these are not found by their rule alone:\n{report}");
    let broken: BTreeSet<&str> = BREACHES.iter().map(|breach| breach.rule).collect();
    assert_eq!(
        broken,
        RULES.iter().map(|(name, _)| *name).collect(),
        "each rule needs a breach, and each breach a rule"
    );
}

#[test]
fn every_language_has_its_reserved_words() {
    let sections = sections();
    for language in ["go", "java", "kotlin", "python", "rust", "javascript", "csharp", "ruby", "swift"] {
        let of_language = || sections.iter().filter(|section| section.language == language);
        for named in [Named::Field, Named::Oneof, Named::Value] {
            for keyword in ["for", "FOR", "For", "while", "return"] {
                // Go has no `while`, because `for` is its only loop.
                if keyword != "while" || language != "go" {
                    assert!(of_language().any(|section| section.has(named, keyword)), "{language} {named:?} {keyword}");
                }
            }
            assert!(!of_language().any(|section| section.has(named, "display_name")), "{language} {named:?}");
        }
        assert!(of_language().any(|section| section.named.len() < 3), "{language} needs members as well as keywords");
    }
    for section in &sections {
        let words: BTreeSet<&str> = section.words.iter().copied().collect();
        assert_eq!(words.len(), section.words.len(), "a word twice in {section:?}");
        assert!(words.len() > 2 && !words.contains(""), "{section:?}");
    }
}
