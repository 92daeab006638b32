//! To be written.

/// Options.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// The seed of what is sent; drawn when not given.
    #[arg(long)]
    seed: Option<u64>,
}

pub(crate) async fn run(options: Options) -> anyhow::Result<()> {
    let seed = options.seed.unwrap_or_else(|| fastrand::u64(..1 << 32));
    println!("{}", crate::figures::head(seed, &std::env::temp_dir())?);
    anyhow::bail!("not there yet")
}
