import { type Input, K } from '../input/input.ts'
import { farthestOfNearest } from '../input/truth.ts'
import type { Sample } from '../measure/sample.ts'

/** Checks what searches answer, and counts how many of the true nearest they find. */
export class Recall {
  readonly #farthest: readonly number[]
  #found = 0
  #wanted = 0

  constructor(input: Input) {
    this.#farthest = farthestOfNearest(input)
  }

  /** @throws unless there are k hits, nearest first, each with its id. */
  take(query: number, hits: readonly { readonly id: string; readonly distance: number }[], k: number): void {
    if (hits.length !== k) throw new Error(`a search for ${k} gave ${hits.length}`)
    // Of the first K alone it is known how far they may be.
    const farthest = this.#farthest[query] ?? Number.NaN
    let found = 0
    let before = Number.NEGATIVE_INFINITY
    for (const { id, distance } of hits) {
      if (!id || !(distance >= before)) throw new Error(`a hit out of order: ${id} at ${distance}`)
      before = distance
      if (distance <= farthest) found += 1
    }
    // Ties may be more than were asked for.
    this.#found += Math.min(found, k, K)
    this.#wanted += Math.min(k, K)
  }

  /** Of the searches since the last time, 0 to 1: at K, or at k where that is less. */
  figures(): Sample {
    const recall = this.#found / this.#wanted
    this.#found = 0
    this.#wanted = 0
    return { recall }
  }
}
