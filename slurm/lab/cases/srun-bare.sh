# shellcheck shell=bash
# srun starts the ranks without MPI, in one step: they meet in a directory.
# nodes: 4
# limit: 120
login() {
    RANKZERO_RENDEZVOUS=$PWD/meet srun -N4 --mpi=none rankzero run "$JOB" --run-dir run
    same_digest run
}
