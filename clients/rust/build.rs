//! Compiles the protos to messages and clients with protox, so that building needs no protoc. The root's `build.rs` makes the
//! servers.

use std::path::Path;

/// The repository's folder of protos.
const PROTO: &str = "../../proto";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed={PROTO}");
    let mut compiler = protox::Compiler::new([PROTO])?;
    compiler.include_imports(true).include_source_info(true).open_files(proto_files()?)?;
    tonic_prost_build::configure()
        .build_server(false)
        // A sorted map, so that equal messages have equal bytes. A repeated request is recognised by its bytes.
        .btree_map(".")
        .extern_path(".google.rpc", "::tonic_types")
        .compile_fds(compiler.file_descriptor_set())?;
    Ok(())
}

/// Every file of the API, by the path that the files import each other with.
fn proto_files() -> std::io::Result<Vec<String>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(Path::new(PROTO).join("headwater/v1"))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".proto") {
            files.push(format!("headwater/v1/{name}"));
        }
    }
    files.sort();
    Ok(files)
}
