#!/usr/bin/env bash
# Runs a command in a virtual machine that has an RDMA device in software (rxe0 on the interface eth0, soft-RoCE) and sees
# this machine's files: current directory and environment are those of the caller, the exit status, stdout and stderr
# those of the command. What the command writes is gone with the machine, but for the directories named by --share.
# All of it is emulated (no KVM, no root), and no traffic leaves it.
# Usage: comm/lab/vm.sh [OPTION…] [--] COMMAND [ARGUMENT…]
#        comm/lab/vm.sh [OPTION…] --shell     an interactive shell; `exit` ends the machine
#   --limit SECONDS      ends it after so long, with status 124 (300; 86400 for a shell)
#   --cpus N             processors (2)
#   --memory MIB         memory, of which programs' files take up to three quarters (2048)
#   --mtu BYTES          MTU of eth0 (1500, which gives RDMA an MTU of 1024; 4200 gives 4096)
#   --address IP/BITS    address of eth0 (10.77.0.1/24)
#   --no-rxe             eth0 only, without an RDMA device
#   --share DIRECTORY    writable there, at the same path (may be given several times)
#   --console FILE       where the kernel's messages are left
# Status 125: the command did not run or did not end. 77: this machine lacks something; stderr says what.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

usage() {
    echo "vm: $1; see the head of $here/vm.sh" >&2
    exit 2
}

limit='' cpus=2 memory=2048 mtu=1500 address=10.77.0.1/24 rxe=1 shell=0 console='' shares=()
while [ $# -gt 0 ]; do
    case $1 in
        --no-rxe) rxe=0 ;;
        --shell) shell=1 ;;
        --limit | --cpus | --memory | --mtu | --address | --share | --console)
            [ $# -ge 2 ] || usage "$1 wants a value"
            case $1 in
                --limit) limit=$2 ;;
                --cpus) cpus=$2 ;;
                --memory) memory=$2 ;;
                --mtu) mtu=$2 ;;
                --address) address=$2 ;;
                --share) shares+=("$(realpath -e "$2")") ;;
                --console) console=$2 ;;
            esac
            shift
            ;;
        --)
            shift
            break
            ;;
        -*) usage "no option $1" ;;
        *) break ;;
    esac
    shift
done
if [ "$shell" = 1 ]; then
    [ $# -eq 0 ] || usage "--shell takes no command"
    [ -t 0 ] || usage "--shell wants a terminal"
    set -- /bin/bash -i
fi
[ $# -gt 0 ] || usage "no command"
limit=${limit:-$((shell ? 86400 : 300))}

lab=$("$here/setup.sh")

work=$(mktemp -d "${TMPDIR:-/tmp}/rankzero-lab.XXXXXX")
machine=''
# shellcheck disable=SC2317  # called by the trap
cleanup() {
    trap '' INT TERM HUP
    if [ -n "$machine" ]; then
        { kill "$machine" && wait "$machine"; } 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

control=$work/control
mkdir "$control"
cp "$here/guest-init.sh" "$control/"
printf '%s\n' "MTU=$mtu" "ADDRESS=$address" "RXE=$rxe" "SHELL=$shell" >"$control/settings"
{
    export -p | grep -vE '^declare -x (HOSTNAME|LD_PRELOAD)='
    # /root of another user, say, is not there for the guest either.
    printf 'cd %q || exit 125\nexec' "$PWD"
    printf ' %q' "$@"
    echo
} >"$control/command"

drives=()
drive() { # TAG DIRECTORY READONLY
    # Commas separate qemu's options; a doubled one stands for itself.
    drives+=(-fsdev "local,id=$1,path=${2//,/,,},security_model=none,multidevs=remap,readonly=$3"
        -device "virtio-9p-pci,fsdev=$1,mount_tag=$1")
}
drive host / on
drive tools "$lab/tools" on
drive control "$control" off
: >"$control/shares"
for directory in ${shares[@]+"${shares[@]}"}; do
    tag=share$((${#drives[@]} / 4))
    drive "$tag" "$directory" off
    echo "$tag $directory" >>"$control/shares"
done

libraries=$lab/qemu/usr/lib/x86_64-linux-gnu
qemu=(env -u LD_PRELOAD "QEMU_MODULE_DIR=$libraries/qemu"
    "$libraries/ld-linux-x86-64.so.2" --library-path "$libraries" "$lab/qemu/usr/bin/qemu-system-x86_64"
    -L "$lab/qemu/usr/share/qemu" -L "$lab/qemu/usr/share/seabios"
    # One emulating thread for each processor; -cpu max has what compiled Rust may ask for.
    -accel "tcg,thread=multi" -cpu max -smp "$cpus" -m "$memory" -nodefaults -nic none -display none -no-reboot
    -kernel "$lab/vmlinux" -initrd "$lab/initrd"
    -append "console=ttyS0 quiet panic=-1 nokaslr mitigations=off random.trust_cpu=1 net.ifnames=0"
    -serial "file:$work/console" -device virtio-serial-pci "${drives[@]}")

status=0
if [ "$shell" = 1 ]; then
    # In the foreground: the keyboard, ^C included, is the guest's.
    timeout --foreground -k 5 "$limit" "${qemu[@]}" -chardev stdio,id=tty,signal=off -device virtconsole,chardev=tty || status=$?
else
    mkfifo "$work/out" "$work/err"
    cat "$work/out" &
    cat_out=$!
    cat "$work/err" >&2 &
    cat_err=$!
    # Open here as well, so that the two end when this script says so, whatever becomes of qemu.
    exec 7>"$work/out" 8>"$work/err"
    # In the background and waited for, since a shell attends to a signal only then.
    timeout -k 5 "$limit" "${qemu[@]}" \
        -chardev "file,id=out,path=$work/out" -device virtserialport,chardev=out,name=lab.out \
        -chardev "file,id=err,path=$work/err" -device virtserialport,chardev=err,name=lab.err \
        </dev/null >"$work/qemu" 2>&1 7>&- 8>&- &
    machine=$!
    wait "$machine" || status=$?
    machine=''
    exec 7>&- 8>&-
    wait "$cat_out" "$cat_err" || true
fi

touch "$work/console" "$work/qemu"
if [ -n "$console" ]; then
    cat "$work/console" >"$console"
    # All that the kernel said, where it came to the end.
    [ ! -e "$control/dmesg" ] || cat "$control/dmesg" >>"$console"
fi
if [ -s "$control/status" ]; then
    exit "$(cat "$control/status")"
fi
tail -q -n 10 "$work/qemu" "$work/console" >&2
if [ "$status" -eq 124 ] || [ "$status" -eq 137 ]; then
    echo "vm: not done within $limit s" >&2
    exit 124
fi
echo "vm: the guest left no status (qemu's: $status)" >&2
exit 125
