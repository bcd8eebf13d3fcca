#!/bin/sh
# Makes an authority and, in DIR/ROLE-NAME/ each, a certificate for these peers, with nothing but openssl:
#
#     scripts/cluster/certificates.sh DIR ROLE/NAME[=DNS-NAME,...]...
#
# The authority's key is thrown away: for another peer, all are made again. A peer is known by its DNS name,
# NAME.ROLE.oxwhisk.internal, which stands beside those by which it is reached; to Kafka by its role, the organisation of the
# subject. OWNER is whom the files are given to.
set -eu

[ $# -ge 2 ] || { echo 'usage: certificates.sh DIR ROLE/NAME[=DNS-NAME,...]...' >&2; exit 64; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
umask 077
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 130' INT TERM

new_key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

new_key "$scratch/ca.key"
openssl req -x509 -new -key "$scratch/ca.key" -days 365 -subj '/CN=oxwhisk development' -out "$scratch/ca.crt" \
    -addext 'keyUsage=critical,keyCertSign,cRLSign'

for peer in "$@"; do
    case $peer in
    *=*) reached=${peer#*=} ;;
    *) reached= ;;
    esac
    peer=${peer%%=*}
    role=${peer%%/*} name=${peer#*/}
    out=$dir/$role-$name
    names=DNS:$name.$role.oxwhisk.internal
    for dns in $(printf '%s' "$reached" | tr ',' ' '); do names="$names,DNS:$dns"; done
    mkdir -p "$out"
    new_key "$out/tls.key"
    printf 'basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n%s\nsubjectAltName=%s\n' \
        'extendedKeyUsage=serverAuth,clientAuth' "$names" >"$scratch/extensions"
    openssl req -new -key "$out/tls.key" -subj "/O=$role/CN=$name" -out "$scratch/request"
    openssl x509 -req -in "$scratch/request" -CA "$scratch/ca.crt" -CAkey "$scratch/ca.key" -CAcreateserial -days 365 \
        -extfile "$scratch/extensions" -out "$out/tls.crt" 2>/dev/null
    cp "$scratch/ca.crt" "$out/ca.crt"
    # Kafka reads key and certificate from one file.
    cat "$out/tls.key" "$out/tls.crt" >"$out/both.pem"
    [ -z "${OWNER:-}" ] || chown -R "$OWNER" "$out"
done
