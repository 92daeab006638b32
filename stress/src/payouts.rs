//! `stress payouts`: very many affiliates are owed, and all of them are paid through a fake PayPal by one run: preview, creation, approval and
//! sending. Another account records sales at a fixed rate meanwhile. Their p99 and the server's memory are measured in each phase. The
//! server is killed while it sends, and must go on where it was. At the end the fake's own ledger says who got what.

mod audit;
mod fake;
mod owed;
mod sales;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use headwater::clock;
use headwater_client::pb;
use testkit::client::{self, Client};

use crate::figures::{self, Table, number};
use crate::rig::{DatabaseKind, Rig};
use crate::shop::{Shop, ShopSize};
use audit::Audit;
use fake::Fake;
use owed::{Merchant, Run};
use sales::{Phase, Sales};

/// How long the sales of the other account are measured while nothing else goes on.
const QUIET: Duration = Duration::from_secs(10);

/// Pause between two looks at the run.
const LOOK: Duration = Duration::from_secs(1);

/// How long all payouts may take at most once none makes progress any more: longer than the lease of a killed server.
const STUCK_AFTER: Duration = Duration::from_secs(15 * 60);

/// A lease in seconds, and some more.
const LEASE_SECONDS: u32 = 700;

#[derive(clap::Args)]
pub(crate) struct Options {
    /// The database.
    #[arg(long, value_enum, default_value_t = DatabaseKind::Sqlite)]
    pub(crate) database: DatabaseKind,
    /// The number of affiliates that are owed.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) affiliates: usize,
    /// How many affiliates each call previews, up to 1,000.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) previewed_per_call: i32,
    /// How many payouts each call approves, up to 200. The writer carries out a call as a whole, so others wait for it.
    #[arg(long, default_value_t = 100)]
    pub(crate) approved_per_call: usize,
    /// How often the server is killed while it sends.
    #[arg(long, default_value_t = 1)]
    pub(crate) kills: usize,
    /// The sales per second of the other account.
    #[arg(long, default_value_t = 100)]
    pub(crate) rate: u32,
    /// The highest allowed ratio of the p99 of these sales in each phase to that of the quiet time.
    #[arg(long, default_value_t = 2.0)]
    pub(crate) ceiling: f64,
    /// By how many MiB the server's peak memory may exceed that of the quiet time.
    #[arg(long, default_value_t = 128.0)]
    pub(crate) mebibytes: f64,
    /// Ignore the p99, for a machine that is busy with other work.
    #[arg(long)]
    pub(crate) any_speed: bool,
    /// The server's binary; the one beside this program when not set.
    #[arg(long)]
    pub(crate) server: Option<PathBuf>,
}

/// The rate and the memory of a phase.
struct Measured {
    phase: Phase,
    seconds: f64,
    peak_mebibytes: f64,
}

/// A server, the fake, the merchant that pays and the sales of another one.
struct Scene {
    rig: Rig,
    fake: Fake,
    merchant: Merchant,
    sales: Sales,
    measured: Vec<Measured>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    println!("stress payouts, {:?}, {} affiliates", options.database, number(options.affiliates as f64));
    println!("{}, {}", figures::date(), figures::machine());
    let mut scene = Scene::set(&options).await?;
    scene.measure(Phase::Quiet, async |_| tokio::time::sleep(QUIET).await).await?;
    let merchant = scene.merchant.clone();
    scene.attempt(Phase::Preview, async |url| merchant.preview(&url, options.previewed_per_call).await).await?;
    let created = scene.attempt(Phase::Creation, async |url| merchant.create_run(&url).await).await?;
    scene
        .attempt(Phase::Approval, async |url| merchant.approve(&url, &created, options.approved_per_call).await)
        .await?;
    scene.send(&options, &created).await?;
    let failures = scene.sales.end().await;
    let audit = audit::audit(&scene.fake, &scene.merchant, &scene.rig.url()).await?;
    report(&options, &scene, &audit, failures)
}

impl Scene {
    /// Makes the accounts and what is owed, and starts the server again, so that its memory is that of a server that has just begun.
    async fn set(options: &Options) -> anyhow::Result<Self> {
        let fake = Fake::start().await?;
        let folder = tempfile::Builder::new().prefix("headwater-payouts-").tempdir()?;
        let key_file = owed::secrets_key(&folder)?;
        let paypal = fake.url("paypal");
        let flags = ["--paypal-sandbox-address", &paypal, "--secrets-key-file", &key_file];
        let mut rig = Rig::build(options.database, options.server.as_deref(), &flags).await?;
        // A build for tests moves its clock by this file. Any other waits for the leases of the killed server.
        let clock_file = rig.folder.path().join("clock").to_string_lossy().into_owned();
        rig.options.environment.push(("CLOCK_FILE".to_owned(), clock_file));
        let begun = clock::monotonic_now();
        let merchant = Merchant::open(&rig.url(), &rig.operator_key()?, options.affiliates).await?;
        let channel = client::connect(&rig.url()).await?;
        let size = ShopSize { affiliates: 5, leads: 200, rules: 0 };
        let shop = Shop::open(&channel, &rig.operator_key()?, "seller", size).await?;
        println!("made what is owed in {} s", begun.elapsed().as_secs());
        rig.terminate_server().await?;
        rig.start_server().await?;
        let sales = Sales::begin(&rig.url(), &shop, options.rate).await?;
        // The key's file is read at each start.
        let _ = folder.keep();
        Ok(Self { rig, fake, merchant, sales, measured: Vec::new() })
    }

