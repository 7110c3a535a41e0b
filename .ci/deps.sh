#!/bin/sh
# Installs the Debian or Ubuntu packages that the build needs and that are missing; names them on other systems.
# Usage: .ci/deps.sh [PACKAGE…]    further packages beside those of the build
# When nothing is missing, it asks dpkg once and is done.
set -eu

# mpi: libopenmpi-dev, openmpi-bin; its bindings: libclang-dev; hwloc2: libhwloc-dev, pkg-config; PhysX: clang, g++.
# rdma-sys: libibverbs-dev, librdmacm-dev, and libclang-dev, pkg-config; ibverbs: cmake.
packages="clang cmake g++ libclang-dev libhwloc-dev libibverbs-dev libopenmpi-dev librdmacm-dev make openmpi-bin pkg-config $*"

if ! command -v cargo >/dev/null 2>&1; then
    echo "deps: cargo is missing. Install Rust 1.89 or newer from https://rustup.rs and open a new shell." >&2
    exit 1
fi

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    echo "deps: not a Debian or Ubuntu system. Make sure that you have the equivalents of: $packages"
    echo "deps: that is a C++ compiler, libclang, hwloc 2, rdma-core and an MPI, each with headers, cmake and pkg-config."
    exit 0
fi

# shellcheck disable=SC2086  # one word a package
present=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null || true)
missing=
for package in $packages; do
    case "
$present
" in
        *"
installed $package
"*) ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

sudo=
if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        echo "deps: missing:$missing. Neither root nor sudo: ask an administrator for  apt-get install$missing" >&2
        exit 1
    fi
    sudo=sudo
fi
echo "deps: installing$missing${sudo:+ through sudo}"
# env, since sudo drops the variable.
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
