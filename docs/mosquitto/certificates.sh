#!/bin/sh
# Creates a certificate authority and certificates in the current folder:
#   certificates.sh ca                    ca.pem, ca.key: once; ca.key stays on this machine
#   certificates.sh broker HOST [HOST..]  broker.pem, broker.key: names and addresses that clients connect to
#   certificates.sh client NAME           NAME.pem, NAME.key: edgeface-front, edgeface-door-front-door, homeassistant ..
# Never overwrites a file. DAYS is how long a certificate is valid: 825 by default, ten years for the authority.
set -eu
umask 077

fail() {
    echo "certificates.sh: $1" >&2
    exit 1
}

new() { # FILE NAME: creates a key and a request
    for file in "$1.key" "$1.pem"; do
        if [ -e "$file" ]; then fail "$file is there already: move it away first"; fi
    done
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -sha256 \
        -config "$work/request" -subj "/CN=$2" -keyout "$work/key" -out "$work/csr" 2>"$work/log" || fail "$(cat "$work/log")"
}

sign() { # FILE DAYS OPTIONS..: signs the request with $work/extensions
    file=$1 days=$2
    shift 2
    serial=0x$(openssl rand -hex 16 | sed 's/^./4/')
    openssl x509 -req -sha256 -in "$work/csr" -out "$work/pem" -days "$days" -set_serial "$serial" \
        -extfile "$work/extensions" "$@" 2>"$work/log" || fail "$(cat "$work/log")"
    mv "$work/key" "$file.key"
    mv "$work/pem" "$file.pem"
    chmod 644 "$file.pem"
    echo "$file.pem, $file.key"
}

by_ca() {
    [ -e ca.key ] || fail "there is no ca.key here: run certificates.sh ca first"
    sign "$1" "${DAYS:-825}" -CA ca.pem -CAkey ca.key
}

alternatives() {
    list=
    for host; do
        case $host in
        *[!A-Za-z0-9.:-]* | '') fail "$host is no host name and no address" ;;
        *:*) kind=IP ;;
        *[!0-9.]*) kind=DNS ;;
        *) kind=IP ;;
        esac
        list="$list${list:+,}$kind:$host"
    done
    echo "$list"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '[req]\ndistinguished_name=name\n[name]\n' >"$work/request"

case ${1-} in
ca)
    [ $# -eq 1 ] || fail "ca takes no names"
    new ca "edgeface CA"
    printf '%s\n' basicConstraints=critical,CA:true,pathlen:0 keyUsage=critical,keyCertSign,cRLSign \
        subjectKeyIdentifier=hash >"$work/extensions"
    sign ca "${DAYS:-3650}" -signkey "$work/key"
    ;;
broker)
    shift
    [ $# -ge 1 ] || fail "give the names or addresses that clients connect to: certificates.sh broker mqtt.home 192.168.1.5"
    names=$(alternatives "$@")
    new broker "$1"
    printf '%s\n' basicConstraints=critical,CA:false keyUsage=critical,digitalSignature extendedKeyUsage=serverAuth \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid "subjectAltName=$names" >"$work/extensions"
    by_ca broker
    ;;
client)
    [ $# -eq 2 ] || fail "give one name: certificates.sh client edgeface-front"
    case $2 in
    ca | broker) fail "$2 is taken" ;;
    *[!a-z0-9_-]* | '' | -*) fail "a name has lowercase letters, digits, - and _ only" ;;
    esac
    new "$2" "$2"
    printf '%s\n' basicConstraints=critical,CA:false keyUsage=critical,digitalSignature extendedKeyUsage=clientAuth \
        subjectKeyIdentifier=hash authorityKeyIdentifier=keyid >"$work/extensions"
    by_ca "$2"
    ;;
*) fail "say what: ca, broker HOST.., client NAME" ;;
esac
