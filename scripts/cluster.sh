#!/bin/sh
# A cluster of processes on this machine, without Docker: Kafka, CouchDB's API, two controllers behind nginx with TLS, three
# invokers with a cache-proxy and a Redis beside each, and a Redis for all.
#
#     scripts/cluster.sh up       starts it and waits until it is ready
#     scripts/cluster.sh down     stops it and removes everything it made
#     scripts/cluster.sh status   what runs
#     scripts/cluster.sh kill NAME     ends one part as a crash would: controller0, invoker1, nginx,
#                                      cache-proxy1, redis1, redis, kafka, couchdb
#     scripts/cluster.sh start NAME    starts it again, with what it has on disk
#
# What comes from the environment:
#     OXWHISK_CLUSTER_DIR    all its files (.cluster)
#     OXWHISK_CLUSTER_PORT   the API with TLS, on loopback (3443)
#     OXWHISK_CLUSTER_CONTAINERS   what invokers make containers with: sandbox, or docker, with a daemon of the cluster's own
#     OXWHISK_CLUSTER_INVOKERS, OXWHISK_CLUSTER_MEMORY    how many invokers (3), and the memory of each one's containers (1024m)
#     OXWHISK_CLUSTER_OTLP   where traces go, all of them: http://HOST:PORT of a collector (none: they are not recorded)
#     OXWHISK_CLUSTER_EVENTS    not empty: user events are published on the topic events
#     OXWHISK_E2E_USERS      a file of users beside guest and whisk.system, as oxwhisk-e2e-users prints it
#     BINARIES               folder of the binaries (target/release)
#     OXWHISK_CACHE          where downloads are kept (.cache)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
dir=${OXWHISK_CLUSTER_DIR:-$root/.cluster}
binaries=${BINARIES:-${CARGO_TARGET_DIR:-$root/target}/release}
port=${OXWHISK_CLUSTER_PORT:-3443}
invokers=${OXWHISK_CLUSTER_INVOKERS:-3}
memory=${OXWHISK_CLUSTER_MEMORY:-1024m}
containers=${OXWHISK_CLUSTER_CONTAINERS:-sandbox}
controllers=2
# Tenths of a second: for the first answer of a part, and for the end of one.
patience=1200
grace=700
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"

. "$here/cluster/processes.sh"
. "$here/cluster/configure.sh"
. "$here/cluster/docker.sh"
. "$here/cluster/cache.sh"

say() { printf '%s\n' "$*"; }

fail() {
    say "cluster: $*" >&2
    exit 1
}

check_programs() {
    case $containers in
    sandbox | docker) ;;
    *) fail "OXWHISK_CLUSTER_CONTAINERS is '$containers', and neither 'sandbox' nor 'docker'" ;;
    esac
    for program in java mvn openssl nginx redis-server curl node; do
        command -v "$program" >/dev/null 2>&1 || fail "$program is not installed (scripts/needs.sh cluster)"
    done
    for program in controller invoker cache-proxy; do
        [ -x "$binaries/$program" ] || fail "there is no '$program' in $binaries: make cluster builds it"
    done
}

# Runs one of scripts/services and keeps what it prints.
start_service() {
    name=$1
    code=0
    mkdir -p "$dir/$name"
    "$here/services/$name.sh" start "$dir/$name" >"$dir/$name.env" 2>"$dir/logs/$name.start.log" || code=$?
    reason=$(tail -n 1 "$dir/logs/$name.start.log")
    # As scripts/with-services.sh has it: this machine cannot have it, which is no fault of the cluster's.
    if [ "$code" -eq 77 ]; then
        say "cluster: there is no $name: $reason" >&2
        exit 77
    fi
    [ "$code" -eq 0 ] || fail "$name does not start: $reason"
}

# One line of what a service printed.
printed() { sed -n "s/^$2=//p" "$dir/$1.env"; }

