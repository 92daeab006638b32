//! The binary: see `cli.rs` for what it does.

/// Of what a call costs, memory is a good part; this allocator takes less time than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = headwater::failpoint::arm();
    headwater::cli::main()
}
