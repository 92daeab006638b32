//! Row P16: the agreement of a program, what affiliates have accepted of it, and that a program may require it before they earn.

use headwater::pb;
use pb::{CandidateResult, ConversionOutcome};
use testkit::client::Client;
use tonic::{Code, Status};

use super::affiliate::{by_email, create, get, mask, new};
use crate::support::database::TestDatabase;
use crate::support::feed::from_beginning;
use crate::support::server::{TestServer, reason};
use crate::support::shop::{Shop, sale};

fn text(text: &str, is_required: bool) -> pb::Agreement {
    pb::Agreement { text: text.to_owned(), is_required, ..Default::default() }
}

async fn set(shop: &mut Shop, agreement: pb::Agreement) -> pb::Agreement {
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), agreement: Some(agreement), ..Default::default() }),
        update_mask: mask(&["agreement"]),
        ..Default::default()
    };
    shop.client.affiliates.update_program(request).await.unwrap().into_inner().program.unwrap().agreement.unwrap()
}

/// The enrollments whose affiliate has not accepted the newest version, or the others.
async fn lacking(shop: &mut Shop, lacks_newest_agreement: bool) -> Vec<String> {
    let request = pb::ListEnrollmentsRequest {
        program_id: shop.program_id.clone(),
        lacks_newest_agreement: Some(lacks_newest_agreement),
        ..Default::default()
    };
    let listed = shop.client.affiliates.list_enrollments(request).await.unwrap().into_inner().enrollments;
    listed.into_iter().map(|enrollment| enrollment.id).collect()
}

fn acceptance(version: i32) -> Option<pb::AgreementAcceptance> {
    Some(pb::AgreementAcceptance { version, source: "203.0.113.7".to_owned(), ..Default::default() })
}

async fn accept(client: &mut Client, enrollment_id: &str, version: i32) -> Result<pb::Enrollment, Status> {
    let request = pb::AcceptAgreementRequest {
        enrollment_id: enrollment_id.to_owned(),
        acceptance: acceptance(version),
        ..Default::default()
    };
    Ok(client.affiliates.accept_agreement(request).await?.into_inner().enrollment.unwrap())
}

/// Sells with a code, and says who was credited or why not.
async fn sell(client: &mut Client, number: usize, code: &str) -> Result<(), CandidateResult> {
    let request = pb::RecordSaleRequest { coupon_code: code.to_owned(), ..sale(number) };
    let sold = client.tracking.record_sale(request).await.unwrap().into_inner();
    if sold.outcome() == ConversionOutcome::Attributed {
        return Ok(());
    }
    let selector = Some(pb::conversion_selector::Selector::Id(sold.conversion_id));
    let request =
        pb::GetConversionRequest { conversion: Some(pb::ConversionSelector { selector }), ..Default::default() };
    let sold = client.tracking.get_conversion(request).await.unwrap().into_inner().conversion.unwrap();
    Err(sold.candidates[0].result())
}

