//! The server under attack in its control group, the victim's shop, and the account of the attacker. Knows no attack.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use headwater_client::pb;
use testkit::client::Client;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};

use super::cage::Cage;
use crate::rig::{DatabaseKind, Rig};
use crate::shop::{Shop, ShopSize};

/// The open files that the server may have.
const DESCRIPTORS_MAX: u32 = 256;

/// Starts the server in the control group whose file is the first argument, unless that is `-`, and with the limit of open files.
const RUNNER: &str = "[ \"$1\" = - ] || echo $$ >\"$1\"; ulimit -n \"$2\"; shift 2; exec \"$@\"";

/// Makes a certificate for localhost that clients can trust.
const CERTIFICATE: &str = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout server.key \
    -out server.pem -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE; chmod 600 server.key";

/// The sales of one batch while an account is filled.
const SALES_PER_BATCH: usize = 1_000;

/// How the server of a row is started.
#[derive(Debug, Clone)]
pub(super) struct Setting {
    pub(super) database: DatabaseKind,
    pub(super) binary: Option<PathBuf>,
    pub(super) uses_tls: bool,
    /// Whether it does not matter how long things take.
    pub(super) any_speed: bool,
    /// By how many MiB the server grows while nobody attacks, because the victim goes on and the database fills its caches. `None`
    /// while this is measured.
    pub(super) own_growth: Option<f64>,
}

/// A server with the victim's shop.
pub(super) struct Scene {
    pub(super) rig: Rig,
    /// `None` where there are no control groups.
    pub(super) cage: Option<Cage>,
    pub(super) shop: Shop,
    endpoint: Endpoint,
    // Holds the certificate. It is removed after the server.
    _files: tempfile::TempDir,
}

impl Scene {
    /// Starts the server and opens the victim's shop.
    pub(super) async fn start(setting: &Setting) -> anyhow::Result<Self> {
        let cage = Cage::new();
        let files = tempfile::Builder::new().prefix("headwater-attack-").tempdir()?;
        let mut flags = Vec::new();
        if setting.uses_tls {
            make_certificate(files.path()).await?;
            let file = |name: &str| files.path().join(name).to_string_lossy().into_owned();
            flags.extend(["--tls-certificate-file".to_owned(), file("server.pem")]);
            flags.extend(["--tls-key-file".to_owned(), file("server.key")]);
        }
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        let group = cage.as_ref().map_or_else(|| "-".to_owned(), |cage| cage.processes().display().to_string());
        let descriptors = DESCRIPTORS_MAX.to_string();
        let runner = ["sh", "-c", RUNNER, "sh", &group, &descriptors].map(str::to_owned);
        let rig = Rig::build_under(&runner, setting.database, setting.binary.as_deref(), &flags).await?;
        let endpoint = endpoint(&rig.options.listen_address, setting.uses_tls.then_some(files.path()))?;
        let channel = endpoint.connect().await.context("cannot connect to the server")?;
        let shop = Shop::open(&channel, &rig.operator_key()?, "victim", ShopSize::USUAL).await?;
        Ok(Self { rig, cage, shop, endpoint, _files: files })
    }

    /// The way to connect to the server. The victim is always at 127.0.0.1.
    pub(super) fn endpoint(&self) -> Endpoint {
        self.endpoint.clone()
    }

    /// A new connection with this key.
    pub(super) async fn client(&self, key: &str) -> anyhow::Result<Client> {
        Client::on(&self.connect().await?, key)
    }

    pub(super) async fn connect(&self) -> anyhow::Result<Channel> {
        self.endpoint.connect().await.context("cannot connect to the server")
    }

    /// Registers the account of the attacker.
    pub(super) async fn attacker(&self) -> anyhow::Result<Shop> {
        let size = ShopSize { affiliates: 2, leads: 100, rules: 0 };
        Shop::open(&self.connect().await?, &self.rig.operator_key()?, "attacker", size).await
    }

    /// Registers the account of the attacker and makes keys of it.
    pub(super) async fn keys(&self, kind: pb::ApiKeyKind, count: usize) -> anyhow::Result<Vec<String>> {
        self.keys_of(&self.attacker().await?, kind, count).await
    }

    /// Makes keys of an account.
    pub(super) async fn keys_of(&self, shop: &Shop, kind: pb::ApiKeyKind, count: usize) -> anyhow::Result<Vec<String>> {
        let mut client = self.client(&shop.key).await?;
        let mut keys = Vec::with_capacity(count);
        for number in 0..count {
            let display_name = format!("key {number}");
            let request =
                pb::CreateApiKeyRequest { kind: kind.into(), display_name, ..pb::CreateApiKeyRequest::default() };
            keys.push(client.accounts.create_api_key(request).await?.into_inner().api_key_text);
        }
        Ok(keys)
    }

    /// Records this many sales of the attacker's account.
    pub(super) async fn sell(&self, shop: &Shop, sales: usize) -> anyhow::Result<()> {
        let mut client = self.client(&shop.key).await?;
        for first in (0..sales).step_by(SALES_PER_BATCH) {
            let numbers = first..sales.min(first + SALES_PER_BATCH);
            let items = numbers.map(|number| sale_item(shop.sale("before", number as u64))).collect();
            let request = pb::BatchRecordEventsRequest { items };
            let answer = client.tracking.batch_record_events(request).await?.into_inner();
            if let Some(pb::batch_result::Answer::Error(error)) = answer.results.into_iter().find_map(|it| it.answer) {
                bail!("a sale was refused before the attack: {}", error.message);
            }
        }
        Ok(())
    }

    /// The size of SQLite's log, in MiB. 0 on PostgreSQL.
    pub(super) fn log_mebibytes(&self) -> f64 {
        let path = self.rig.data_dir().join("headwater.sqlite-wal");
        std::fs::metadata(path).map_or(0.0, |file| file.len() as f64 / (1024.0 * 1024.0))
    }
}

pub(super) fn sale_item(sale: pb::RecordSaleRequest) -> pb::BatchItem {
    pb::BatchItem { item: Some(pb::batch_item::Item::Sale(sale)) }
}

fn endpoint(address: &str, certificate_folder: Option<&Path>) -> anyhow::Result<Endpoint> {
    let address: SocketAddr = address.parse()?;
    let scheme = if certificate_folder.is_some() { "https" } else { "http" };
    let endpoint = Endpoint::from_shared(format!("{scheme}://{address}"))?;
    let endpoint = endpoint.tcp_nodelay(true).local_address(Some(Ipv4Addr::LOCALHOST.into()));
    let Some(folder) = certificate_folder else { return Ok(endpoint) };
    let authority = Certificate::from_pem(std::fs::read(folder.join("server.pem"))?);
    Ok(endpoint.tls_config(ClientTlsConfig::new().ca_certificate(authority).domain_name("localhost"))?)
}

async fn make_certificate(folder: &Path) -> anyhow::Result<()> {
    let made = tokio::process::Command::new("sh").args(["-eu", "-c", CERTIFICATE]).current_dir(folder).output().await?;
    if !made.status.success() {
        bail!("cannot make a certificate: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}
