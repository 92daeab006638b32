//! Compiles the protos with protox, so that building needs no protoc.

use std::path::PathBuf;

const FILES: [&str; 5] = ["account", "affiliate", "tracking", "reward", "common"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files: Vec<String> = FILES.iter().map(|name| format!("headwater/v1/{name}.proto")).collect();
    let mut compiler = protox::Compiler::new(["proto"])?;
    compiler.include_imports(true).include_source_info(true).open_files(&files)?;
    // Encoded by protox itself: the decoded form would lose what prost-types does not know.
    let out_dir = PathBuf::from(std::env::var("OUT_DIR")?);
    std::fs::write(out_dir.join("headwater.bin"), compiler.encode_file_descriptor_set())?;
    tonic_prost_build::configure()
        .extern_path(".google.rpc", "::tonic_types")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
