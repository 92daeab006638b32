//! Row P32: statements and self-billing invoices of payouts.

use headwater::pb;
use pb::get_payout_document_request::Document;
use pb::{PayoutDocumentFormat, PayoutDocumentState as State};
use testkit::client::Client;
use tonic::Status;

use super::payout_reserved::{
    confirm, create, create_affiliate, due_to, give_approved, selector, set_policy, two_servers, usd, verify,
};
use crate::support::database::TestDatabase;
use crate::support::server::{TestServer, reason};
use crate::support::shop::Shop;

async fn want_invoices(client: &mut Client) {
    set_policy(client, Some(pb::PayoutPolicy { self_billing_invoices: true, ..Default::default() })).await;
}

async fn get(
    client: &mut Client,
    document: Document,
    format: PayoutDocumentFormat,
) -> Result<pb::GetPayoutDocumentResponse, Status> {
    let request = pb::GetPayoutDocumentRequest { document: Some(document), document_format: format.into() };
    client.payouts.get_payout_document(request).await.map(tonic::Response::into_inner)
}

async fn data(client: &mut Client, document: Document) -> (Option<pb::PayoutDocument>, pb::PayoutDocumentContent) {
    let answer = get(client, document, PayoutDocumentFormat::Data).await.unwrap();
    assert!(answer.pdf.is_empty());
    (answer.payout_document, answer.content.unwrap())
}

async fn pdf(client: &mut Client, document: Document) -> Vec<u8> {
    let answer = get(client, document, PayoutDocumentFormat::Pdf).await.unwrap();
    assert!(answer.content.is_none() && answer.pdf.starts_with(b"%PDF-"));
    answer.pdf
}

async fn list(client: &mut Client, request: pb::ListPayoutDocumentsRequest) -> Vec<pb::PayoutDocument> {
    client.payouts.list_payout_documents(request).await.unwrap().into_inner().payout_documents
}

async fn reopen(client: &mut Client, payout_id: &str) -> pb::Payout {
    let (payout_id, reason) = (payout_id.to_owned(), "sent back".to_owned());
    let request = pb::ReopenPayoutRequest { payout_id, reason, ..Default::default() };
    client.payouts.reopen_payout(request).await.unwrap().into_inner().payout.unwrap()
}

async fn set_profile(client: &mut Client, affiliate_id: &str, profile: pb::AffiliateProfile) {
    let request = pb::UpdateAffiliateRequest {
        affiliate: Some(pb::Affiliate { id: affiliate_id.to_owned(), profile: Some(profile), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["profile".to_owned()] }),
        ..Default::default()
    };
    client.affiliates.update_affiliate(request).await.unwrap();
}

fn profile(company: &str) -> pb::AffiliateProfile {
    pb::AffiliateProfile {
        company: company.to_owned(),
        address: Some(pb::PostalAddress {
            street: "ul. Żółta 7".to_owned(),
            postal_code: "90-001".to_owned(),
            city: "Łódź".to_owned(),
            country_code: "PL".to_owned(),
            ..Default::default()
        }),
        invoice_tax: Some(pb::InvoiceTax {
            treatment: pb::TaxTreatment::Rate.into(),
            percent_ppm: 230_000,
            note: "VAT 23 %".to_owned(),
        }),
        ..Default::default()
    }
}

