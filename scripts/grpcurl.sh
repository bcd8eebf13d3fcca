#!/bin/sh
# Builds `grpcurl`, with which a test calls the admin API, into .cache/go/bin. Once; needs Go and its module proxy.
set -eu

version=v1.9.3
root=$(cd "$(dirname "$0")/.." && pwd)
bin="$root/.cache/go/bin"

if [ -x "$bin/grpcurl" ]; then exit 0; fi
if ! command -v go >/dev/null 2>&1; then
    echo "grpcurl.sh: no go on PATH, so the test that needs grpcurl is skipped" >&2
    exit 77
fi
mkdir -p "$bin"
GOBIN="$bin" GOFLAGS=-modcacherw GOMODCACHE="$root/.cache/go/mod" GOCACHE="$root/.cache/go/build" \
    go install "github.com/fullstorydev/grpcurl/cmd/grpcurl@$version"
# Only the program is needed again.
rm -rf "$root/.cache/go/mod" "$root/.cache/go/build"
