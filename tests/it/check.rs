//! The command `check`: it finds what is wrong in a database, and changes nothing.

use std::path::{Path, PathBuf};
use std::process::Output;

use headwater::pb;
use headwater::store::entity::offer as offer_table;
use headwater::store::entity::{
    affiliate, balance_checkpoint, bounty, coupon_count, coupon_use, event_segment, lead, ledger_entry, list_block,
    list_tail, offer_claim, program_mrr, submission, submission_count,
};
use sea_orm::sea_query::{ColumnDef, Expr, ExprTrait, Index, Query, Table};
use sea_orm::{ColumnTrait, ConnectionTrait, Database, EntityTrait, QueryFilter, QueryOrder};
use tempfile::TempDir;
use testkit::client::Client;

use crate::support::binary::{operator_key, run_to_end, serve};
use crate::support::database::{DatabaseKind, TestDatabase};
use crate::support::server::register;
use crate::support::shop::{Shop, sale};

fn folder() -> TempDir {
    tempfile::Builder::new().prefix("headwater-check-").tempdir().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

async fn check(folder: &Path, database_url: &str) -> Output {
    run_to_end(folder, &["check", "--database", database_url]).await
}

async fn record(client: &mut Client, count: usize) {
    for number in 0..count {
        let sale = pb::RecordSaleRequest {
            event_id: format!("sale-{number}"),
            coupon_code: "ANN".to_owned(),
            amount: Some(pb::Money { amount_minor: 1_000, currency_code: "USD".to_owned() }),
            ..pb::RecordSaleRequest::default()
        };
        client.tracking.record_sale(sale).await.unwrap();
    }
}

/// The files beside a SQLite database, with their content. PostgreSQL has none.
fn files(database: &TestDatabase) -> Vec<(PathBuf, Vec<u8>)> {
    let Some(path) = database.url.strip_prefix("sqlite://") else { return Vec::new() };
    let entries = std::fs::read_dir(Path::new(path).parent().unwrap()).unwrap();
    let mut files: Vec<_> =
        entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), std::fs::read(path).unwrap())).collect();
    files.sort();
    files
}

db_test!(a_sound_database_is_right_with_a_server_and_without, empty, |database: TestDatabase| async move {
    let folder = folder();
    let nothing = check(folder.path(), &database.url).await;
    assert_eq!(nothing.status.code(), Some(1), "{}", said(&nothing));
    let words = if database.kind == DatabaseKind::Sqlite { "there is no database" } else { "no database of Headwater" };
    assert!(said(&nothing).contains(words), "{}", said(&nothing));
    assert_eq!(files(&database), [], "something was made");

    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    record(&mut shop.client, 20).await;
    let beside = check(folder.path(), &database.url).await;
    assert_eq!(beside.status.code(), Some(0), "{}", said(&beside));
    assert!(said(&beside).contains("20 ledger entries, 20 rewards"), "{}", said(&beside));
    assert!(said(&beside).contains("checked 2 accounts: all is right"), "{}", said(&beside));
    assert!(!said(&beside).to_lowercase().contains("migration"), "it says that it migrates: {}", said(&beside));
    // It disturbs no server.
    record(&mut shop.client, 25).await;
    server.kill().await.unwrap();
    // The log of a killed server is read, and stays. Its index is made anew by every reader.
    let without_index = |database: &TestDatabase| {
        let mut files = files(database);
        files.retain(|(path, _)| !path.to_string_lossy().ends_with("-shm"));
        files
    };
    let before = without_index(&database);
    let after_kill = check(folder.path(), &database.url).await;
    assert!(said(&after_kill).contains("25 ledger entries, 25 rewards"), "{}", said(&after_kill));
    assert!(without_index(&database) == before, "the check changed something");

    serve(folder.path(), &["--database", &database.url]).await.terminate().await.unwrap();
    let before = files(&database);
    let stopped = check(folder.path(), &database.url).await;
    assert_eq!(stopped.status.code(), Some(0), "{}", said(&stopped));
    assert!(files(&database) == before, "the check changed something");
});

