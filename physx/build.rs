//! Compiles the C++ shim over PhysX's tetrahedral mesher.
//!
//! `physx-sys` binds no mesher and has no `links` key that would hand us its headers, so its source folder is taken from
//! `cargo metadata`, which knows it for registries, vendored trees and path overrides alike.

use std::env;
use std::error::Error;
use std::path::PathBuf;

use cargo_metadata::{Metadata, MetadataCommand};

const SHIM: &str = "src/ffi/shim.cpp";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={SHIM}");
    println!("cargo::rerun-if-changed=build.rs");
    let headers = physx_headers()?;
    let mut build = cc::Build::new();
    build
        .cpp(true)
        .file(SHIM)
        .include(&headers)
        .define("PX_PHYSX_STATIC_LIB", None)
        .define("DISABLE_CUDA_PHYSX", None)
        .define("NDEBUG", None)
        .std("c++14")
        // PhysX's headers cast between unrelated pointers.
        .flag("-fno-strict-aliasing")
        .flag_if_supported("-Wall")
        .flag_if_supported("-Wno-unknown-pragmas");
    build.try_compile("rankzero_tet")?;
    Ok(())
}

/// The folder with `PxPhysicsAPI.h` of the `physx-sys` that this build links.
fn physx_headers() -> Result<PathBuf, Box<dyn Error>> {
    // Offline first: the crate is there already, or it could not be linked.
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[]))?;
    let wanted = metadata
        .packages
        .iter()
        .find(|package| package.name.as_str() == "physx-sys")
        .ok_or("cargo metadata lists no physx-sys; is it still a dependency of rankzero-physx?")?;
    let root = wanted.manifest_path.parent().ok_or("physx-sys has no folder")?;
    let include = root.join("physx/physx/include").into_std_path_buf();
    if include.join("PxPhysicsAPI.h").is_file() {
        Ok(include)
    } else {
        Err(format!("no PxPhysicsAPI.h in {}; physx-sys changed its layout", include.display()).into())
    }
}

fn metadata(options: &[&str]) -> Result<Metadata, cargo_metadata::Error> {
    let manifest = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("Cargo.toml");
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(options.iter().map(|&option| option.to_owned()).collect::<Vec<_>>())
        .exec()
}
