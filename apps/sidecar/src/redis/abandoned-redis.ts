import { ForeignRedis, type ForeignRedisOptions } from './foreign-redis.ts'
import { functionName, LIST_LIBRARIES, loadedVersions } from './function-library.ts'

/** What another region's data Redis says of itself, whose sidecars are all silent. */
export type AbandonedRedis =
  | { readonly role: 'replica' }
  | {
      readonly role: 'master'
      /** Whether somebody keeps its claim up all the same. */
      readonly claimed: boolean
      /** Changes with every process, claim and renewal. */
      readonly life: string
    }

/** Where status.lua's reply has the lease's end, why it is fenced, and the newest epoch claimed. */
const LEASE_END = 1
const FENCED = 4
const NEWEST_EPOCH = 5

/**
 * Looks at it, and closes the gate of one that is a replica: nobody may follow it, and should it ever be the primary again
 * with less than others hold, it must not roll them back.
 *
 * @param options.gateUser none: there is no gate.
 * @throws RedisFailure when it doesn't answer.
 */
export async function lookAtAbandoned(
  options: ForeignRedisOptions & { readonly clockKey: string; readonly gateUser: string | undefined },
): Promise<AbandonedRedis> {
  const { clockKey, gateUser } = options
  using redis = new ForeignRedis(options)
  await redis.connect()
  const [role] = (await redis.call('ROLE')) as [string]
  if (role === 'slave') {
    if (gateUser !== undefined) {
      await redis.call('ACL', 'SETUSER', gateUser, 'off')
      await redis.call('CLIENT', 'KILL', 'USER', gateUser)
    }
    return { role: 'replica' }
  }
  const info = String(await redis.call('INFO', 'server'))
  let claimed = false
  let life = /^run_id:(\w+)/m.exec(info)?.[1] ?? ''
  for (const version of loadedVersions(await redis.call(...LIST_LIBRARIES))) {
    const status = (await redis.call('FCALL_RO', functionName(version, 'status'), 1, clockKey)) as string[]
    claimed ||= status[FENCED] === ''
    life += ` ${status[LEASE_END]} ${status[NEWEST_EPOCH]}`
  }
  return { role: 'master', claimed, life }
}
