//! Accounts that others than operators register: row W1.

use headwater::pb;
use testkit::client::Client;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, nameless_details, reason};

fn request(email: &str, email_token: &str) -> pb::RegisterAccountRequest {
    pb::RegisterAccountRequest {
        display_name: "Corner Shop".to_owned(),
        email: email.to_owned(),
        email_token: email_token.to_owned(),
        ..Default::default()
    }
}

async fn register(client: &mut Client, email: &str, email_token: &str) -> Result<pb::RegisterAccountResponse, Status> {
    client.accounts.register_account(request(email, email_token)).await.map(tonic::Response::into_inner)
}

/// The answer to every first call.
fn awaits_token() -> pb::RegisterAccountResponse {
    pb::RegisterAccountResponse { awaits_email_token: true, ..Default::default() }
}

async fn invite(operator: &mut Client) -> pb::CreateApiKeyResponse {
    let request = pb::CreateApiKeyRequest {
        kind: pb::ApiKeyKind::Invitation.into(),
        display_name: "for ann".to_owned(),
        ..Default::default()
    };
    operator.accounts.create_api_key(request).await.unwrap().into_inner()
}

async fn create_item(client: &mut Client, sku: &str) -> Result<(), Status> {
    let item = pb::CreateItemRequest { sku: sku.to_owned(), ..Default::default() };
    client.affiliates.create_item(item).await.map(|_| ())
}

async fn accounts(operator: &mut Client) -> Vec<pb::Account> {
    operator.accounts.list_accounts(pb::ListAccountsRequest::default()).await.unwrap().into_inner().accounts
}

fn wrong_field(status: &Status) -> String {
    assert_eq!(reason(status), "INVALID_FIELDS");
    status.get_details_bad_request().unwrap().field_violations[0].field.clone()
}

db_test!(w1_everybody_registers_who_gets_the_mail, |database: TestDatabase| async move {
    let flags = ["--registration", "open", "--registrations-per-minute", "0"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    for wrong in ["", "ann", "ann@"] {
        assert_eq!(wrong_field(&register(&mut stranger, wrong, "").await.unwrap_err()), "email");
    }
    assert_eq!(server.mails().await, [""; 0]);
    assert_eq!(register(&mut stranger, " Ann@shop.example", "").await.unwrap(), awaits_token());
    // Nothing is there yet that could write, and another call within a minute sends no further mail.
    assert_eq!(accounts(&mut operator).await, []);
    assert_eq!(register(&mut stranger, "ann@shop.example", "").await.unwrap(), awaits_token());
    assert_eq!(server.mails().await.len(), 1);
    let token = server.mailed_token("ann@shop.example").await;
    assert!(!server.mails().await[0].contains("Corner Shop"), "a stranger's text is in a mail to somebody else");

    // The token of another address, a changed one, and one that is none.
    let (until, signature) = token.split_at(8);
    let later = format!("{:08x}{signature}", u32::from_str_radix(until, 16).unwrap() + 1);
    for (email, wrong) in [
        ("bea@shop.example", token.as_str()),
        ("ann@shop.example", &later),
        ("ann@shop.example", &token[..token.len() - 1]),
        ("ann@shop.example", "x"),
        ("ann@shop.example", "0000000ü"),
    ] {
        assert_eq!(wrong_field(&register(&mut stranger, email, wrong).await.unwrap_err()), "email_token", "{wrong}");
    }
    let made = register(&mut stranger, "ann@shop.example", &format!(" {token} ")).await.unwrap();
    let account = made.account.clone().unwrap();
    assert_eq!((account.email.as_str(), account.email_verify_time), ("ann@shop.example", account.create_time));
    let mut owner = Client::connect(&server.address, &made.api_key_text).await.unwrap();
    create_item(&mut owner, "mug").await.unwrap();
    // The token creates one account.
    assert_eq!(reason(&register(&mut stranger, "ann@shop.example", &token).await.unwrap_err()), "ALREADY_EXISTS");
    assert_eq!(accounts(&mut operator).await.len(), 1);
    // Nobody else is in the log as the one who registered it.
    let entries = owner.accounts.list_audit_entries(pb::ListAuditEntriesRequest::default()).await.unwrap().into_inner();
    let entry = &entries.audit_entries[0];
    assert_eq!(entry.called_method, "headwater.v1.AccountService/RegisterAccount");
    assert_eq!((entry.api_key_kind(), entry.address.as_str()), (pb::ApiKeyKind::Invitation, "127.0.0.1"));
    assert_eq!(entry.subject_id, account.id);

    // Other calls need a key still.
    assert_eq!(reason(&create_item(&mut stranger, "mug").await.unwrap_err()), "KEY_MISSING");
    let status = stranger.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap_err();
    assert_eq!(reason(&status), "KEY_MISSING");
    let mut wrong_key = Client::connect(&server.address, "hw_admin_nobody").await.unwrap();
    assert_eq!(reason(&register(&mut wrong_key, "bea@shop.example", "").await.unwrap_err()), "KEY_INVALID");

    // A token works for 3 days.
    register(&mut stranger, "bea@shop.example", "").await.unwrap();
    let token = server.mailed_token("bea@shop.example").await;
    server.clock.advance_days(3);
    assert_eq!(wrong_field(&register(&mut stranger, "bea@shop.example", &token).await.unwrap_err()), "email_token");
});

db_test!(w1_a_stranger_does_not_learn_whose_addresses_have_accounts, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--registration", "open"]).await;
    server.new_account("shop").await;
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    let before = server.mails().await.len();
    let mut answers = Vec::new();
    for email in ["shop@owners.example", "nobody@owners.example"] {
        let answer = stranger.accounts.register_account(request(email, "")).await.unwrap();
        let mut headers = answer.metadata().clone().into_headers();
        headers.remove("x-request-id");
        headers.remove("date");
        answers.push((format!("{headers:?}"), answer.into_inner()));
    }
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0].1, awaits_token());
    let mails = server.mails().await;
    let to = |email: &str| mails[before..].iter().find(|mail| mail.contains(&format!("To: {email}"))).unwrap();
    assert!(to("shop@owners.example").contains("which an account has already"));
    assert!(!to("shop@owners.example").contains("email_token"));
    assert!(to("nobody@owners.example").contains("email_token"));
    // Guesses of tokens are answered alike too.
    let mut answers = Vec::new();
    for email in ["shop@owners.example", "nobody@owners.example"] {
        let status = register(&mut stranger, email, "1-00").await.unwrap_err();
        answers.push((status.message().to_owned(), nameless_details(&status)));
    }
    assert_eq!(answers[0], answers[1]);
});

