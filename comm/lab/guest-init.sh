#!/bin/busybox sh
# shellcheck shell=dash
# The guest's first process, after /init of the initrd: makes the host's file system the root, brings up the network and
# rxe0, runs /control/command, and leaves its status in /control/status. Its own words go to the console.
b=/bin/busybox

say() {
    $b echo "lab: $($b cut -d' ' -f1 /proc/uptime) s: $*"
}

off() {
    $b sync
    $b poweroff -f
}

# Without a status the runner knows that the command never ran.
fatal() {
    say "$*"
    off
}

share() { # TAG DIRECTORY OPTIONS
    $b mkdir -p "$2"
    $b mount -t 9p -o "trans=virtio,version=9p2000.L,msize=1048576,access=any,$3" "$1" "$2"
}

say "userland"
# MTU ADDRESS RXE SHELL
# shellcheck source=/dev/null
. /control/settings

# The host's files first, then the tools that it does not have; what is written goes to memory.
share host /host ro,cache=loose || fatal "the host's files cannot be mounted"
share tools /tools ro,cache=loose || fatal "the tools cannot be mounted"
$b mkdir -p /memory /new
$b mount -t tmpfs -o size=75% memory /memory
$b mkdir -p /memory/upper /memory/work
$b mount -t overlay -o lowerdir=/host:/tools,upperdir=/memory/upper,workdir=/memory/work,xino=off overlay /new ||
    fatal "the overlay cannot be mounted"
$b mkdir -p /new/proc /new/sys /new/dev /new/run /new/tmp
$b mount -t proc proc /new/proc
$b mount --rbind /sys /new/sys
$b mount --rbind /dev /new/dev
$b mkdir -p /new/dev/pts /new/dev/shm
$b mount -t devpts -o mode=620,ptmxmode=666 devpts /new/dev/pts
$b mount -t tmpfs -o size=50% shm /new/dev/shm
$b mount -t tmpfs run /new/run
$b ln -sfn /proc/self/fd /dev/fd
$b ln -sfn /proc/self/fd/0 /dev/stdin
$b ln -sfn /proc/self/fd/1 /dev/stdout
$b ln -sfn /proc/self/fd/2 /dev/stderr
$b mkdir -p /new/run/control
$b mount --bind /control /new/run/control
while read -r tag directory; do
    share "$tag" "/new$directory" rw,cache=none || fatal "$directory cannot be mounted"
done </control/shares

# The address exists nowhere but here: eth0 leads to no other machine.
$b hostname rdma-lab
$b ip link set lo up
$b ip link set dummy0 name eth0
# Without it the link-local GID is not usable for the first seconds.
$b echo 0 >/proc/sys/net/ipv6/conf/eth0/accept_dad
$b ip link set eth0 mtu "$MTU"
$b ip addr add "$ADDRESS" dev eth0
$b ip link set eth0 up
if [ "$RXE" = 1 ]; then
    # Debian has it in /usr/bin, Ubuntu in /sbin.
    PATH=/usr/sbin:/usr/bin $b chroot /new rdma link add rxe0 type rxe netdev eth0 || fatal "rxe0 cannot be made"
fi
{
    $b cat /new/etc/hosts
    $b echo "${ADDRESS%/*} rdma-lab"
} >/hosts
[ -e /new/etc/hosts ] || $b touch /new/etc/hosts
$b mount --bind /hosts /new/etc/hosts

ulimit -l unlimited
ulimit -n 65536
ulimit -c 0
say "runs the command"
if [ "$SHELL" = 1 ]; then
    # A session of its own on the virtual console, so that keys like ^C work.
    $b setsid -c $b chroot /new /bin/bash /run/control/command </dev/hvc0 >/dev/hvc0 2>&1
    status=$?
else
    for port in /sys/class/virtio-ports/*; do
        case "$($b cat "$port/name")" in
            lab.out) out=/dev/${port##*/} ;;
            lab.err) err=/dev/${port##*/} ;;
        esac
    done
    # Programs get pipes, as they would from a pipeline: the ports are peculiar about being opened twice.
    $b mkfifo /out /err
    $b cat /out >"$out" &
    cat_out=$!
    $b cat /err >"$err" &
    cat_err=$!
    $b chroot /new /bin/bash /run/control/command >/out 2>/err </dev/null
    status=$?
    # What the command left behind holds the pipes open, and would hold up the end.
    $b kill -KILL -1
    wait "$cat_out" "$cat_err"
fi
say "status $status"
$b dmesg >/control/dmesg
$b echo "$status" >/control/status
off
