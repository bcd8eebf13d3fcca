#!/bin/sh
# Checks the images that scripts/images.sh builds, on a real daemon: nobody's files, no root, a read-only root, no capability;
# help, and one clear error without configuration; runtimes and the standalone server answer.
#
#     scripts/images-test.sh [NAME...]
#     scripts/with-services.sh docker -- scripts/images-test.sh --build [NAME...]
#
# Names and environment are those of scripts/images.sh. With --build they are built first, from target/debug and for the daemon
# of scripts/services/docker.sh. Containers must be reached by their addresses.
set -eu

cd "$(dirname "$0")/.."
repository=${REPOSITORY:-oxwhisk}
tag=${TAG:-latest}
scratch=$(mktemp -d)
started=
failed=

if [ "${1:-}" = --build ]; then
    shift
    if [ -z "${OXWHISK_TEST_DOCKER_BASE:-}" ]; then
        echo "there is no daemon: ${OXWHISK_NO_DOCKER:-run through scripts/with-services.sh docker}" >&2
        exit 77
    fi
    ENGINE_ARGS="--host $OXWHISK_TEST_DOCKER"
    export ENGINE_ARGS
    BASE=$OXWHISK_TEST_DOCKER_BASE BINARIES=${CARGO_TARGET_DIR:-target}/debug scripts/images.sh "$@"
fi

# shellcheck disable=SC2086 # a list of words
engine() { docker ${ENGINE_ARGS:-} "$@"; }

finish() {
    # shellcheck disable=SC2086 # a list of words
    [ -z "$started" ] || engine rm --force --volumes $started >/dev/null 2>&1 || true
    rm -rf "$scratch"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fault() {
    echo "images: $1" >&2
    failed=yes
}

# As services run: nothing but its files, which it cannot change.
bare() { engine run --rm --read-only --cap-drop ALL --security-opt no-new-privileges "$@"; }

check_user() {
    user=$(bare --entrypoint id "$repository/$1:$tag" -u) || true
    [ "$user" = 65532 ] || fault "$1 runs as user '$user'"
}

# Help without anything, and without configuration one line about each thing that is missing (exit code 78).
check_command_line() {
    bare "$repository/$1:$tag" --help >"$scratch/out" 2>&1 || fault "$1 --help fails: $(tail -n 1 "$scratch/out")"
    grep -qi '^usage' "$scratch/out" || fault "$1 --help shows no usage"
    [ "$1" != standalone ] || return 0
    code=0
    bare "$repository/$1:$tag" >"$scratch/out" 2>&1 || code=$?
    [ "$code" -eq 78 ] || fault "$1 without configuration ends with $code: $(tail -n 1 "$scratch/out")"
    grep -q 'whisk.kafka.hosts' "$scratch/out" || fault "$1 does not say what is missing: $(tail -n 1 "$scratch/out")"
    echo "$1 without configuration: $(head -n 1 "$scratch/out")"
}

# Starts a container and prints its address.
start() {
    name=$1
    shift
    id=$(engine run --detach "$@") || { fault "$name does not start"; return 1; }
    started="$started $id"
    address=$(engine inspect --format '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$id")
}

# Asks until there is an answer.
ask() {
    tries=0
    until curl --silent --max-time 60 "$@" >"$scratch/answer" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || return 1
        [ "$(engine inspect --format '{{.State.Running}}' "$id")" = true ] || return 1
        sleep 0.1
    done
}

# A runtime's /init and /run.
check_runtime() {
    start "$1" --read-only --tmpfs /tmp:exec --cap-drop ALL --security-opt no-new-privileges "$repository/$1:$tag" || return 0
    printf '{"value":{"name":"a","main":"main","binary":false,"code":"%s"}}' "$2" >"$scratch/init"
    for step in init run; do
        [ "$step" = init ] || echo '{"value":{"n":7}}' >"$scratch/run"
        ask --header 'Content-Type: application/json' --data-binary "@$scratch/$step" "http://$address:8080/$step" ||
            { fault "$1 does not answer /$step: $(engine logs "$id" 2>&1 | tail -n 1)"; return 0; }
    done
    [ "$(tr -d ' \n' <"$scratch/answer")" = '{"got":7}' ] || fault "$1 answers /run with $(cat "$scratch/answer")"
}

# With what its Dockerfile says it needs for sandboxes.
check_standalone() {
    tun=/dev/net/tun
    # Machines let anybody open it, as a rule.
    if [ "$(stat -c %a "$tun")" != 666 ]; then
        mknod -m 0666 "$scratch/tun" c 10 200
        tun=$scratch/tun:/dev/net/tun
    fi
    start standalone --read-only --tmpfs /tmp:exec --volume /data --device "$tun" --security-opt seccomp=unconfined \
        --security-opt apparmor=unconfined --security-opt systempaths=unconfined "$repository/standalone:$tag" || return 0
    ask "http://$address:3233/ping" || { fault "standalone does not answer: $(engine logs "$id" 2>&1 | tail -n 1)"; return 0; }
    [ "$(cat "$scratch/answer")" = pong ] || fault "standalone answers /ping with $(cat "$scratch/answer")"
    # OpenWhisk's published key of `guest`.
    key=23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP
    action=http://$address:3233/api/v1/namespaces/_/actions/a
    for kind in nodejs:default python:default; do
        case $kind in
        nodejs*) code='function main(a) { return { got: a.n } }' ;;
        *) code='def main(a):\n    return {\"got\": a[\"n\"]}\n' ;;
        esac
        printf '{"exec":{"kind":"%s","code":"%s"}}' "$kind" "$code" >"$scratch/action"
        echo '{"n":7}' >"$scratch/run"
        ask --user "$key" --request PUT --header 'Content-Type: application/json' --data-binary "@$scratch/action" \
            "$action?overwrite=true" || fault "standalone creates no action"
        ask --user "$key" --header 'Content-Type: application/json' --data-binary "@$scratch/run" \
            "$action?blocking=true&result=true" || fault "standalone does not answer an invocation"
        [ "$(tr -d ' \n' <"$scratch/answer")" = '{"got":7}' ] || fault "standalone runs $kind and answers $(cat "$scratch/answer")"
    done
}

for name in ${*:-controller invoker standalone nodejs python native}; do
    engine image inspect "$repository/$name:$tag" >/dev/null 2>&1 || { fault "there is no image $repository/$name:$tag"; continue; }
    check_user "$name"
    case $name in
    nodejs) check_runtime nodejs 'function main(a) { return { got: a.n } }' ;;
    python) check_runtime python 'def main(a):\n    return {\"got\": a[\"n\"]}\n' ;;
    native) check_runtime native '#!/bin/sh\nprintf %s \"$1\" | sed s/n/got/\n' ;;
    standalone) check_command_line standalone && check_standalone ;;
    *) check_command_line "$name" ;;
    esac
done
[ -z "$failed" ] || exit 1
echo 'images: ok'
