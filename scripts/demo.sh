#!/bin/sh
# `make demo`: creates an action, invokes it, shows its result and logs, and removes it. Uses wsk where it is
# installed, else curl. Starts a server for the time of the demo if none answers at OXWHISK_API.
set -eu

cd "$(dirname "$0")/.."
api=${OXWHISK_API:-http://127.0.0.1:3233}
# The key that OpenWhisk publishes for the namespace guest.
key=${OXWHISK_AUTH:-23bc46b1-71f6-4ed5-8c54-816aa4f8c502:123zO3xZCLrMN6v2BKK1dXYFpXlPkccOFqm12CdAsMgRU4VrNZ9lyGVCGuMDGIwP}
binary=${OXWHISK_BIN:-${CARGO_TARGET_DIR:-target}/release/oxwhisk}
action=oxwhisk-demo
scratch=$(mktemp -d)
server=

finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$scratch"
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

answers() { curl --silent --fail --max-time 2 --output /dev/null "$api/ping"; }

start_server() {
    echo "no server answers at $api: starting one for this demo"
    "$binary" --port 0 --data-dir "$scratch/data" --ready-file "$scratch/ready" >"$scratch/log" 2>&1 &
    server=$!
    tries=0
    until [ -f "$scratch/ready" ]; do
        tries=$((tries + 1))
        if ! kill -0 "$server" 2>/dev/null || [ "$tries" -gt 600 ]; then
            echo "the server did not get ready; its output:" >&2
            cat "$scratch/log" >&2
            exit 1
        fi
        sleep 0.1
    done
    api=$(sed -n 's/.*"api":"\([^"]*\)".*/\1/p' "$scratch/ready")
}

cat >"$scratch/hello.js" <<'CODE'
function main(args) {
    console.log('greeting ' + args.name);
    return { greeting: 'Hello ' + args.name + '!' };
}
CODE

show() { printf '\n$ %s\n' "$*"; }

# Shows a request and sends it.
call() {
    show "curl -u \$KEY $*"
    curl --silent --show-error --fail-with-body --max-time 90 --user "$key" \
        --header 'Content-Type: application/json' "$@"
    echo
}

demo_with_curl() {
    actions="$api/api/v1/namespaces/_/actions/$action"
    # The code has no double quotes or backslashes, so joining its lines makes it a JSON text.
    code=$(tr -d '\n' <"$scratch/hello.js")
    call --request PUT "$actions?overwrite=true" \
        --data "{\"exec\":{\"kind\":\"nodejs:default\",\"code\":\"$code\"}}"
    # No pipe: it would hide a failure.
    call "$actions?blocking=true" --data '{"name":"World"}' >"$scratch/answer"
    cat "$scratch/answer"
    id=$(sed -n 's/.*"activationId":"\([0-9a-f]*\)".*/\1/p' "$scratch/answer")
    call "$api/api/v1/namespaces/_/activations/$id/logs"
    call --request DELETE "$actions"
}

wsk_here() {
    show "wsk $*"
    wsk --insecure --apihost "$api" --auth "$key" "$@"
}

demo_with_wsk() {
    wsk_here action update "$action" "$scratch/hello.js"
    wsk_here action invoke "$action" --blocking --param name World >"$scratch/answer"
    cat "$scratch/answer"
    id=$(sed -n 's/.*"activationId": *"\([0-9a-f]*\)".*/\1/p' "$scratch/answer")
    wsk_here activation logs "$id"
    wsk_here action delete "$action"
}

answers || start_server
if command -v wsk >/dev/null 2>&1; then demo_with_wsk; else demo_with_curl; fi
