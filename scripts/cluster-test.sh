#!/bin/sh
# Runs the end-to-end tests of the standalone server, from the same files, against a cluster of this machine:
#
#     scripts/cluster-test.sh [ARGUMENT...]    arguments go to the tests, for example a part of their names
#
# The cluster is one of its own, beside any that is up, and is gone afterwards. Tests that need a server of their own start a
# controller and an invoker, with the cluster's Kafka, CouchDB and certificates and names of their own in these. Those about what
# only the standalone server has say that they are skipped. BINARIES is where controller and invoker are (target/debug). With
# OXWHISK_CLUSTER_CONTAINERS=docker its invokers make containers with Docker, and two more tests, at the end, kill and stop one
# of them.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"
target=${CARGO_TARGET_DIR:-$root/target}
export BINARIES="${BINARIES:-$target/debug}"
state=$(mktemp -d "${TMPDIR:-/tmp}/oxwhisk-cluster-test.XXXXXX")
export OXWHISK_CLUSTER_DIR="$state/cluster" OXWHISK_E2E_USERS="$state/users.json"
# Any port but that of a cluster that is used.
export OXWHISK_CLUSTER_PORT="${OXWHISK_CLUSTER_PORT:-3543}"
# Where the tests have a collector of their own, once they run; and what else they look at.
export OXWHISK_CLUSTER_OTLP="${OXWHISK_CLUSTER_OTLP:-http://127.0.0.1:$((OXWHISK_CLUSTER_PORT + 1))}"
export OXWHISK_CLUSTER_EVENTS=1
# Tests run at the same time, and each has containers of its own.
export OXWHISK_CLUSTER_MEMORY="${OXWHISK_CLUSTER_MEMORY:-4096m}"

finish() {
    code=$?
    trap - EXIT INT TERM
    if [ "$code" -ne 0 ] && [ -d "$OXWHISK_CLUSTER_DIR/logs" ]; then
        for log in "$OXWHISK_CLUSTER_DIR"/logs/*.log; do
            echo "-- $(basename "$log")"
            tail -n 20 "$log"
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
OXWHISK_E2E_API=$(cat "$OXWHISK_CLUSTER_DIR/e2e-api")
OXWHISK_E2E_WIRE_API=$(cat "$OXWHISK_CLUSTER_DIR/e2e-wire-api")
OXWHISK_E2E_ADMIN=$(cat "$OXWHISK_CLUSTER_DIR/e2e-admin")
export OXWHISK_E2E_API OXWHISK_E2E_WIRE_API OXWHISK_E2E_ADMIN OXWHISK_E2E_ADMIN_TLS="$OXWHISK_CLUSTER_DIR/tls/admin-admin"
if [ "${OXWHISK_CLUSTER_CONTAINERS:-sandbox}" = docker ]; then
    OXWHISK_E2E_DOCKER=$(sed -n 's/^OXWHISK_TEST_DOCKER=//p' "$OXWHISK_CLUSTER_DIR/docker.env")
    export OXWHISK_E2E_DOCKER
    code=0
    cargo test --locked -p oxwhisk-e2e --test it -- --skip on_docker::ends:: "$@" || code=$?
    # Alone: whatever else runs would be hurt.
    OXWHISK_E2E_FAULTS=1 cargo test --locked -p oxwhisk-e2e --test it -- --test-threads=1 on_docker::ends:: || code=$?
    exit "$code"
fi
cargo test --locked -p oxwhisk-e2e --test it -- "$@"
