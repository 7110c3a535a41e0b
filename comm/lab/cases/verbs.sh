# shellcheck shell=bash
# The tests of the verbs rung, one after the other.
# test: verbs
# limit: 180

guest() {
    [ -n "$(built verbs)" ] || skip "comm/tests/verbs.rs is not there"
    RANKZERO_LAB_RDMA=1 "$(built verbs)" --test-threads=1 --nocapture
}
