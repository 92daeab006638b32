//! Row P15: the questions that a program asks its applicants, and programs that take no applications but by invitation.

use headwater::pb;
use pb::AffiliateState;
use testkit::client::Client;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::affiliate::{by_email, create, mask, new};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::{START_MICROS, TestServer, reason};
use crate::support::shop::Shop;

fn question(key: &str, label: &str, is_required: bool) -> pb::ApplicationQuestion {
    pb::ApplicationQuestion { key: key.to_owned(), label: label.to_owned(), is_required }
}

async fn update(shop: &mut Shop, program: pb::Program, path: &str) -> Result<pb::Program, Status> {
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), ..program }),
        update_mask: mask(&[path]),
        ..Default::default()
    };
    Ok(shop.client.affiliates.update_program(request).await?.into_inner().program.unwrap())
}

fn application(email: &str, answers: &[(&str, &str)]) -> pb::CreateAffiliateRequest {
    let field = |(key, value): &(&str, &str)| pb::CustomField {
        key: (*key).to_owned(),
        value: (*value).to_owned(),
        ..Default::default()
    };
    pb::CreateAffiliateRequest {
        state: AffiliateState::Applied.into(),
        profile: Some(pb::AffiliateProfile {
            custom_fields: answers.iter().map(field).collect(),
            ..Default::default()
        }),
        ..new(email)
    }
}

/// The faults of a request, by field.
async fn faults(client: &mut Client, request: pb::CreateAffiliateRequest) -> Vec<(String, String)> {
    let status = client.affiliates.create_affiliate(request).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
    let violations = status.get_details_bad_request().unwrap().field_violations;
    violations.into_iter().map(|violation| (violation.field, violation.description)).collect()
}

db_test!(p15_an_application_answers_the_programs_questions, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let questions = vec![
        question("audience", "Who reads you?", true),
        question("since", "Since when?", true),
        question("remark", "Anything else?", false),
    ];
    let program = pb::Program { questions: questions.clone(), ..Default::default() };
    assert_eq!(update(&mut shop, program, "questions").await.unwrap().questions, questions);
    let client = &mut shop.client;
    let none = faults(client, application("bea@a.example", &[])).await;
    assert!(none.len() == 1 && none[0].1.ends_with("audience, since"), "{none:?}");
    let one = faults(client, application("bea@a.example", &[("audience", "Engineers"), ("since", " ")])).await;
    assert!(one[0].0 == "profile.custom_fields" && one[0].1.ends_with(": since"), "{one:?}");
    let answers = [("audience", "Engineers"), ("since", "1843"), ("other", "x")];
    let applied = create(client, application("bea@a.example", &answers)).await.affiliate.unwrap();
    let fields = applied.profile.unwrap().custom_fields;
    let labels: Vec<&str> = fields.iter().map(|field| field.label.as_str()).collect();
    assert_eq!(labels, ["Who reads you?", "Since when?", ""]);
    // Whom the owner creates need not apply.
    create(client, new("cid@a.example")).await;
    let questions = vec![question("why", "Why?", true), question("why", "Why not?", true), question("No", "", true)];
    let program = pb::Program { questions, ..Default::default() };
    let status = update(&mut shop, program, "questions").await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let named: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(named, ["program.questions[1].key", "program.questions[2].key", "program.questions[2].label"]);
    // The program asks no more.
    update(&mut shop, pb::Program::default(), "questions").await.unwrap();
    create(&mut shop.client, application("dan@a.example", &[])).await;
});

db_test!(p15_a_private_program_takes_no_applications, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    create(&mut shop.client, application("bea@a.example", &[])).await;
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "friends".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://friends.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        is_private: true,
        ..Default::default()
    };
    let program = shop.client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    assert!(program.is_private);
    let check = |status: Status| {
        assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "PROGRAM_PRIVATE"));
    };
    let applied = pb::CreateAffiliateRequest { program_id: program.id.clone(), ..application("cid@a.example", &[]) };
    check(shop.client.affiliates.create_affiliate(applied.clone()).await.unwrap_err());
    let enroll = pb::EnrollAffiliateRequest {
        affiliate: by_email("bea@a.example"),
        program_id: program.id.clone(),
        ..Default::default()
    };
    check(shop.client.affiliates.enroll_affiliate(enroll.clone()).await.unwrap_err());
    let list = pb::ListAffiliatesRequest { program_id: program.id.clone(), ..Default::default() };
    assert!(shop.client.affiliates.list_affiliates(list).await.unwrap().into_inner().affiliates.is_empty());
    // The owner invites whom they have approved, and whom they create.
    let approve = pb::ApproveAffiliateRequest { affiliate: by_email("bea@a.example"), ..Default::default() };
    shop.client.affiliates.approve_affiliate(approve).await.unwrap();
    shop.client.affiliates.enroll_affiliate(enroll).await.unwrap();
    let invited = pb::CreateAffiliateRequest { program_id: program.id.clone(), ..new("dan@a.example") };
    create(&mut shop.client, invited).await;
    // Once it is open, it takes applications.
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: program.id, ..Default::default() }),
        update_mask: mask(&["is_private"]),
        ..Default::default()
    };
    let opened = shop.client.affiliates.update_program(request).await.unwrap().into_inner().program.unwrap();
    assert!(!opened.is_private);
    create(&mut shop.client, applied).await;
});

async fn enroll(
    client: &mut Client,
    program: &pb::Program,
    email: &str,
    invitation_code: &str,
) -> Result<pb::EnrollAffiliateResponse, Status> {
    let request = pb::EnrollAffiliateRequest {
        request_id: format!("enroll {email}"),
        affiliate: by_email(email),
        program_id: program.id.clone(),
        invitation_code: invitation_code.to_owned(),
        ..Default::default()
    };
    Ok(client.affiliates.enroll_affiliate(request).await?.into_inner())
}

