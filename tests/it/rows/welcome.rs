//! The mail that welcomes a new affiliate, and `skip_email_notification`: rows U5, G3 and F3.

use headwater::domain::time::Time;
use headwater::pb;
use mailin::Response;
use pb::AffiliateState;
use testkit::client::Client;
use tonic::Code;
use tonic_types::StatusExt;

use super::affiliate::{by, by_email, create, get, mask, new};
use crate::mail::{MailServer, until, waiting};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

fn mail(is_enabled: bool, subject: &str, body: &str) -> pb::WelcomeMail {
    pb::WelcomeMail { is_enabled, subject: subject.to_owned(), body: body.to_owned() }
}

async fn set(shop: &mut Shop, welcome_mail: Option<pb::WelcomeMail>) -> Result<Option<pb::WelcomeMail>, tonic::Status> {
    let request = pb::UpdateProgramRequest {
        program: Some(pb::Program { id: shop.program_id.clone(), welcome_mail, ..Default::default() }),
        update_mask: mask(&["welcome_mail"]),
        ..Default::default()
    };
    Ok(shop.client.affiliates.update_program(request).await?.into_inner().program.unwrap().welcome_mail)
}

async fn approve(client: &mut Client, email: &str) {
    let request = pb::ApproveAffiliateRequest { affiliate: by_email(email), ..Default::default() };
    client.affiliates.approve_affiliate(request).await.unwrap();
}

/// The recipients of all mail that was sent, in the order of the alphabet.
async fn recipients(server: &TestServer) -> Vec<String> {
    let recipient = |mail: &String| mail.lines().find_map(|line| line.strip_prefix("To: ")).unwrap().to_owned();
    let mut recipients: Vec<String> = server.mails().await.iter().map(recipient).collect();
    recipients.retain(|recipient| recipient.ends_with("@new.example"));
    recipients.sort();
    recipients
}

db_test!(u5_f3_g3_a_new_affiliate_is_welcomed_by_smtp_once, |database: TestDatabase| async move {
    let busy = Response::custom(451, "come again".to_owned());
    let mail_server = MailServer::start(vec![busy]).await;
    let flags = ["--mail-smtp-url", &mail_server.url, "--mail-from", "The Shop <noreply@shop.test>"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut shop = Shop::open(&server, "shop").await;
    // The mail to the account's owner takes the first answer. Ann was created before there was a text.
    let store = server.server.app().store();
    until(&server, async || waiting(store).await.iter().map(|mail| mail.tries).eq([1])).await;
    let wanted = mail(true, "Hi {first_name}", "You are {email} at {account_name} in {program_name}:\n{referral_link}");
    assert_eq!(set(&mut shop, Some(wanted.clone())).await.unwrap(), Some(wanted));

    let ada = pb::CreateAffiliateRequest {
        request_id: "ada".to_owned(),
        first_name: "Ad\u{e4}".to_owned(),
        ref_id: "ada".to_owned(),
        ..new("ada@new.example")
    };
    create(&mut shop.client, ada.clone()).await;
    assert!(create(&mut shop.client, ada.clone()).await.replayed);
    let again = pb::CreateAffiliateRequest { request_id: String::new(), ..ada };
    assert_eq!(shop.client.affiliates.create_affiliate(again).await.unwrap_err().code(), Code::AlreadyExists);
    until(&server, async || mail_server.inbox().iter().any(|(recipient, _)| recipient == "ada@new.example")).await;
    let inbox = mail_server.inbox();
    let sent: Vec<&String> =
        inbox.iter().filter(|(recipient, _)| recipient == "ada@new.example").map(|(_, text)| text).collect();
    assert_eq!(sent.len(), 1, "{inbox:?}");
    for line in [
        "From: \"The Shop\" <noreply@shop.test>",
        "To: ada@new.example",
        "Subject: Hi =?utf-8?b?QWTDpA==?=",
        "You are ada@new.example at shop in main:",
        "https://shop.example/?ref=ada",
    ] {
        assert!(sent[0].contains(line), "{line} is not in {}", sent[0]);
    }
});

db_test!(u5_f3_a_mail_is_sent_when_an_affiliate_becomes_active, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    // Without a text, with one that is switched off, and to whom none is wanted.
    create(&mut shop.client, new("early@new.example")).await;
    set(&mut shop, Some(mail(false, "", "Hello."))).await.unwrap();
    create(&mut shop.client, new("off@new.example")).await;
    assert_eq!(set(&mut shop, Some(mail(true, "", ""))).await.unwrap(), Some(mail(true, "", "")));
    let skipped = |email| pb::CreateAffiliateRequest { skip_email_notification: true, ..new(email) };
    create(&mut shop.client, skipped("skipped@new.example")).await;
    let applied = AffiliateState::Applied.into();
    create(&mut shop.client, pb::CreateAffiliateRequest { state: applied, ..skipped("silent@new.example") }).await;
    approve(&mut shop.client, "silent@new.example").await;
    assert_eq!(recipients(&server).await, [""; 0]);

    // An application has its mail when it is approved, and once.
    create(&mut shop.client, pb::CreateAffiliateRequest { state: applied, ..new("bea@new.example") }).await;
    assert_eq!(recipients(&server).await, [""; 0]);
    approve(&mut shop.client, "bea@new.example").await;
    let mails = server.mails().await;
    let sent = mails.iter().find(|mail| mail.contains("To: bea@new.example")).unwrap();
    for line in ["Subject: Welcome to main\r\n", "Hello bea@new.example,", "an affiliate of shop", "?ref=bea"] {
        assert!(sent.replace("=\r\n", "").replace("=3D", "=").contains(line), "{line} is not in {sent}");
    }
    let request = pb::DeactivateAffiliateRequest {
        affiliate: by_email("bea@new.example"),
        pending_rewards: pb::PendingRewards::Keep.into(),
        ..Default::default()
    };
    shop.client.affiliates.deactivate_affiliate(request).await.unwrap();
    approve(&mut shop.client, "bea@new.example").await;
    // So has one in a bulk call, and one that comes with a coupon, if its address is known.
    create(&mut shop.client, pb::CreateAffiliateRequest { state: applied, ..new("cid@new.example") }).await;
    let approve = pb::ApproveAffiliateRequest { affiliate: by_email("cid@new.example"), ..Default::default() };
    let item = pb::AffiliateBatchItem { item: Some(pb::affiliate_batch_item::Item::Approve(approve)) };
    let request = pb::BatchChangeAffiliatesRequest { items: vec![item] };
    shop.client.affiliates.batch_change_affiliates(request).await.unwrap();
    let external_id = by(pb::affiliate_selector::Selector::ExternalId("no-mail".to_owned()));
    for (code, affiliate) in [("DAN", by_email("dan@new.example")), ("NOBODY", external_id)] {
        let request = pb::AssignCouponRequest {
            code: code.to_owned(),
            affiliate,
            create_affiliate_if_missing: true,
            ..Default::default()
        };
        shop.client.affiliates.assign_coupon(request).await.unwrap();
    }
    // A second program welcomes nobody again.
    let enroll = pb::EndEnrollmentRequest {
        enrollment_id: get(&mut shop.client, by_email("dan@new.example")).await.unwrap().enrollments[0].id.clone(),
        ..Default::default()
    };
    shop.client.affiliates.end_enrollment(enroll).await.unwrap();
    let enroll = pb::EnrollAffiliateRequest { affiliate: by_email("dan@new.example"), ..Default::default() };
    shop.client.affiliates.enroll_affiliate(enroll).await.unwrap();
    assert_eq!(recipients(&server).await, ["bea@new.example", "cid@new.example", "dan@new.example"]);

    // The program can stop it.
    assert_eq!(set(&mut shop, None).await.unwrap(), None);
    create(&mut shop.client, new("late@new.example")).await;
    assert_eq!(recipients(&server).await.len(), 3);
});

