#!/usr/bin/env bash
# The GPU laboratory: compiles every kernel for Ampere, Hopper and Blackwell with NVRTC and looks at the instructions, without a GPU; then
# runs bench/gpu.sh, which is for machines that have one, with the emulated driver. Each of both ends with a line "N passed, N failed".
# Where this machine cannot, that is one loud line and status 0, or 77 with --strict.
# Usage: gpu/lab/run.sh [--strict]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

strict=0
for argument in "$@"; do
    case $argument in
        --strict) strict=1 ;;
        *)
            echo "lab-gpu: no option $argument" >&2
            exit 2
            ;;
    esac
done

skip() {
    echo "SKIPPED: the GPU laboratory did not run: $1; kernels are NOT COMPILED for GPUs here"
    exit $((strict ? 77 : 0))
}

status=0
log=$(mktemp "${TMPDIR:-/tmp}/rankzero-lab-gpu.XXXXXX")
trap 'rm -f "$log"' EXIT
"$here/setup.sh" >/dev/null 2> >(tee "$log" >&2) || status=$?
[ "$status" -ne 77 ] || skip "$(tail -n 1 "$log")"
[ "$status" -eq 0 ] || exit "$status"

if timeout -k 5 1800 bench/gpu.sh emulated </dev/null; then
    echo "1 passed, 0 failed"
else
    echo "0 passed, 1 failed"
    exit 1
fi
