# shellcheck shell=bash
# A run over RDMA has the digest of one over shared memory; a run that goes down to MPI and TCP and up again, too.
# program: yes
# limit: 150

job=(launch jobs/two-blocks.yaml -n 4 --set time.steps=30)

host() {
    "$(built rankzero)" "${job[@]}" --run-dir "$LAB_OUT/shm"
}

same_digest() { # RUN
    diff <(grep '"digest"' "$LAB_OUT/shm/summary.json") <(grep '"digest"' "$1/summary.json")
    cp "$1/summary.json" "$LAB_OUT/$(basename "$1").json"
}

guest() {
    local runs
    runs=$(mktemp -d)
    "$(built rankzero)" "${job[@]}" --set network.fabric=verbs --run-dir "$runs/verbs"
    same_digest "$runs/verbs"
    grep '"fabric"' "$runs/verbs/events.jsonl"
    grep -q '"paths": "verbs (3 peers)"' "$runs/verbs/summary.json"
    grep -q '"rung_changes": 0' "$runs/verbs/summary.json"

    RANKZERO_FAULTS=5:break:verbs,10:break:mpi,15:mend:verbs \
        "$(built rankzero)" -v "${job[@]}" --set network.fabric=verbs --run-dir "$runs/ladder"
    same_digest "$runs/ladder"
    # From verbs to MPI, to TCP, and up again, with each of three peers.
    grep -q '"rung_changes": 9' "$runs/ladder/summary.json"
    grep -q '"paths": "verbs (3 peers)"' "$runs/ladder/summary.json"
}