db_test!(p16_the_version_that_was_accepted_is_kept_with_time_and_source, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let ann = Some(shop.affiliate());
    let found = get(&mut shop.client, ann).await.unwrap();
    let enrollment = found.enrollments[0].clone();
    let status = accept(&mut shop.client, &enrollment.id, 1).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "AGREEMENT_VERSION"));

    assert_eq!(set(&mut shop, text("Be kind.", false)).await.version, 1);
    assert_eq!(set(&mut shop, text("Be kind.", false)).await.version, 1, "nothing else to agree to");
    server.clock.advance_days(1);
    let accepted = accept(&mut shop.client, &enrollment.id, 1).await.unwrap();
    assert_eq!(accepted.acceptances.len(), 1);
    assert_eq!((accepted.acceptances[0].version, accepted.acceptances[0].source.as_str()), (1, "203.0.113.7"));
    assert_eq!(accepted.acceptances[0].accept_time, accepted.update_time);
    assert!(accepted.update_time.unwrap().seconds > enrollment.update_time.unwrap().seconds);
    server.clock.advance_days(1);
    assert_eq!(accept(&mut shop.client, &enrollment.id, 1).await.unwrap(), accepted, "once is enough");

    // A new version can be accepted too, the former one no more.
    let page = pb::Agreement { url: "https://shop.example/partners".to_owned(), ..text("Be kind.", false) };
    let page = set(&mut shop, page).await;
    assert_eq!((page.version, page.url.as_str()), (2, "https://shop.example/partners"));
    let status = accept(&mut shop.client, &enrollment.id, 1).await.unwrap_err();
    assert!(status.message().starts_with("acceptance.version: "), "{}", status.message());
    let both = accept(&mut shop.client, &enrollment.id, 2).await.unwrap();
    assert_eq!(both.acceptances.iter().map(|one| one.version).collect::<Vec<_>>(), [1, 2]);
    let ann = Some(shop.affiliate());
    let found = get(&mut shop.client, ann).await.unwrap();
    assert_eq!(found.enrollments, std::slice::from_ref(&both));

    // The feed has versions and times, and not where from. An erased affiliate has no more.
    let read = pb::ReadEventsRequest { start: Some(from_beginning()), page_size: 1_000, ..Default::default() };
    let events = shop.client.feed.read_events(read).await.unwrap().into_inner().events;
    let told: Vec<&pb::Enrollment> = events
        .iter()
        .filter_map(|event| match &event.subject {
            Some(pb::event::Subject::Enrollment(image)) => Some(image),
            _ => None,
        })
        .collect();
    assert_eq!(told.last().unwrap().acceptances.len(), 2);
    assert!(told.iter().flat_map(|image| &image.acceptances).all(|one| one.source.is_empty()));
    let erase = pb::EraseAffiliateRequest { affiliate: Some(shop.affiliate()), ..Default::default() };
    shop.client.affiliates.erase_affiliate(erase).await.unwrap();
    let read = pb::GetEnrollmentRequest { enrollment_id: enrollment.id };
    let erased = shop.client.affiliates.get_enrollment(read).await.unwrap().into_inner().enrollment.unwrap();
    assert!(erased.acceptances.len() == 2 && erased.acceptances.iter().all(|one| one.source.is_empty()));
});

db_test!(p16_who_has_not_accepted_the_newest_version_is_shown, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let bea = create(&mut shop.client, new("bea@affiliates.example")).await.enrollment.unwrap();
    let ann = Some(shop.affiliate());
    let ann = get(&mut shop.client, ann).await.unwrap().enrollments[0].clone();
    assert!(!ann.lacks_newest_agreement && !bea.lacks_newest_agreement, "there is none");
    assert_eq!(lacking(&mut shop, true).await, [""; 0]);

    // None was accepted, then the newest, then an earlier one.
    set(&mut shop, text("Be kind.", false)).await;
    assert_eq!(lacking(&mut shop, true).await, [ann.id.clone(), bea.id.clone()]);
    assert!(!accept(&mut shop.client, &bea.id, 1).await.unwrap().lacks_newest_agreement);
    assert_eq!(lacking(&mut shop, true).await, std::slice::from_ref(&ann.id));
    assert_eq!(lacking(&mut shop, false).await, std::slice::from_ref(&bea.id));
    set(&mut shop, text("Be kind.", true)).await;
    assert_eq!(lacking(&mut shop, false).await, std::slice::from_ref(&bea.id), "it is the same text");
    set(&mut shop, text("Be very kind.", true)).await;
    assert_eq!(lacking(&mut shop, false).await, [""; 0]);
    let read = pb::GetEnrollmentRequest { enrollment_id: bea.id.clone() };
    let shown = shop.client.affiliates.get_enrollment(read).await.unwrap().into_inner().enrollment.unwrap();
    assert!(shown.lacks_newest_agreement && !shown.awaits_agreement, "it goes on earning");
    let by_bea = by_email("bea@affiliates.example");
    assert!(get(&mut shop.client, by_bea).await.unwrap().enrollments[0].lacks_newest_agreement);
    // The answer of a change shows it too, and so does a repeat of one, as it is by then.
    let mut request = pb::UpdateEnrollmentRequest {
        request_id: "update".to_owned(),
        enrollment: Some(pb::Enrollment { id: bea.id.clone(), ref_id: "bee".to_owned(), ..Default::default() }),
        update_mask: mask(&["ref_id"]),
        ..Default::default()
    };
    let changed = shop.client.affiliates.update_enrollment(request.clone()).await.unwrap().into_inner();
    assert!(changed.enrollment.unwrap().lacks_newest_agreement);
    accept(&mut shop.client, &bea.id, 2).await.unwrap();
    let repeated = shop.client.affiliates.update_enrollment(request.clone()).await.unwrap().into_inner();
    assert!(repeated.replayed && !repeated.enrollment.unwrap().lacks_newest_agreement);
    // What a caller sends is not read.
    request.enrollment.as_mut().unwrap().lacks_newest_agreement = true;
    assert!(shop.client.affiliates.update_enrollment(request).await.unwrap().into_inner().replayed);
    assert_eq!(lacking(&mut shop, true).await, [ann.id]);
});

