#!/usr/bin/env bash
# Fetches NVIDIA Warp (132 MB, once) and prints the directory to import it from; with `packed`, packs what a GPU needs of it, once, and
# prints that file (50 MiB; some minutes, 1.5 GB of memory). Ends with 77 where this machine lacks something.
# 1.9.1 is the newest with warp.sim. It comes under the Apache licence; 1.4.2 came under terms of NVIDIA's own, by which
# nothing that competes may be developed with it.
# Usage: bench/src/peers/warp/setup.sh [packed]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

site=$("$here/../../../../gpu/lab/wheel.sh" warp-lang 1.9.1 2211e0cd9332ca44193801285cd1293c0b7580932da8da32e18d70b832adac12)
if [ "${1:-}" != packed ]; then
    echo "$site"
    exit 0
fi
packed=$site.tar.xz
if [ ! -e "$packed" ]; then
    command -v xz >/dev/null || {
        echo "xz is missing" >&2
        exit 77
    }
    echo "bench: packing Warp into $packed" >&2
    next=$(mktemp "$packed.XXXXXX")
    trap 'rm -f "$next"' EXIT
    # Its library holds three compilers that are much alike, but far apart: hence the window.
    tar -C "$site" --sort=name --owner=0 --group=0 --exclude=warp/bin/warp-clang.so --exclude=warp/examples --exclude=warp/tests \
        -c warp "$(basename "$site"/*.dist-info)" | xz -T1 --x86 --lzma2=preset=9e,dict=128MiB >"$next"
    chmod 644 "$next"
    mv "$next" "$packed"
fi
echo "$packed"
