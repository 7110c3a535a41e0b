#!/usr/bin/env bash
# Shows what a GPU does with the solver: bits equal to the CPU's, compute-sanitizer where it is there, times. A few minutes; needs the
# NVIDIA driver and nothing else, as what it runs is built and compiled beforehand, on a machine without a GPU:
#   bench/gpu.sh prepare DIR      builds the program into DIR and compiles the kernels for Ampere, Hopper and Blackwell (with NVRTC)
#   bench/gpu.sh run DIR [FILE]   on the machine with the GPU: one JSON object a line, on stdout or into FILE
#   bench/gpu.sh emulated         both, a small part, with the emulated driver: shows that the script works
# Ends with 0 only where all bits were equal and the sanitizer, if there, found nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

built=${CARGO_TARGET_DIR:-target}/release/examples

prepare() { # DIR
    local libraries
    mkdir -p "$1"
    cargo build --release -p rankzero-gpu-solver --examples </dev/null >&2
    libraries=$(gpu/lab/setup.sh)
    LD_LIBRARY_PATH=$libraries "$built/lab" "$1" >&2
    strip -o "$1/card" "$built/card"
}

# Quotes what comes in as a JSON string.
quoted() {
    sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$/"/'
}

sanitize() { # DIR TOOL
    local sanitizer status=0 log
    sanitizer=$(command -v compute-sanitizer || compgen -G '/usr/local/cuda*/bin/compute-sanitizer' | tail -n 1) || true
    if [ -z "$sanitizer" ]; then
        echo "{\"sanitizer\": \"$2\", \"outcome\": \"not there\"}"
        return 0
    fi
    log=$(mktemp)
    timeout -k 5 120 "$sanitizer" --tool "$2" --error-exitcode 9 "$1/card" bits 2 --kernels "$1" >"$log" 2>&1 || status=$?
    echo "{\"sanitizer\": \"$2\", \"outcome\": \"$([ "$status" -eq 0 ] && echo clean || echo "status $status")\"}"
    [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

run() { # DIR
    local status=0 name tool
    name=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader 2>/dev/null | head -n 1 || true)
    echo "{\"device\": $(echo "${name:-unknown}" | quoted), \"cpu\": $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | quoted)}"
    timeout -k 5 180 "$1/card" bits "${BITS_SCENES:-60}" --kernels "$1" || status=1
    for tool in memcheck racecheck; do
        sanitize "$1" "$tool" || status=1
    done
    # shellcheck disable=SC2086  # a list of numbers
    timeout -k 5 180 "$1/card" time ${TIME_BODIES:-} --kernels "$1" || status=1
    return "$status"
}

case "${1:-}" in
    prepare) prepare "${2:?a directory}" ;;
    run)
        if [ -n "${3:-}" ]; then
            run "${2:?a directory}" | tee "$3"
        else
            run "${2:?a directory}"
        fi
        ;;
    emulated)
        folder=$(mktemp -d "${TMPDIR:-/tmp}/rankzero-gpu.XXXXXX")
        trap 'rm -rf "$folder"' EXIT
        prepare "$folder"
        emulated=$(cargo run -q --release -p rankzero-gpu-emulator --example libraries </dev/null)
        LD_LIBRARY_PATH=$emulated BITS_SCENES=1 TIME_BODIES='1 2' run "$folder"
        ;;
    *)
        echo "gpu: usage: bench/gpu.sh prepare DIR | run DIR [FILE] | emulated" >&2
        exit 2
        ;;
esac