db_test!(u5_a_text_with_an_unknown_placeholder_is_refused, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    for (subject, body, field, name) in [
        ("{name}", "", "program.welcome_mail.subject", "{name}"),
        ("", "Dear {first_name}, see {Referral_Link}", "program.welcome_mail.body", "{Referral_Link}"),
        ("a\r\nBcc: all@new.example", "", "program.welcome_mail.subject", "control characters"),
    ] {
        let status = set(&mut shop, Some(mail(true, subject, body))).await.unwrap_err();
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "INVALID_FIELDS"));
        let wrong = status.get_details_bad_request().unwrap().field_violations.remove(0);
        assert_eq!(wrong.field, field);
        assert!(wrong.description.contains(name), "{}", wrong.description);
    }
    // No name brings a header of its own.
    let wanted =
        pb::CreateAffiliateRequest { first_name: "A\r\nBcc: x@new.example".to_owned(), ..new("a@new.example") };
    assert_eq!(shop.client.affiliates.create_affiliate(wanted).await.unwrap_err().code(), Code::InvalidArgument);
});

db_test!(f5_mail_to_an_erased_affiliate_is_not_sent, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--mail-smtp-url", "smtp://127.0.0.1:1"]).await;
    let mut shop = Shop::open(&server, "shop").await;
    set(&mut shop, Some(mail(true, "", ""))).await.unwrap();
    for email in ["ada@new.example", "bea@new.example"] {
        create(&mut shop.client, new(email)).await;
    }
    let store = server.server.app().store();
    until(&server, async || waiting(store).await.iter().all(|mail| mail.tries == 1)).await;
    let erase = pb::EraseAffiliateRequest { affiliate: by_email("ada@new.example"), ..Default::default() };
    shop.client.affiliates.erase_affiliate(erase).await.unwrap();
    let left = waiting(store).await;
    let mut left: Vec<&str> = left.iter().map(|mail| mail.letter.recipient.as_str()).collect();
    left.sort_unstable();
    assert_eq!(left, ["bea@new.example", "shop@owners.example"]);
});

// Somebody waits for a token. An import with welcome mail does not delay it.
db_test!(u5_mail_to_many_new_affiliates_delays_no_token, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--mail-smtp-url", "smtp://127.0.0.1:1"]).await;
    let mut shop = Shop::open(&server, "shop").await;
    set(&mut shop, Some(mail(true, "", ""))).await.unwrap();
    for number in 0..3 {
        create(&mut shop.client, new(&format!("{number}@new.example"))).await;
    }
    server.new_account("late").await;
    let due = headwater::store::mail::due(server.server.app().store(), Time::from_micros(i64::MAX), 3).await.unwrap();
    let mut first: Vec<&str> = due.iter().map(|mail| mail.letter.recipient.as_str()).collect();
    first[..2].sort_unstable();
    assert_eq!(first[..2], ["late@owners.example", "shop@owners.example"]);
    assert!(first[2].ends_with("@new.example"), "{first:?}");
});
