# shellcheck shell=bash
# slurmstepd of a node is killed, and with it the tie between a task and srun.
# nodes: 3
# limit: 120
login() {
    start run 3
    reach run 40
    kill_on n2 slurmstepd
    finished run
}
