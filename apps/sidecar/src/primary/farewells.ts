/*
 * Whether the claims of all other regions' data Redis are over, before a lease would have run out by itself.
 *
 * It is asked only while this region's is named, and forgotten when it isn't any more. A Redis that let go stays so: to
 * be claimed again it needs to be named after that, and then this region's isn't. A silent one never counts as gone: a
 * paused process wakes with its claim.
 */
import type { Logger } from 'pino'
import type { LastHeld, LetGo } from '../redis/let-go.ts'

export interface FarewellsOptions {
  /** Asks the data Redis at an address to let go. */
  readonly ask: (address: string) => Promise<LetGo>
  /** `host:port` of each other region's data Redis; `undefined` for one that isn't known. */
  readonly addresses: () => ReadonlyMap<string, string | undefined>
  readonly onGone: () => void
  readonly log: Logger
}

const PAUSE_MS = 100

export class Farewells {
  readonly #options: FarewellsOptions
  readonly #gone = new Map<string, LastHeld | undefined>()
  readonly #asking = new Set<string>()
  #sinceMs: number | undefined
  #overAtMs: number | undefined

  constructor(options: FarewellsOptions) {
    this.#options = options
  }

  /**
   * Asks those that haven't let go yet, in the background.
   *
   * @param sinceMs when this region's data Redis began to be named.
   * @returns when all others had let go, monotonic milliseconds; `undefined` while one hasn't.
   */
  since(sinceMs: number): number | undefined {
    if (sinceMs !== this.#sinceMs) this.#beginAnew(sinceMs)
    const addresses = this.#options.addresses()
    for (const [region, address] of addresses) {
      if (address !== undefined && !this.#gone.has(region)) void this.#ask(region, address, sinceMs)
    }
    if ([...addresses.keys()].every((region) => this.#gone.has(region))) {
      this.#overAtMs ??= performance.now()
    }
    return this.#overAtMs
  }

  /** What a region's Redis holds, whose sidecar may be silent: it gave its claim up, so nothing is added to it. */
  lastHeld(region: string): LastHeld | undefined {
    return this.#gone.get(region)
  }

  #beginAnew(sinceMs: number): void {
    this.#sinceMs = sinceMs
    this.#overAtMs = undefined
    this.#gone.clear()
  }

  async #ask(region: string, address: string, sinceMs: number): Promise<void> {
    if (this.#asking.has(region)) return
    this.#asking.add(region)
    const { ask, onGone, log } = this.#options
    try {
      const answer = await ask(address)
      if (this.#sinceMs !== sinceMs) return
      if (answer.gone) {
        this.#gone.set(region, answer.because === 'released' ? answer.holds : undefined)
        log.info({ other: region, address, because: answer.because }, 'another data Redis has let go')
        onGone()
      } else {
        log.debug({ other: region, address, why: answer.why }, 'another data Redis has not let go')
      }
    } finally {
      setTimeout(() => this.#asking.delete(region), PAUSE_MS).unref()
    }
  }
}
