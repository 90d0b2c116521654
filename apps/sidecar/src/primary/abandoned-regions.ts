/*
 * Other regions whose Redis lives and whose sidecars are all silent.
 *
 * - The primary's, without a claim: it takes no writes, and the Sentinels see nothing wrong with it. After a while one of the
 *   other regions asks a Sentinel for a failover.
 * - A replica's: its gate may be open still, from when it was the primary. It is closed.
 *
 * A link that is cut or flaps looks like silent sidecars too. So it is the Redis itself that is asked, and only an answer
 * counts: for as long as it isn't reached, or shows a live claim, or shows that one was live since the last look, the while
 * begins anew. Regions wait one after the other, in the order of the configuration, so that two don't ask for two failovers.
 *
 * If this process dies, another region's does it, somewhat later.
 */
import type { Logger } from 'pino'
import type { AbandonedRedis } from '../redis/abandoned-redis.ts'
import { Poll } from '../status/poll.ts'
import type { OtherRegions } from './other-regions.ts'

/** How often they are looked at. */
const LOOK_MS = 1000
/** What others said longer ago doesn't count. */
const FRESH_MS = 2000
/** For how many leases the primary's Redis is to be without a claim. */
const LEASES = 3

export interface AbandonedRegionsOptions {
  readonly region: string
  /** All regions. */
  readonly regions: readonly string[]
  readonly leaseMs: number
  readonly others: OtherRegions
  /** Looks at the data Redis at an address. Rejects when it doesn't answer. */
  readonly look: (address: string) => Promise<AbandonedRedis>
  /** `host:port` of the Redis that a majority of the Sentinels names; `undefined` when none does. */
  readonly named: () => string | undefined
  /** Asks a Sentinel for a failover, unless it was just asked for. */
  readonly failOver: () => void
  readonly log: Logger
  /** Monotonic milliseconds. */
  readonly nowMs?: () => number
}

interface Without {
  readonly life: string
  readonly sinceMs: number
}

export class AbandonedRegions {
  readonly #options: AbandonedRegionsOptions
  readonly #nowMs: () => number
  readonly #poll = new Poll(() => this.look(), LOOK_MS)
  /** Since when a region's Redis was seen without a claim. */
  readonly #without = new Map<string, Without>()

  constructor(options: AbandonedRegionsOptions) {
    this.#options = options
    this.#nowMs = options.nowMs ?? (() => performance.now())
  }

  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#poll.stop()
  }

  /** Looks once at all of them. */
  async look(): Promise<void> {
    const { others } = this.#options
    const says = others.since(performance.now() - FRESH_MS)
    const silent = [...says].filter(([, now]) => now === 'silent').map(([region]) => region)
    for (const region of this.#without.keys()) if (!silent.includes(region)) this.#without.delete(region)
    const addresses = others.addresses()
    await Promise.all(silent.map((region) => this.#lookAt(region, addresses.get(region), silent)))
  }

  async #lookAt(region: string, address: string | undefined, silent: readonly string[]): Promise<void> {
    const { look, named, failOver, leaseMs, log } = this.#options
    if (address === undefined) return
    const seen = await look(address).catch(() => undefined)
    const nowMs = this.#nowMs()
    if (seen?.role !== 'master' || seen.claimed || named() !== address) {
      this.#without.delete(region)
      return
    }
    const before = this.#without.get(region)
    if (before?.life !== seen.life) {
      this.#without.set(region, { life: seen.life, sinceMs: nowMs })
      return
    }
    if (nowMs - before.sinceMs < this.#patienceMs(leaseMs, silent)) return
    log.warn({ primary: region }, 'the primary has no sidecar that keeps its claim up: asking for a failover')
    failOver()
  }

  /** The first of the regions that are left waits the shortest. */
  #patienceMs(leaseMs: number, silent: readonly string[]): number {
    const { region, regions } = this.#options
    const left = regions.filter((other) => !silent.includes(other))
    return leaseMs * (LEASES + 2 * left.indexOf(region))
  }
}
