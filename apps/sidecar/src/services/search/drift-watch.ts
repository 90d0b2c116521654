import type { RegionalIndexes } from '../../follower/regional-indexes.ts'
import type { IndexDefinition } from '../../redis/index-definition.ts'
import { Poll } from '../../status/poll.ts'
import { departure, profileOf, SAMPLED_MIN, type VectorProfile } from './drift.ts'

/** What is known of the vectors of one index in this region. */
export interface IndexProfile {
  readonly namespace: string
  readonly index: string
  readonly profile: VectorProfile
}

const SAMPLE_MAX = 256
const SAMPLE_BYTES_MAX = 2 * 1024 * 1024
const BYTES = { FLOAT32: 4, FLOAT64: 8 } as const

/**
 * Knows the vectors that this region's indexes hold, by drawing some of them at random, again whenever the copies have
 * changed. So it is true after deletes and restarts alike, costs the same for an index of any size, and keeps one vector
 * an index.
 */
export class DriftWatch {
  readonly #indexes: RegionalIndexes
  readonly #poll: Poll
  readonly #profiles = new Map<string, IndexProfile>()
  readonly #warnings = new Map<string, number>()
  /** The copies' revision of the last sample. */
  #revision: number | undefined

  constructor({ indexes, intervalMs }: { indexes: RegionalIndexes; intervalMs: number }) {
    this.#indexes = indexes
    this.#poll = new Poll(() => this.refresh(), intervalMs)
  }

  start(): void {
    this.#poll.start()
  }

  stop(): void {
    this.#poll.stop()
  }

  /** The profiles of all indexes that have vectors enough. */
  get profiles(): readonly IndexProfile[] {
    return [...this.#profiles.values()]
  }

  /** How many batches have been warned of, by index. */
  get warnings(): readonly { readonly namespace: string; readonly index: string; readonly count: number }[] {
    return [...this.#warnings].map(([name, count]) => {
      const [namespace = '', index = ''] = name.split('/')
      return { namespace, index, count }
    })
  }

  /** What to tell whoever writes this batch; nothing when it is like the index, or when nothing can be said. */
  warnOf({ namespace, name, uid, vectorType, model }: IndexDefinition, batch: readonly Buffer[]): string[] {
    const known = this.#profiles.get(uid)
    const how = known && departure(known.profile, batch, vectorType)
    if (!how) return []
    const index = `${namespace}/${name}`
    this.#warnings.set(index, (this.#warnings.get(index) ?? 0) + 1)
    return [
      `This batch departs from index ${name}: ${how}. It was written; make sure that its vectors are of ${model.id}, revision ${model.revision}.`,
    ]
  }

  /** Draws samples anew, if the copies have changed since. */
  async refresh(): Promise<void> {
    const { definitions, revision } = this.#indexes
    const uids = new Set(definitions.map(({ uid }) => uid))
    for (const uid of this.#profiles.keys()) if (!uids.has(uid)) this.#profiles.delete(uid)
    if (revision === undefined || revision === this.#revision) return
    for (const definition of definitions) await this.#sample(definition)
    this.#revision = revision
  }

  async #sample({ namespace, name, uid, dimensions, vectorType }: IndexDefinition): Promise<void> {
    const fitting = Math.floor(SAMPLE_BYTES_MAX / (dimensions * BYTES[vectorType]))
    const count = Math.max(SAMPLED_MIN, Math.min(SAMPLE_MAX, fitting))
    const vectors = await this.#indexes.sampleVectors(uid, { count, countMin: SAMPLED_MIN })
    const profile = profileOf(vectors, vectorType)
    if (profile) this.#profiles.set(uid, { namespace, index: name, profile })
    else this.#profiles.delete(uid)
  }
}
