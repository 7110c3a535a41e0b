# shellcheck shell=bash
# srun starts the ranks through MPI; this needs nothing else.
# nodes: 4
# limit: 120
login() {
    srun -N4 --ntasks-per-node=2 --mpi=pmix rankzero run "$JOB" --run-dir run
    same_digest run
}
