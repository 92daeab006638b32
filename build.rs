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
        .build_server(false)
        .extern_path(".google.rpc", "::tonic_types")
        .compile_fds(compiler.file_descriptor_set())?;
    // The servers apart: the feed's answers are types of ours that are encoded from bytes, the client's are the generated ones.
    let server_dir = out_dir.join("server");
    std::fs::create_dir_all(&server_dir)?;
    let mut server = tonic_prost_build::configure()
        .build_client(false)
        .out_dir(server_dir)
        .extern_path(".google.rpc", "::tonic_types")
        .extern_path(".headwater.v1", "crate::pb");
    for message in ["WatchConversionsResponse", "ListConversionEventsResponse"] {
        server =
            server.extern_path(format!(".headwater.v1.{message}"), format!("crate::rpc::feed::message::{message}"));
    }
    server.compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}
