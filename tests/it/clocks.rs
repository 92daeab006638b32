//! What happens when the server's clock is wrong, or differs from a caller's.

use headwater::clock::Clock;
use headwater::pb;
use testkit::client::Client;
use tonic_types::StatusExt;

use crate::support::database::TestDatabase;
use crate::support::server::TestServer;
use crate::support::shop::Shop;

fn sale(event_id: &str, tid: &str) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: event_id.to_owned(),
        tid: tid.to_owned(),
        amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
        ..pb::RecordSaleRequest::default()
    }
}

db_test!(a_visitor_is_known_after_the_clock_was_set_back, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let shop = Shop::open(&server, "shop").await;
    let mut client = shop.client.clone();
    let click =
        |tid: &str| pb::RecordClickRequest { ref_id: "ann".to_owned(), tid: tid.to_owned(), ..Default::default() };
    server.clock.jump(50 * 60 * 1_000_000);
    let tid = client.tracking.record_click(click("")).await.unwrap().into_inner().tid;
    server.clock.jump(10 * 60 * 1_000_000);
    client.tracking.record_click(click(&tid)).await.unwrap();
    // The clock is an hour behind after a restart.
    let clock = server.clock.now();
    server.server.run_until(std::future::ready(()), None).await.unwrap();
    let server = TestServer::start(&database).await;
    assert!(server.clock.now() < clock);
    let mut client = Client::connect(&server.address, &client.key).await.unwrap();
    let answer = client.tracking.record_sale(sale("sale", &tid)).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), pb::ConversionOutcome::Attributed);
    let lead = pb::RecordLeadRequest {
        event_id: "lead".to_owned(),
        email: "lou@shop.example".to_owned(),
        tid,
        ..Default::default()
    };
    let answer = client.tracking.record_lead(lead).await.unwrap().into_inner();
    assert_eq!(answer.outcome(), pb::ConversionOutcome::Attributed);
});

db_test!(times_that_were_never_set_are_refused_by_name, |database: TestDatabase| async move {
    let server = TestServer::start(&database).await;
    let mut client = Shop::open(&server, "shop").await.client;
    let now = server.clock.now().micros() / 1_000_000;
    let cases = [
        (0, "is 1970-01-02 or earlier, so it was never set; send the time when it happened, or leave it out"),
        (1, "is 1970-01-02 or earlier, so it was never set; send the time when it happened, or leave it out"),
        (86_400, "is 1970-01-02 or earlier, so it was never set; send the time when it happened, or leave it out"),
        (-1, "must be a time of the years 1970 to 9999"),
        (now * 1_000, "must be a time of the years 1970 to 9999; seconds are expected, not milliseconds"),
        (now + 601, "is more than 10 minutes ahead of the server's clock; send the time when it happened"),
    ];
    for (seconds, description) in cases {
        let occur_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let request = pb::RecordSaleRequest { occur_time, ..sale("sale", "no-tid") };
        let status = client.tracking.record_sale(request).await.unwrap_err();
        let details = status.get_error_details();
        let violations = &details.bad_request().unwrap().field_violations;
        let named: Vec<_> = violations.iter().map(|wrong| (wrong.field.as_str(), wrong.description.as_str())).collect();
        assert_eq!(named, [("occur_time", description)], "{seconds}");
    }
    for seconds in [86_401, now + 600] {
        let occur_time = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let request = pb::RecordSaleRequest { occur_time, ..sale(&format!("sale-{seconds}"), "no-tid") };
        client.tracking.record_sale(request).await.unwrap();
    }
});
