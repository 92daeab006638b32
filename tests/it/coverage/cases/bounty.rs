//! Bounties and submissions.

use serde_json::{Value as Json, json};

use super::{Case, case, long, no_time};

fn bounty(display_name: &str) -> Json {
    json!({"program_id": "${program_id}", "display_name": display_name, "rewards": [{"points": 7}]})
}

fn contest() -> Json {
    super::patched(&bounty("Fresh"), &json!({"kind": "BOUNTY_KIND_CONTEST"}))
}

fn submission(bounty_id: &str) -> Json {
    json!({"bounty_id": bounty_id, "affiliate": {"id": "${affiliate_id}"}, "note": "mine"})
}

const FRESH_BOUNTY: &[(&str, &str)] = &[("fresh_bounty_id", "/bounty/id")];
const FRESH_SUBMISSION: &[(&str, &str)] = &[("fresh_submission_id", "/submission/id")];
const OTHER_SUBMISSION: &[(&str, &str)] = &[("other_submission_id", "/submission/id")];

fn update(display_name: &str) -> Json {
    json!({
        "bounty": {"id": "${fresh_bounty_id}", "display_name": display_name},
        "update_mask": {"paths": ["display_name"]},
    })
}

fn wrong_bounty() -> Json {
    json!({
        "display_name": long(),
        "about": long(),
        "start_time": no_time(),
        "end_time": no_time(),
        "max_submissions": -1,
        "max_submissions_per_affiliate": 10_001,
    })
}

fn with(fields: &Json, others: Json) -> Json {
    super::patched(&others, fields)
}

pub(super) fn cases() -> Vec<Case> {
    bounties().into_iter().chain(submissions()).collect()
}

fn bounties() -> Vec<Case> {
    let all = json!([
        "display_name",
        "about",
        "start_time",
        "end_time",
        "max_submissions",
        "max_submissions_per_affiliate",
        "nope"
    ]);
    vec![
        case("AffiliateService/CreateBounty", bounty("Video"))
            .furnish("AffiliateService/CreateBounty", bounty("Review ${tag}"), &[("bounty_id", "/bounty/id")])
            .furnish("AffiliateService/CreateBounty", bounty("Blog ${tag}"), &[])
            .other(json!({"display_name": "Poster"}))
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(with(
                &wrong_bounty(),
                json!({"request_id": long(), "program_id": "prg_1", "kind": 99, "rewards": []}),
            ))
            .wrong(json!({"display_name": "", "rewards": [], "max_submissions": 1_000_000_001}))
            .wrong(json!({"display_name": "", "rewards": [{"points": 1}, {"points": 1}]}))
            // Faults of a reward are named with its place in the list, see the tests of row P29.
            .free(&["rewards"]),
        case("AffiliateService/GetBounty", json!({"bounty_id": "${bounty_id}"}))
            .reference(json!({"bounty_id": "${bounty_id}"}))
            .wrong(json!({"bounty_id": "bnt_1"}))
            .wrong(json!({"bounty_id": ""})),
        case("AffiliateService/ListBounties", json!({}))
            .list()
            .reference(json!({"program_id": "${program_id}"}))
            .wrong(json!({"page_size": -1, "order": 99, "program_id": "prg_1", "states": [0, 99], "kinds": [0, 99]})),
        // A fresh one, because submissions to the other one must stay possible.
        case("AffiliateService/UpdateBounty", update("Sooner"))
            .prepare("AffiliateService/CreateBounty", bounty("Fresh"), FRESH_BOUNTY)
            .other(update("Later"))
            .reference(json!({"bounty": {"id": "${bounty_id}", "display_name": "Taken over"}}))
            .wrong(json!({
                "request_id": long(),
                "bounty": with(&wrong_bounty(), json!({"id": "bnt_1"})),
                "update_mask": {"paths": all},
            }))
            .wrong(json!({
                "bounty": {"id": "", "display_name": ""},
                "update_mask": {"paths": ["display_name"]},
            }))
            .wrong(json!({"bounty": null, "update_mask": {"paths": []}}))
            // Only fields that the mask allows are read.
            .free(&[
                "bounty.program_id",
                "bounty.kind",
                "bounty.rewards",
                "bounty.submission_count",
                "bounty.state",
                "bounty.create_time",
                "bounty.update_time",
                "bounty.archive_time",
                "bounty.decide_time",
            ])
            .not_references(&["bounty.program_id"]),
        case("AffiliateService/ArchiveBounty", json!({"bounty_id": "${fresh_bounty_id}"}))
            .prepare("AffiliateService/CreateBounty", bounty("Fresh"), FRESH_BOUNTY)
            .other(json!({"bounty_id": "${bounty_id}"}))
            .reference(json!({"bounty_id": "${bounty_id}"}))
            .wrong(json!({"request_id": long(), "bounty_id": "bnt_1"}))
            .wrong(json!({"bounty_id": ""})),
        case(
            "AffiliateService/NameContestWinners",
            json!({"bounty_id": "${fresh_bounty_id}", "winner_submission_ids": ["${fresh_submission_id}"]}),
        )
        .prepare("AffiliateService/CreateBounty", contest(), FRESH_BOUNTY)
        .prepare("AffiliateService/SubmitToBounty", submission("${fresh_bounty_id}"), FRESH_SUBMISSION)
        .prepare("AffiliateService/SubmitToBounty", submission("${fresh_bounty_id}"), OTHER_SUBMISSION)
        .other(json!({"winner_submission_ids": ["${other_submission_id}"]}))
        .reference(json!({"bounty_id": "${bounty_id}"}))
        .reference(json!({"winner_submission_ids": ["${submission_id}"]}))
        .wrong(json!({"request_id": long(), "bounty_id": "bnt_1", "winner_submission_ids": ["sbm_1"]}))
        .wrong(json!({"bounty_id": "", "winner_submission_ids": []})),
    ]
}

