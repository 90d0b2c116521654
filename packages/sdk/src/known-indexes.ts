import { Deadline } from './deadline.ts'
import type { EmbeddingModel, IndexDefinition } from './index-definition.ts'

const KNOWN_FOR_MS = 30_000
/** From then on it is asked for anew, in the background. */
const FRESH_FOR_MS = KNOWN_FOR_MS / 2

/** Which index: an alias has one for each model. */
export interface IndexName {
  readonly namespace: string
  readonly name: string
  readonly model?: EmbeddingModel | undefined
}

interface Known {
  readonly definition: IndexDefinition
  readonly freshUntil: Deadline
  readonly until: Deadline
}

/** Definitions of indexes this client has seen lately. An index may be dropped and made anew, so none is kept long. */
export class KnownIndexes {
  readonly #known = new Map<string, Known>()
  readonly #asking = new Set<string>()

  get(index: IndexName): IndexDefinition | undefined {
    const known = this.#known.get(keyOf(index))
    return known?.until.passed ? undefined : known?.definition
  }

  /** What was last known, however long ago: for when nobody can be asked. */
  last(index: IndexName): IndexDefinition | undefined {
    return this.#known.get(keyOf(index))?.definition
  }

  learn(index: IndexName, definition: IndexDefinition): IndexDefinition {
    const freshUntil = Deadline.in(FRESH_FOR_MS)
    this.#known.set(keyOf(index), { definition, freshUntil, until: Deadline.in(KNOWN_FOR_MS) })
    return definition
  }

  /** Asks for the definition in the background, if it isn't known, or not for much longer, and nobody has just asked. */
  learnSoon(index: IndexName, ask: () => Promise<IndexDefinition | undefined>): void {
    const key = keyOf(index)
    const known = this.#known.get(key)
    if ((known && !known.freshUntil.passed) || this.#asking.has(key)) return
    this.#asking.add(key)
    ask()
      .then((definition) => definition && this.learn(index, definition))
      .catch(() => {
        // It is asked again at the next search, and when it is needed.
      })
      .finally(() => this.#asking.delete(key))
  }

  forget(index: IndexName): void {
    this.#known.delete(keyOf(index))
  }
}

function keyOf({ namespace, name, model }: IndexName): string {
  return `${namespace}/${name}/${model ? `${model.id}@${model.revision}` : ''}`
}
