#!/usr/bin/env bash
# Fetches Open MPI 5 and MPICH from PyPI and builds rankzero for each, beside the build for the MPI that is installed; prints
# "NAME HOME PROGRAM" for each. What is the same for all is copied, so that PhysX is not compiled again.
# Usage: build-mpis.sh [NAME…]      openmpi, mpich
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
[ $# -gt 0 ] || set -- openmpi mpich

for mpi in "$@"; do
    home=$(realpath -m "$target/mpi/$mpi")
    mkdir -p "$home"
    [ -x "$home/bin/mpicc" ] || {
        python3 -m venv "$home"
        "$home/bin/pip" install --quiet "$mpi"
    } >&2
    if [ ! -d "$home/target" ]; then
        mkdir -p "$home/target"
        cp -a --reflink=auto "$target/release" "$home/target/"
        # Its build script does not notice that MPICC is another one.
        cargo clean --release --target-dir "$home/target" -p mpi -p mpi-sys -p rankzero-comm >&2
    fi
    MPICC=$home/bin/mpicc CARGO_TARGET_DIR=$home/target cargo build --release -p rankzero --bin rankzero </dev/null >&2
    echo "$mpi $home $home/target/release/rankzero"
done
