# shellcheck shell=bash
# The device is removed in the middle of a run over RDMA: the run goes on by another rung, to the same digest.
# program: yes
# alone: yes
# limit: 120

job=(launch jobs/two-blocks.yaml -n 3 --set time.steps=60)

host() {
    "$(built rankzero)" "${job[@]}" --run-dir "$LAB_OUT/shm"
}

guest() {
    local runs run
    runs=$(mktemp -d)
    "$(built rankzero)" -v "${job[@]}" --set network.fabric=verbs --run-dir "$runs/gone" &
    run=$!
    # The first epoch is in the middle of the run.
    until grep -qs '"epoch"' "$runs/gone/events.jsonl"; do
        kill -0 "$run"
        sleep 0.1
    done
    rdma link delete rxe0
    wait "$run"
    cp "$runs/gone/summary.json" "$LAB_OUT/gone.json"
    diff <(grep '"digest"' "$LAB_OUT/shm/summary.json") <(grep '"digest"' "$runs/gone/summary.json")
    grep -q '"rung_changes": [1-9]' "$runs/gone/summary.json"
    grep -q '"paths": "mpi (2 peers)"' "$runs/gone/summary.json"
}
