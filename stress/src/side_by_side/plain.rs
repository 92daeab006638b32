//! The common setup of both plain services: a database that the server itself has made and filled, and a check that one of their
//! sales writes as much as one of the server's. Knows neither database.

use std::collections::BTreeMap;

use anyhow::bail;
use headwater_client::pb;
use testkit::client::{self, Client};

use super::host::{Host, Place};
use super::script::{self, Contents, Row};
use crate::shop::{Shop, ShopSize};

/// The server's sales that provide the samples.
const SAMPLE_RUN: &str = "sample";

/// A database with merchants, and the sample rows of a sale.
pub(super) struct Prepared {
    /// A row of each table to which a sale adds one.
    pub(super) samples: BTreeMap<String, Row>,
    /// The merchants.
    pub(super) shops: Vec<Shop>,
}

/// Lets the server make the database, checks that one sale by `record` writes as much as one of the server's sales, and opens the
/// merchants. `read` returns all rows of the database. `record` gets the samples and the account for one sale.
pub(super) async fn prepare(
    place: &Place,
    shops: usize,
    size: ShopSize,
    read: impl AsyncFn() -> anyhow::Result<Contents>,
    record: impl AsyncFn(&BTreeMap<String, Row>, &Shop) -> anyhow::Result<()>,
) -> anyhow::Result<Prepared> {
    let host = Host::start(place).await?;
    let operator_key = host.operator_key()?;
    let channel = client::connect(&host.url()).await?;
    let shop = Shop::open(&channel, &operator_key, SAMPLE_RUN, ShopSize { affiliates: 1, leads: 1 }).await?;
    let mut tracking = Client::on(&channel, &shop.key)?.tracking;
    let mut contents = Vec::new();
    // The first sale may write rows that later ones reuse.
    for number in 0..2 {
        let sale = tracking.record_sale(shop.sale(SAMPLE_RUN, number)).await?.into_inner();
        if sale.outcome() != pb::ConversionOutcome::Attributed {
            bail!("the sample sale was not credited: {sale:?}");
        }
        contents.push(read().await?);
    }
    let [before, after] = contents.as_slice() else { bail!("two sales have two contents") };
    let samples = after.new_rows_since(before);
    record(&samples, &shop).await?;
    script::check_equal(&after.growth_since(before), &read().await?.growth_since(after))?;
    let shops = Shop::open_many(&channel, &operator_key, "plain", shops, size).await?;
    drop(tracking);
    drop(channel);
    host.stop().await?;
    Ok(Prepared { samples, shops })
}
