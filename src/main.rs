//! The binary: see `cli.rs` for what it does.

/// Allocation is a good part of a call's cost, and mimalloc takes less time than the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    #[cfg(feature = "failpoints")]
    let _scenario = headwater::failpoint::arm();
    headwater::cli::main()
}
