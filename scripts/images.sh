#!/bin/sh
# Builds container images from Dockerfiles/, with binaries that are built on this machine:
#
#     scripts/images.sh [NAME...]
#
# Without names, all of them. What comes from the environment:
#     BASE      image to build on (debian:bookworm-slim, which is made here if the daemon has none and can fetch none)
#     REPOSITORY, TAG    images are called REPOSITORY/NAME:TAG (oxwhisk, latest)
#     BINARIES  folder of binaries that are built already; without it cargo builds them with PROFILE (dist)
#     ENGINE_ARGS   arguments for every call of docker, for example --host unix:///path/to.sock
#     BUILD_ARGS    arguments for docker build, for example --network host
set -eu

cd "$(dirname "$0")/.."
repository=${REPOSITORY:-oxwhisk}
tag=${TAG:-latest}
profile=${PROFILE:-dist}
base=${BASE:-debian:bookworm-slim}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM
left_out=

# An image, the package and files of its binaries ('-': scripts only). A library goes by the name of its file.
images='controller oxwhisk-controller-service controller
invoker oxwhisk-invoker-service invoker
standalone oxwhisk-standalone oxwhisk,oxwhisk-runtime-native,liboxwhisk_sandbox_zygote.so
nodejs - -
python - -
native oxwhisk-runtime-native oxwhisk-runtime-native'

# shellcheck disable=SC2086 # a list of words
engine() { docker ${ENGINE_ARGS:-} "$@"; }

names() { printf '%s\n' "$images" | cut -d ' ' -f 1; }

check_engine() {
    command -v docker >/dev/null 2>&1 || { echo 'docker is not installed (Debian package docker.io)' >&2; exit 1; }
    engine version >/dev/null 2>&1 || { echo 'no Docker daemon answers; start one, or name it by DOCKER_HOST' >&2; exit 1; }
}

# Only the default is made; another image that is not there is for its owner to provide.
ensure_base() {
    engine image inspect "$base" >/dev/null 2>&1 && return
    engine pull --quiet "$base" >/dev/null 2>&1 && return
    if [ "$base" != debian:bookworm-slim ]; then
        echo "the base image '$base' is not here and cannot be fetched" >&2
        exit 1
    fi
    echo "no registry gives $base: it is made on this machine"
    file=.cache/docker/bookworm-slim.tar
    scripts/docker-base.sh "$file" || exit 1
    engine import "$file" "$base" >/dev/null
}

# Whether the workspace has a package; the services come one by one.
has_package() { cargo metadata --format-version 1 --no-deps --locked 2>/dev/null | grep -q "\"name\":\"$1\""; }

# Puts the binaries of a package into a folder; fails if there is nothing to build them from.
collect() {
    package=$1 files=$2 target=$3
    if [ -z "${BINARIES:-}" ]; then
        has_package "$package" || return 1
        # The package, and those whose files stand beside its own.
        case $files in
        *zygote*) cargo build --locked --profile "$profile" -p "$package" -p oxwhisk-runtime-native \
            -p oxwhisk-sandbox-zygote --bin oxwhisk --bin oxwhisk-runtime-native --lib ;;
        *) cargo build --locked --profile "$profile" -p "$package" --bin "$files" ;;
        esac
    fi
    mkdir -p "$target"
    for file in $(printf '%s' "$files" | tr ',' ' '); do
        cp "${BINARIES:-${CARGO_TARGET_DIR:-target}/$profile}/$file" "$target/" || return 1
    done
}

build() {
    name=$1 package=$2 files=$3
    context=$scratch/$name
    mkdir -p "$context"
    if [ "$package" = - ]; then
        mkdir -p "$context/runtimes"
        cp -R "runtimes/$name" "$context/runtimes/"
    elif ! collect "$package" "$files" "$context/prebuilt"; then
        left_out="$left_out
left out: $name: there is no '$files' to put into it: package $package is not in the workspace or not in BINARIES"
        return
    fi
    # shellcheck disable=SC2086 # a list of words
    engine build --quiet ${BUILD_ARGS:-} --build-arg "BASE=$base" --file "Dockerfiles/$name.Dockerfile" \
        --tag "$repository/$name:$tag" "$context" >"$scratch/id" || exit 1
    echo "built: $repository/$name:$tag ($(engine image inspect --format '{{.Size}}' "$repository/$name:$tag" |
        awk '{ printf "%.0f MB", $1 / 1e6 }'))"
}

wanted=${*:-$(names)}
for name in $wanted; do
    names | grep -qx "$name" || { echo "no image is called '$name'; there are: $(names | tr '\n' ' ')" >&2; exit 64; }
done
check_engine
ensure_base
for name in $wanted; do
    line=$(printf '%s\n' "$images" | grep "^$name ")
    # shellcheck disable=SC2086 # three words
    build $line
done
[ -z "$left_out" ] || printf '%s\n' "${left_out#?}"
