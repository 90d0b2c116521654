import { type Input, K } from '../input/input.ts'
import { farthestOfNearest } from '../input/truth.ts'
import type { Sample } from '../measure/sample.ts'

/** Checks what searches answer, and counts how many of the true nearest they find. */
export class Recall {
  readonly #farthest: readonly number[]
  #found = 0
  #searches = 0

  constructor(input: Input) {
    this.#farthest = farthestOfNearest(input)
  }

  /** @throws unless there are K hits, nearest first, each with its id. */
  take(query: number, hits: readonly { readonly id: string; readonly distance: number }[]): void {
    if (hits.length !== K) throw new Error(`a search for ${K} gave ${hits.length}`)
    const farthest = this.#farthest[query] ?? Number.NaN
    let before = Number.NEGATIVE_INFINITY
    for (const { id, distance } of hits) {
      if (!id || !(distance >= before)) throw new Error(`a hit out of order: ${id} at ${distance}`)
      before = distance
      if (distance <= farthest) this.#found += 1
    }
    this.#searches += 1
  }

  /** Of the searches since the last time, 0 to 1. */
  figures(): Sample {
    const recall = this.#found / (this.#searches * K)
    this.#found = 0
    this.#searches = 0
    return { recall }
  }
}