// Everybody may have an account here. It gives nobody the address of somebody else, and no way to write to them.
db_test!(w1_an_account_does_not_take_the_address_of_somebody_else, |database: TestDatabase| async move {
    let flags = ["--registration", "open", "--registrations-per-minute", "0"];
    let server = TestServer::start_with(&database, &flags).await;
    server.new_account("shop").await;
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    let mut accounts = Vec::new();
    for email in ["eve@shop.example", "fay@shop.example"] {
        let key = register_fresh(&server, &mut stranger, email).await;
        accounts.push(Client::connect(&server.address, &key).await.unwrap());
    }
    let move_to = |email: &str| pb::UpdateAccountRequest {
        account: Some(pb::Account { email: email.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    let mut move_to = async |who: usize, email: &str| {
        let answer = accounts[who].accounts.update_account(move_to(email)).await.unwrap().into_inner();
        answer.account.unwrap()
    };
    // One mail, however often it is wanted, and none by the account to somebody else meanwhile. It has no text of the account.
    for email in ["ann@shop.example", "ann@shop.example", "bea@shop.example", "ann@shop.example"] {
        let wanted = move_to(0, email).await;
        assert_eq!((wanted.email.as_str(), wanted.email_verify_time.is_some()), ("eve@shop.example", true));
    }
    move_to(1, "ann@shop.example").await;
    let mails = server.mails().await;
    let to = |email: &str| mails.iter().filter(|mail| mail.contains(&format!("To: {email}"))).collect::<Vec<_>>();
    assert_eq!((to("ann@shop.example").len(), to("bea@shop.example").len()), (1, 0));
    assert!(!to("ann@shop.example")[0].contains("Corner Shop"), "{}", to("ann@shop.example")[0]);
    // The address is still free for the person who has it.
    register(&mut stranger, "ann@shop.example", "").await.unwrap();
    let token = server.mailed_token("ann@shop.example").await;
    register(&mut stranger, "ann@shop.example", &token).await.unwrap();

    // Whether somebody has an account is told to who reads their mail.
    let key = register_fresh(&server, &mut stranger, "gil@shop.example").await;
    let mut gil = Client::connect(&server.address, &key).await.unwrap();
    let request = pb::UpdateAccountRequest {
        account: Some(pb::Account { email: "shop@owners.example".to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["email".to_owned()] }),
        ..Default::default()
    };
    let taken = gil.accounts.update_account(request).await.unwrap().into_inner().account.unwrap();
    assert_eq!(taken.pending_email, "shop@owners.example");
    let mails = server.mails().await;
    let last = mails.iter().rfind(|mail| mail.contains("To: shop@owners.example")).unwrap();
    assert!(last.contains("An account has it already"), "{last}");
});

async fn register_fresh(server: &TestServer, stranger: &mut Client, email: &str) -> String {
    register(stranger, email, "").await.unwrap();
    let token = server.mailed_token(email).await;
    register(stranger, email, &token).await.unwrap().api_key_text
}

db_test!(w1_an_address_registers_only_so_often, |database: TestDatabase| async move {
    let flags = ["--registration", "open", "--trusted-proxies", "127.0.0.0/8"];
    let server = TestServer::start_with(&database, &flags).await;
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    let mut from = async |address: &str, number: usize| {
        let mut call = Request::new(request(&format!("ann{number}@shop.example"), ""));
        call.metadata_mut().insert("x-forwarded-for", address.parse().unwrap());
        stranger.accounts.register_account(call).await.map(|_| ())
    };
    let mut passed = 0;
    let status = loop {
        match from("203.0.113.7", passed).await {
            Ok(()) => passed += 1,
            Err(status) => break status,
        }
        assert!(passed < 20, "nothing limits it");
    };
    assert!(passed >= 5, "{passed}");
    assert_eq!((status.code(), reason(&status).as_str()), (Code::ResourceExhausted, "RATE_LIMITED"));
    from("203.0.113.8", 20).await.unwrap();
    // Operators are not limited.
    for number in 0..10 {
        server.new_account(&format!("shop{number}")).await;
    }
});

db_test!(w1_an_invitation_registers_one_account, |database: TestDatabase| async move {
    let server =
        TestServer::start_with(&database, &["--registration", "invite_only", "--registrations-per-minute", "0"]).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    assert_eq!(reason(&register(&mut stranger, "ann@shop.example", "").await.unwrap_err()), "KEY_MISSING");
    let invitation = invite(&mut operator).await;
    let mut invited = Client::connect(&server.address, &invitation.api_key_text).await.unwrap();
    assert_eq!(register(&mut invited, "ann@shop.example", "").await.unwrap(), awaits_token());
    let token = server.mailed_token("ann@shop.example").await;
    assert_eq!(reason(&register(&mut stranger, "ann@shop.example", &token).await.unwrap_err()), "KEY_MISSING");
    assert_eq!(reason(&create_item(&mut invited, "mug").await.unwrap_err()), "KEY_KIND_NOT_ALLOWED");
    // A refused call does not use it up.
    assert_eq!(wrong_field(&register(&mut invited, "ann@shop.example", "1-00").await.unwrap_err()), "email_token");
    let made = register(&mut invited, "ann@shop.example", &token).await.unwrap();
    create_item(&mut Client::connect(&server.address, &made.api_key_text).await.unwrap(), "mug").await.unwrap();
    assert_eq!(reason(&register(&mut invited, "bea@shop.example", "").await.unwrap_err()), "KEY_INVALID");

    // The operator sees which were used, and revokes others.
    let second = invite(&mut operator).await.api_key.unwrap();
    let revoke = pb::RevokeApiKeyRequest { api_key_id: second.id.clone(), ..Default::default() };
    operator.accounts.revoke_api_key(revoke).await.unwrap();
    let third = invite(&mut operator).await;
    let listed = operator.accounts.list_api_keys(pb::ListApiKeysRequest::default()).await.unwrap().into_inner();
    let invitations: Vec<_> = listed.api_keys.iter().filter(|key| key.kind() == pb::ApiKeyKind::Invitation).collect();
    let revoked: Vec<bool> = invitations.iter().map(|key| key.revoke_time.is_some()).collect();
    assert_eq!(revoked, [true, true, false]);
    assert!(invitations.iter().all(|key| key.display_name == "for ann"));
    // Owners make none, and an invitation is no operator key that would be left when the last one goes.
    let mut owner = server.new_account("shop").await;
    let own = pb::CreateApiKeyRequest { kind: pb::ApiKeyKind::Invitation.into(), ..Default::default() };
    assert_eq!(wrong_field(&owner.accounts.create_api_key(own).await.unwrap_err()), "kind");
    let me = operator.accounts.check_api_key(pb::CheckApiKeyRequest {}).await.unwrap().into_inner().api_key.unwrap();
    let last = pb::RevokeApiKeyRequest { api_key_id: me.id, ..Default::default() };
    assert_eq!(reason(&operator.accounts.revoke_api_key(last).await.unwrap_err()), "LAST_KEY");

    // Of several accounts that are registered with it at once, one is made.
    let mut tokens = Vec::new();
    let mut guest = Client::connect(&server.address, &third.api_key_text).await.unwrap();
    for email in ["cat@shop.example", "dan@shop.example"] {
        register(&mut guest, email, "").await.unwrap();
        tokens.push((email, server.mailed_token(email).await));
    }
    let mut other = Client::connect(&server.address, &third.api_key_text).await.unwrap();
    let (one, two) =
        tokio::join!(register(&mut guest, tokens[0].0, &tokens[0].1), register(&mut other, tokens[1].0, &tokens[1].1),);
    let refused: Vec<String> = [one, two].into_iter().filter_map(Result::err).map(|status| reason(&status)).collect();
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert!(["API_KEY_REVOKED", "KEY_INVALID"].contains(&refused[0].as_str()), "{refused:?}");
});

db_test!(w1_operators_alone_register_accounts_unless_a_setting_says_otherwise, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    assert_eq!(reason(&register(&mut stranger, "ann@shop.example", "").await.unwrap_err()), "KEY_MISSING");
    let invitation = invite(&mut operator).await.api_key_text;
    let mut invited = Client::connect(&server.address, &invitation).await.unwrap();
    let status = register(&mut invited, "ann@shop.example", "").await.unwrap_err();
    assert_eq!((status.code(), reason(&status).as_str()), (Code::PermissionDenied, "REGISTRATION_CLOSED"));
    assert_eq!(server.mails().await, [""; 0]);
    assert_eq!(wrong_field(&register(&mut operator, "ann@shop.example", "1-00").await.unwrap_err()), "email_token");
    register(&mut operator, "ann@shop.example", "").await.unwrap().account.unwrap();
});

db_test!(w1_operators_make_a_key_for_an_owner_who_has_lost_them_all, |database: TestDatabase| async move {
    let server = TestServer::start_with(&database, &["--registration", "open"]).await;
    let mut operator = Client::connect(&server.address, &server.operator_key).await.unwrap();
    let mut stranger = Client::connect(&server.address, "").await.unwrap();
    register(&mut stranger, "ann@shop.example", "").await.unwrap();
    let token = server.mailed_token("ann@shop.example").await;
    // The answer with the first key is lost. A repeat shows the account, and its key to nobody.
    let repeated = pb::RegisterAccountRequest { request_id: "once".to_owned(), ..request("ann@shop.example", &token) };
    let first = stranger.accounts.register_account(repeated.clone()).await.unwrap().into_inner();
    let again = stranger.accounts.register_account(repeated.clone()).await.unwrap().into_inner();
    assert_eq!((again.replayed, again.api_key_text.as_str(), &again.account), (true, "", &first.account));
    // The request id of somebody else is another one.
    register(&mut stranger, "bea@shop.example", "").await.unwrap();
    let token = server.mailed_token("bea@shop.example").await;
    let other = pb::RegisterAccountRequest { request_id: "once".to_owned(), ..request("bea@shop.example", &token) };
    let other = stranger.accounts.register_account(other).await.unwrap().into_inner();
    assert!(!other.replayed && other.account.unwrap().email == "bea@shop.example");

    let selector = Some(pb::account_selector::Selector::Email("ann@shop.example".to_owned()));
    let recover = pb::CreateAdminApiKeyRequest {
        account: Some(pb::AccountSelector { selector }),
        display_name: "recovered".to_owned(),
        ..Default::default()
    };
    let recovered = operator.accounts.create_admin_api_key(recover).await.unwrap().into_inner();
    assert_eq!(recovered.account_id, first.account.unwrap().id);
    let mut owner = Client::connect(&server.address, &recovered.api_key_text).await.unwrap();
    create_item(&mut owner, "mug").await.unwrap();
});