# Only what each role needs; invokers may write to three topics and read nothing.
permit() {
    acls() { "$here/services/kafka.sh" acls "$dir/kafka" --add "$@" >>"$dir/logs/kafka.acls.log" 2>&1; }
    p=oxwhisk.
    acls --allow-principal User:controller --operation Create --operation DescribeConfigs --operation Read \
        --operation Write --topic ${p}activations --topic ${p}activations.parked --topic ${p}inflight \
        --topic ${p}completed --topic ${p}dead-letters --topic ${p}health --topic ${p}cacheInvalidation
    acls --allow-principal User:controller --operation Create --operation DescribeConfigs --operation Write --topic events
    acls --allow-principal User:controller --operation Read --resource-pattern-type prefixed --group $p
    acls --allow-principal User:invoker --operation Write --topic ${p}completed --topic ${p}health --topic events
}

each_controller() { seq 0 $((controllers - 1)); }
each_invoker() { seq 0 $((invokers - 1)); }

start_services() {
    say 'starting Kafka, CouchDB and Redis'
    start_service couchdb
    start_service kafka
    permit || fail "Kafka takes no permissions: $(tail -n 1 "$dir/logs/kafka.acls.log")"
    configure_caches
    run_part redis
    for n in $(each_invoker); do run_part "redis$n"; done
    [ "$containers" = sandbox ] || start_docker
}

start_oxwhisk() {
    say "starting $controllers controllers and $invokers invokers"
    for n in $(each_controller); do run_part "controller$n"; done
    for n in $(each_invoker); do run_part "cache-proxy$n"; done
    for n in $(each_invoker); do run_part "invoker$n"; done
    run_part nginx
}

# Everything that this script itself is the parent of.
run_part() {
    case $1 in
    controller*) run "$1" "$binaries/controller" --config-file "$dir/conf/$1.toml" ;;
    invoker*) run "$1" "$binaries/invoker" --config-file "$dir/conf/$1.toml" ;;
    nginx) run nginx nginx -p "$dir/nginx" -c "$dir/conf/nginx.conf" -e "$dir/logs/nginx.log" ;;
    cache-proxy*) run "$1" "$binaries/cache-proxy" --config-file "$dir/conf/$1.toml" ;;
    redis*) run "$1" redis-server "$dir/conf/$1.conf" ;;
    *) fail "there is no part '$1'" ;;
    esac
}

part_exists() {
    [ -n "$1" ] && [ -e "$dir/pids" ] || fail "there is no part '$1' of a cluster in $dir"
    [ -e "$dir/pids/$1" ] || [ "$1" = kafka ] || [ "$1" = couchdb ] || fail "there is no part '$1'"
}

kill_part() {
    part_exists "$1"
    case $1 in
    kafka) "$here/services/kafka.sh" kill "$dir/kafka" ;;
    couchdb)
        process=$(cat "$dir/couchdb/pid" 2>/dev/null) || fail 'couchdb does not run'
        kill -9 "$process" || fail 'couchdb does not run'
        while kill -0 "$process" 2>/dev/null; do sleep 0.05; done
        ;;
    *)
        is_alive "$1" || fail "$1 does not run"
        # A program's own group; nginx is several processes. Containers of an invoker are left as a crash leaves them.
        if [ "$1" = nginx ]; then kill -s KILL -- "-$(pid_of nginx)"; else kill -9 "$(pid_of "$1")"; fi
        while is_alive "$1"; do sleep 0.05; done
        ;;
    esac
}

start_part() {
    part_exists "$1"
    ! running | grep -qx "$1" || fail "$1 runs already"
    case $1 in
    kafka) "$here/services/kafka.sh" start "$dir/kafka" >/dev/null 2>>"$dir/logs/kafka.start.log" || fail 'kafka does not start' ;;
    couchdb)
        url=$(printed couchdb OXWHISK_TEST_COUCHDB)
        "$here/services/couchdb.sh" start "$dir/couchdb" "${url##*:}" >/dev/null 2>>"$dir/logs/couchdb.start.log" ||
            fail 'couchdb does not start'
        ;;
    *) run_part "$1" ;;
    esac
}

