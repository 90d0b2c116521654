// Who may do what at a data Redis, an index Redis and a Sentinel: their ACL files. `perigee acl` prints them, `perigee dev`
// runs on them, deploy/redis has the same lines for Docker; docs/operations.md says why each user has what it has.

import { createHash } from 'node:crypto'
import type { Credentials, UserName } from './credentials.ts'
import {
  controlCommands,
  indexCommands,
  requestCommands,
  sentinelCommands,
  sentinelPeerCommands,
  sidecarAtSentinelCommands,
} from './redis-commands.ts'

/** Whose passwords they are, and what the sidecars' keys begin with. */
export interface RedisUsers {
  readonly credentials: Credentials
  readonly prefix: string
}

export interface DataRedisUsers extends RedisUsers {
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
  const login = loginOf(credentials)
  const keys = keysOf(prefix)
  return lines([
    defaultUser,
    `user admin on ${login('admin')} ~* &* +@all`,
    `user replica ${replicasMayFollow ? 'on' : 'off'} ${login('replica')} resetchannels -@all +psync +replconf +ping`,
    `user sentinel on ${login('sentinel')} resetchannels &__sentinel__:hello -@all ${sentinelCommands}`,
    `user sidecar on ${login('sidecar')} ${keys} resetchannels &__redis__:invalidate -@all ${requestCommands}`,
    `user control on ${login('control')} ${keys} resetchannels -@all ${controlCommands}`,
  ])
}

/** The ACL file of an index Redis. */
export function indexRedisUsers({ credentials, prefix }: RedisUsers): string {
  const login = loginOf(credentials)
  return lines([
    defaultUser,
    `user admin on ${login('admin')} ~* &* +@all`,
    `user index on ${login('index')} ${keysOf(prefix)} resetchannels -@all ${indexCommands}`,
  ])
}

/** The ACL file of a Sentinel. */
export function sentinelUsers(credentials: Credentials): string {
  const login = loginOf(credentials)
  return lines([
    defaultUser,
    `user admin on ${login('admin')} ~* &* +@all`,
    `user sentinel on ${login('sentinel')} resetchannels &__sentinel__:hello -@all ${sentinelPeerCommands}`,
    `user control on ${login('control')} resetchannels -@all ${sidecarAtSentinelCommands}`,
  ])
}

/** All that the sidecars' keys have in common; docs/architecture.md names them. */
function keysOf(prefix: string): string {
  return `~${prefix}:{0}:*`
}

/** A password as ACL files may hold it: its SHA-256. */
function loginOf(credentials: Credentials): (name: UserName) => string {
  return (name) => `#${createHash('sha256').update(credentials[name]).digest('hex')}`
}

function lines(users: readonly string[]): string {
  return `${users.join('\n')}\n`
}
