//! The binary: see `cli.rs` for what it does.

fn main() -> std::process::ExitCode {
    headwater::cli::main()
}
