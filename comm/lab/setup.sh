#!/usr/bin/env bash
# Fetches what the guest of the RDMA laboratory is made of, and prints the directory that holds it:
#   qemu/      qemu and all its libraries, the C library included: what is installed here, backports say, plays no part
#   tools/     perftest, ibv_devinfo and rdma, which the guest sees where this machine has none of its own
#   vmlinux    the distribution's stock kernel, unpacked from its image
#   initrd     its modules for RDMA and for the shares, busybox, and the first lines of /init
# They take 0.2 GB, and 0.14 GB are fetched for them. Nothing is installed and apt keeps its state there, so that root is
# not needed. A second call finds everything in place.
# Ends with 77 where this machine lacks something, the reason being the last line on stderr.
# Usage: comm/lab/setup.sh [--fresh]    --fresh fetches again
set -euo pipefail
cd "$(dirname "$0")"

MODULES="virtio_pci 9pnet_virtio 9p overlay virtio_console dummy crc32_generic ib_core ib_uverbs rdma_cm rdma_ucm ib_umad rdma_rxe"

lacks() {
    echo "$*" >&2
    exit 77
}

[ "$(uname -s) $(uname -m)" = "Linux x86_64" ] || lacks "the guest wants Linux on x86-64, this is $(uname -sm)"
for tool in apt-get apt-cache dpkg-deb flock sha256sum tar; do
    command -v "$tool" >/dev/null || lacks "$tool is missing"
done

cache=${XDG_CACHE_HOME:-$HOME/.cache}/rankzero/rdma-lab
mkdir -p "$cache"
# What is fetched follows from this file and the release: another text, another directory, so that none is ever changed
# under a guest that runs from it.
key=$(cat setup.sh /etc/os-release | sha256sum | cut -c1-16)
lab=$cache/$key

exec 9>"$cache/lock"
flock 9
if [ "${1:-}" != --fresh ] && [ -e "$lab/complete" ]; then
    touch "$lab/complete"
    echo "$lab"
    exit 0
fi

next=$cache/next
rm -rf "$next"
mkdir -p "$next"/{apt/state/lists/partial,apt/cache/archives/partial,debs/partial,qemu,tools,kernel,ram/bin,ram/modules}
trap 'rm -rf "$next"' EXIT
echo "lab: fetching qemu, a kernel and RDMA tools into $lab" >&2

# With an empty list of installed packages, apt computes complete sets that fit together.
: >"$next/apt/status"
apt=(-q -o "Dir::State=$next/apt/state" -o "Dir::State::status=$next/apt/status" -o "Dir::Cache=$next/apt/cache"
    -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any -o Acquire::Languages=none -o Acquire::Retries=1
    -o Acquire::http::Timeout=20 -o Acquire::https::Timeout=20)

quietly() { # REASON COMMAND…
    local reason=$1
    shift
    "$@" >"$next/log" 2>&1 9>&- && return
    tail -n 5 "$next/log" >&2
    lacks "$reason"
}

unpack() { # INTO DEB…
    local into=$1 name
    shift
    # As on an installed system, so that a library in /lib is found in /usr/lib.
    mkdir -p "$into"/usr/{bin,sbin,lib,lib64}
    for name in bin sbin lib lib64; do
        ln -sfn "usr/$name" "$into/$name"
    done
    for name in "$@"; do
        # Not dpkg-deb -x, which puts a directory in the place of such a link.
        dpkg-deb --fsys-tarfile "$name" | tar -x --keep-directory-symlink --no-same-owner -C "$into"
    done
    rm -rf "$into"/usr/share/{doc,iso-codes,locale,man} "${into:?}/var"
}

