#!/bin/sh
# Makes the file tree of a small Debian as a tar file, where no registry can be asked for an image:
#
#     scripts/docker-base.sh FILE [PACKAGE...]
#
# A FILE that is there already is left alone. Needs root and mmdebstrap; exit code 77 says that it cannot be done here,
# with the reason on standard error.
set -eu

file=${1:?usage: docker-base.sh FILE [PACKAGE...]}
shift

[ ! -s "$file" ] || exit 0

fail() {
    echo "$1" >&2
    exit 77
}

[ "$(id -u)" -eq 0 ] || fail 'making a base image needs root'
command -v mmdebstrap >/dev/null 2>&1 || fail 'mmdebstrap is not installed (Debian package mmdebstrap)'

packages=$(IFS=,; printf '%s' "ca-certificates${*:+,}$*")
mkdir -p "$(dirname "$file")"
# Under a name of its own until it is whole: another run may be making it too.
new=$(mktemp "$file.XXXXXX")
trap 'rm -f "$new"' EXIT
trap 'exit 130' INT TERM
# What the slim variants of Debian's images leave out.
mmdebstrap --quiet --format=tar --variant=minbase --include="$packages" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm - >"$new" 2>"$new.log" || {
    tail -n 3 "$new.log" | tr '\n' ' ' >&2
    rm -f "$new.log"
    fail 'mmdebstrap failed'
}
rm -f "$new.log"
mv "$new" "$file"
