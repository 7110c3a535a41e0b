# shellcheck shell=bash
# A task is killed: a new one takes its place, on the same node.
# nodes: 3
# limit: 300
login() {
    start run 3 --set time.steps=4000 --set fault_tolerance.newcomers=auto
    reach run 40
    kill_on n2 rankzero
    patiently 90 tells run rank_joined
    grep rank_joined run/events.jsonl | grep -F '"host":"n2"'
    finished run
    [ "$(summary_field run ranks)" -eq 3 ]
}
