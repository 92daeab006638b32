//! The number of statements that a load takes on PostgreSQL, where each statement is a round trip. Each way to look up a kind
//! takes one statement, however many commands need it. A kind that no command needs takes none.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use headwater::domain::conversion::{ConversionOutcome, KeptSale};
use headwater::domain::coupon::CouponState;
use headwater::domain::id::ClickId;
use headwater::domain::outcome::Outcome;
use headwater::domain::request::Request;
use headwater::domain::rule::add_needs;
use headwater::domain::set::{Needs, WorkingSet};
use headwater::pb;
use headwater::rpc::call::change::Change;
use headwater::store::set::catalogue::Catalogues;
use headwater::store::{self, Store, StoreOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use super::{lock, open_with_account, write};
use crate::support::database::TestDatabase;
use crate::support::request::envelope;
use crate::support::rows::{self, ACCOUNT, NOW, uuid};
use crate::support::store::options;

/// A proxy to PostgreSQL that counts statements.
struct Counter {
    url: String,
    count: Arc<AtomicUsize>,
}

impl Counter {
    async fn before(database_url: &str) -> Self {
        let mut url = Url::parse(database_url).unwrap();
        let server = (url.host_str().unwrap().to_owned(), url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, TcpStream::connect(server.clone()).await.unwrap(), Arc::clone(&counted)));
            }
        });
        Self { url: url.into(), count }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

