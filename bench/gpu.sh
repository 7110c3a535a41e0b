#!/usr/bin/env bash
# Shows what a GPU does with the solver: bits equal to the CPU's, compute-sanitizer where it is there, times. A few minutes; needs the
# NVIDIA driver and nothing else, as what it runs is built and compiled beforehand, on a machine without a GPU:
#   bench/gpu.sh prepare DIR      builds the program into DIR and compiles the kernels for Ampere, Hopper and Blackwell (with NVRTC);
#                                 packs compute-sanitizer, and a peer, NVIDIA Warp, where PyPI has them
#   bench/gpu.sh run DIR [FILE]   on the machine with the GPU: one JSON object a line, on stdout or into FILE; the peer wants Python
#                                 with numpy there, and is left out without
#   bench/gpu.sh emulated         both, a small part, with the emulated driver: shows that the script works; with PEER=1 the peer too,
#                                 on the CPU: 132 MB are fetched, once
# Ends with 0 only where all bits were equal, the sanitizer, if there, found nothing, and the peer's bodies, if there, moved as they must.
set -euo pipefail
cd "$(dirname "$0")/.."

built=${CARGO_TARGET_DIR:-target}/release/examples
peer=bench/src/peers/warp

prepare() { # DIR
    local libraries
    mkdir -p "$1"
    cargo build --release -p rankzero-gpu-solver --examples </dev/null >&2
    libraries=$(gpu/lab/setup.sh)
    LD_LIBRARY_PATH=$libraries "$built/lab" "$1" >&2
    strip -o "$1/card" "$built/card"
}

prepare_sanitizer() { # DIR
    local site
    if ! site=$(gpu/lab/wheel.sh nvidia-cuda-sanitizer-api-cu12 12.9.79 61e6bb66755cd13b89a32f5bda090022ef50c310eec404cc440fae4a3a405ee7); then
        echo "gpu: without compute-sanitizer" >&2
        return 0
    fi
    site=$site/nvidia/cuda_sanitizer_api
    # Beside each other, as it looks for its libraries.
    tar --mode=755 --owner=0 --group=0 -C "$site/bin" -c compute-sanitizer -C "$site/lib" libsanitizer-collection.so \
        libInterceptorInjectionTarget.so libTreeLauncherPlaceholder.so libTreeLauncherTargetInjection.so \
        libTreeLauncherTargetUpdatePreloadInjection.so | xz -T1 --x86 --lzma2=preset=9e >"$1/sanitizer.tar.xz"
}

prepare_peer() { # DIR
    local packed
    if packed=$("$peer/setup.sh" packed); then
        cp "$packed" "$1/warp.tar.xz"
    else
        echo "gpu: without NVIDIA Warp, which will not be measured" >&2
    fi
}

# Quotes what comes in as a JSON string.
quoted() {
    sed -e 's/[\\"]/\\&/g' -e 's/^/"/' -e 's/$/"/'
}

# Unpacks an archive into a directory that is made for it.
unpack() { # ARCHIVE DIR
    [ -e "$1" ] && mkdir -p "$2" && python3 -W ignore -m tarfile -e "$1" "$2" >&2
}

# Prints where compute-sanitizer is: the machine's own, or what was prepared.
find_sanitizer() { # DIR FOLDER
    command -v compute-sanitizer || compgen -G '/usr/local/cuda*/bin/compute-sanitizer' | tail -n 1 | grep . || {
        unpack "$1/sanitizer.tar.xz" "$2/sanitizer" && echo "$2/sanitizer/compute-sanitizer"
    }
}

sanitize() { # DIR SANITIZER TOOL
    local sanitizer=$2 status=0 log
    if [ -z "$sanitizer" ]; then
        echo "{\"sanitizer\": \"$3\", \"outcome\": \"not there\"}"
        return 0
    fi
    log=$(mktemp)
    timeout -k 5 120 "$sanitizer" --tool "$3" --error-exitcode 9 "$1/card" bits 2 --kernels "$1" >"$log" 2>&1 || status=$?
    echo "{\"sanitizer\": \"$3\", \"outcome\": \"$([ "$status" -eq 0 ] && echo clean || echo "status $status")\"}"
    [ "$status" -eq 0 ] || tail -n 20 "$log" >&2
    rm -f "$log"
    return "$status"
}

# Times the peer, imported from SITE, and compares it with our times in FOLDER/times.
time_peer() { # SITE DEVICE FOLDER
    local status=0
    # shellcheck disable=SC2086  # a list of numbers
    PYTHONPATH=$1${PYTHONPATH:+:$PYTHONPATH} WARP_CACHE_PATH=$3/kernels \
        timeout -k 5 300 python3 "$peer/xpbd.py" --device "$2" --against "$3/times" ${TIME_BODIES:-} || status=$?
    [ "$status" -eq 0 ] || echo "{\"peer\": \"warp XPBD\", \"outcome\": \"status $status\"}"
    return "$status"
}

run_peer() { # DIR FOLDER
    local lacking=
    if [ ! -e "$1/warp.tar.xz" ]; then
        lacking="it was not prepared"
    elif ! unpack "$1/warp.tar.xz" "$2/warp"; then
        lacking="it could not be unpacked"
    else
        time_peer "$2/warp" cuda:0 "$2" || return 1
        return 0
    fi
    echo "{\"peer\": \"warp XPBD\", \"outcome\": \"not measured\", \"reason\": \"$lacking\"}"
}

run() { # DIR
    local status=0 name tool folder sanitizer
    folder=$(mktemp -d "${TMPDIR:-/tmp}/rankzero-gpu.XXXXXX")
    name=$(nvidia-smi --query-gpu=name,driver_version,clocks.max.sm,memory.total --format=csv,noheader 2>/dev/null | head -n 1 || true)
    echo "{\"device\": $(echo "${name:-unknown}" | quoted), \"cpu\": $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1 | quoted)}"
    timeout -k 5 180 "$1/card" bits "${BITS_SCENES:-60}" --kernels "$1" || status=1
    sanitizer=$(find_sanitizer "$1" "$folder") || true
    for tool in memcheck racecheck; do
        sanitize "$1" "$sanitizer" "$tool" || status=1
    done
    # shellcheck disable=SC2086  # a list of numbers
    timeout -k 5 180 "$1/card" time ${TIME_BODIES:-} --kernels "$1" | tee "$folder/times" || status=1
    run_peer "$1" "$folder" || status=1
    rm -rf "$folder"
    return "$status"
}

case "${1:-}" in
    prepare)
        prepare "${2:?a directory}"
        prepare_sanitizer "$2"
        prepare_peer "$2"
        ;;
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
        LD_LIBRARY_PATH=$emulated BITS_SCENES=1 TIME_BODIES='1 2' run "$folder" | tee "$folder/times"
        if [ "${PEER:-}" = 1 ]; then
            site=$("$peer/setup.sh")
            TIME_BODIES='1 2' time_peer "$site" cpu "$folder"
        fi
        ;;
    *)
        echo "gpu: usage: bench/gpu.sh prepare DIR | run DIR [FILE] | emulated" >&2
        exit 2
        ;;
esac
