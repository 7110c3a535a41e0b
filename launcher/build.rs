//! Has the program linked to the MPI that `MPICC` names, and find it again when it runs.
//!
//! The bindings are made for that one, but only name the library `mpi`. Where a folder of the system's is searched first, for hwloc or RDMA, and
//! there is an MPI in it, that one would be linked: the words of the one spoken to the other. What this package asks for is searched first.

use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=MPICC");
    let Some(mpicc) = std::env::var_os("MPICC") else { return };
    // The wrappers of MPICH and of Open MPI both tell by this word what they would call.
    let Ok(shown) = Command::new(&mpicc).arg("-show").output() else { return };
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    for folder in
        shown.split_whitespace().filter_map(|word| word.strip_prefix("-L")).filter(|folder| !folder.is_empty())
    {
        println!("cargo:rustc-link-search=native={folder}");
        println!("cargo:rustc-link-arg-bins=-Wl,-rpath,{folder}");
    }
}
