#!/bin/sh
# Fuzzes what ranks take from their peers for SECONDS with stable Rust: run.sh [SECONDS] [libFuzzer options]
# The coverage instrumentation that cargo-fuzz asks of a nightly compiler is asked of LLVM directly.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=$(cd "$here/../.." && pwd)/target/fuzz
seconds=${1:-60}
[ $# -eq 0 ] || shift
host=$(rustc -vV | sed -n 's/^host: //p')
# An explicit --target keeps the flags away from build scripts and procedural macros.
RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 --cfg fuzzing" \
    cargo build --release --manifest-path "$here/Cargo.toml" --target-dir "$target" --target "$host"
corpus=$target/corpus/comm
artifacts=$target/artifacts/comm
mkdir -p "$corpus" "$artifacts"
exec "$target/$host/release/take" -max_total_time="$seconds" -max_len=2048 -rss_limit_mb=1024 -malloc_limit_mb=64 \
    -timeout=10 -artifact_prefix="$artifacts/" "$@" "$corpus"
