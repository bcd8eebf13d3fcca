#!/bin/sh
# Runs a client of another language against a cache: `cache-clients.sh python client.py`, `nodejs redis.js`, `go`, `rust redis`.
# Installs what it needs below the target directory, by the lock files in cache-proxy/tests/clients, unless it is there.
# The cache is at CACHE_ADDRESS, the test at CACHE_CONTROL. Ends with 77, and says why, where this machine lacks something.
set -eu

language=${1:?usage: cache-clients.sh python|nodejs|go|rust ARGUMENTS}
shift
root=$(cd "$(dirname "$0")/.." && pwd)
sources=$root/cache-proxy/tests/clients/$language
target=${CARGO_TARGET_DIR:-$root/target}
case $target in /*) ;; *) target=$root/$target ;; esac
installed=$target/cache-clients/$language
mkdir -p "$installed"

unavailable() {
    echo "$*" >&2
    exit 77
}

needs() { command -v "$1" >/dev/null 2>&1 || unavailable "$1 is not installed"; }

# Whether what is there was installed by this lock file.
is_installed() { cmp -s "$1" "$installed/installed-lock"; }

# Runs what fetches packages.
fetch() { "$@" >"$installed/install.log" 2>&1 || unavailable "packages cannot be had: $(tail -n 1 "$installed/install.log")"; }

case $language in
python)
    needs python3
    if ! is_installed "$sources/requirements.txt"; then
        fetch python3 -m venv --clear "$installed/venv"
        fetch "$installed/venv/bin/pip" install --quiet --retries 1 --require-hashes -r "$sources/requirements.txt"
        cp "$sources/requirements.txt" "$installed/installed-lock"
    fi
    exec "$installed/venv/bin/python" "$sources/$1"
    ;;
nodejs)
    needs node
    needs npm
    if ! is_installed "$sources/package-lock.json"; then
        cp "$sources/package.json" "$sources/package-lock.json" "$sources/.npmrc" "$installed/"
        cd "$installed"
        fetch npm ci --ignore-scripts --no-audit --no-fund --fetch-retries=1
        cp "$sources/package-lock.json" "$installed/installed-lock"
    fi
    NODE_PATH=$installed/node_modules exec node "$sources/$1"
    ;;
go)
    needs go
    cd "$sources"
    fetch go mod download
    go build -o "$installed/client" .
    exec "$installed/client"
    ;;
rust)
    cd "$sources"
    fetch cargo fetch --locked
    CARGO_TARGET_DIR=$installed cargo build --quiet --locked
    exec "$installed/debug/oxwhisk-cache-client-rust" "$@"
    ;;
*)
    echo "cache-clients.sh: unknown language '$language'" >&2
    exit 64
    ;;
esac
