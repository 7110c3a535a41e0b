#!/usr/bin/env bash
# Fuzzes the reading of job files for SECONDS (default 60) with stable Rust. What crashes is left in target/fuzz/artifacts/job.
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
target=$root/target/fuzz
corpus=$target/corpus/job
artifacts=$target/artifacts/job
mkdir -p "$corpus" "$artifacts"

flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing"
# An explicit --target keeps the flags from build scripts, which have no fuzzer to report to.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=$flags CARGO_TARGET_DIR=$target cargo build --release --target "$host" --bin job

# The ready jobs are the seeds: each is one input.
for job in "$root"/jobs/*.yaml; do
    cp "$job" "$corpus/$(basename "$job")"
done
"$target/$host/release/job" "$corpus" -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 \
    -dict=job.dict -artifact_prefix="$artifacts/" -print_final_stats=1
