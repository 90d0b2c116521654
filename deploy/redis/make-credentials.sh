#!/bin/sh
# Makes what the containers log in with, in the folder given, once: a file with the password of each user, and the ACL
# files of data Redis, index Redis and Sentinels, which hold the passwords' SHA-256. Each file is readable by the user of the machine alone that needs it.
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

hash() {
  password "$1" | sha256sum | cut -d' ' -f1
}

admin=$(hash admin)
sidecar=$(hash sidecar)
control=$(hash control)
index=$(hash index)
replica=$(hash replica)
sentinel=$(hash sentinel)

cat >"$folder/data-users.acl" <<END
user default off resetpass ~* &* +@all
user admin on #$admin ~* &* +@all
user replica off #$replica resetchannels -@all +psync +replconf +ping
user sentinel on #$sentinel resetchannels &__sentinel__:hello -@all +multi +exec +ping +info +subscribe +publish +slaveof +config|rewrite +client|kill +client|setname +script|kill
user sidecar on #$sidecar ~pg:{0}:* resetchannels &__redis__:invalidate -@all +client|setname +client|setinfo +ping +get +getrange +strlen +exists +set +del +unlink +rename +scan +time +hget +hgetall +hmget +hkeys +hexists +hstrlen +hset +hdel +sadd +srem +sismember +smembers +zadd +zrem +xadd +xrange +xrevrange +xinfo|stream +fcall +fcall_ro +mget +multi +exec +role +info +wait +select +client|id +client|tracking +subscribe
user control on #$control ~pg:{0}:* resetchannels -@all +client|setname +client|setinfo +ping +get +getrange +strlen +exists +set +del +unlink +rename +scan +time +hget +hgetall +hmget +hkeys +hexists +hstrlen +hset +hdel +sadd +srem +sismember +smembers +zadd +zrem +xadd +xrange +xrevrange +xinfo|stream +fcall +fcall_ro +zrangebyscore +role +info +function|load +function|list +acl|setuser +client|kill +replicaof +config|get +config|set +config|rewrite
END

cat >"$folder/index-users.acl" <<END
user default off resetpass ~* &* +@all
user admin on #$admin ~* &* +@all
user index on #$index ~pg:{0}:* resetchannels -@all +client|setname +client|setinfo +ping +get +set +del +unlink +hget +hgetall +hmget +hset +hdel +sadd +srem +smembers +zadd +zrem +zcard +zrange +zmscore +zrandmember +scan +multi +exec +watch +unwatch +info +client|list +ft.create +ft.dropindex +ft._list +ft.info +ft.search +ft.config|get
END

cat >"$folder/sentinel-users.acl" <<END
user default off resetpass ~* &* +@all
user admin on #$admin ~* &* +@all
user sentinel on #$sentinel resetchannels &__sentinel__:hello -@all +ping +publish +client|setname +sentinel|is-master-down-by-addr
user control on #$control resetchannels -@all +client|setname +client|setinfo +ping +sentinel|master +sentinel|get-master-addr-by-name +sentinel|replicas +sentinel|failover +sentinel|set
END

chmod 711 "$folder"
if [ -n "$redis_owner" ]; then
  (cd "$folder" && chown "$redis_owner" admin replica sentinel data-users.acl index-users.acl sentinel-users.acl)
fi
if [ -n "$sidecar_owner" ]; then (cd "$folder" && chown "$sidecar_owner" sidecar control index); fi
