#!/bin/sh
# `make test`: every check there is, each once. All steps run even if one fails; the last lines say how it went.
# What the machine cannot do is said as `skipped: what: why`.
set -u

cd "$(dirname "$0")/.." || exit 1
# What tests need around them; each is started once, by scripts/services/NAME.sh.
services='kafka couchdb docker'
failed=
passed=

# A step that ends with 77 has said what this machine does not have.
step() {
    name=$1
    shift
    printf '\n== %s: %s\n' "$name" "$*"
    code=0
    "$@" || code=$?
    case $code in
    0) passed="$passed $name" ;;
    77) skip "$name" 'this machine does not have what it needs, see above' ;;
    *) failed="$failed $name" ;;
    esac
}

skip() { echo "skipped: $1: $2"; }

has() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# Without it one test says so and is skipped.
scripts/grpcurl.sh || echo "skipped: grpcurl: it could not be built"

step format cargo fmt --all --check
step clippy cargo clippy --workspace --all-targets --locked --quiet -- -D warnings
# Builds every binary first, so that the end-to-end tests find the server beside them.
step build cargo test --workspace --locked --quiet --no-run
# Cargo puts a shared library beside the server only when it is asked for by name.
step library cargo build -p oxwhisk-sandbox-zygote --locked --quiet
case $failed in
*build*) skip cargo-tests 'the build failed' ;;
*)
    # shellcheck disable=SC2086 # a list of words
    step cargo-tests scripts/with-services.sh $services -- cargo test --workspace --locked --no-fail-fast
    ;;
esac

# The same end-to-end tests once more, against a cluster of processes.
case $failed in
*build* | *library*) skip cluster 'the build failed' ;;
*)
    missing=
    for program in node java mvn openssl nginx redis-server curl; do has "$program" || missing="$missing $program"; done
    if [ "$(id -u)" -ne 0 ]; then
        skip cluster 'its invokers need root for the network of actions'
    elif [ -n "$missing" ]; then
        skip cluster "not installed:$missing"
    else
        step cluster scripts/cluster-test.sh
        # Of a cluster over Docker, what is about that; `make test-docker` runs everything.
        step cluster-on-docker env OXWHISK_CLUSTER_CONTAINERS=docker scripts/cluster-test.sh on_docker::
    fi
    ;;
esac

# Of the binaries that were tested. That of the standalone server is left out: it needs packages that the base image lacks.
case $failed in
*build* | *library*) skip images 'the build failed' ;;
*) step images scripts/with-services.sh docker -- scripts/images-test.sh --build controller invoker nodejs python native ;;
esac

if has node; then step nodejs-runtime node --test runtimes/nodejs/test/*.test.js; else skip nodejs-runtime 'no node on PATH'; fi
if has python3; then
    step python-runtime python3 -m unittest discover -s runtimes/python/test
else
    skip python-runtime 'no python3 on PATH'
fi

step compose scripts/compose.sh
for script in scripts/*.sh scripts/*/*.sh; do step "syntax-of-$(basename "$script")" sh -n "$script"; done
if has shellcheck; then step shellcheck shellcheck scripts/*.sh scripts/*/*.sh .ci/run; else skip shellcheck 'it is not installed'; fi

# Advisories are left to `make advisories`: a test must not turn red because a day has passed.
if has cargo-deny; then
    step cargo-deny cargo deny --locked check bans licenses sources
else
    echo 'skipped: cargo-deny is not installed'
fi

printf '\npassed:%s\n' "$passed"
if [ -n "$failed" ]; then
    echo "make test: FAILED:$failed"
    exit 1
fi
echo 'make test: ok'
