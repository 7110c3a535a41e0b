#!/usr/bin/env bash
# The RDMA laboratory: runs the cases of comm/lab/cases, or those named, in virtual machines with an RDMA device in
# software. The last line is "N passed, N failed"; what the cases wrote is left in target/lab-rdma.
# Where this machine cannot, that is one loud line and status 0, or 77 with --strict. Likewise for a single case.
# Usage: comm/lab/run.sh [--strict] [CASE…]        docs/contributing.md says what a case is
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."
# shellcheck source=../../.ci/lab.sh
. .ci/lab.sh
begin_lab lab-rdma "$here" 'the verbs rung is'
choose_cases "$@"

# Notes what a case ended with, unless that is known already.
failed() { # CASE REASON
    if ! accounted "$1"; then
        echo "FAIL $1: $2"
        echo "FAIL $1" >>"$LAB_RESULTS/outcomes"
    fi
}

status=0
"$here/setup.sh" >/dev/null 2> >(tee "$LAB_RESULTS/setup" >&2) || status=$?
[ "$status" -ne 77 ] || skip_lab "$(tail -n 1 "$LAB_RESULTS/setup")"
[ "$status" -eq 0 ] || exit "$status"

# Builds what the cases name, here, where it is fast.
tests=() program=0
for name in "${cases[@]}"; do
    test=$(head_of "$name" test)
    [ -z "$test" ] || [ ! -e "comm/tests/$test.rs" ] || tests+=(--test "$test")
    [ -z "$(head_of "$name" program)" ] || program=1
done
[ ${#tests[@]} -eq 0 ] || executables test --no-run -p rankzero-comm "${tests[@]}"
[ "$program" -eq 0 ] || executables build -p rankzero --bin rankzero

# Cases that want the same machine share it, one after the other, unless they spoil it.
declare -A groups limits
for name in "${cases[@]}"; do
    mkdir "$LAB_RESULTS/$name"
    limit=$(head_of "$name" limit)
    if ! interruptible timeout -k 5 "$limit" "$here/case.sh" host "$name" >"$LAB_RESULTS/$name/host.log" 2>&1; then
        tail -n 30 "$LAB_RESULTS/$name/host.log" | sed 's/^/    | /'
        failed "$name" "outside of the guest"
        continue
    fi
    [ -z "$(head_of "$name" alone)" ] && group="$(head_of "$name" vm)#" || group="$(head_of "$name" vm)#$name"
    groups[$group]+=" $name"
    limits[$group]=$((${limits[$group]:-120} + limit))
done

for group in "${!groups[@]}"; do
    read -ra names <<<"${groups[$group]}"
    read -ra options <<<"${group%%#*}"
    console=$LAB_RESULTS/console-${names[0]}
    echo "lab-rdma: booting the guest for ${names[*]}"
    status=0
    interruptible "$here/vm.sh" --limit "${limits[$group]}" --console "$console" --share "$LAB_RESULTS" \
        ${options[@]+"${options[@]}"} -- "$here/in-guest.sh" "${names[@]}" 2> >(tee "$LAB_RESULTS/vm" >&2) || status=$?
    # Not a word from the kernel: qemu itself is what does not run here.
    if [ "$status" -eq 125 ] && [ ! -s "$console" ]; then
        skip_lab "qemu does not start: $(head -n 1 "$LAB_RESULTS/vm")"
    fi
    for name in "${names[@]}"; do
        failed "$name" "the guest ended with status $status before it did"
    done
    grep -E 'BUG:|Oops|blocked for more than' "$console" | sed 's/^/lab-rdma: the kernel says: /' || true
done

finish_lab
