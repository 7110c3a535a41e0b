#!/usr/bin/env bash
# Starts munged for a laboratory, with a key of its own and everything below one directory. One serves all nodes: they reach
# its socket by the file system.
# Usage: munge.sh DIRECTORY
set -euo pipefail
directory=$1/munge

mkdir -p "$directory"
chmod 755 "$directory"
(umask 077 && head -c 1024 /dev/urandom >"$directory/key")
munged --force --key-file="$directory/key" --socket="$directory/socket" --pid-file="$directory/pid" \
    --log-file="$directory/log" --seed-file="$directory/seed" --num-threads=4
[ -S "$directory/socket" ]
