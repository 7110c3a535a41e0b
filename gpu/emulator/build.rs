//! Compiles the CUDA kernels of `gpu/kernels` with the C++ compiler, and what runs them.

fn main() {
    let kernels = "../kernels";
    for folder in [kernels, "cpp"] {
        println!("cargo::rerun-if-changed={folder}");
    }
    let mut build = cc::Build::new();
    build.cpp(true).std("c++17").include(kernels).include("cpp").opt_level(2).warnings(true);
    // The law of the kernels, in the compiler's words.
    build.flag("-ffp-contract=off").flag("-fno-math-errno").flag("-fno-fast-math");
    build.file("cpp/fibers.cpp").file("cpp/kernels.cpp").file("cpp/planted.cpp");
    build.compile("rankzero_gpu_emulator");
}
