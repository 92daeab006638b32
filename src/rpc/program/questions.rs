//! The questions that applicants of a program answer, on the wire.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::domain::program::Question;
use crate::pb;
use crate::rpc::affiliate::{CUSTOM_FIELDS_MAX, CUSTOM_KEY_LENGTH_MAX, is_name};
use crate::rpc::call::canonical::{self as form, canonical};
use crate::rpc::call::parse::{Fields, NAME_LENGTH_MAX};

/// Reads the questions. Each answer is a custom field, so there are no more of them.
pub(super) fn read(fields: &mut Fields, sent: &[pb::ApplicationQuestion]) -> Vec<Question> {
    if sent.len() > CUSTOM_FIELDS_MAX {
        fields.wrong("questions", format!("has {} questions; at most {CUSTOM_FIELDS_MAX} are taken", sent.len()));
    }
    let mut keys = BTreeSet::new();
    let mut questions = Vec::new();
    for (index, sent) in sent.iter().take(CUSTOM_FIELDS_MAX).enumerate() {
        fields.within(&format!("questions[{index}]"), |fields| {
            if !is_name(&sent.key, CUSTOM_KEY_LENGTH_MAX) {
                let length = CUSTOM_KEY_LENGTH_MAX;
                fields.wrong("key", format!("must be 1 to {length} lower-case letters, digits, `-` or `_`"));
            } else if !keys.insert(&sent.key) {
                fields.wrong("key", "is the key of another question; send each key once");
            }
            let label = fields.required_line("label", &sent.label, NAME_LENGTH_MAX);
            questions.push(Question { key: sent.key.clone(), label, is_required: sent.is_required });
        });
    }
    questions
}

/// The questions in the form that they are compared in, if that is another one.
pub(super) fn canonical(sent: &[pb::ApplicationQuestion]) -> Option<Vec<pb::ApplicationQuestion>> {
    let canonical = |sent: &pb::ApplicationQuestion| {
        let sent: Cow<'_, pb::ApplicationQuestion> = canonical!(
            pb::ApplicationQuestion,
            sent,
            label: form::trimmed(&sent.label);
            as_sent: key, is_required,
        );
        sent.into_owned()
    };
    let questions: Vec<pb::ApplicationQuestion> = sent.iter().map(canonical).collect();
    (questions != sent).then_some(questions)
}

/// A question as a message.
pub(super) fn render(question: &Question) -> pb::ApplicationQuestion {
    pb::ApplicationQuestion {
        key: question.key.clone(),
        label: question.label.clone(),
        is_required: question.is_required,
    }
}