/// The fault of an invitation code that was refused.
fn fault(status: &Status) -> String {
    assert_eq!((status.code(), reason(status).as_str()), (Code::FailedPrecondition, "INVITATION_INVALID"));
    status.get_error_details().error_info().unwrap().metadata["fault"].clone()
}

fn invitation(code: &str, max_uses: i32) -> pb::ProgramInvitation {
    pb::ProgramInvitation { code: code.to_owned(), max_uses, ..Default::default() }
}

db_test!(p15_an_invitation_opens_a_private_program, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for email in ["bea@a.example", "cid@a.example", "dan@a.example"] {
        create(&mut shop.client, application(email, &[])).await;
    }
    update(&mut shop, pb::Program { is_private: true, ..Default::default() }, "is_private").await.unwrap();
    let day_after = prost_types::Timestamp { seconds: START_MICROS / 1_000_000 + 86_400, nanos: 0 };
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "friends".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://friends.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        is_private: true,
        invitations: vec![
            invitation("Friends 2026", 2),
            pb::ProgramInvitation { expire_time: Some(day_after), ..invitation("only-today", 0) },
        ],
        ..Default::default()
    };
    let client = &mut shop.client;
    let program = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(program.invitations[0].code, "FRIENDS 2026");
    assert_eq!(reason(&enroll(client, &program, "bea@a.example", "").await.unwrap_err()), "PROGRAM_PRIVATE");
    assert_eq!(fault(&enroll(client, &program, "bea@a.example", "friends 2025").await.unwrap_err()), "unknown");
    // A code opens the program, and the owner still decides about the application.
    let first = enroll(client, &program, "bea@a.example", " friends  2026").await.unwrap();
    let again = enroll(client, &program, "bea@a.example", "FRIENDS 2026").await.unwrap();
    assert!(again.replayed && again.enrollment == first.enrollment, "{again:?}");
    let applied = pb::CreateAffiliateRequest {
        program_id: program.id.clone(),
        invitation_code: "friends 2026".to_owned(),
        ..application("eve@a.example", &[])
    };
    let made = create(client, applied.clone()).await.affiliate.unwrap();
    assert_eq!(made.state(), AffiliateState::Applied);
    let third = pb::CreateAffiliateRequest { email: "fay@a.example".to_owned(), ..applied };
    assert_eq!(fault(&client.affiliates.create_affiliate(third).await.unwrap_err()), "used_up");
    assert_eq!(fault(&enroll(client, &program, "cid@a.example", "friends 2026").await.unwrap_err()), "used_up");
    enroll(client, &program, "cid@a.example", "only-today").await.unwrap();
    server.clock.advance_days(1);
    assert_eq!(fault(&enroll(client, &program, "dan@a.example", "only-today").await.unwrap_err()), "expired");
    let request = pb::GetProgramRequest { program_id: program.id.clone(), ..Default::default() };
    let found = client.affiliates.get_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(found.invitations.iter().map(|one| one.use_count).collect::<Vec<_>>(), [2, 1]);
    assert_ne!(found.etag, program.etag);
    // A code that stays keeps its number of uses, and one that is left out works no more.
    let changed = vec![invitation("friends 2026", 3), invitation("neighbours", 0)];
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: program.id.clone(), invitations: changed, ..Default::default() }),
        update_mask: mask(&["invitations"]),
        ..Default::default()
    };
    let changed = client.affiliates.update_program(request).await.unwrap().into_inner().program.unwrap();
    assert_eq!(changed.invitations.iter().map(|one| one.use_count).collect::<Vec<_>>(), [2, 0]);
    assert_eq!(fault(&enroll(client, &program, "dan@a.example", "only-today").await.unwrap_err()), "unknown");
    enroll(client, &program, "dan@a.example", "friends 2026").await.unwrap();
    let wrong = vec![
        invitation("short", 0),
        invitation("friends 2026", -1),
        invitation("FRIENDS  2026", 0),
        invitation(" ", 0),
    ];
    let program = pb::Program { invitations: wrong, ..Default::default() };
    let status = update(&mut shop, program, "invitations").await.unwrap_err();
    let violations = status.get_details_bad_request().unwrap().field_violations;
    let named: Vec<&str> = violations.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(
        named,
        [
            "program.invitations[0].code",
            "program.invitations[1].max_uses",
            "program.invitations[2].code",
            "program.invitations[3].code"
        ]
    );
});

// However many come at once, a code admits as many as its limit.
db_test!(p15_an_invitation_admits_exactly_as_many_as_its_limit, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let second = match database.kind {
        DatabaseKind::Sqlite => None,
        DatabaseKind::Postgres => Some(TestServer::start(&database).await),
    };
    let servers = [&server, second.as_ref().unwrap_or(&server)];
    update(&mut shop, pb::Program { is_private: true, ..Default::default() }, "is_private").await.unwrap();
    let program = pb::Program { invitations: vec![invitation("friends 2026", 3)], ..Default::default() };
    update(&mut shop, program, "invitations").await.unwrap();
    let mut calls = Vec::new();
    for number in 0..32 {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        let request = pb::CreateAffiliateRequest {
            invitation_code: "friends 2026".to_owned(),
            ..application(&format!("{number}@a.example"), &[])
        };
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            client.affiliates.create_affiliate(request).await
        }));
    }
    let mut admitted = 0;
    for call in calls {
        match call.await.unwrap() {
            Ok(_) => admitted += 1,
            Err(status) => assert_eq!(fault(&status), "used_up"),
        }
    }
    assert_eq!(admitted, 3);
});
