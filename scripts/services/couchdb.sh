#!/bin/sh
# A CouchDB for tests and clusters on one machine: PouchDB Server, which keeps its databases on disk and speaks CouchDB's
# protocol. See scripts/with-services.sh for how it is called.
#
#     couchdb.sh start DIR [PORT]    prints OXWHISK_TEST_COUCHDB=http://127.0.0.1:PORT; without PORT takes a free one
#     couchdb.sh stop DIR
#
# DIR keeps the data: started there again, it serves what it served before. With OXWHISK_COUCHDB_NICE (1 to 19) it yields the
# processors to others: it is a stand-in, and far slower than CouchDB.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
installed=$root/.cache/couchdb
# Fixed, so that every machine tests against the same.
version=4.2.0

unavailable() {
    echo "$1" >&2
    exit 77
}

# Where the kernel shares the processors among sessions first, a process's own niceness means nothing to others.
yield_to_others() {
    [ -n "${OXWHISK_COUCHDB_NICE:-}" ] && [ -w "/proc/$1/autogroup" ] || return 0
    echo "$OXWHISK_COUCHDB_NICE" >"/proc/$1/autogroup" 2>/dev/null || true
}

is_installed() { [ -f "$installed/installed-$version" ]; }

# Two starts at the same moment must not install into each other: the second waits, and finds it done.
install() {
    command -v npm >/dev/null 2>&1 || unavailable 'npm is not installed, and PouchDB Server comes from it'
    mkdir -p "$installed"
    {
        if command -v flock >/dev/null 2>&1; then flock -w 600 9 || unavailable 'another installation does not end'; fi
        is_installed || download
    } 9>"$installed/lock"
}

download() {
    printf '{"private":true,"dependencies":{"pouchdb-server":"%s"}}\n' "$version" >"$installed/package.json"
    (cd "$installed" && npm install --no-audit --no-fund --loglevel=error >npm.log 2>&1) ||
        unavailable "PouchDB Server cannot be installed: $(tail -n 1 "$installed/npm.log")"
    touch "$installed/installed-$version"
}

free_port() {
    node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => {
        console.log(s.address().port); s.close(); })'
}

answers() {
    node -e 'require("http").get(process.argv[1], r => process.exit(r.statusCode === 200 ? 0 : 1))
        .on("error", () => process.exit(1)).setTimeout(1000, () => process.exit(1))' "$1" 2>/dev/null
}

start() {
    command -v node >/dev/null 2>&1 || unavailable 'node is not installed, and PouchDB Server runs on it'
    is_installed || install
    mkdir -p "$dir/data"
    tries=0
    while :; do
        port=${wanted:-$(free_port)}
        # It logs every request to a file that only grows.
        printf '{"log":{"level":"warning","file":"%s/server.log"}}\n' "$dir" >"$dir/config.json"
        # Its own program, not the wrapper of npm, so that its process id is the one to stop.
        (cd "$dir" && exec setsid ${OXWHISK_COUCHDB_NICE:+chrt --idle 0 nice -n "$OXWHISK_COUCHDB_NICE"} \
            node "$installed/node_modules/pouchdb-server/bin/pouchdb-server" --host 127.0.0.1 --port "$port" \
            --dir "$dir/data" --config "$dir/config.json" --no-stdout-logs --no-color \
            </dev/null >"$dir/output" 2>&1) &
        echo $! >"$dir/pid"
        waited=0
        while kill -0 "$(cat "$dir/pid")" 2>/dev/null && [ "$waited" -lt 300 ]; do
            if answers "http://127.0.0.1:$port/"; then
                yield_to_others "$(cat "$dir/pid")"
                echo "OXWHISK_TEST_COUCHDB=http://127.0.0.1:$port"
                return
            fi
            waited=$((waited + 1))
            sleep 0.1
        done
        stop
        tries=$((tries + 1))
        # Somebody else may have taken the port in the meantime.
        if [ -n "$wanted" ] || [ "$tries" -ge 3 ]; then
            echo 'PouchDB Server does not start; its output:' >&2
            cat "$dir/output" >&2
            exit 1
        fi
    done
}

stop() {
    [ -f "$dir/pid" ] || return 0
    pid=$(cat "$dir/pid")
    rm -f "$dir/pid"
    kill "$pid" 2>/dev/null || return 0
    waited=0
    while kill -0 "$pid" 2>/dev/null; do
        waited=$((waited + 1))
        if [ "$waited" -gt 50 ]; then
            kill -9 "$pid" 2>/dev/null || true
            return 0
        fi
        sleep 0.1
    done
}

usage='usage: couchdb.sh start DIR [PORT] | couchdb.sh stop DIR'
action=${1:?$usage}
mkdir -p "${2:?$usage}"
dir=$(cd "$2" && pwd)
wanted=${3:-}
case $action in
start) start ;;
stop) stop ;;
*)
    echo "$usage" >&2
    exit 64
    ;;
esac
