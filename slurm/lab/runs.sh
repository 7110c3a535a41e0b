# shellcheck shell=bash
# What cases ask of runs: how far one is, how it ended, and whether its result is the undisturbed one.

# The value of a field of a summary.
summary_field() { # RUN FIELD
    sed -nE "s/^  \"$2\": \"?([^\",]*)\"?,?\$/\1/p" "$1/summary.json"
}

# Fails unless a run has ended with the digest of a run of as many steps that nobody disturbed.
same_digest() { # RUN
    local steps digest
    steps=$(summary_field "$1" steps)
    digest=$(summary_field "$1" digest)
    grep -qx "$steps $digest" "$LAB_RESULTS/peace" || fail "$1: digest $digest after $steps steps is not the undisturbed one"
    same_epochs "$1"
}

# Fails unless every epoch that the journal tells of has the undisturbed digest.
same_epochs() { # RUN
    local wrong
    wrong=$(epochs "$1" | grep -vxF -f "$LAB_RESULTS/peace" || true)
    [ -z "$wrong" ] || fail "$1: $(wc -l <<<"$wrong") epochs with other digests, the first: $(head -n 1 <<<"$wrong")"
}

# Lines "STEP DIGEST" for the epochs of a run so far.
epochs() { # RUN
    sed -nE '/"event":"epoch"/s/.*"digest":"([0-9a-f]+)".*"step":([0-9]+),.*/\2 \1/p' "$1/events.jsonl" 2>/dev/null || true
}

# The last step of which a run has an epoch.
progress() { # RUN
    epochs "$1" | tail -n 1 | cut -d' ' -f1
}

# Whether a run has come that far.
has_reached() { # RUN STEP
    local now
    now=$(progress "$1")
    [ "${now:-0}" -ge "$2" ]
}

# Waits until a run has come that far.
reach() { # RUN STEP
    patiently 90 has_reached "$1" "$2"
}

# Whether the journal of a run tells of an event.
tells() { # RUN EVENT
    grep -q "\"event\":\"$2\"" "$1/events.jsonl"
}

# The state of a job: PENDING, RUNNING, COMPLETED, …
state_of() { # JOB
    scontrol show job -o "$1" | sed -nE 's/.* JobState=([A-Z_]+).*/\1/p'
}

is_in_state() { # JOB STATE
    [ "$(state_of "$1")" = "$2" ]
}

# Waits until a job is in a state.
becomes() { # JOB STATE
    patiently 120 is_in_state "$@"
}

# Starts the job in an allocation of its own, as a person at the login node would: one step a node, which is what survives most.
# Rank 0 is on n1, rank 1 on n2, and so on; all of it is in the background, its words are in RUN.log.
start() { # RUN NODES WORD…
    local run=$1 nodes=$2
    shift 2
    salloc -Q --no-kill -N"$nodes" "${JOB%/*}/per-node.sh" "$JOB" --run-dir "$run" "$@" >"$run.log" 2>&1 &
}

# Fails unless a run has ended, and as it would have undisturbed.
finished() { # RUN
    wait || { cat "$1.log"; fail "$1: what started it ended with status $?"; }
    same_digest "$1"
}

# Kills what runs a program on a node.
kill_on() { # NODE PROGRAM
    # shellcheck disable=SC2016  # for the shell on the node
    in_node "$1" sh -c '
        for process in /proc/[0-9]*; do
            [ "$(cat "$process/comm")" != "$1" ] || { kill -KILL "${process#/proc/}" && killed=yes; }
        done
        [ -n "$killed" ]' sh "$2"
}