async fn pass(client: TcpStream, server: TcpStream, count: Arc<AtomicUsize>) {
    server.set_nodelay(true).unwrap();
    let (from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
    let mut from_client = BufReader::new(from_client);
    let mut is_greeted = false;
    while let Some(message) = next_message(&mut from_client, &mut is_greeted).await {
        if message.first() == Some(&b'E') {
            count.fetch_add(1, Ordering::SeqCst);
        }
        if to_server.write_all(&message).await.is_err() {
            break;
        }
    }
}

/// Reads a message of PostgreSQL's protocol: its type, the length of the rest, and the rest. The first messages have no type, up
/// to and including the one that states the protocol version.
async fn next_message(from: &mut (impl AsyncReadExt + Unpin), is_greeted: &mut bool) -> Option<Vec<u8>> {
    const WANTS_ENCRYPTION: [&[u8]; 2] = [&80_877_103_u32.to_be_bytes(), &80_877_104_u32.to_be_bytes()];
    let mut message = vec![0; if *is_greeted { 5 } else { 4 }];
    from.read_exact(&mut message).await.ok()?;
    let length = u32::from_be_bytes(*message.last_chunk().unwrap());
    let start = message.len();
    message.resize(start + usize::try_from(length).unwrap() - 4, 0);
    from.read_exact(&mut message[start..]).await.ok()?;
    *is_greeted |= !WANTS_ENCRYPTION.contains(&&message[start..]);
    Some(message)
}

/// A store behind the counting proxy, with an account that has one row of each kind.
struct Counted {
    store: Store,
    counter: Counter,
    catalogues: Catalogues,
}

impl Counted {
    async fn open(database: &TestDatabase) -> Self {
        let store = open_with_account(database).await;
        write(&store, Needs::default(), put_shop, NOW).await.unwrap();
        let counter = Counter::before(&database.url).await;
        let options = StoreOptions { url: counter.url.clone(), ..options(database) };
        Self { store: Store::open(&options).await.unwrap(), counter, catalogues: Catalogues::default() }
    }

    /// The number of statements to load the needs of these requests.
    async fn statements<M: Change>(&mut self, requests: impl IntoIterator<Item = M>) -> usize {
        let mut needs = Needs::default();
        requests.into_iter().for_each(|request| add_needs(&mut needs, &envelope(&request, ACCOUNT, NOW)));
        let transaction = self.store.begin().await.unwrap();
        self.catalogues.renew(&lock(&transaction).await.unwrap());
        let before = self.counter.count();
        let mut set = WorkingSet::default();
        store::set::load(&transaction, needs, &mut self.catalogues, &mut set).await.unwrap();
        self.counter.count() - before
    }

    /// The number of statements on a server that has just started, with an empty cache.
    async fn first_statements<M: Change>(&mut self, requests: impl IntoIterator<Item = M>) -> usize {
        self.catalogues = Catalogues::default();
        self.statements(requests).await
    }
}

/// An affiliate with a link, a coupon and a click, and a customer with a partly refunded sale.
fn put_shop(set: &mut WorkingSet) {
    let (sale, refund) = (rows::sale(1), rows::refund(2, ConversionOutcome::Attributed));
    let reward = rows::reward(1, &sale, None);
    set.put(rows::program());
    set.put(rows::terms());
    set.put(rows::affiliate());
    set.put(rows::enrollment());
    set.put(rows::link());
    set.put(rows::coupon(1, "ADA10", CouponState::Active));
    set.put(rows::click(1, ClickId::from_uuid(uuid(1))));
    set.put(rows::lead());
    let kept = KeptSale {
        other_lead_id: None,
        reward_ids: vec![reward.id],
        coupon_fault: None,
        is_known_by_ref_id: false,
        is_known_by_tid: false,
        is_undeclared: false,
        customer_reward: None,
    };
    let request = rows::request("sale", &sale.event_id, sale.id.uuid());
    set.put(Request { outcome: Outcome::KeptSale(kept), ..request });
    set.put(rows::reward(2, &refund, Some(reward.id)));
    set.put(reward);
    set.put(sale);
    set.put(refund);
}

fn usd(amount_minor: i64) -> Option<pb::Money> {
    Some(pb::Money { amount_minor, currency_code: "USD".to_owned() })
}

/// A sale with every trace. The customer depends on the number, the traces do not.
fn sale(number: usize) -> pb::RecordSaleRequest {
    pb::RecordSaleRequest {
        event_id: format!("new-{number}"),
        external_id: format!("u-{number}"),
        email: if number == 1 { "grace@customer.test".to_owned() } else { format!("{number}@customer.test") },
        tid: ClickId::from_uuid(uuid(1)).to_string(),
        ref_id: "ada-blog".to_owned(),
        coupon_code: "ADA10".to_owned(),
        amount: usd(1_000),
        ..pb::RecordSaleRequest::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_loaded_in_as_many_statements_as_one_command_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let mut counted = Counted::open(&database).await;
    assert_eq!(counted.first_statements(None::<pb::RecordSaleRequest>).await, 0, "nothing asks");

    // The statements are: the request's key, leads by two names, clicks, the link, the coupon, the enrollment, the program and
    // its terms. Waiting refunds are not looked up, because the account never had one.
    assert_eq!(counted.first_statements([sale(1)]).await, 9);
    // The unmatched sales of customers who are not bound are looked up by two names.
    assert_eq!(counted.first_statements([sale(2)]).await, 11);
    assert_eq!(counted.first_statements((1..=200).map(sale)).await, 11);
    // Rows of the catalogue are cached now.
    assert_eq!(counted.statements((1..=200).map(sale)).await, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_lead_back_cost_one_more_statement_on_postgres() {
    let Some(database) = TestDatabase::postgres().await else { return };
    let mut counted = Counted::open(&database).await;
    let refund = |number: usize| pb::RecordRefundRequest {
        event_id: format!("refund-{number}"),
        amount: usd(100),
        ..pb::RecordRefundRequest::default()
    };
    // The statements are: both requests' keys together, the sale, its rewards, its refunds' rewards, and in a second round the
    // earlier refund.
    let by_sale = |number| pb::RecordRefundRequest { sale_event_id: "order-1".to_owned(), ..refund(number) };
    assert_eq!(counted.first_statements([by_sale(1)]).await, 5);
    assert_eq!(counted.first_statements((1..=200).map(by_sale)).await, 5);

    // The statements are: the request's key, the lead, unmatched sales by both names of the lead, the tail and the blocks of its
    // list, its latest sales with their rewards, their refunds' rewards, the enrollment, the program, its terms, and in a second
    // round the earlier refund.
    let by_customer = |number| pb::RecordRefundRequest { external_id: "u-1".to_owned(), ..refund(number) };
    assert_eq!(counted.first_statements([by_customer(1)]).await, 13);
    assert_eq!(counted.first_statements((1..=200).map(by_customer)).await, 13);
}
