# shellcheck shell=bash
# The MPI rung works beside an RDMA device, which some MPI libraries take up by themselves.
# test: mpi
# limit: 120

guest() {
    mpirun --allow-run-as-root --oversubscribe --bind-to none -n 2 \
        "$(built mpi)" --ignored --nocapture --test-threads=1 --exact ranks::ring
}
