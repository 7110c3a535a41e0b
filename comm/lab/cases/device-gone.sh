# shellcheck shell=bash
# The device is removed in the middle of a run over RDMA and comes back: the run goes on by another rung, and by RDMA again,
# to the same digest.
# program: yes
# alone: yes
# limit: 150

job=(launch jobs/two-blocks.yaml -n 3 --set time.steps=150)

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
    until grep -qs '"to":"mpi"' "$runs/gone/events.jsonl"; do
        kill -0 "$run"
        sleep 0.1
    done
    rdma link add rxe0 type rxe netdev eth0
    wait "$run"
    cp "$runs/gone/summary.json" "$LAB_OUT/gone.json"
    diff <(grep '"digest"' "$LAB_OUT/shm/summary.json") <(grep '"digest"' "$runs/gone/summary.json")
    grep '"rung_changed"' "$runs/gone/events.jsonl"
    # Away from verbs and back, with each of two peers.
    grep -q '"rung_changes": [4-9]' "$runs/gone/summary.json"
    grep -q '"paths": "verbs (2 peers)"' "$runs/gone/summary.json"
}
