#!/usr/bin/env bash
# Compares rungs of the fabric with plain programs of their libraries, on this machine, under the same launcher.
# Usage: bench/fabrics.sh mpi [RUNS [MPIRUN FLAGS...]]
#   mpi   comm/examples/pingpong beside bench/src/peers/pingpong.c (a plain MPI_Send/MPI_Recv), RUNS (9) times by turns.
#         Flags, by default: MPI over TCP, as between nodes without RDMA. "--mca pml ob1" alone: with shared memory.
# A line a size: median half round trips in µs; the median, least and greatest ratio of a run to the mean of the two plain runs beside
# it; and the ratio of the quickest batches of all runs, which is what a machine that nobody else uses would show.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() {
    echo "fabrics: usage: bench/fabrics.sh mpi [RUNS [MPIRUN FLAGS...]]" >&2
    exit 2
}

[ "${1:-}" = mpi ] || usage
shift
runs=${1:-9}
[[ $runs =~ ^[1-9][0-9]*$ ]] || usage
[ $# -eq 0 ] || shift
flags=("$@")
[ $# -gt 0 ] || flags=(--mca btl "tcp,self" --mca pml ob1)

cargo build --release -p rankzero-comm --example pingpong
ours=${CARGO_TARGET_DIR:-target}/release/examples/pingpong
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${MPICC:-mpicc}" -O2 -Wall -Wextra -o "$folder/plain" bench/src/peers/pingpong.c

launcher=(mpirun)
if mpirun --version | grep -Eq 'Open MPI|OpenRTE|PRRTE'; then
    launcher+=(--allow-run-as-root --oversubscribe --bind-to none)
fi

# measure NAME RUN PROGRAM...: lines "SIZE NAME RUN MEDIAN_US LEAST_US" into the table.
measure() {
    local name=$1 run=$2
    shift 2
    "${launcher[@]}" "${flags[@]}" -n 2 "$@" |
        awk -v name="$name" -v run="$run" '$3 == "half" { print $1, name, run, $6, $9 }' >>"$folder/table"
}

measure plain 0 "$folder/plain"
for ((run = 1; run <= runs; run++)); do
    measure ours "$run" "$ours" own 65536 brief
    measure plain "$run" "$folder/plain"
done

echo "mpirun ${flags[*]}, $runs runs by turns"
awk '
function sorted(values, n,   i, j, v) {
    for (i = 2; i <= n; i++) {
        v = values[i]
        for (j = i - 1; j > 0 && values[j] > v; j--) values[j + 1] = values[j]
        values[j + 1] = v
    }
}
function median(values, n) { return n % 2 ? values[(n + 1) / 2] : (values[n / 2] + values[n / 2 + 1]) / 2 }
{
    if (!($1 in seen)) { seen[$1] = 1; order[++sizes] = $1 }
    half[$1, $2, $3] = $4
    if (!(($1, $2) in least) || $5 < least[$1, $2]) least[$1, $2] = $5
    if ($3 > runs) runs = $3
}
END {
    printf "%8s %10s %10s %9s %9s %6s %-16s %s\n", "bytes", "plain µs", "ours µs", "plain MB/s", "ours MB/s", "ratio", "(spread)", "quickest: plain µs, ours µs, ratio"
    for (s = 1; s <= sizes; s++) {
        size = order[s]
        for (r = 1; r <= runs; r++) {
            plain[r] = half[size, "plain", r]
            ours[r] = half[size, "ours", r]
            ratio[r] = 2 * ours[r] / (plain[r] + half[size, "plain", r - 1])
        }
        sorted(plain, runs); sorted(ours, runs); sorted(ratio, runs)
        p = median(plain, runs); o = median(ours, runs)
        printf "%8d %10.2f %10.2f %9.1f %9.1f %7.2f (%.2f to %.2f) %9.2f %9.2f %6.2f\n", size, p, o, size / p, size / o,
            median(ratio, runs), ratio[1], ratio[runs], least[size, "plain"], least[size, "ours"],
            least[size, "ours"] / least[size, "plain"]
    }
}' "$folder/table"
