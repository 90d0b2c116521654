import { setTimeout as delay } from 'node:timers/promises'
import type { Hits, Perigee } from '@perigee/sdk'
import { embed } from './embed.ts'

/** A model of the tests: its vectors depend on the seed, and no two models have as many dimensions. */
export interface TestModel {
  readonly id: string
  readonly revision: string
  readonly seed: string
  readonly dimensions: number
}

/** What went wrong with one search. */
export interface Fault {
  readonly model: string
  readonly what: string
}

/**
 * Begins work every so many milliseconds until the end. On a machine that can't keep up, what is due is left out while so
 * much is under way: then it is the machine's own pace that is kept.
 */
export class Steady implements AsyncDisposable {
  readonly #stop = new AbortController()
  readonly #inFlight = new Set<Promise<void>>()
  readonly #running: Promise<void>
  begun = 0
  leftOut = 0
  #endedMs: number | undefined
  readonly #startMs = performance.now()

  constructor(options: { everyMs: number; atOnceMax: number }, work: (n: number) => Promise<void>) {
    this.#running = this.#run(options, work)
  }

  async #run(
    { everyMs, atOnceMax }: { everyMs: number; atOnceMax: number },
    work: (n: number) => Promise<void>,
  ): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      const due = Math.floor((performance.now() - this.#startMs) / everyMs)
      while (this.begun + this.leftOut < due) {
        if (this.#inFlight.size >= atOnceMax) {
          this.leftOut += 1
          continue
        }
        const begun: Promise<void> = work(this.begun).finally(() => this.#inFlight.delete(begun))
        this.#inFlight.add(begun)
        this.begun += 1
      }
      await delay(everyMs, undefined, { signal }).catch(() => {})
    }
    await Promise.all(this.#inFlight)
  }

  /** How much was begun a second. */
  get perSecond(): number {
    return (this.begun * 1000) / ((this.#endedMs ?? performance.now()) - this.#startMs)
  }

  /** Begins no more, and waits for what was begun. */
  async end(): Promise<void> {
    this.#endedMs ??= performance.now()
    this.#stop.abort()
    await this.#running
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end()
  }
}

/** Searches an alias in one model and holds every hit against that model: its distance, and so its vector, must be of it. */
export async function searchAndJudge(
  perigee: Perigee,
  alias: string,
  { model, query, faults }: { model: TestModel; query: string; faults: Fault[] },
): Promise<void> {
  const vector = embed(model.seed, model.dimensions, query)
  let hits: Hits
  try {
    hits = await perigee.index(alias, { model }).search(vector, { k: 10 })
  } catch (error) {
    faults.push({ model: model.id, what: `failed: ${error}` })
    return
  }
  if (hits.length !== 10) faults.push({ model: model.id, what: `${hits.length} hits of 10` })
  for (const { id, text, distance } of hits) {
    const own = embed(model.seed, model.dimensions, text)
    const expected = own.reduce((sum, x, i) => sum + (x - (vector[i] ?? 0)) ** 2, 0)
    if (Math.abs(distance - expected) > expected * 1e-3 + 1e-3)
      faults.push({ model: model.id, what: `${id} at ${distance}, which is ${expected} away in this model` })
  }
}
