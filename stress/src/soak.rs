//! To be written.

/// Options.
#[derive(clap::Args)]
pub(crate) struct Options {}

pub(crate) async fn run(_options: Options) -> anyhow::Result<()> {
    anyhow::bail!("not there yet")
}