db_test!(what_is_wrong_is_named_with_its_account, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    record(&mut shop.client, 5).await;
    server.terminate().await.unwrap();
    let console = Database::connect(&database.url).await.unwrap();
    ledger_entry::Entity::update_many()
        .col_expr(ledger_entry::Column::AmountMinor, Expr::val(7))
        .filter(ledger_entry::Column::Sequence.eq(3))
        .exec(&console)
        .await
        .unwrap();
    let newest = |segment: &event_segment::Model| segment.last_sequence;
    let segments = event_segment::Entity::find().all(&console).await.unwrap();
    // The newest of the shop has a sale. One in the middle is removed.
    let last = segments.iter().map(newest).max().unwrap();
    event_segment::Entity::delete_many()
        .filter(event_segment::Column::LastSequence.eq(last - 1))
        .exec(&console)
        .await
        .unwrap();
    console.execute(Index::drop().name("coupon_by_code").table("coupon")).await.unwrap();
    let mut table = Table::alter();
    console.execute(table.table("lead").add_column(ColumnDef::new("colour").text())).await.unwrap();
    console.close().await.unwrap();

    let output = check(folder.path(), &database.url).await;
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for words in [
        "the schema lacks the index coupon_by_code of coupon",
        "the schema has the column lead.colour, which may be null, which no server expects",
        "entry 3: the hash does not fit",
        &format!("the feed goes on with event {last} where event {} should be", last - 1),
        "differences. Keep the database as it is",
    ] {
        assert!(said.contains(words), "{words}: {said}");
    }
});

db_test!(a_list_that_lacks_a_row_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    // Some of these are folded, and the last ones are in the tail.
    record(&mut shop.client, 40).await;
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let console = Database::connect(&database.url).await.unwrap();
    let tail = list_tail::Entity::find().all(&console).await.unwrap();
    let blocks = list_block::Entity::find().all(&console).await.unwrap();
    assert!(tail.len() > 1 && blocks.len() > 1, "{} and {}", tail.len(), blocks.len());
    list_tail::Entity::delete_many()
        .filter(list_tail::Column::LastNumber.eq(tail.iter().map(|row| row.last_number).max().unwrap()))
        .exec(&console)
        .await
        .unwrap();
    list_block::Entity::delete_many()
        .filter(list_block::Column::Key.eq(blocks[0].key.clone()))
        .exec(&console)
        .await
        .unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in ["the tail of the lists ends with", "conversion ", " is missing in List"] {
        assert!(text.contains(words), "{words}: {text}");
    }
});

db_test!(a_number_of_coupons_that_is_wrong_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    let request = pb::CreateOfferRequest { display_name: "Spring".to_owned(), ..Default::default() };
    let offer = shop.client.affiliates.create_offer(request).await.unwrap().into_inner().offer.unwrap();
    let claim = pb::ClaimOfferRequest {
        offer_id: offer.id.clone(),
        affiliate: Some(shop.affiliate()),
        ..pb::ClaimOfferRequest::default()
    };
    for _ in 0..2 {
        shop.client.affiliates.claim_offer(claim.clone()).await.unwrap();
    }
    let coupon = shop.client.affiliates.claim_offer(claim).await.unwrap().into_inner().coupon.unwrap();
    let request = pb::RemoveCouponRequest { coupon_id: coupon.id, ..Default::default() };
    shop.client.affiliates.remove_coupon(request).await.unwrap();
    let mrr = Some(pb::Money { amount_minor: 500, currency_code: "USD".to_owned() });
    let sold = pb::RecordSaleRequest { external_id: "jo".to_owned(), mrr, ..sale(1) };
    let lead_id = shop.client.tracking.record_sale(sold).await.unwrap().into_inner().lead_id;
    let request = pb::AssignCouponRequest {
        affiliate: Some(shop.affiliate()),
        code: "FEW".to_owned(),
        max_uses: 3,
        max_uses_per_customer: 2,
        ..Default::default()
    };
    let few = shop.client.affiliates.assign_coupon(request).await.unwrap().into_inner().coupon.unwrap();
    for (number, customer) in [(2, "jo"), (3, "jo"), (4, ""), (5, "eve")] {
        let sold =
            pb::RecordSaleRequest { external_id: customer.to_owned(), coupon_code: "FEW".to_owned(), ..sale(number) };
        shop.client.tracking.record_sale(sold).await.unwrap();
    }
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let console = Database::connect(&database.url).await.unwrap();
    program_mrr::Entity::update_many()
        .col_expr(program_mrr::Column::CustomerCount, Expr::val(7))
        .exec(&console)
        .await
        .unwrap();
    coupon_count::Entity::delete_many().exec(&console).await.unwrap();
    offer_claim::Entity::update_many()
        .col_expr(offer_claim::Column::ClaimCount, Expr::val(1))
        .exec(&console)
        .await
        .unwrap();
    offer_table::Entity::update_many()
        .col_expr(offer_table::Column::ClaimCount, Expr::val(3))
        .exec(&console)
        .await
        .unwrap();
    coupon_use::Entity::update_many()
        .col_expr(coupon_use::Column::UseCount, Expr::val(1))
        .exec(&console)
        .await
        .unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (affiliate_id, offer_id, program_id) = (shop.affiliate_id, offer.id, shop.program_id);
    let coupon_id = few.id;
    for words in [
        format!("the number of uses of {coupon_id} is 1 and should be 3"),
        format!("the number of uses that {lead_id} made of {coupon_id} is 1 and should be 2"),
        format!("the monthly revenue of {program_id} in USD is 500 from 7 customers and should be 500 from 1"),
        format!("the number of active coupons of {affiliate_id} is 0 and should be 4"),
        format!("the number of claims that {affiliate_id} has of {offer_id} is 1 and should be 2"),
        format!("the number of claims of {offer_id} is 3 and should be 2"),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
});

