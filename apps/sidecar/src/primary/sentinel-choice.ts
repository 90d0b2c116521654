/*
 * Which of the Sentinels would promote this region's data Redis, were it asked for a failover now, and when it had better be.
 *
 * A Sentinel knows a replica's priority from that one's INFO, which it reads every 10 s. In a failover it sees that the
 * replica was promoted by another INFO, a second after the last one or as soon as it may be. So one that has just read it is
 * asked soon after that: the replica is promoted by then, and the next INFO, right after that, saves writes a second's pause.
 *
 * After a failover a Sentinel may go on for ten seconds taking the old master for one that doesn't know of it, and would make
 * it a replica again. So nobody is asked while any Sentinel does.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { KnownReplica, Sentinel } from '../redis/sentinel.ts'
import { RAISED_PRIORITY } from './replica-priority.ts'

/** What of a Sentinel is asked. */
export type RankingSentinel = Pick<Sentinel, 'title' | 'replicas' | 'failOver'>

const LOOK_MS = 50
/** How long ago INFO was read when a failover had better be asked for. */
const BEST_AGE_MS = 400
/** Who hasn't answered by then holds nobody up. */
const SILENT_MS = 1000
/** Older is no better than any. */
const LATEST_AGE_MS = 650

interface View {
  readonly sentinel: RankingSentinel
  readonly prefers: boolean
  /** Whether it takes it for a master that is to be a replica. */
  readonly takesForMaster: boolean
  /** Whether it would not promote it, whatever its priority. */
  readonly isCutOff: boolean
  /** The replica that it would rather promote, or as well. */
  readonly rival: string | undefined
  readonly roundTripMs: number
  /** When it read the INFO that this goes by, monotonic milliseconds. */
  readonly infoAtMs: number
}

/** Who is to be asked, or which other replica is in the way. */
export type Choice =
  | { readonly sentinel: RankingSentinel }
  | { readonly rival: string | undefined; readonly answering: number }

export class SentinelChoice {
  readonly #sentinels: readonly RankingSentinel[]
  readonly #address: string
  readonly #views = new Map<RankingSentinel, View>()
  readonly #asked = new Set<RankingSentinel>()

  /** @param options.address by which Sentinels know this region's data Redis. */
  constructor({ sentinels, address }: { sentinels: readonly RankingSentinel[]; address: string }) {
    this.#sentinels = sentinels
    this.#address = address
  }

  /**
   * Waits until the nearest Sentinel prefers this region's Redis, and until the moment to ask it; if that takes longer than
   * `timeoutMs`, any that prefers it will do.
   *
   * @param options.leadMs how long before that moment writes are to be held.
   */
  async best(options: { leadMs: number; timeoutMs: number; signal: AbortSignal }): Promise<Choice> {
    const { leadMs, timeoutMs, signal } = options
    const startMs = performance.now()
    const untilMs = startMs + timeoutMs
    this.#views.clear()
    while (performance.now() < untilMs && !signal.aborted) {
      for (const sentinel of this.#sentinels) if (!this.#asked.has(sentinel)) void this.#look(sentinel)
      const views = this.#nearestFirst()
      const [nearest] = views
      const heard = views.length === this.#sentinels.length || performance.now() > startMs + SILENT_MS
      const known = heard && !views.some(({ takesForMaster }) => takesForMaster)
      const ageMs = nearest ? performance.now() - nearest.infoAtMs : 0
      if (known && nearest?.prefers && ageMs + leadMs < LATEST_AGE_MS) {
        await delay(Math.max(0, BEST_AGE_MS - leadMs - ageMs))
        return { sentinel: nearest.sentinel }
      }
      await delay(LOOK_MS)
    }
    return this.preferring()[0] ?? this.#inTheWay()
  }

  /** The Sentinels that prefer it, by what they said last, the nearest first. */
  preferring(): { readonly sentinel: RankingSentinel }[] {
    return this.#nearestFirst().filter(({ prefers }) => prefers)
  }

  /** Asks all of them whether it has been cut off for too long to be promoted; false when none answers. */
  async isCutOff(): Promise<boolean> {
    this.#views.clear()
    await Promise.all(this.#sentinels.map((sentinel) => this.#look(sentinel)))
    const views = this.#nearestFirst()
    return views.length > 0 && views.every(({ isCutOff }) => isCutOff)
  }

  #inTheWay(): Choice {
    const views = this.#nearestFirst()
    return { rival: views.find(({ rival }) => rival)?.rival, answering: views.length }
  }

  #nearestFirst(): View[] {
    return [...this.#views.values()].sort((a, b) => a.roundTripMs - b.roundTripMs)
  }

  async #look(sentinel: RankingSentinel): Promise<void> {
    this.#asked.add(sentinel)
    const askedMs = performance.now()
    try {
      const replicas = await sentinel.replicas()
      const answeredMs = performance.now()
      const own = ofAddress(replicas, this.#address)
      const known = this.#views.get(sentinel)?.roundTripMs ?? Number.POSITIVE_INFINITY
      this.#views.set(sentinel, {
        ...{ sentinel, ...ranking(replicas, this.#address) },
        roundTripMs: Math.min(known, answeredMs - askedMs),
        takesForMaster: own?.isMaster ?? false,
        isCutOff: own?.isCutOff ?? false,
        infoAtMs: (askedMs + answeredMs) / 2 - (own?.infoAgeMs ?? 0),
      })
    } catch {
      this.#views.delete(sentinel)
    } finally {
      this.#asked.delete(sentinel)
    }
  }
}

/** Whether a replica comes before all others, and which one is in its way. */
function ranking(
  replicas: readonly KnownReplica[],
  address: string,
): { prefers: boolean; rival: string | undefined } {
  const own = ofAddress(replicas, address)
  if (!own || own.priority === 0 || own.isCutOff) return { prefers: false, rival: undefined }
  const rival = replicas.find(
    (other) => other !== own && other.priority > 0 && other.priority <= own.priority,
  )
  // One that may only not have heard yet that this one's is raised has no rival to tell of.
  const isRaised = own.priority <= RAISED_PRIORITY
  return { prefers: rival === undefined, rival: isRaised ? rival?.address : undefined }
}

function ofAddress(replicas: readonly KnownReplica[], address: string): KnownReplica | undefined {
  return replicas.find((replica) => replica.address === address)
}
