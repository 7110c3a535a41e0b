# shellcheck shell=bash
# A node crashes, and the node that stands by takes its place.
# nodes: 4
# limit: 300
login() {
    start run 4 -n 3 --set time.steps=4000 --set fault_tolerance.newcomers=auto
    reach run 40
    crash n2
    patiently 90 tells run rank_joined
    grep rank_joined run/events.jsonl | grep -F '"host":"n4"'
    finished run
    [ "$(summary_field run ranks)" -eq 3 ]
}
