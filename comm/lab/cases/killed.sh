# shellcheck shell=bash
# Rank 0 is killed in the middle of a run over RDMA: the others fence it off, elect a new rank 0, restore the last epoch and finish with
# the digest of a run that nobody disturbed.
# program: yes
# limit: 120

job=(launch jobs/two-blocks.yaml -n 3 --set time.steps=150)

host() {
    "$(built rankzero)" "${job[@]}" --run-dir "$LAB_OUT/peace"
}

guest() {
    local runs
    runs=$(mktemp -d)
    RANKZERO_FAULTS='50%:kill:0' "$(built rankzero)" -v "${job[@]}" --set network.fabric=verbs --run-dir "$runs/killed"
    cp "$runs/killed/summary.json" "$LAB_OUT/killed.json"
    diff <(grep '"digest"' "$LAB_OUT/peace/summary.json") <(grep '"digest"' "$runs/killed/summary.json")
    grep '"recovered"' "$runs/killed/events.jsonl"
    grep -q '"paths": "verbs (1 peer)"' "$runs/killed/summary.json"
}
