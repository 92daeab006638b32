//! Logs that nobody takes: the reader of standard error goes away, or the disk below it is full. The server must go on.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail};
use headwater::clock;
use headwater_client::pb;
use testkit::client::{self, Client};
use testkit::process::{self, ServerOptions};
use tokio::process::Child;

use super::scene::Setting;
use super::{Attack, Seen};
use crate::rig::{free_address, operator_key};
use crate::shop::{Shop, ShopSize};

/// How long a server may take to start.
const START_TIME_MAX: Duration = Duration::from_secs(30);

/// The sales after the log is gone.
const SALES: u64 = 200;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::own("log-reader-gone", "the reader of standard error goes away, then come warnings", |setting| {
        Box::pin(run(setting, Log::Reader))
    }),
    Attack::own("log-disk-full", "standard error is a full device", |setting| Box::pin(run(setting, Log::Full))),
];

/// What becomes of the log.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Log {
    Reader,
    Full,
}

async fn run(setting: &Setting, log: Log) -> anyhow::Result<Seen> {
    let folder = tempfile::Builder::new().prefix("headwater-attack-").tempdir()?;
    let options = ServerOptions {
        data_dir: Some(folder.path().to_owned()),
        listen_address: free_address()?,
        // Every call writes lines.
        flags: ["--log-filter", "debug"].map(str::to_owned).into(),
        ..ServerOptions::new(&process::beside_us("headwater", setting.binary.as_deref())?)
    };
    let stderr = match log {
        Log::Reader => Stdio::piped(),
        Log::Full => OpenOptions::new().write(true).open("/dev/full")?.into(),
    };
    let mut server = options.command().stderr(stderr).spawn()?;
    let sales = match serve(&options, folder.path(), &mut server).await {
        Ok(sales) => sales,
        Err(error) => {
            let how = server.try_wait()?.map_or_else(|| "it still runs".to_owned(), |status| status.to_string());
            return Ok(Seen { figure: String::new(), faults: vec![format!("{error:#}; {how}")] });
        }
    };
    let faults = match server.try_wait()? {
        Some(status) => vec![format!("the server ended with {status}")],
        None => Vec::new(),
    };
    server.kill().await?;
    Ok(Seen { figure: format!("{sales} sales without a log"), faults })
}

/// Makes the server log, and sells. Returns the number of sales.
async fn serve(options: &ServerOptions, data_dir: &Path, server: &mut Child) -> anyhow::Result<u64> {
    let url = format!("http://{}", options.listen_address);
    let begun_at = clock::monotonic_now();
    let channel = loop {
        match client::connect(&url).await {
            Ok(channel) => break channel,
            Err(_) if begun_at.elapsed() < START_TIME_MAX && server.try_wait()?.is_none() => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error).context("the server did not start"),
        }
    };
    // From here on nobody reads the log.
    drop(server.stderr.take());
    let shop =
        Shop::open(&channel, &operator_key(data_dir)?, "victim", ShopSize { affiliates: 2, leads: 10, rules: 0 })
            .await?;
    let mut client = Client::on(&channel, &shop.key)?;
    for number in 0..SALES {
        client.tracking.record_sale(shop.sale("unlogged", number)).await.context("a sale failed")?;
        let guess = Client::on(&channel, &format!("hw_admin_{number}"))?;
        let refused: Result<(), _> = guess.call("headwater.v1.AccountService/GetAccount", ()).await;
        if refused.is_ok() {
            bail!("a wrong key was accepted");
        }
    }
    client.rewards.verify_ledger(pb::VerifyLedgerRequest {}).await?;
    Ok(SALES)
}
