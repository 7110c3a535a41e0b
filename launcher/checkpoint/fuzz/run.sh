#!/usr/bin/env bash
# Fuzzes the reading of checkpoints for SECONDS (default 60) with stable Rust. What crashes is left in
# target/fuzz/artifacts/checkpoint.
set -euo pipefail
seconds=${1:-60}
cd "$(dirname "$0")"
root=$(cd ../../.. && pwd)
target=$root/target/fuzz
corpus=$target/corpus/checkpoint
artifacts=$target/artifacts/checkpoint
mkdir -p "$corpus" "$artifacts"

flags="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
flags+=" -Cllvm-args=-sanitizer-coverage-pc-table --cfg fuzzing"
# An explicit --target keeps the flags from build scripts, which have no fuzzer to report to.
host=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS=$flags CARGO_TARGET_DIR=$target cargo build --release --target "$host" --bin checkpoint

# The seeds are a checkpoint as it must stay readable: its manifest without the hash, its parts without the end.
golden=$root/launcher/checkpoint/tests/golden/step-000000000016
{ printf '\x01' && tail -n +3 "$golden/manifest.json"; } >"$corpus/manifest"
for part in "$golden"/*.rzc; do
    { printf '\x02' && head -c -32 "$part"; } >"$corpus/$(basename "$part")"
done
"$target/$host/release/checkpoint" "$corpus" -max_total_time="$seconds" -max_len=4096 -timeout=10 -rss_limit_mb=2048 \
    -artifact_prefix="$artifacts/" -print_final_stats=1
