#!/usr/bin/env bash
# The first process of a node: makes the namespaces that it was born into a machine, starts slurmd, and reaps orphans.
# Usage: node.sh NAME       by cluster.sh, which gives it the interface eth0
set -euo pipefail
name=$1

hostname "$name"
mount -t tmpfs -o mode=1777 shm /dev/shm
mount -t tmpfs -o mode=1777 tmp "$LAB_RIG/tmp"
ip link set lo up
until ip link show eth0 >/dev/null 2>&1; do sleep 0.02; done
ip address add "10.77.0.$((10 + ${name#n}))/24" dev eth0
ip link set eth0 up

# slurmd starts again when it is told to: slurmd alone may be killed.
trap 'slurmd -D -N "$name" </dev/null >>"$LAB_LOG/slurmd.$name.out" 2>&1 &' USR1
kill -USR1 $$
while :; do
    sleep infinity &
    wait $! || true
done
