import type { Health } from '../grpc/health.ts'
import { Poll } from './poll.ts'

/** How often health is judged anew. With what is asked, well within the two seconds that the design allows. */
const INTERVAL_MS = 250
/** A fallback that hasn't answered for this long isn't one. */
const FALLBACK_SILENCE_MS = 1500

export interface HealthMonitorOptions {
  readonly health: Health
  /** Resolves when this region's data Redis answers and holds a clock; must settle within a second. */
  readonly dataAnswers: () => Promise<boolean>
  /** Whether the primary's sidecar, in another region, answered within so many milliseconds. */
  readonly fallbackAnswers: (withinMs: number) => boolean
  /** False while the index Redis is away, and while indexes exist and none of this region's copies is complete. */
  readonly indexesServe: () => boolean
}

/**
 * Says whether the services serve. The cache does while its Redis or the fallback answers; search does while, besides, the
 * index Redis is there and an index is complete here or none exists.
 */
export class HealthMonitor {
  readonly #options: HealthMonitorOptions
  readonly #poll: Poll

  constructor(options: HealthMonitorOptions) {
    this.#options = options
    this.#poll = new Poll(() => this.judge(), INTERVAL_MS)
  }

  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#poll.stop()
  }

  /** Judges now. */
  async judge(): Promise<void> {
    const { health, dataAnswers, fallbackAnswers, indexesServe } = this.#options
    const data = await dataAnswers().catch(() => false)
    const serving = data || fallbackAnswers(FALLBACK_SILENCE_MS)
    health.set('', serving)
    health.set('perigee.v1.CacheService', serving)
    health.set('perigee.v1.SearchService', serving && indexesServe())
  }
}