db_test!(a_bounty_whose_numbers_or_rewards_are_wrong_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    let request = pb::CreateBountyRequest {
        display_name: "Video".to_owned(),
        rewards: vec![pb::RewardValue { amount: Some(pb::reward_value::Amount::Points(7)) }],
        ..Default::default()
    };
    let bounty = shop.client.affiliates.create_bounty(request).await.unwrap().into_inner().bounty.unwrap();
    let submit = pb::SubmitToBountyRequest {
        bounty_id: bounty.id.clone(),
        affiliate: Some(shop.affiliate()),
        note: "mine".to_owned(),
        ..Default::default()
    };
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = shop.client.affiliates.submit_to_bounty(submit.clone()).await.unwrap().into_inner();
        ids.push(answer.submission.unwrap().id);
    }
    let approve = pb::ApproveSubmissionRequest { submission_id: ids[0].clone(), ..Default::default() };
    shop.client.affiliates.approve_submission(approve).await.unwrap();
    let (submission_id, reason) = (ids[1].clone(), "blurred".to_owned());
    let reject = pb::RejectSubmissionRequest { submission_id, reason, ..Default::default() };
    shop.client.affiliates.reject_submission(reject).await.unwrap();
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let console = Database::connect(&database.url).await.unwrap();
    bounty::Entity::update_many().col_expr(bounty::Column::SubmissionCount, Expr::val(7)).exec(&console).await.unwrap();
    submission_count::Entity::delete_many().exec(&console).await.unwrap();
    submission::Entity::update_many()
        .col_expr(submission::Column::State, Expr::val("submitted"))
        .filter(submission::Column::State.eq("approved"))
        .exec(&console)
        .await
        .unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let (affiliate_id, bounty_id) = (shop.affiliate_id, bounty.id);
    for words in [
        format!("the number of submissions to {bounty_id} is 7 and should be 2"),
        format!("the number of submissions of {affiliate_id} to {bounty_id} is 0 and should be 2"),
        format!("{} has 1 rewards and should have 0, the one that it names", ids[0]),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
});

db_test!(a_checkpoint_that_is_no_sum_of_entries_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    record(&mut shop.client, 80).await;
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let console = Database::connect(&database.url).await.unwrap();
    let rows =
        balance_checkpoint::Entity::find().order_by_asc(balance_checkpoint::Column::Key).all(&console).await.unwrap();
    // Each checkpoint has a mark and a balance, and marks come first.
    assert!(rows.len() >= 6 && rows[0].pending_minor == 0, "{rows:?}");
    let [first, last] = [&rows[rows.len() / 2], &rows[rows.len() - 1]];
    balance_checkpoint::Entity::update_many()
        .col_expr(balance_checkpoint::Column::PendingMinor, Expr::val(7))
        .filter(balance_checkpoint::Column::Key.eq(first.key.clone()))
        .exec(&console)
        .await
        .unwrap();
    balance_checkpoint::Entity::delete_many()
        .filter(balance_checkpoint::Column::Key.eq(last.key.clone()))
        .exec(&console)
        .await
        .unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let wrong = format!("checkpoint 16 of the balances of {} is not the sum of the entries", shop.affiliate_id);
    for words in [wrong, format!("there are {} rows of checkpoints and should be {}", rows.len() - 1, rows.len())] {
        assert!(text.contains(&words), "{words}: {text}");
    }
});

