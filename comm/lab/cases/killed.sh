# shellcheck shell=bash
# A rank is killed in the middle of a run over RDMA: the others name it within seconds, and the run ends with code 4.
# program: yes
# limit: 90

guest() {
    local runs run victim begun status=0
    runs=$(mktemp -d)
    "$(built rankzero)" -v launch jobs/two-blocks.yaml -n 3 --set time.steps=2000 --set network.fabric=verbs \
        --run-dir "$runs/killed" 2>"$LAB_OUT/stderr" &
    run=$!
    until grep -qs '"epoch"' "$runs/killed/events.jsonl"; do
        kill -0 "$run"
        sleep 0.1
    done
    victim=$(grep '"rank_started"' "$runs/killed/events.jsonl" | grep '"rank":2' | sed 's/.*"pid":\([0-9]*\).*/\1/')
    begun=$(date +%s%N)
    kill -KILL "$victim"
    wait "$run" || status=$?
    echo "the run ended with status $status after $((($(date +%s%N) - begun) / 1000000)) ms"
    cat "$LAB_OUT/stderr"
    [ "$status" -eq 4 ]
    grep -q 'rank 2 failed while rank 0 waited' "$LAB_OUT/stderr"
    grep -q 'rank 2 failed while rank 1 waited' "$LAB_OUT/stderr"
}
