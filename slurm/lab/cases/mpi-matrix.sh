# shellcheck shell=bash
# The same job with each MPI, under srun and under its own mpirun, in peace and with a task killed: prints what came of it. It wants a
# rankzero for each, by build-mpis.sh, so it runs only where it is named. LAB_MPIS is a file of lines NAME HOME PROGRAM.
# nodes: 3
# limit: 900
# by hand: yes

# One cell: how a run ended that COMMAND started.
cell() { # NAME COMMAND…
    local run=$1 status=0 loss=none
    shift
    timeout 90 "$@" "$JOB" --run-dir "$run" --set time.steps=1000 >"$run.log" 2>&1 &
    local starter=$!
    if [[ $run = *-killed ]]; then
        loss=killed
        # A subshell, which alone ends where the run does not begin.
        (patiently 40 has_reached "$run" 30) || true
        kill_on n2 rankzero || loss='not killed'
    fi
    wait "$starter" || status=$?
    local digest='no result'
    if [ -e "$run/summary.json" ]; then
        # A subshell, which alone ends where it is another one.
        digest="digest other after $(summary_field "$run" steps) steps"
        ! (same_digest "$run") >/dev/null 2>&1 || digest='digest same'
    fi
    printf '%-28s %-10s status %-4s %s\n' "$run" "$loss" "$status" "$digest" | tee -a matrix
}

# The words of an mpirun that keeps the survivors of a lost rank.
surviving_mpirun() { # MPI
    case $1 in
        openmpi4) mpirun=(mpirun --enable-recovery --mca plm_slurm_args '--no-kill --kill-on-bad-exit=0' --map-by node) ;;
        openmpi*) mpirun=(mpirun --with-ft ulfm --prtemca plm_slurm_args '--no-kill --kill-on-bad-exit=0' --map-by node) ;;
        mpich) mpirun=(mpiexec -disable-auto-cleanup -ppn 1) ;;
    esac
}

login() {
    local mpi home program fate plugin
    export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 PRTE_ALLOW_RUN_AS_ROOT=1 PRTE_ALLOW_RUN_AS_ROOT_CONFIRM=1
    survive=(--no-kill --kill-on-bad-exit=0 --wait=0)
    : >matrix
    while read -r mpi home program; do
        plugin=pmix
        [ "$mpi" != mpich ] || plugin=pmi2
        surviving_mpirun "$mpi"
        (
            PATH=$(dirname "$program"):$home/bin:$PATH
            export LD_LIBRARY_PATH=$home/lib
            for fate in peace killed; do
                cell "$mpi-srun-$fate" salloc -Q --no-kill -N3 srun "${survive[@]}" --mpi="$plugin" rankzero run
                cell "$mpi-mpirun-$fate" salloc -Q --no-kill -N3 "${mpirun[@]}" -n 3 rankzero run
            done
        ) </dev/null
    done <"${LAB_MPIS:?lines NAME HOME PROGRAM, as build-mpis.sh prints them}"
    ! grep peace matrix | grep -v 'digest same'
}