wait_for_all() {
    for n in $(each_controller); do wait_ready "controller$n" "$(port_of "ops-controller$n")"; done
    for n in $(each_invoker); do wait_ready "cache-proxy$n" "$(port_of "ops-cache-proxy$n")"; done
    for n in $(each_invoker); do wait_ready "invoker$n" "$(port_of "ops-invoker$n")"; done
    wait_until nginx 'answers' curl --silent --fail --insecure --max-time 2 --output /dev/null "https://127.0.0.1:$port/ping"
    wait_until controller0 'knows healthy invokers' knows_invokers
}

# All invokers have passed their test action.
knows_invokers() {
    count=$(curl --silent --fail --insecure --max-time 2 "https://127.0.0.1:$port/invokers/healthy/count") || return 1
    [ "$count" = "$invokers" ]
}

up() {
    if running | grep -q .; then
        say "a cluster is up already in $dir: https://127.0.0.1:$(cat "$dir/port" 2>/dev/null || echo "$port")"
        say 'stop it with: make cluster-down'
        exit 1
    fi
    check_programs
    # What a cluster has left that did not end by itself.
    [ ! -e "$dir" ] || remove
    umask 077
    mkdir -p "$dir"
    dir=$(cd "$dir" && pwd)
    mkdir -p "$dir/logs" "$dir/pids" "$dir/conf" "$dir/nginx"
    trap 'code=$?; trap - EXIT; [ "$code" -eq 0 ] || down_after_failure; exit "$code"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    echo "$port" >"$dir/port"
    choose_ports
    make_secrets
    make_certificates
    start_services
    configure
    start_oxwhisk
    wait_for_all
    # For scripts: the edge without TLS, one controller without the edge, and its admin API.
    echo "http://127.0.0.1:$(port_of plain)" >"$dir/e2e-api"
    echo "http://127.0.0.1:$(port_of controller0)" >"$dir/e2e-wire-api"
    echo "127.0.0.1:$(port_of grpc-controller0)" >"$dir/e2e-admin"
    tell
}

down_after_failure() {
    kept=$(mktemp -d "${TMPDIR:-/tmp}/oxwhisk-cluster-logs.XXXXXX")
    cp -R "$dir/logs/." "$kept/" 2>/dev/null || true
    say "cluster: it is taken down again; its logs are in $kept" >&2
    remove || true
}

down() {
    [ -e "$dir" ] || { say 'no cluster is up'; return; }
    remove
    say 'the cluster is down'
}

# Everything that was started ends, and everything that was made goes.
remove() {
    ask_to_stop nginx
    stopped nginx
    # Controllers hear the end of what runs; invokers wait until they have.
    for n in $(recorded 'invoker*') $(recorded 'controller*'); do ask_to_stop "$n"; done
    for n in $(recorded 'invoker*') $(recorded 'controller*'); do stopped "$n"; done
    for n in $(recorded 'invoker*'); do clean_up_after "$n"; done
    for n in $(recorded 'cache-proxy*') $(recorded 'redis*'); do ask_to_stop "$n"; done
    for n in $(recorded 'cache-proxy*') $(recorded 'redis*'); do stopped "$n"; done
    for name in kafka couchdb docker; do
        [ ! -d "$dir/$name" ] || "$here/services/$name.sh" stop "$dir/$name" || say "cluster: $name did not stop cleanly" >&2
    done
    left=$(running)
    [ -z "$left" ] || fail "still running: $left"
    rm -rf "$dir"
}

status() {
    if [ ! -e "$dir" ]; then
        say 'no cluster is up'
        return
    fi
    for name in $(recorded '*'); do
        if is_alive "$name"; then say "$name runs, process $(pid_of "$name")"; else say "$name has ended"; fi
    done
}

case ${1:-} in
up) up ;;
down) down ;;
status) status ;;
kill) kill_part "${2:-}" ;;
start) start_part "${2:-}" ;;
*)
    say 'usage: cluster.sh up | down | status | kill NAME | start NAME' >&2
    exit 64
    ;;
esac
