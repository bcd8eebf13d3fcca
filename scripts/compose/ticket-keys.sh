#!/bin/sh
# Makes the keys of tickets for compose.yaml, unless that was done before.
set -eu

umask 077
for ring in controllers cache-proxies; do
    [ -s "/keys/$ring" ] || printf '1:%s\n' "$(openssl rand -base64 32)" >"/keys/$ring"
done
chown -R 65532:65532 /keys
