# shellcheck shell=bash
# All nodes of a job are cut off together, and work on: Slurm takes them for lost and starts the job again elsewhere. The old ranks
# find that out by the run directory, which they still reach, and stop.
# nodes: 6
# limit: 400
login() {
    job=$(submit run 3 --set time.steps=6000 --set fault_tolerance.checkpoint.every_steps=50)
    reach run 60
    for node in n1 n2 n3; do part "$node"; done
    patiently 90 has_restarted "$job"
    becomes "$job" RUNNING
    for node in n1 n2 n3; do patiently 60 without "$node" rankzero; done
    becomes "$job" COMPLETED
    tells run restored
    one_writer run
    same_digest run
}
