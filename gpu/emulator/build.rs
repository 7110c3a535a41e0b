//! Compiles the CUDA kernels of `gpu/kernels` with the C++ compiler, and what runs them.

use std::path::PathBuf;

fn main() {
    let kernels = "../kernels";
    for folder in [kernels, "cpp"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").include(kernels).include("cpp").opt_level(2).warnings(true);
    // The law of the kernels, in the compiler's words.
    build.flag("-ffp-contract=off").flag("-fno-math-errno").flag("-fno-fast-math");
    let sources = ["cpp/fibers.cpp", "cpp/kernels.cpp", "cpp/planted.cpp"];
    build.files(sources).compile("rankzero_gpu_emulator");

    std::fs::create_dir_all(out_dir()).expect("OUT_DIR can be written");
    shared(&build, "libcuda.so", &[&sources[..], &["cpp/driver.cpp", "cpp/driver_work.cpp"]].concat());
    shared(&build, "libnvrtc.so", &["cpp/nvrtc.cpp"]);
    println!("cargo::rustc-env=EMULATED_LIBRARIES={}", out_dir().display());
}

/// Links a library that is found by those who open it by its name, once somebody has opened it by its path.
fn shared(build: &cc::Build, name: &str, sources: &[&str]) {
    let mut link = build.get_compiler().to_command();
    link.args(["-shared", "-fvisibility=default", &format!("-Wl,-soname,{name}"), "-o"]).arg(out_dir().join(name));
    let status = link.args(sources).status().expect("the C++ compiler starts");
    assert!(status.success(), "{name} does not compile: {status}");
}

/// A folder of their own: cargo has tests look for libraries in OUT_DIR itself, where nobody is to find a CUDA driver by chance.
fn out_dir() -> PathBuf {
    PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo sets it")).join("cuda")
}
