import type { LocalCluster } from '@perigee/local-cluster'
import { randomNumbers } from '../support/vectors.ts'

const EVERY_MS = 1_000
const DELAY_MS_MAX = 500

/** Draws the delay of every link anew each second, in each direction by itself. */
export class Weather {
  readonly #cluster: LocalCluster
  readonly #random: () => number
  #timer: NodeJS.Timeout | undefined
  #maxMs = DELAY_MS_MAX

  constructor(cluster: LocalCluster, seed: number) {
    this.#cluster = cluster
    this.#random = randomNumbers(seed)
  }

  async start(): Promise<void> {
    await this.#draw()
    this.#timer = setTimeout(() => void this.start(), EVERY_MS)
  }

  /** Draws shorter delays from now on, until told otherwise. */
  async lull(maxMs = DELAY_MS_MAX): Promise<void> {
    this.#maxMs = maxMs
    await this.#draw()
  }

  /** From now on there is no delay. */
  async calm(): Promise<void> {
    clearTimeout(this.#timer)
    await this.lull(0)
  }

  async #draw(): Promise<void> {
    for (const { from, to } of this.#cluster.links()) {
      await this.#cluster.setLink(from, to, { delayMs: Math.floor(this.#random() * (this.#maxMs + 1)) })
    }
  }
}
