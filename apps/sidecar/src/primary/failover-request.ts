/*
 * Asks a Sentinel to fail over to another region's data Redis, when this region's restarted with less than that holds.
 *
 * A Sentinel that finds no good replica, since all have been disconnected for ten times its down-after, is given a long
 * down-after for as long as it takes, and asked again. What it was before is kept in the index Redis until it is restored:
 * if this process dies meanwhile, the next one of this region restores it.
 *
 * A Sentinel that made the wrong choice is busy with it until it gives up: its replicas can't follow a Redis whose gate
 * is closed. So another one is asked; what that one decides is newer, and counts. But not while that one might go back to
 * the very Redis which the first is leaving: the first would take over the number of the newer decision, keep its own
 * choice, and the Sentinels would name two for good. It gives up in time.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { Keys } from '../redis/keys.ts'
import type { FailoverAnswer, Sentinel } from '../redis/sentinel.ts'

const PAUSE_MS = 1000
const RAISED_DOWN_AFTER_MS = 3_600_000
const PROMOTION_MS = 10_000

/** A Sentinel as it is asked for a failover. */
export type FailoverSentinel = Pick<Sentinel, 'title' | 'ask' | 'failOver' | 'replicas' | 'setDownAfterMs'>

export interface FailoverRequestOptions {
  readonly sentinels: readonly FailoverSentinel[]
  /** The index Redis. */
  readonly memory: RedisConnection
  readonly keys: Keys
  /** Whether a majority names another Redis by now. */
  readonly anotherIsNamed: () => boolean
  readonly log: Logger
}

export class FailoverRequest {
  readonly #options: FailoverRequestOptions
  readonly #stop = new AbortController()
  #asking = false
  #startedMs = Number.NEGATIVE_INFINITY

  constructor(options: FailoverRequestOptions) {
    this.#options = options
  }

  /** Restores what a process that died had raised, once the index Redis and the Sentinels can be asked. */
  start(): void {
    void this.#restoreLeft()
  }

  stop(): void {
    this.#stop.abort()
  }

  /** Whether a Sentinel has said that it fails over, so that another region's Redis becomes a master because of this. */
  get isUnderWay(): boolean {
    return performance.now() - this.#startedMs < PROMOTION_MS
  }

  /** Asks in the background, at most once a second. */
  ask(): void {
    if (this.#asking || this.isUnderWay || this.#stop.signal.aborted) return
    this.#asking = true
    this.#ask()
      .catch((error: Error) =>
        this.#options.log.warn({ error: error.message }, 'a failover could not be asked for'),
      )
      .finally(() => setTimeout(() => (this.#asking = false), PAUSE_MS).unref())
  }

  async #ask(): Promise<void> {
    const { sentinels, log } = this.#options
    const left = await this.#mastersLeft()
    for (const sentinel of sentinels) {
      let answer: FailoverAnswer
      try {
        const back = await mayGoBack(sentinel, left)
        if (back !== undefined) {
          log.info({ sentinel: sentinel.title, back }, 'a Sentinel still leaves a Redis that may be promoted')
          continue
        }
        answer = await sentinel.failOver()
      } catch (error) {
        log.warn(
          { sentinel: sentinel.title, error: (error as Error).message },
          'a Sentinel refused a failover',
        )
        continue
      }
      log.info({ sentinel: sentinel.title, answer }, 'asked a Sentinel for a failover')
      if (answer === 'in-progress') continue
      if (answer === 'no-good-replica') await this.#askWithPatience(sentinel)
      else this.#startedMs = performance.now()
      return
    }
  }

  /** The masters that failovers under way are leaving. */
  async #mastersLeft(): Promise<ReadonlySet<string>> {
    const answers = await Promise.allSettled(this.#options.sentinels.map((sentinel) => sentinel.ask()))
    const left = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.leaves : undefined))
    return new Set(left.filter((address) => address !== undefined))
  }

  async #askWithPatience(sentinel: FailoverSentinel): Promise<void> {
    const { memory, keys, log, anotherIsNamed } = this.#options
    const { downAfterMs } = await sentinel.ask()
    if (downAfterMs < RAISED_DOWN_AFTER_MS) {
      await memory.call('HSET', keys.raisedDownAfter, sentinel.title, downAfterMs)
    }
    try {
      await sentinel.setDownAfterMs(RAISED_DOWN_AFTER_MS)
      const answer = await sentinel.failOver()
      log.info(
        { sentinel: sentinel.title, answer },
        'asked again, with replicas allowed that were long disconnected',
      )
      if (answer === 'started') this.#startedMs = performance.now()
      const untilMs = performance.now() + PROMOTION_MS
      while (!anotherIsNamed() && performance.now() < untilMs && !this.#stop.signal.aborted) await delay(50)
    } finally {
      await this.#restore(sentinel)
    }
  }

  async #restore(sentinel: FailoverSentinel): Promise<void> {
    const { memory, keys, log } = this.#options
    const was = await memory.call('HGET', keys.raisedDownAfter, sentinel.title)
    if (was === null) return
    await sentinel.setDownAfterMs(Number(was))
    await memory.call('HDEL', keys.raisedDownAfter, sentinel.title)
    log.info({ sentinel: sentinel.title, downAfterMs: Number(was) }, "a Sentinel's down-after is what it was")
  }

  async #restoreLeft(): Promise<void> {
    const { sentinels } = this.#options
    const left = new Set(sentinels)
    while (left.size > 0 && !this.#stop.signal.aborted) {
      for (const sentinel of left) {
        await this.#restore(sentinel).then(
          () => left.delete(sentinel),
          () => {},
        )
      }
      await delay(PAUSE_MS, undefined, { signal: this.#stop.signal, ref: false }).catch(() => {})
    }
  }
}

/** Which of the masters that are being left a Sentinel might promote. @throws RedisFailure */
async function mayGoBack(sentinel: FailoverSentinel, left: ReadonlySet<string>): Promise<string | undefined> {
  if (left.size === 0) return undefined
  const known = await sentinel.replicas()
  return known.find(({ address, isDown }) => left.has(address) && !isDown)?.address
}
