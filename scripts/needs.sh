#!/bin/sh
# Makes sure that a make target has what it needs: `needs.sh run|demo|test|bench|cluster|docker`.
#
# As root on Debian, missing packages are installed. Anyone else gets the exact command to run. What `test` can do
# without is only named: the tests that need it say `skipped: why` themselves.
set -eu

target=${1:?usage: needs.sh run|demo|test|bench|cluster|docker}

# command, Debian package, what it is for
always='cc build-essential compiling'
# The Kafka client is a C library that is built with us.
client='make make the Kafka client
pkg-config pkg-config the Kafka client
/usr/include/openssl/ssl.h libssl-dev the Kafka client
/usr/include/zlib.h zlib1g-dev the Kafka client'
services='java openjdk-17-jre-headless the Kafka of tests and clusters
mvn maven the Kafka of tests and clusters
openssl openssl the Kafka of tests and clusters'
runtimes='node nodejs Node.js actions
python3 python3 Python actions'
network='nft nftables the network of actions
ip iproute2 the network of actions'
docker='dockerd docker.io the Docker factory
mmdebstrap mmdebstrap the images that the Docker factory runs
ip iproute2 the network of the Docker factory'
cache='redis-server redis-server the cache of actions'
around='nginx nginx-light the edge of a cluster
npm npm the CouchDB of a cluster
curl curl waiting for a cluster'
rootless='pasta passt the network of actions without root
newuidmap uidmap sandboxes without root'

case $target in
run) required="$always
$runtimes
$network" optional="$cache" ;;
demo) required='curl curl talking to the server' optional= ;;
cluster) required="$always
$client
$runtimes
$network
$services
$cache
$around" optional= ;;
docker) required="$always
$client
$services
$cache
$around
$docker
node nodejs the CouchDB of a cluster" optional= ;;
bench) required='nginx nginx-light the floor that calls are compared with' optional="$cache" ;;
test) required="$always
$client" optional="$runtimes
$network
$services
$cache
$around
$docker
npm npm the JavaScript client tests and the CouchDB of the tests" ;;
*)
    echo "needs.sh: unknown target '$target'" >&2
    exit 64
    ;;
esac

is_root() { [ "$(id -u)" -eq 0 ]; }

if ! is_root && [ "$target" = run ]; then
    required="$required
$rootless"
fi

# A command, or a file by its path. Administration tools are not on everybody's PATH.
has() {
    case $1 in
    /*.h) [ -e "$1" ] || [ -e "/usr/include/$(cc -dumpmachine 2>/dev/null)/${1#/usr/include/}" ] ;;
    *) PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1 ;;
    esac
}

# Prints the lines of a list whose command is missing.
missing_of() {
    printf '%s\n' "$1" | while read -r command package purpose; do
        [ -z "$command" ] || has "$command" || printf '%s %s %s\n' "$command" "$package" "$purpose"
    done
}

# Prints the packages of such lines, each once, on one line.
packages_of() { printf '%s\n' "$1" | awk 'NF && !seen[$2]++ { printf "%s%s", separator, $2; separator = " " }'; }

can_install() { is_root && has apt-get; }

install_missing() {
    packages=$(packages_of "$1")
    echo "installing: $packages"
    # Another installation may be under way on a fresh machine; it is waited for, with a limit.
    apt_get="apt-get -o DPkg::Lock::Timeout=300"
    # Lists that are there already may do.
    $apt_get update -qq || true
    # shellcheck disable=SC2086 # both are lists of words
    DEBIAN_FRONTEND=noninteractive $apt_get install -y -qq --no-install-recommends $packages
}

# What could not be installed (no network, another distribution) is named below like anything else that is missing.
try_install() { (install_missing "$1") || echo "not everything could be installed" >&2; }

check_rust() {
    if ! has cargo; then
        echo "missing: cargo. Install a Rust toolchain with rustup (https://rustup.rs);" \
            "it takes the version that rust-toolchain.toml names." >&2
        exit 1
    fi
}

[ "$target" = demo ] || check_rust

lacking=$(missing_of "$required")
wanted=$(missing_of "$optional")
if can_install; then
    if [ -n "$lacking$wanted" ]; then
        try_install "$lacking
$wanted"
    fi
    lacking=$(missing_of "$required")
    wanted=$(missing_of "$optional")
fi

if [ -n "$wanted" ]; then
    printf '%s\n' "$wanted" | while read -r command package purpose; do
        echo "not here: $command, for $purpose (Debian package: $package)"
    done
fi
if [ -n "$lacking" ]; then
    printf '%s\n' "$lacking" | while read -r command package purpose; do
        echo "missing: $command, for $purpose (Debian package: $package)" >&2
    done
    echo "install with: apt-get install $(packages_of "$lacking")" >&2
    exit 1
fi
