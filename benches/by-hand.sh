#!/bin/sh
# The rival of `keyturn rotate`: what a careful person's script does. A new key, a certificate of their own CA, two
# secrets, and one update that waits until the Swarm is content. No check before it, no handshake after it.
#
#   DOCKER_HOST=unix://… benches/by-hand.sh SERVICE OLD NEW DIR
#
# OLD and NEW are the names of the secrets without .crt and .key; DIR has ca.crt, ca.key and room for files.
set -eu
service=$1 old=$2 new=$3 dir=$4
umask 077
printf 'subjectAltName=DNS:edge.test\nextendedKeyUsage=serverAuth\n' >"$dir/$new.ext"
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=edge.test \
  -keyout "$dir/$new.key" -out "$dir/$new.csr" 2>/dev/null
openssl x509 -req -in "$dir/$new.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -days 90 \
  -extfile "$dir/$new.ext" -out "$dir/$new.crt" 2>/dev/null
docker secret create "$new.crt" "$dir/$new.crt" >/dev/null
docker secret create "$new.key" "$dir/$new.key" >/dev/null
exec docker service update --quiet --no-resolve-image \
  --secret-rm "$old.crt" --secret-add "source=$new.crt,target=tls.crt" \
  --secret-rm "$old.key" --secret-add "source=$new.key,target=tls.key" "$service" >/dev/null
