#!/usr/bin/env bash
# Fetches a wheel for Linux on x86-64 from PyPI, once, and prints the directory where it is unpacked; nothing is installed, and root is
# not needed. Ends with 77 where this machine lacks something, the reason being the last line on stderr.
# Usage: gpu/lab/wheel.sh NAME VERSION SHA256
set -euo pipefail
name=$1 version=$2 sha256=$3

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
site=$cache/$name-$version
mkdir -p "$cache"
exec 9>"$cache/lock"
flock 9
if [ -e "$site/complete" ]; then
    echo "$site"
    exit 0
fi

next=$cache/next
rm -rf "$next"
mkdir -p "$next"
trap 'rm -rf "$next"' EXIT
echo "lab-gpu: fetching $name $version into $site" >&2
timeout 300 python3 -m pip download -q --disable-pip-version-check --no-deps --only-binary=:all: -d "$next" "$name==$version" \
    >"$next/log" 2>&1 9>&- || {
    tail -n 3 "$next/log" >&2
    lacks "PyPI gave no $name $version"
}
files=("$next"/*.whl)
sum=$(sha256sum "${files[0]}" | cut -d ' ' -f 1)
[ "$sum" = "$sha256" ] || {
    echo "lab-gpu: $name $version has the checksum $sum, not $sha256" >&2
    exit 1
}
python3 -m zipfile -e "${files[0]}" "$next"
rm "${files[0]}" "$next/log"
touch "$next/complete"
rm -rf "$site"
mv "$next" "$site"
echo "$site"