    /// Measures the sales and the memory while something is done.
    async fn measure<T>(&mut self, phase: Phase, work: impl AsyncFnOnce(String) -> T) -> anyhow::Result<T> {
        self.sales.enter(phase);
        let begun = clock::monotonic_now();
        let pid = self.rig.server_pid()?;
        let done = work(self.rig.url()).await;
        let (seconds, peak_mebibytes) = (begun.elapsed().as_secs_f64(), figures::peak_resident_mebibytes(pid));
        self.measured.push(Measured { phase, seconds, peak_mebibytes });
        Ok(done)
    }

    async fn attempt<T>(
        &mut self,
        phase: Phase,
        work: impl AsyncFnOnce(String) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        self.measure(phase, work).await?.with_context(|| format!("{phase:?} failed"))
    }

    /// Waits until all payouts are paid, and kills the server meanwhile.
    async fn send(&mut self, options: &Options, run: &Run) -> anyhow::Result<()> {
        for kill in 1..=options.kills {
            let wanted = options.affiliates * kill / (options.kills + 1);
            let merchant = self.merchant.clone();
            self.attempt(Phase::Sending, async |url| until(&merchant, &url, run, |left| left.begun >= wanted).await)
                .await?;
            self.sales.enter(Phase::Outage);
            self.rig.kill_server().await?;
            self.rig.start_server().await?;
        }
        let merchant = self.merchant.clone();
        let is_nearly_done = |left: &Left| left.paid + left.under_way >= options.affiliates && left.waiting == 0;
        self.attempt(Phase::Sending, async |url| until(&merchant, &url, run, is_nearly_done).await).await?;
        // The steps that the killed server had begun are left alone for ten minutes.
        self.sales.enter(Phase::Lease);
        std::fs::write(self.rig.folder.path().join("clock"), format!("{LEASE_SECONDS} 0"))?;
        until(&merchant, &self.rig.url(), run, |left| left.paid >= options.affiliates).await
    }
}

/// The payouts of a run by how far they are.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Left {
    paid: usize,
    /// Not ready any more.
    begun: usize,
    /// The provider is asked, and has not answered.
    under_way: usize,
    /// The provider works on them, or was not asked.
    waiting: usize,
}

/// Waits until the run is so far. Fails if it makes no progress for long, or if a payout ends otherwise.
async fn until(merchant: &Merchant, url: &str, run: &Run, is_far: impl Fn(&Left) -> bool) -> anyhow::Result<()> {
    use pb::PayoutState::{Paid, Processing, Ready, Sending};
    let mut client = Client::connect(url, &merchant.keys[0]).await?;
    let (mut last, mut moved_at) = (Left::default(), clock::monotonic_now());
    loop {
        let request = pb::GetPayoutRunRequest { payout_run_id: run.id.clone() };
        let counts = client.payouts.get_payout_run(request).await?.into_inner().state_counts;
        let mut left = Left::default();
        for count in &counts {
            let payouts = usize::try_from(count.payout_count)?;
            match count.state() {
                Paid => left.paid += payouts,
                Sending => left.under_way += payouts,
                Processing | Ready => left.waiting += payouts,
                state => bail!("{payouts} payouts are {state:?}"),
            }
            left.begun += if count.state() == Ready { 0 } else { payouts };
        }
        if is_far(&left) {
            return Ok(());
        }
        if left != last {
            (last, moved_at) = (left, clock::monotonic_now());
        }
        ensure!(moved_at.elapsed() < STUCK_AFTER, "payouts are stuck: {counts:?}");
        tokio::time::sleep(LOOK).await;
    }
}

fn report(options: &Options, scene: &Scene, audit: &Audit, failures: u64) -> anyhow::Result<()> {
    let quiet = scene.sales.p99(Phase::Quiet);
    let memory = |phase: Phase| {
        let of_phase = scene.measured.iter().filter(|measured| measured.phase == phase);
        of_phase.map(|measured| measured.peak_mebibytes).fold(0.0, f64::max)
    };
    let mut table =
        Table::new(&["phase", "seconds", "payouts/s", "sales", "p50 ms", "p99 ms", "beside quiet", "peak MiB"]);
    let mut worst = 0.0_f64;
    for phase in Phase::MEASURED {
        let of_phase = scene.measured.iter().filter(|measured| measured.phase == phase);
        let seconds: f64 = of_phase.map(|measured| measured.seconds).sum();
        let (sales, p50, p99) = scene.sales.figures(phase);
        let ratio = p99 / quiet.max(f64::EPSILON);
        worst = worst.max(ratio);
        let rate = if phase == Phase::Quiet { String::new() } else { number(options.affiliates as f64 / seconds) };
        table.row(vec![
            phase.name().to_owned(),
            number(seconds),
            rate,
            number(sales as f64),
            number(p50),
            number(p99),
            number(ratio),
            number(memory(phase)),
        ]);
    }
    println!("{table}");
    let grown = Phase::MEASURED.into_iter().map(memory).fold(0.0, f64::max) - memory(Phase::Quiet);
    audit.faults.iter().for_each(|fault| println!("  - {fault}"));
    println!(
        "payouts {}, paid once {}, paid twice {}, not paid {}, kills {}, calls of the other account that failed and were repeated {failures}, \
         ledger {}, highest p99 {} times that of the quiet time, memory {} MiB more at most",
        audit.payouts,
        audit.once,
        audit.twice,
        audit.missing,
        options.kills,
        if audit.faults.is_empty() { "equal to the provider's books" } else { "NOT EQUAL" },
        number(worst),
        number(grown),
    );
    ensure!(audit.is_clean(), "a promise was broken");
    ensure!(grown <= options.mebibytes, "memory grew by more than {} MiB", options.mebibytes);
    ensure!(
        options.any_speed || worst <= options.ceiling,
        "sales were slowed down more than {} times",
        options.ceiling
    );
    Ok(())
}