db_test!(p32_an_invoice_keeps_its_number_and_what_it_says, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let affiliate_id = shop.affiliate_id.clone();
    want_invoices(&mut shop.client).await;
    set_profile(&mut shop.client, &affiliate_id, profile("Łucja Őrsi")).await;
    let reward_id = give_approved(&mut shop.client, "ann", 12_300).await;
    let payout = create(&mut shop.client, due_to(&affiliate_id)).await.unwrap();
    let draft_id = payout.payout_document_id.clone();
    assert_eq!(payout.payout_document_number, "");
    let (draft, content) = data(&mut shop.client, Document::PayoutDocumentId(draft_id.clone())).await;
    let draft = draft.unwrap();
    assert_eq!((draft.state(), draft.year, &draft.payout_id), (State::Draft, 0, &payout.id));
    assert_eq!((content.net_amount, content.tax_amount), (Some(usd(10_000)), Some(usd(2_300))));

    let paid = confirm(&mut shop.client, &[&payout.id]).await.unwrap().remove(0);
    assert_eq!(paid.payout_document_id, draft_id);
    let number = paid.payout_document_number.clone();
    assert!(number.ends_with("-00001"), "{number}");
    let (invoice, content) = data(&mut shop.client, Document::Number(number.clone())).await;
    let invoice = invoice.unwrap();
    assert_eq!((invoice.state(), &invoice.number, &invoice.id), (State::Finalized, &number, &draft_id));
    assert_eq!(format!("{}-00001", invoice.year), number);
    assert_eq!((invoice.net_amount.clone(), invoice.tax_amount.clone()), (Some(usd(10_000)), Some(usd(2_300))));
    let payee = content.payee.clone().unwrap();
    assert_eq!((payee.name.as_str(), &payee.address_lines[1][..]), ("Łucja Őrsi", "90-001 Łódź"));
    let [line] = &content.lines[..] else { panic!("{content:?}") };
    assert_eq!((&line.reward_id, line.amount.clone()), (&reward_id, Some(usd(12_300))));
    let bytes = pdf(&mut shop.client, Document::Number(number.clone())).await;

    // Neither another name nor an erasure changes what was written.
    set_profile(&mut shop.client, &affiliate_id, pb::AffiliateProfile::default()).await;
    assert_eq!(data(&mut shop.client, Document::Number(number.clone())).await, (Some(invoice), content.clone()));
    let erase = pb::EraseAffiliateRequest { affiliate: selector(&affiliate_id), ..Default::default() };
    shop.client.affiliates.erase_affiliate(erase).await.unwrap();
    assert_eq!(pdf(&mut shop.client, Document::Number(number.clone())).await, bytes);

    // A payment that did not happen makes the invoice void, and the payout gets a new draft.
    let reopened = reopen(&mut shop.client, &payout.id).await;
    assert_ne!(reopened.payout_document_id, draft_id);
    assert_eq!(reopened.payout_document_number, "");
    let (void, same) = data(&mut shop.client, Document::Number(number.clone())).await;
    let void = void.unwrap();
    assert_eq!((void.state(), void.void_time, same), (State::Voided, reopened.update_time, content));
    let of_void = pdf(&mut shop.client, Document::Number(number.clone())).await;
    assert_ne!(of_void, bytes, "it says that it is void");
    let again = confirm(&mut shop.client, &[&payout.id]).await.unwrap().remove(0);
    assert!(again.payout_document_number.ends_with("-00002"), "{}", again.payout_document_number);
    assert_eq!(pdf(&mut shop.client, Document::Number(number)).await, of_void);
    let all = list(&mut shop.client, pb::ListPayoutDocumentsRequest::default()).await;
    assert_eq!(all.iter().map(pb::PayoutDocument::state).collect::<Vec<_>>(), [State::Voided, State::Finalized]);
    let of_year = pb::ListPayoutDocumentsRequest { year: all[0].year, ..Default::default() };
    assert_eq!(list(&mut shop.client, of_year).await, all);
    let of_other = pb::ListPayoutDocumentsRequest { year: all[0].year - 1, ..Default::default() };
    assert_eq!(list(&mut shop.client, of_other).await, []);
    verify(&mut shop.client).await;
});

db_test!(p32_a_statement_shows_a_payout_as_it_is, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    give_approved(&mut shop.client, "ann", 1_000).await;
    give_approved(&mut shop.client, "ann", 250).await;
    let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
    assert_eq!(payout.payout_document_id, "", "nobody wants invoices");
    let statement = Document::PayoutId(payout.id.clone());
    let (none, content) = data(&mut shop.client, statement.clone()).await;
    assert_eq!((none, content.amount.clone(), content.invoice_tax.clone()), (None, Some(usd(1_250)), None));
    let amounts: Vec<i64> = content.lines.iter().map(|line| line.amount.as_ref().unwrap().amount_minor).collect();
    assert_eq!(amounts, [1_000, 250]);
    assert_eq!(content.lines[0].kind(), pb::DocumentLineKind::ByHand);
    let bytes = pdf(&mut shop.client, statement.clone()).await;
    assert_eq!(pdf(&mut shop.client, statement.clone()).await, bytes);
    confirm(&mut shop.client, &[&payout.id]).await.unwrap();
    assert_eq!(data(&mut shop.client, statement).await.1.lines, content.lines);
    assert_eq!(list(&mut shop.client, pb::ListPayoutDocumentsRequest::default()).await, []);

    for (document, expected) in [
        (Document::PayoutId(payout.id.replace(['1', '2', '3'], "4")), "PAYOUT_NOT_FOUND"),
        (Document::PayoutDocumentId(payout.id.replacen("pay", "doc", 1)), "PAYOUT_DOCUMENT_NOT_FOUND"),
        (Document::Number("2026-00001".to_owned()), "PAYOUT_DOCUMENT_NOT_FOUND"),
        (Document::Number("no number".to_owned()), "PAYOUT_DOCUMENT_NOT_FOUND"),
    ] {
        let status = get(&mut shop.client, document, PayoutDocumentFormat::Data).await.unwrap_err();
        assert_eq!(reason(&status), expected);
    }
});