db_test!(an_affiliate_that_a_search_would_miss_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    for number in 0..3 {
        let request = pb::CreateAffiliateRequest {
            email: format!("{number}@affiliates.example"),
            first_name: format!("Bea {number}"),
            ..Default::default()
        };
        shop.client.affiliates.create_affiliate(request).await.unwrap();
    }
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));

    let console = Database::connect(&database.url).await.unwrap();
    affiliate::Entity::update_many()
        .col_expr(affiliate::Column::LastName, Expr::val("Zimmermann"))
        .filter(affiliate::Column::FirstName.eq("Ann"))
        .exec(&console)
        .await
        .unwrap();
    affiliate::Entity::delete_many().filter(affiliate::Column::FirstName.eq("Bea 1")).exec(&console).await.unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in [
        format!("a search does not find {} by all of its names", shop.affiliate_id),
        "the search has 1 names of affiliates that do not exist".to_owned(),
    ] {
        assert!(text.contains(&words), "{words}: {text}");
    }
});

#[tokio::test]
async fn damaged_pages_are_found() {
    let folder = folder();
    let server = serve(folder.path(), &[]).await;
    let mut shop = Shop::furnish(register(&server.url(), &operator_key(folder.path()), "shop").await).await;
    record(&mut shop.client, 50).await;
    server.terminate().await.unwrap();
    let path = folder.path().join("headwater-data/headwater.sqlite");
    // The first page of a table that no start of a server reads.
    let root =
        Query::select().column("rootpage").from("sqlite_schema").and_where(Expr::col("name").eq("request")).take();
    let console = Database::connect(format!("sqlite://{}", path.display())).await.unwrap();
    let root: i64 = console.query_one(&root).await.unwrap().unwrap().try_get("", "rootpage").unwrap();
    console.close().await.unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let root = usize::try_from(root - 1).unwrap() * 4_096;
    bytes[root..root + 4_096].fill(0xa5);
    std::fs::write(&path, &bytes).unwrap();
    let output = run_to_end(folder.path(), &["check"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("differences") || said(&output).contains("damaged"), "{}", said(&output));

    let output = run_to_end(folder.path(), &["restore", "--from", "headwater-data/headwater.sqlite"]).await;
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("is damaged: ") || said(&output).contains("cannot be read"), "{}", said(&output));
    assert!(std::fs::read(&path).unwrap() == bytes, "a refused restore changed something");

    std::fs::write(&path, "a text, and no database at all\n".repeat(10)).unwrap();
    let output = run_to_end(folder.path(), &["check"]).await;
    assert!(said(&output).contains("it is no SQLite database"), "{}", said(&output));
    let output = run_to_end(folder.path(), &["--listen-address", "127.0.0.1:0"]).await;
    assert!(said(&output).contains("it is no SQLite database"), "{}", said(&output));
}

db_test!(a_wrong_number_of_sales_is_found, empty, |database: TestDatabase| async move {
    let folder = folder();
    let server = serve(folder.path(), &["--database", &database.url]).await;
    let commission = Some(pb::Commission { rate: Some(pb::commission::Rate::PercentPpm(100_000)) });
    let first =
        pb::CommissionRule { name: "first".to_owned(), commission, max_customer_sales: 2, ..Default::default() };
    let terms = pb::Terms { rules: vec![first], ..Default::default() };
    let client = register(&server.url(), &operator_key(folder.path()), "shop").await;
    let mut shop = Shop::furnish_with(client, terms).await;
    for number in 0..3 {
        let sold =
            pb::RecordSaleRequest { external_id: "jo".to_owned(), coupon_code: "ANN".to_owned(), ..sale(number) };
        shop.client.tracking.record_sale(sold).await.unwrap();
    }
    server.terminate().await.unwrap();
    let sound = check(folder.path(), &database.url).await;
    assert_eq!(sound.status.code(), Some(0), "{}", said(&sound));
    let console = Database::connect(&database.url).await.unwrap();
    let leads = lead::Entity::find().all(&console).await.unwrap();
    let details = leads[0].details.clone().unwrap().replace("\"count\":3", "\"count\":2");
    lead::Entity::update_many().col_expr(lead::Column::Details, Expr::val(details)).exec(&console).await.unwrap();
    console.close().await.unwrap();
    let output = check(folder.path(), &database.url).await;
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("is 2 and should be 3"), "{text}");
});
