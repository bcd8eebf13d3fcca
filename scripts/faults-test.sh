#!/bin/sh
# Kills parts of a cluster under load, and checks that every activation that a client was told of ends in one record:
#
#     scripts/faults-test.sh [ARGUMENT...]    arguments go to the tests, for example a part of their names (faults::)
#
# The cluster is one of its own, beside any that is up, and is gone afterwards. BINARIES is where controller, invoker and
# wskadmin are (target/debug). OXWHISK_FAULTS_LOGS is a folder that keeps the cluster's logs.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
export BINARIES="${BINARIES:-$target/debug}"
state=$(mktemp -d "${TMPDIR:-/tmp}/oxwhisk-faults-test.XXXXXX")
export OXWHISK_CLUSTER_DIR="$state/cluster" OXWHISK_E2E_USERS="$state/users.json"
# Any port but those of other clusters.
export OXWHISK_CLUSTER_PORT="${OXWHISK_CLUSTER_PORT:-3643}" OXWHISK_CLUSTER_MEMORY="${OXWHISK_CLUSTER_MEMORY:-2048m}"

finish() {
    code=$?
    trap - EXIT INT TERM
    if [ -n "${OXWHISK_FAULTS_LOGS:-}" ] && [ -d "$OXWHISK_CLUSTER_DIR/logs" ]; then
        mkdir -p "$OXWHISK_FAULTS_LOGS"
        cp "$OXWHISK_CLUSTER_DIR"/logs/*.log "$OXWHISK_FAULTS_LOGS"
    elif [ "$code" -ne 0 ] && [ -d "$OXWHISK_CLUSTER_DIR/logs" ]; then
        for log in "$OXWHISK_CLUSTER_DIR"/logs/*.log; do
            echo "-- $(basename "$log")"
            tail -n 40 "$log"
        done
    fi
    scripts/cluster.sh down || true
    rm -rf "$state"
    exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cargo build --locked --quiet -p oxwhisk-e2e --bin oxwhisk-e2e-users
"$target/debug/oxwhisk-e2e-users" >"$OXWHISK_E2E_USERS"
scripts/cluster.sh up
export OXWHISK_E2E_FAULTS=1
[ $# -gt 0 ] || set -- faults::
cargo test --locked -p oxwhisk-e2e --test it -- --test-threads=1 "$@"
