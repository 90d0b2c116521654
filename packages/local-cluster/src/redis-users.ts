// Who may do what at a data Redis and at a Sentinel. deploy/redis has the same lines for Docker; docs/operations.md says
// why each user has what it has.

import type { Credentials } from './credentials.ts'

export interface DataRedisUsers {
  readonly credentials: Credentials
  /** What the sidecars' keys begin with. */
  readonly prefix: string
  /**
   * Whether replicas may log in from the start. Where a sidecar keeps the gate they may not, until it has the claim; an
   * ACL file is left alone by Sentinel's CONFIG REWRITE, so each restart begins with a closed gate.
   */
  readonly replicasMayFollow: boolean
}

/**
 * The default user is off and yet may do everything: Redis loads its AOF as that user, and one with fewer rights loses
 * data in silence.
 */
const defaultUser = 'user default off resetpass ~* &* +@all'

/** The ACL file of a data Redis. */
export function dataRedisUsers({ credentials, prefix, replicasMayFollow }: DataRedisUsers): string {
  return lines([
    defaultUser,
    `user admin on >${credentials.admin} ~* &* +@all`,
    `user replica ${replicasMayFollow ? 'on' : 'off'} >${credentials.replica} resetchannels -@all +psync +replconf +ping`,
    `user sentinel on >${credentials.sentinel} resetchannels &__sentinel__:hello -@all ${sentinelCommands}`,
    `user sidecar on >${credentials.sidecar} ~${prefix}:* resetchannels &__redis__:invalidate -@all ${sidecarCommands}`,
  ])
}

/** The ACL file of a Sentinel. */
export function sentinelUsers(credentials: Credentials): string {
  return lines([
    defaultUser,
    `user admin on >${credentials.admin} ~* &* +@all`,
    `user sentinel on >${credentials.sentinel} resetchannels &__sentinel__:hello -@all +ping +publish +client|setname +sentinel|is-master-down-by-addr`,
    `user sidecar on >${credentials.sidecar} allchannels -@all ${sidecarAtSentinel}`,
  ])
}

const sentinelCommands =
  '+multi +exec +ping +info +subscribe +publish +slaveof +config|rewrite +client|kill +client|setname +script|kill'

/**
 * What reads and writes its own keys, and what claiming, the gate and catching up need. `acl|setuser` is power over
 * everything: who has a sidecar's password has that data Redis.
 */
const sidecarCommands = [
  '+@read +@write +@connection +@transaction -@dangerous',
  '-function +function|load +function|list +fcall +fcall_ro',
  '+subscribe +unsubscribe +role +info +time +wait +waitaof',
  '+acl|setuser +client|kill +replicaof +config|get +config|set +config|rewrite',
].join(' ')

const sidecarAtSentinel = [
  '+ping +hello +info +role +client|setname +client|setinfo +subscribe +unsubscribe',
  '+sentinel|master +sentinel|get-master-addr-by-name +sentinel|replicas +sentinel|sentinels',
  '+sentinel|failover +sentinel|set',
].join(' ')

function lines(users: readonly string[]): string {
  return `${users.join('\n')}\n`
}
