#!/usr/bin/env bash
# Fetches NVRTC, NVIDIA's run-time compiler, as a wheel from PyPI, and prints the directory of its libraries. 90 MB are fetched, once;
# nothing is installed, and root is not needed.
# Ends with 77 where this machine lacks something, the reason being the last line on stderr.
# Usage: gpu/lab/setup.sh
set -euo pipefail

VERSION=12.9.86
SHA256=210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4

lacks() {
    echo "$*" >&2
    exit 77
}

[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || lacks "the wheel is for Linux on x86-64, this is $(uname -sm)"
for tool in flock python3 sha256sum; do
    command -v "$tool" >/dev/null || lacks "$tool is missing"
done
python3 -m pip --version >/dev/null 2>&1 || lacks "python3 has no pip"

cache=${XDG_CACHE_HOME:-$HOME/.cache}/rankzero/gpu-lab
lab=$cache/nvrtc-$VERSION
libraries=$lab/nvidia/cuda_nvrtc/lib
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -e "$lab/complete" ]; then
    echo "$libraries"
    exit 0
fi

next=$cache/next
rm -rf "$next"
mkdir -p "$next"
trap 'rm -rf "$next"' EXIT
echo "lab-gpu: fetching NVRTC $VERSION into $lab" >&2
wheel=nvidia-cuda-nvrtc-cu12
timeout 300 python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$next" "$wheel==$VERSION" \
    >"$next/log" 2>&1 9>&- || {
    tail -n 3 "$next/log" >&2
    lacks "PyPI gave no $wheel $VERSION"
}
files=("$next"/*.whl)
sum=$(sha256sum "${files[0]}" | cut -d ' ' -f 1)
[ "$sum" = "$SHA256" ] || {
    echo "lab-gpu: $wheel $VERSION has the checksum $sum, not $SHA256" >&2
    exit 1
}
python3 -m zipfile -e "${files[0]}" "$next"
rm "${files[0]}" "$next/log"
touch "$next/complete"
rm -rf "$lab"
mv "$next" "$lab"
echo "$libraries"
