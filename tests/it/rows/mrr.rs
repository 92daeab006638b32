//! The monthly recurring revenue of programs.

use headwater::pb;
use testkit::client::Client;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::{Shop, sale};

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

fn lead(name: &str) -> Option<pb::LeadSelector> {
    let selector = pb::lead_selector::Selector::ExternalId(name.to_owned());
    Some(pb::LeadSelector { selector: Some(selector) })
}

/// A sale of 10 dollars to a customer whose revenue it names.
async fn sell(client: &mut Client, number: usize, customer: &str, code: &str, mrr: Option<pb::Money>) {
    let request =
        pb::RecordSaleRequest { external_id: customer.to_owned(), coupon_code: code.to_owned(), mrr, ..sale(number) };
    client.tracking.record_sale(request).await.unwrap();
}

/// The revenue of a program: its amount, its currency, and the number of customers.
async fn revenue(client: &mut Client, program_id: &str) -> Vec<(i64, String, i64)> {
    let request = pb::GetProgramRequest { program_id: program_id.to_owned(), ..Default::default() };
    let sums = client.affiliates.get_program(request).await.unwrap().into_inner().mrr_by_currency;
    let figures = |sum: pb::ProgramMrr| {
        let mrr = sum.mrr.unwrap();
        (mrr.amount_minor, mrr.currency_code, sum.customer_count)
    };
    sums.into_iter().map(figures).collect()
}

fn in_usd(amount_minor: i64, customer_count: i64) -> Vec<(i64, String, i64)> {
    vec![(amount_minor, "USD".to_owned(), customer_count)]
}

/// A second program, in which Ann has the code `SECOND`.
async fn second_program(client: &mut Client, affiliate: pb::AffiliateSelector) -> String {
    let commission = pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(200_000)) };
    let request = pb::CreateProgramRequest {
        display_name: "second".to_owned(),
        currency_code: "USD".to_owned(),
        landing_url: "https://shop.example/".to_owned(),
        terms: Some(pb::Terms { commission: Some(commission), ..Default::default() }),
        ..Default::default()
    };
    let id = client.affiliates.create_program(request).await.unwrap().into_inner().program.unwrap().id;
    let request = pb::EnrollAffiliateRequest {
        affiliate: Some(affiliate),
        program_id: id.clone(),
        ref_id: "ann-second".to_owned(),
        coupon_code: "SECOND".to_owned(),
        ..Default::default()
    };
    client.affiliates.enroll_affiliate(request).await.unwrap();
    id
}

db_test!(f10_f12_the_revenue_of_a_program_follows_its_customers, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let (first, affiliate) = (shop.program_id.clone(), shop.affiliate());
    let client = &mut shop.client;
    let second = second_program(client, affiliate).await;
    assert_eq!(revenue(client, &first).await, []);

    // Of each customer the last revenue counts, in the program in which the customer is bound. A sale without one changes nothing.
    sell(client, 1, "jo", "ANN", usd(500)).await;
    sell(client, 2, "jo", "", None).await;
    sell(client, 3, "max", "ANN", usd(300)).await;
    sell(client, 4, "eve", "SECOND", usd(40)).await;
    let eur = Some(pb::Money { amount_minor: 70, currency_code: "EUR".to_owned() });
    sell(client, 5, "kim", "SECOND", eur).await;
    // Nobody referred this customer.
    sell(client, 6, "lou", "", usd(9_000)).await;
    assert_eq!(revenue(client, &first).await, in_usd(800, 2));
    let mut both = vec![(70, "EUR".to_owned(), 1)];
    both.extend(in_usd(40, 1));
    assert_eq!(revenue(client, &second).await, both);
    sell(client, 7, "jo", "", usd(700)).await;
    assert_eq!(revenue(client, &first).await, in_usd(1_000, 2));
    // A repeat changes nothing.
    sell(client, 7, "jo", "", usd(700)).await;
    assert_eq!(revenue(client, &first).await, in_usd(1_000, 2));

    let request = pb::RecordCancellationRequest {
        event_id: "cancel-1".to_owned(),
        external_id: "jo".to_owned(),
        ..Default::default()
    };
    client.tracking.record_cancellation(request).await.unwrap();
    assert_eq!(revenue(client, &first).await, in_usd(300, 1));

    // A customer who is given to another program counts there.
    let request = pb::AttributeLeadRequest {
        lead: lead("max"),
        referrer: Some(pb::Referrer {
            selector: Some(pb::referrer::Selector::RefId("ann-second".to_owned())),
            ..Default::default()
        }),
        reason: "moved".to_owned(),
        ..Default::default()
    };
    client.tracking.attribute_lead(request).await.unwrap();
    assert_eq!(revenue(client, &first).await, []);
    both[1] = in_usd(340, 2).remove(0);
    assert_eq!(revenue(client, &second).await, both);

    // Of two leads that are one person one counts, and a deleted one does not.
    let request = pb::MergeLeadsRequest { lead: lead("max"), duplicate: lead("eve"), ..Default::default() };
    client.tracking.merge_leads(request).await.unwrap();
    both[1] = in_usd(300, 1).remove(0);
    assert_eq!(revenue(client, &second).await, both);
    let request = pb::DeleteLeadRequest { lead: lead("kim"), ..Default::default() };
    client.tracking.delete_lead(request).await.unwrap();
    assert_eq!(revenue(client, &second).await, in_usd(300, 1));
});

db_test!(f10_revenues_of_the_largest_size_are_summed, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut shop = Shop::open(&server, "shop").await;
    let largest = 1_000_000_000_000_000;
    for number in 0..20 {
        sell(&mut shop.client, number, &format!("customer-{number}"), "ANN", usd(largest - 1)).await;
    }
    assert_eq!(revenue(&mut shop.client, &shop.program_id).await, in_usd(20 * (largest - 1), 20));
});
