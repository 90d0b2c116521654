import { ORIGIN, type Position, parsePosition } from '@perigee/core'
import { RedisFailure } from './connection.ts'
import { ForeignRedis, type ForeignRedisOptions } from './foreign-redis.ts'
import { functionName, LIST_LIBRARIES, loadedVersions } from './function-library.ts'

/** Whether another region's data Redis can hold a live claim from now on, as long as others aren't named instead. */
export type LetGo =
  /** No process, one that loads its data, a replica, or one that has given its claim up when it was told to. */
  | { readonly gone: true; readonly because: 'refused' | 'loading' | 'replica' }
  | { readonly gone: true; readonly because: 'released'; readonly holds: LastHeld }
  | { readonly gone: false; readonly why: string }

/** What a master holds that gave its claim up: nothing is added to it any more. */
export interface LastHeld {
  /** ORIGIN for nothing. */
  readonly position: Position
  /** It may lack what it had acknowledged: its process wasn't claimed in the epoch of its clock. */
  readonly mayLack: boolean
  readonly usedMemoryBytes: number
}

/**
 * Asks another region's data Redis to let go: a master gives its claim up, in every version of the library that it has,
 * and from then on what vouched for it before isn't enough to claim it again.
 */
export async function askToLetGo(
  options: ForeignRedisOptions & {
    clockKey: string
    /** Whether a master may be told to give its claim up; otherwise only the others count. */
    mayRelease: boolean
  },
): Promise<LetGo> {
  using redis = new ForeignRedis(options)
  try {
    await redis.connect()
    const [role] = (await redis.call('ROLE')) as [string]
    if (role === 'slave') return { gone: true, because: 'replica' }
    if (!options.mayRelease) return { gone: false, why: 'it is a master' }
    const versions = loadedVersions(await redis.call(...LIST_LIBRARIES))
    if (versions.length === 0) return { gone: false, why: 'it has no function library' }
    for (const version of versions) {
      await redis.call('FCALL', functionName(version, 'release'), 1, options.clockKey, '*')
    }
    return { gone: true, because: 'released', holds: await lastHeld(redis, versions, options.clockKey) }
  } catch (error) {
    if (redis.refused) return { gone: true, because: 'refused' }
    const failure = RedisFailure.from(error)
    if (failure.word === 'LOADING') return { gone: true, because: 'loading' }
    return { gone: false, why: failure.message }
  }
}

async function lastHeld(
  redis: ForeignRedis,
  versions: readonly number[],
  clockKey: string,
): Promise<LastHeld> {
  const clock = (await redis.call('GET', clockKey)) as string | null
  const position = (clock === null ? undefined : parsePosition(clock)) ?? ORIGIN
  let mayLack = true
  for (const version of versions) {
    const status = (await redis.call('FCALL_RO', functionName(version, 'status'), 1, clockKey)) as string[]
    if (Number(status[NEWEST_EPOCH]) === position.epoch && position.epoch > 0) mayLack = false
  }
  const info = String(await redis.call('INFO', 'memory'))
  return { position, mayLack, usedMemoryBytes: Number(/^used_memory:(\d+)/m.exec(info)?.[1] ?? 0) }
}

/** Where status.lua's reply has the newest epoch that the process was claimed in. */
const NEWEST_EPOCH = 5
