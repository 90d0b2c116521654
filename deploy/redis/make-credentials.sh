#!/bin/sh
# Makes what the containers log in with, in the folder given, once: a file with the password of each user, and the ACL
# files of data Redis and Sentinels. Each file is readable by the user of the machine alone that needs it.
#
#   make-credentials.sh FOLDER [owner of Redis's files [owner of the sidecar's]]
#
# docs/operations.md says what each user may do and why. Two things are not to be changed:
# - `default` is off and yet may do everything: Redis loads its AOF as that user, and one with fewer rights loses data in
#   silence.
# - `replica` is off: the sidecar opens the gate to replicas once its Redis has the claim. Each restart closes it.
set -eu

folder=$1
redis_owner=${2-}
sidecar_owner=${3-}
umask 077

password() {
  [ -s "$folder/$1" ] || od -An -N24 -tx1 /dev/urandom | tr -d ' \n' >"$folder/$1"
  cat "$folder/$1"
}

admin=$(password admin)
sidecar=$(password sidecar)
replica=$(password replica)
sentinel=$(password sentinel)

cat >"$folder/data-users.acl" <<END
user default off resetpass ~* &* +@all
user admin on >$admin ~* &* +@all
user replica off >$replica resetchannels -@all +psync +replconf +ping
user sentinel on >$sentinel resetchannels &__sentinel__:hello -@all +multi +exec +ping +info +subscribe +publish +slaveof +config|rewrite +client|kill +client|setname +script|kill
user sidecar on >$sidecar ~pg:* resetchannels &__redis__:invalidate -@all +@read +@write +@connection +@transaction -@dangerous -function +function|load +function|list +fcall +fcall_ro +subscribe +unsubscribe +role +info +time +wait +waitaof +acl|setuser +client|kill +replicaof +config|get +config|set +config|rewrite
END

cat >"$folder/sentinel-users.acl" <<END
user default off resetpass ~* &* +@all
user admin on >$admin ~* &* +@all
user sentinel on >$sentinel resetchannels &__sentinel__:hello -@all +ping +publish +client|setname +sentinel|is-master-down-by-addr
user sidecar on >$sidecar allchannels -@all +ping +hello +info +role +client|setname +client|setinfo +subscribe +unsubscribe +sentinel|master +sentinel|get-master-addr-by-name +sentinel|replicas +sentinel|sentinels +sentinel|failover +sentinel|set
END

chmod 711 "$folder"
if [ -n "$redis_owner" ]; then
  (cd "$folder" && chown "$redis_owner" admin replica sentinel data-users.acl sentinel-users.acl)
fi
if [ -n "$sidecar_owner" ]; then chown "$sidecar_owner" "$folder/sidecar"; fi