fn submissions() -> Vec<Case> {
    vec![
        case("AffiliateService/SubmitToBounty", submission("${bounty_id}"))
            .furnish(
                "AffiliateService/SubmitToBounty",
                submission("${bounty_id}"),
                &[("submission_id", "/submission/id")],
            )
            .furnish("AffiliateService/SubmitToBounty", submission("${bounty_id}"), &[])
            .other(json!({"note": "another"}))
            .reference(json!({"bounty_id": "${bounty_id}"}))
            .affiliate_reference()
            .wrong(json!({
                "request_id": long(),
                "bounty_id": "bnt_1",
                "affiliate": {"id": "aff_1"},
                "note": long(),
                "url": "ftp://video.example/",
            }))
            .wrong(json!({"bounty_id": "", "affiliate": null, "note": ""}))
            .wrong_affiliates(&json!({"bounty_id": "", "note": ""})),
        case("AffiliateService/GetSubmission", json!({"submission_id": "${submission_id}"}))
            .reference(json!({"submission_id": "${submission_id}"}))
            .wrong(json!({"submission_id": "sbm_1"}))
            .wrong(json!({"submission_id": ""})),
        case("AffiliateService/ListSubmissions", json!({}))
            .list()
            .reference(json!({"bounty_id": "${bounty_id}"}))
            .affiliate_reference()
            .wrong(json!({
                "page_size": -1,
                "order": 99,
                "bounty_id": "bnt_1",
                "affiliate": {"id": "aff_1"},
                "states": [0, 99],
            }))
            .wrong_affiliates(&json!({"bounty_id": "bnt_1"})),
        case("AffiliateService/ApproveSubmission", json!({"submission_id": "${fresh_submission_id}"}))
            .prepare("AffiliateService/SubmitToBounty", submission("${bounty_id}"), FRESH_SUBMISSION)
            .other(json!({"submission_id": "${submission_id}"}))
            .reference(json!({"submission_id": "${submission_id}"}))
            .wrong(json!({"request_id": long(), "submission_id": "sbm_1"}))
            .wrong(json!({"submission_id": ""})),
        case(
            "AffiliateService/RejectSubmission",
            json!({"submission_id": "${fresh_submission_id}", "reason": "blurred"}),
        )
        .prepare("AffiliateService/SubmitToBounty", submission("${bounty_id}"), FRESH_SUBMISSION)
        .other(json!({"reason": "too short"}))
        .reference(json!({"submission_id": "${submission_id}"}))
        .wrong(json!({"request_id": long(), "submission_id": "sbm_1", "reason": long()}))
        .wrong(json!({"submission_id": "", "reason": ""})),
    ]
}
