import { ORIGIN, type Position } from '@perigee/core'
import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { vi } from 'vitest'
import { ClockWatch } from '../redis/clock-watch.ts'
import { RedisConnection } from '../redis/connection.ts'
import { DataRedis } from '../redis/data-redis.ts'
import { FunctionLibrary } from '../redis/function-library.ts'
import { HistoryReader } from '../redis/history.ts'
import { Keys } from '../redis/keys.ts'
import { LeanRedis } from '../redis/lean-redis.ts'
import { Tracking } from '../redis/tracking.ts'
import { AppointedAuthority } from './appointed-authority.ts'
import { Appointments } from './appointments.ts'
import { Claim, type ClaimOptions } from './claim.ts'
import { ClaimMemory } from './claim-memory.ts'
import { Farewells } from './farewells.ts'
import { Gate } from './gate.ts'
import type { OtherRegionNow, OtherRegions } from './other-regions.ts'
import { OwnRedis } from './own-redis.ts'

import { hostNowMs, RedisTime } from './redis-time.ts'
import { Writer } from './writer.ts'

/** A real Redis as data Redis, and what a sidecar at the primary does with it. */
export interface ClaimedRedis {
  readonly process: RedisProcess
  readonly keys: Keys
  readonly connection: RedisConnection
  readonly library: FunctionLibrary
  readonly memory: ClaimMemory
  readonly claim: Claim
  readonly writer: Writer
  readonly data: DataRedis
  readonly redisTime: RedisTime
  [Symbol.asyncDispose](): Promise<void>
}

const log = pino({ level: process.env.SPEC_LOG ?? 'silent' })

/** Starts one; unless told otherwise of a single region, so that it claims at once. */
export async function startClaimedRedis(
  options: Partial<Omit<ClaimOptions, 'others'>> & {
    process?: RedisProcess
    /** The region that may claim; default: this one, `here`. */
    primary?: string
    /** What other regions hold; `undefined`: silent. Their claims are over. */
    others?: ReadonlyMap<string, Position | undefined>
    /** The epoch that the other regions say they are claimed in; default: none. */
    claimedElsewhere?: () => number
    /** The ACL user of the gate. */
    gateUser?: string
    config?: Parameters<typeof startRedis>[0]
  } = {},
): Promise<ClaimedRedis> {
  const {
    process = await startRedis(options.config),
    others = new Map(),
    primary = 'here',
    gateUser,
    claimedElsewhere = () => 0,
    config: _,
    ...claimOptions
  } = options
  const keys = new Keys('pg')
  const url = `redis://${process.host}:${process.port}`
  const connection = new RedisConnection({ url, name: 'spec', timeoutMs: 5000, log })
  const tracking = new Tracking({ url, keys, timeoutMs: 1000, log })
  const library = new FunctionLibrary(connection)
  const redisTime = new RedisTime()
  const farewells = new Farewells({
    ...{ addresses: () => new Map(), onGone: () => {}, log },
    ask: async () => ({ gone: true, because: 'refused' }),
  })
  const memory = new ClaimMemory({ redis: connection, keys, log })
  const claim = new Claim({
    ...{ region: 'here', regions: ['here'], leaseMs: 2000, renewMs: 200, logEntriesMax: 1000 },
    ...{ keys, library, farewells, log },
    own: new OwnRedis({ library, keys, redisTime }),
    memory,
    authority: new AppointedAuthority({
      ...{ region: 'here', primary },
      appointments: new Appointments({ regions: ['here', 'there'], memory, log }),
    }),
    gate: new Gate({ redis: connection, user: gateUser, log }),
    wayOut: { by: 'operator' },
    ...claimOptions,
    others: toldRegions(others, claimedElsewhere),
  })
  const history = new HistoryReader({ connection, keys })
  const watch = new ClockWatch({ connection, keys, tracking })
  const primaryClock = { nowMs: hostNowMs, uncertaintyMs: () => 1 }
  const values = new LeanRedis({ url, name: 'values', timeoutMs: 5000, log })
  const reads = connection
  const data = new DataRedis({ reads, values, bulk: reads, keys, history, watch, primaryClock })
  const writer = new Writer({ library, keys, claim, history, redisTime, logEntriesMax: 1000 })
  connection.start()
  values.start()
  tracking.start()
  await vi.waitFor(() => {
    if (!connection.ready || !values.ready) throw new Error('not connected')
  }, 5000)
  claim.start()
  await claim.refresh()
  return {
    ...{ process, keys, connection, library, memory, claim, writer, data, redisTime },
    async [Symbol.asyncDispose]() {
      await claim.stop()
      tracking.stop()
      values.stop()
      connection.stop()
      await process[Symbol.asyncDispose]()
    },
  }
}

/** Other regions that say what they are given. */
function toldRegions(
  others: ReadonlyMap<string, Position | undefined>,
  claimedElsewhere: () => number,
): OtherRegions {
  const says = (held: Position | undefined): OtherRegionNow =>
    held === undefined
      ? 'silent'
      : {
          ...{ held, everHeld: held, role: 'replica', claimedEpoch: claimedElsewhere(), address: '' },
          ...{ mayLack: false, usedMemoryBytes: 0 },
        }
  return {
    since: () => new Map([...others].map(([region, held]) => [region, says(held)])),
    addresses: () => new Map([...others.keys()].map((region) => [region, undefined])),
    newestEpoch: () => Math.max(0, ...[...others.values()].map((held) => held?.epoch ?? ORIGIN.epoch)),
    onAnswer: () => {},
  }
}

/** A deadline that a spec doesn't reach. */
export const soon = () => ({ deadlineMs: Date.now() + 5000 })
