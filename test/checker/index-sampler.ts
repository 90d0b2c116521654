import type { Recorder } from './recorder.ts'
import type { Stores } from './stores.ts'

const EVERY_MS = 150

/** Reads the indexes themselves every now and then, one region after another. */
export class IndexSampler {
  readonly #stores: Stores
  readonly #recorder: Recorder
  readonly #regions: readonly string[]
  #timer: NodeJS.Timeout | undefined
  #next = 0

  constructor(options: { stores: Stores; recorder: Recorder; regions: readonly string[] }) {
    this.#stores = options.stores
    this.#recorder = options.recorder
    this.#regions = options.regions
  }

  start(): void {
    this.#timer = setTimeout(async () => {
      const region = this.#regions[this.#next++ % this.#regions.length] as string
      // One that is down just now has nothing to show.
      await this.#read(region).catch(() => undefined)
      if (this.#timer) this.start()
    }, EVERY_MS)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  /** Reads all regions now. */
  async sample(): Promise<void> {
    for (const region of this.#regions) await this.#read(region)
  }

  async #read(region: string): Promise<void> {
    const { log: _, ...reading } = await this.#stores.index(region)
    this.#recorder.sample({ region, ms: this.#recorder.now().ms, ...reading })
  }
}
