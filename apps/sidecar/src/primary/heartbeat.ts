import type { FunctionLibrary } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import type { Claim } from './claim.ts'

/** Writes the heartbeat again and again while this region holds the claim. */
export class Heartbeat {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #claim: Claim
  readonly #intervalMs: number
  #timer: NodeJS.Timeout | undefined
  #writing = false

  constructor(options: { library: FunctionLibrary; keys: Keys; claim: Claim; intervalMs: number }) {
    this.#library = options.library
    this.#keys = options.keys
    this.#claim = options.claim
    this.#intervalMs = options.intervalMs
  }

  start(): void {
    this.#timer = setInterval(() => void this.#beat(), this.#intervalMs)
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #beat(): Promise<void> {
    const { epoch } = this.#claim
    if (epoch === undefined || this.#writing) return
    this.#writing = true
    try {
      await this.#library.call('heartbeat', [this.#keys.clock, this.#keys.heartbeat], [epoch, ''])
    } catch {
      // A missed beat shows as lag; whether the claim still stands is the claim's to find out.
      void this.#claim.refresh()
    } finally {
      this.#writing = false
    }
  }
}
