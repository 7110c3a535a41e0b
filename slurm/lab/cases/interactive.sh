# shellcheck shell=bash
# An interactive allocation: several runs, one after the other, and a task with a terminal.
# nodes: 2
# limit: 120
login() {
    # shellcheck disable=SC2016  # for the shell in the allocation
    salloc -Q -N2 bash -ec '
        srun --mpi=pmix rankzero run "$1" --run-dir one --set time.steps=50
        srun --mpi=pmix rankzero run "$1" --run-dir two --set time.steps=60
        srun -N1 -n1 --pty rankzero run "$1" --run-dir three --set time.steps=70 </dev/null' sh "$JOB"
    for run in one two three; do same_digest "$run"; done
}
