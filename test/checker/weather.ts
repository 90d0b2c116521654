import type { LocalCluster } from '@perigee/local-cluster'
import { randomNumbers } from '../support/vectors.ts'

const EVERY_MS = 1_000
const DELAY_MS_MAX = 500

/** Draws the delay of every link anew each second, in each direction by itself. */
export class Weather {
  readonly #cluster: LocalCluster
  readonly #random: () => number
  #timer: NodeJS.Timeout | undefined

  constructor(cluster: LocalCluster, seed: number) {
    this.#cluster = cluster
    this.#random = randomNumbers(seed)
  }

  async start(): Promise<void> {
    await this.#set(() => Math.floor(this.#random() * (DELAY_MS_MAX + 1)))
    this.#timer = setTimeout(() => void this.start(), EVERY_MS)
  }

  /** From now on there is no delay. */
  async calm(): Promise<void> {
    clearTimeout(this.#timer)
    await this.#set(() => 0)
  }

  async #set(delay: () => number): Promise<void> {
    for (const { from, to } of this.#cluster.links()) {
      await this.#cluster.setLink(from, to, { delayMs: delay() })
    }
  }
}
