import { type Forks, type Position, parsePosition } from '@perigee/core'
import type { RedisConnection } from './connection.ts'
import type { Keys } from './keys.ts'
import { dataUnavailable, readError } from './redis-status.ts'

/** What the data Redis says of the epochs before its own, and which cluster it belongs to. */
export interface History {
  readonly epoch: number
  readonly forks: Forks
  /** Sixteen hexadecimal digits. */
  readonly clusterId: string
}

/** Forks and cluster id change with claims only, so they are read once an epoch. */
export class HistoryReader {
  readonly #connection: RedisConnection
  readonly #keys: Keys
  #known: History | undefined
  #reading: Promise<History> | undefined

  constructor({ connection, keys }: { connection: RedisConnection; keys: Keys }) {
    this.#connection = connection
    this.#keys = keys
  }

  /** The newest history known, without asking. */
  get known(): History | undefined {
    return this.#known
  }

  /**
   * The history that belongs to a state of an epoch.
   *
   * @throws StatusError DATA_UNAVAILABLE
   */
  async of(epoch: number): Promise<History> {
    for (let attempt = 0; attempt < 3; attempt++) {
      if (this.#known?.epoch === epoch) return this.#known
      this.#reading ??= this.#read().finally(() => {
        this.#reading = undefined
      })
      this.#known = await this.#reading
    }
    throw dataUnavailable('its epoch is changing')
  }

  async #read(): Promise<History> {
    const { clock, forks, cluster } = this.#keys
    let replies: unknown[]
    try {
      replies = await this.#connection.transaction([
        ['GET', clock],
        ['HGETALL', forks],
        ['GET', cluster],
      ])
    } catch (error) {
      throw readError(error)
    }
    const position = parsePosition(String(replies[0]))
    const clusterId = replies[2]
    if (!position || typeof clusterId !== 'string') throw dataUnavailable('it holds no clock yet')
    return { epoch: position.epoch, forks: forksOf(replies[1] as string[]), clusterId }
  }
}

/** Forks from a hash's flat fields. */
export function forksOf(flat: readonly (string | Buffer)[]): Forks {
  const forks = new Map<number, number>()
  for (let i = 0; i + 1 < flat.length; i += 2) forks.set(Number(flat[i]), Number(flat[i + 1]))
  return forks
}

/** The clock from a reply. @throws StatusError DATA_UNAVAILABLE when there is none. */
export function clockOf(reply: unknown): Position {
  const clock = reply ? parsePosition(String(reply)) : undefined
  if (!clock) throw dataUnavailable('it holds no clock yet')
  return clock
}
