# shellcheck shell=bash
# A node crashes, and the node that stands by takes its place.
# nodes: 5
# limit: 200
login() {
    start run 5 -n 4 --set time.steps=6000
    reach run 40
    crash n3
    patiently 90 tells run rank_joined
    grep rank_joined run/events.jsonl | grep -F "\"host\":\"n5\""
    finished run
}
