# shellcheck shell=bash
# A job is swept over 1, 2, 4 and 8 nodes: as jobs of Slurm, each after the one before; then within one allocation, with two ranks a node
# on up to 4; then by the ready script, on up to 8.
# nodes: 8
# limit: 400
login() {
    local words last
    words=$(rankzero sweep "$JOB" --set time.steps=60 --nodes 1,2,4,8 --repeat 1 --dir jobs)
    last=$(sed -nE 's/.* queue; ([0-9]+), the last one, .*/\1/p' <<<"$words")
    becomes "$last" COMPLETED
    [ "$(grep -c '"outcome":"done"' jobs/results.jsonl)" = 4 ]
    for size in 1 2 4 8; do
        [ "$(grep -c "\"hosts\":$size,\"ranks_on_a_host\":1," jobs/results.jsonl)" = 1 ]
    done
    test -s jobs/report.html
    rankzero sweep --report jobs
    # Nothing is left to do but the report.
    rankzero sweep "$JOB" --set time.steps=60 --nodes 1,2,4,8 --repeat 1 --dir jobs | grep '^1 jobs are in the queue'

    salloc -Q -N4 --ntasks-per-node=2 rankzero sweep "$JOB" --set time.steps=60 --nodes 1,4 --repeat 2 --dir steps
    [ "$(grep -c '"hosts":4,"ranks_on_a_host":2,' steps/results.jsonl)" = 2 ]

    # The ready script. An argument of sbatch goes before its directives.
    sbatch -W "${JOB%/slurm/lab/*}/jobs/sweep.sbatch" "$JOB" --set time.steps=60 --repeat 1 --dir ready
    [ "$(grep -c '"outcome":"done"' ready/results.jsonl)" = 4 ]
    [ "$(grep -ho '"digest":"[0-9a-f]*"' jobs/results.jsonl steps/results.jsonl ready/results.jsonl | sort -u | wc -l)" = 1 ]
}
