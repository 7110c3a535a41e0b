#!/usr/bin/env bash
# Format, clippy, shell and batch scripts; any complaint is an error. All of them run, so that one call shows everything.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

status=0
cargo fmt --all --check || status=1
cargo clippy --release --workspace --all-targets -- -D warnings || status=1
mapfile -t scripts < <(find . \( -name target -o -name .git -o -name runs \) -prune -o -type f \( -name '*.sh' -o -name '*.sbatch' \) -print)
shellcheck .ci/run "${scripts[@]}" || status=1
[ "$status" -eq 0 ] && echo "lint: clean"
exit "$status"
