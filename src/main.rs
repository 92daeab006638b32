//! The binary: see `cli.rs` for what it does.

fn main() -> std::process::ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = headwater::failpoint::arm();
    headwater::cli::main()
}