fetch() { # INTO PACKAGE…
    local into=$1
    shift
    quietly "the package registry gave no $*" apt-get "${apt[@]}" install -y --no-install-recommends --download-only \
        -o "Dir::Cache::archives=$next/debs" "$@"
    unpack "$into" "$next"/debs/*.deb
    rm "$next"/debs/*.deb
}

quietly "the package registry cannot be reached" apt-get "${apt[@]}" update
case $(sed -n 's/^ID=//p' /etc/os-release) in
    ubuntu) names="linux-image linux-modules linux-modules-extra" meta=linux-image-generic ;;
    *) names=linux-image meta=linux-image-amd64 ;;
esac
# The release is that of the image which the meta package stands for.
release=$(LC_ALL=C apt-cache "${apt[@]}" depends "$meta" 2>"$next/log" |
    sed -n 's/^ *Depends: linux-image-\([0-9]\)/\1/p' | head -n 1) || true
[ -n "$release" ] || lacks "the package registry knows no $meta"

fetch "$next/qemu" qemu-system-x86 kmod cpio busybox-static xz-utils zstd
fetch "$next/tools" perftest ibverbs-utils ibverbs-providers iproute2
for name in $names; do
    (cd "$next/debs" && quietly "the package registry gave no $name-$release" apt-get "${apt[@]}" download "$name-$release")
done
unpack "$next/kernel" "$next"/debs/*.deb

# Runs a program of qemu/ with the libraries of qemu/.
private() {
    local libraries=$next/qemu/usr/lib/x86_64-linux-gnu
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$@" 9>&-
}

# The kernel proper boots in half the time of its compressed image, which is the way out where it cannot be found inside.
image=$next/kernel/boot/vmlinuz-$release
cp "$image" "$next/vmlinux"
while IFS=: read -r offset _; do
    # Complains of what follows the kernel in the image.
    tail -c "+$((offset + 1))" "$image" | private "$next/qemu/bin/xz" -dc --single-stream >"$next/unpacked" 2>/dev/null || true
    if [ "$(head -c 4 "$next/unpacked" | tail -c 3)" = ELF ]; then
        mv "$next/unpacked" "$next/vmlinux"
        break
    fi
done < <(LC_ALL=C grep -obUaP '\xfd7zXZ\x00' "$image")

# Modules are named by the order in which they have to be loaded.
for tool in depmod modprobe; do
    ln -sfn kmod "$next/qemu/bin/$tool"
done
private "$next/qemu/bin/depmod" -b "$next/kernel" "$release"
number=100
for module in $MODULES; do
    while read -r verb file _; do
        name=$(basename "${file%.ko*}")
        if [ "$verb" != insmod ] || compgen -G "$next/ram/modules/*-$name.ko" >/dev/null; then
            continue
        fi
        number=$((number + 1))
        into=$next/ram/modules/$number-$name.ko
        case $file in
            *.xz) private "$next/qemu/bin/xz" -dc "$file" >"$into" ;;
            *.zst) private "$next/qemu/bin/zstd" -qdc "$file" >"$into" ;;
            *) cp "$file" "$into" ;;
        esac
    done < <(private "$next/qemu/bin/modprobe" -d "$next/kernel" -S "$release" --show-depends "$module")
done

# Only what it takes to reach the control share: all else is guest-init.sh, which may change without a new initrd.
cp "$next/qemu/bin/busybox" "$next/ram/bin/"
cat >"$next/ram/init" <<'INIT'
#!/bin/busybox sh
b=/bin/busybox
$b mkdir -p /proc /sys /dev /control
$b mount -t proc proc /proc
$b mount -t sysfs sys /sys
$b mount -t devtmpfs dev /dev
exec >/dev/ttyS0 2>&1
for module in /modules/*.ko; do
    $b insmod $module || $b echo "lab: $module does not load"
done
$b mount -t 9p -o trans=virtio,version=9p2000.L,msize=1048576,cache=none control /control && exec $b sh /control/guest-init.sh
$b echo "lab: no control share"
$b poweroff -f
INIT
chmod +x "$next/ram/init"
(cd "$next/ram" && find . | private "$next/qemu/bin/cpio" -o -H newc --quiet >"$next/initrd")

rm -rf "$next"/{apt,debs,kernel,ram,log,unpacked} "$lab"
touch "$next/complete"
mv "$next" "$lab"
# What no call has asked for in a month belongs to a text of this file that is gone.
find "$cache" -mindepth 2 -maxdepth 2 -name complete -mtime +30 -printf '%h\n' | while read -r old; do
    rm -rf "$old"
done
echo "$lab"