// The tax number is stored encrypted, and only the invoice shows it.
db_test!(p32_an_invoice_shows_a_vat_id_and_no_social_security_number, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    want_invoices(&mut shop.client).await;
    let address = profile("").address;
    let billing = pb::BillingProfile {
        legal_name: "Ströme GmbH".to_owned(),
        address: address.clone(),
        vat_id: "DE123456789".to_owned(),
        invoice_prefix: "INV-".to_owned(),
        payment_terms: "by transfer".to_owned(),
        ..Default::default()
    };
    let request = pb::SetBillingProfileRequest { billing_profile: Some(billing), ..Default::default() };
    shop.client.payouts.set_billing_profile(request).await.unwrap();
    let vat = pb::SetTaxProfileRequest {
        affiliate: Some(shop.affiliate()),
        payee_kind: pb::PayeeKind::Individual.into(),
        legal_name: "Ann Ample".to_owned(),
        address: address.clone(),
        residence_country_code: "PL".to_owned(),
        form: pb::TaxForm::Vat.into(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Vat.into(), text: "PL1234567890".to_owned() }),
        ..Default::default()
    };
    let social = pb::SetTaxProfileRequest {
        residence_country_code: "US".to_owned(),
        form: pb::TaxForm::W9.into(),
        sign_date: "2025-12-02".to_owned(),
        number: Some(pb::TaxNumber { kind: pb::TaxNumberKind::Ssn.into(), text: "123-45-6789".to_owned() }),
        ..vat.clone()
    };
    for (request, shown, sequence) in [(vat, "PL1234567890", 1), (social, "", 2)] {
        shop.client.payouts.set_tax_profile(request).await.unwrap();
        give_approved(&mut shop.client, "ann", 1_000).await;
        let payout = create(&mut shop.client, due_to(&shop.affiliate_id)).await.unwrap();
        let paid = confirm(&mut shop.client, &[&payout.id]).await.unwrap().remove(0);
        let number = paid.payout_document_number;
        assert!(number.starts_with("INV-") && number.ends_with(&format!("-0000{sequence}")), "{number}");
        let (_, content) = data(&mut shop.client, Document::Number(number)).await;
        let (issuer, payee) = (content.issuer.unwrap(), content.payee.unwrap());
        assert_eq!((issuer.name.as_str(), issuer.tax_number.as_str()), ("Ströme GmbH", "DE123456789"));
        assert_eq!((payee.name.as_str(), payee.tax_number.as_str()), ("Ann Ample", shown));
        assert_eq!(content.payment_terms, "by transfer");
        let (_, statement) = data(&mut shop.client, Document::PayoutId(payout.id)).await;
        assert_eq!(statement.payee.unwrap().tax_number, "");
    }
});

db_test!(p32_of_64_payouts_that_are_paid_at_once_no_number_is_missing, |database: TestDatabase| async move {
    let (first, second) = two_servers(&database).await;
    let servers = [&first, second.as_ref().unwrap_or(&first)];
    let mut shop = Shop::open(&first, "shop").await;
    want_invoices(&mut shop.client).await;
    let bea = create_affiliate(&mut shop.client, "bea").await;
    let mut payouts = Vec::new();
    for number in 0..32 {
        let (ref_id, affiliate_id) = if number % 2 == 0 { ("ann", &shop.affiliate_id) } else { ("bea", &bea) };
        let affiliate_id = affiliate_id.clone();
        give_approved(&mut shop.client, ref_id, 100 + number).await;
        payouts.push(create(&mut shop.client, due_to(&affiliate_id)).await.unwrap().id);
    }
    // Each payout is confirmed by two callers, through both servers, and one of the two is refused.
    let mut calls = Vec::new();
    for number in 0..64_usize {
        let (address, key) = (servers[number % 2].address.clone(), shop.client.key.clone());
        let id = payouts[number / 2].clone();
        calls.push(tokio::spawn(async move {
            let mut client = Client::connect(&address, &key).await.unwrap();
            confirm(&mut client, &[&id]).await.map(|mut payouts| payouts.remove(0).payout_document_number)
        }));
    }
    let mut numbers = Vec::new();
    for call in calls {
        match call.await.unwrap() {
            Ok(number) => numbers.push(number.rsplit_once('-').unwrap().1.parse::<i64>().unwrap()),
            Err(status) => assert_eq!(reason(&status), "PAYOUT_STATE"),
        }
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=32).collect::<Vec<_>>());
    let all = list(&mut shop.client, pb::ListPayoutDocumentsRequest { page_size: 100, ..Default::default() }).await;
    assert!(all.len() == 32 && all.iter().all(|document| document.state() == State::Finalized));
    verify(&mut shop.client).await;
});