db_test!(p16_who_must_accept_earns_from_the_acceptance_on, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    set(&mut shop, text("Be kind.", true)).await;
    // Who was enrolled before goes on earning.
    let ann = Some(shop.affiliate());
    let found = get(&mut shop.client, ann).await.unwrap();
    assert!(!found.enrollments[0].awaits_agreement);
    assert_eq!(sell(&mut shop.client, 1, "ANN").await, Ok(()));

    let wanted = pb::CreateAffiliateRequest { coupon_code: "BEA".to_owned(), ..new("bea@affiliates.example") };
    let bea = create(&mut shop.client, wanted).await.enrollment.unwrap();
    assert!(bea.awaits_agreement && bea.acceptances.is_empty());
    assert_eq!(sell(&mut shop.client, 2, "BEA").await, Err(CandidateResult::AgreementNotAccepted));
    let valid = pb::ValidateCouponRequest { code: "BEA".to_owned(), ..Default::default() };
    let fault = shop.client.affiliates.validate_coupon(valid).await.unwrap().into_inner().fault();
    assert_eq!(fault, pb::CouponFault::AgreementNotAccepted);
    server.clock.advance_days(1);
    assert!(!accept(&mut shop.client, &bea.id, 1).await.unwrap().awaits_agreement);
    assert_eq!(sell(&mut shop.client, 3, "BEA").await, Ok(()));
    // What is told late is judged by its own time.
    let day_0 = pb::RecordSaleRequest { occur_time: bea.create_time, coupon_code: "BEA".to_owned(), ..sale(4) };
    let sold = shop.client.tracking.record_sale(day_0).await.unwrap().into_inner();
    assert_eq!(sold.outcome(), ConversionOutcome::NotReferred);
    // A new version asks nobody again, and who accepts while enrolling earns at once.
    set(&mut shop, text("Be very kind.", true)).await;
    assert_eq!(sell(&mut shop.client, 5, "BEA").await, Ok(()));
    let wanted = pb::CreateAffiliateRequest {
        coupon_code: "CID".to_owned(),
        acceptance: acceptance(1),
        ..new("cid@affiliates.example")
    };
    let status = shop.client.affiliates.create_affiliate(wanted.clone()).await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::FailedPrecondition, "AGREEMENT_VERSION"));
    let wanted = pb::CreateAffiliateRequest { acceptance: acceptance(2), ..wanted };
    let cid = create(&mut shop.client, wanted).await.enrollment.unwrap();
    assert!(!cid.awaits_agreement && cid.acceptances.len() == 1);
    assert_eq!(sell(&mut shop.client, 6, "CID").await, Ok(()));

    // Back in the program, what was accepted still counts; a move to a program that requires it does not.
    let end = pb::EndEnrollmentRequest { enrollment_id: cid.id.clone(), ..Default::default() };
    shop.client.affiliates.end_enrollment(end).await.unwrap();
    let enroll = pb::EnrollAffiliateRequest { affiliate: by_email("cid@affiliates.example"), ..Default::default() };
    let again = shop.client.affiliates.enroll_affiliate(enroll).await.unwrap().into_inner().enrollment.unwrap();
    assert!(!again.awaits_agreement && again.id == cid.id);
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let request = pb::CreateProgramRequest {
        display_name: "strict".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://strict.example/".to_owned(),
        terms: Some(pb::Terms { commission, ..Default::default() }),
        agreement: Some(text("Sign here.", true)),
        ..Default::default()
    };
    let strict = shop.client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap();
    let request = pb::MoveEnrollmentRequest { enrollment_id: again.id, program_id: strict.id, ..Default::default() };
    let moved = shop.client.affiliates.move_enrollment(request).await.unwrap().into_inner().enrollment.unwrap();
    assert!(moved.awaits_agreement);
    assert_eq!(sell(&mut shop.client, 7, "CID").await, Err(CandidateResult::AgreementNotAccepted));
    accept(&mut shop.client, &moved.id, 1).await.unwrap();
    assert_eq!(sell(&mut shop.client, 8, "CID").await, Ok(()));
});
