//! Two spellings of requests that change bounties and submissions.

use serde_json::json;

use super::{Spelling, ids_only, spelling};

pub(super) fn spellings() -> Vec<Spelling> {
    let [window, same_window] = [1_000, 1_999].map(|nanos| json!({"seconds": 4_000_000_000_u32, "nanos": nanos}));
    let [start, same_start] = [1_000, 1_999].map(|nanos| json!({"seconds": 1, "nanos": nanos}));
    let mut bounties = vec![
        spelling(
            "AffiliateService/CreateBounty",
            vec![(
                json!({"display_name": "Twice", "about": "a\nb", "start_time": start, "end_time": window}),
                json!({
                    "display_name": " Twice",
                    "about": "a\nb\n",
                    "kind": "BOUNTY_KIND_SUBMISSION",
                    "start_time": same_start,
                    "end_time": same_window,
                }),
            )],
            &["program_id", "rewards", "max_submissions", "max_submissions_per_affiliate"],
        ),
        spelling(
            "AffiliateService/UpdateBounty",
            vec![(
                json!({
                    "bounty": {
                        "id": "${bounty_id}",
                        "display_name": "Twice",
                        "about": "a",
                        "start_time": start,
                        "end_time": window,
                    },
                    "update_mask": {"paths": ["about", "display_name", "end_time", "start_time"]},
                }),
                json!({
                    "bounty": {
                        "id": "${bounty_id}",
                        "program_id": "prg_1",
                        "kind": "BOUNTY_KIND_CONTEST",
                        "display_name": "Twice ",
                        "about": " a",
                        "rewards": [{"points": 7}],
                        "start_time": same_start,
                        "end_time": same_window,
                        "max_submissions": 7,
                        "max_submissions_per_affiliate": 7,
                        "submission_count": 7,
                        "state": "BOUNTY_STATE_ARCHIVED",
                        "create_time": {"seconds": 1},
                        "update_time": {"seconds": 1},
                        "archive_time": {"seconds": 1},
                        "decide_time": {"seconds": 1},
                    },
                    "update_mask": {"paths": ["display_name", "about", "start_time", "end_time", "about"]},
                }),
            )],
            &["bounty.id", "bounty.rewards"],
        ),
        ids_only("AffiliateService/ArchiveBounty", &["bounty_id"]),
        ids_only("AffiliateService/NameContestWinners", &["bounty_id", "winner_submission_ids"]),
    ];
    bounties.extend(submissions());
    bounties
}

fn submissions() -> Vec<Spelling> {
    vec![
        spelling(
            "AffiliateService/SubmitToBounty",
            vec![
                (
                    json!({
                        "affiliate": {"email": "${affiliate_email}"},
                        "note": "a",
                        "url": "https://video.example/a%20b",
                    }),
                    json!({
                        "affiliate": {"email": "${affiliate_email}."},
                        "note": " a",
                        "url": "https://VIDEO.example/a b",
                    }),
                ),
                (
                    json!({"affiliate": {"ref_id": "${affiliate_ref_id}"}}),
                    json!({"affiliate": {"ref_id": " ${affiliate_ref_id}"}}),
                ),
            ],
            &["bounty_id", "affiliate.id", "affiliate.external_id", "affiliate.auth_token"],
        ),
        ids_only("AffiliateService/ApproveSubmission", &["submission_id"]),
        spelling(
            "AffiliateService/RejectSubmission",
            vec![(json!({"reason": "blurred"}), json!({"reason": "blurred\n"}))],
            &["submission_id"],
        ),
    ]
}
