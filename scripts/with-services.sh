#!/bin/sh
# Runs a command with the services that it needs around it, each started once and stopped at the end:
#
#     scripts/with-services.sh kafka couchdb -- cargo test -p oxwhisk-kafka
#
# A service is scripts/services/NAME.sh. `NAME.sh start DIR` starts it in the background with all its files in DIR, and
# prints what its users must know as lines `VARIABLE=value`; those become environment of the command. Exit code 77 is
# "not to be had on this machine": the last line of its standard error is why, and the command finds that in
# OXWHISK_NO_NAME. `NAME.sh stop DIR` stops it and whatever it started, by process id.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
names=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    names="$names $1"
    shift
done
if [ $# -lt 2 ]; then
    echo "usage: with-services.sh NAME... -- COMMAND [ARGUMENT...]" >&2
    exit 64
fi
shift

state=$(mktemp -d "${TMPDIR:-/tmp}/oxwhisk-services.XXXXXX")
started=

# Backwards: a later service may lean on an earlier one.
stop_all() {
    for name in $started; do
        sh "$here/services/$name.sh" stop "$state/$name" || echo "with-services.sh: $name did not stop cleanly" >&2
    done
    started=
    rm -rf "$state"
}
trap stop_all EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

for name in $names; do
    mkdir "$state/$name"
    started="$name $started"
    code=0
    sh "$here/services/$name.sh" start "$state/$name" >"$state/$name.env" 2>"$state/$name.err" || code=$?
    upper=$(printf '%s' "$name" | tr 'a-z-' 'A-Z_')
    case $code in
    0)
        while IFS='=' read -r variable value; do
            [ -z "$variable" ] || export "$variable=$value"
        done <"$state/$name.env"
        ;;
    77)
        why=$(tail -n 1 "$state/$name.err")
        echo "skipped: $name: $why"
        export "OXWHISK_NO_$upper=$why"
        ;;
    *)
        cat "$state/$name.err" >&2
        echo "with-services.sh: $name did not start (exit code $code)" >&2
        exit 1
        ;;
    esac
done

code=0
"$@" || code=$?
exit "$code"
