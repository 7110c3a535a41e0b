# shellcheck shell=bash
# A job is submitted; then one for each number of an array; and one that waits for them.
# nodes: 4
# limit: 300
login() {
    job=$(submit run 4 --set time.steps=300)
    array=$(submit study 2 --array 100,200,300 --array-field time.steps)
    after=$(submit after 2 --set time.steps=100 --dependency "afterok:$job:$array")
    becomes "$after" COMPLETED
    is_in_state "$job" COMPLETED
    for run in run study-100 study-200 study-300 after; do same_digest "$run"; done
    [ "$(summary_field study-200 steps)" = 200 ]
}
