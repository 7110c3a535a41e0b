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
    [ -z "$wrong" ] || fail "$1: epochs with other digests: $wrong"
}

# Lines "STEP DIGEST" for the epochs of a run so far.
epochs() { # RUN
    sed -nE 's/^\{"event":"epoch","step":([0-9]+),.*"digest":"([0-9a-f]+)".*/\1 \2/p' "$1/events.jsonl" 2>/dev/null || true
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
    grep -q "^{\"event\":\"$2\"" "$1/events.jsonl"
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
