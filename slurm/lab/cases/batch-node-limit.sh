# shellcheck shell=bash
# The node of the batch script loses its power, and then the time limit comes. Nobody is left who gets the script's signal: the ranks stop in
# time by themselves and put the job back into the queue, and it goes on from there.
# nodes: 4
# limit: 400
login() {
    # Long enough for any machine: it is not waited for.
    job=$(submit run 3 --tasks-per-node 2 --time 1 --checkpoint-before-s 25 --set time.steps=60000)
    reach run 20
    unplug n1
    patiently 120 has_restarted "$job"
    patiently 120 tells run restored
    reach run $(($(progress run) + 20))
    one_writer run
    same_epochs run
    scancel "$job"
    patiently 60 has_left "$job"
}
