# shellcheck shell=bash
# srun alone, as it stands in a shell: with MPI, which tells the ranks of each other, and without, where they meet in a directory.
# nodes: 4
# limit: 180
login() {
    srun -N2 --ntasks-per-node=2 --mpi=pmix rankzero run "$JOB" --run-dir pmix --set time.steps=200
    same_digest pmix
    RANKZERO_RENDEZVOUS=$PWD/meet srun -N4 --mpi=none rankzero run "$JOB" --run-dir none --set time.steps=200
    same_digest none
}
