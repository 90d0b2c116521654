import { Deadline } from './deadline.ts'
import type { EmbeddingModel, IndexDefinition } from './index-definition.ts'

const KNOWN_FOR_MS = 30_000

/** Which index: an alias has one for each model. */
export interface IndexName {
  readonly namespace: string
  readonly name: string
  readonly model?: EmbeddingModel | undefined
}

/** Definitions of indexes this client has seen lately. An index may be dropped and made anew, so none is kept long. */
export class KnownIndexes {
  readonly #known = new Map<string, { readonly definition: IndexDefinition; readonly until: Deadline }>()
  readonly #asking = new Set<string>()

  get(index: IndexName): IndexDefinition | undefined {
    const known = this.#known.get(keyOf(index))
    return known?.until.passed ? undefined : known?.definition
  }

  learn(index: IndexName, definition: IndexDefinition): IndexDefinition {
    this.#known.set(keyOf(index), { definition, until: Deadline.in(KNOWN_FOR_MS) })
    return definition
  }

  /** Asks for the definition in the background, if it isn't known and nobody has just asked. */
  learnSoon(index: IndexName, ask: () => Promise<IndexDefinition | undefined>): void {
    const key = keyOf(index)
    if (this.get(index) || this.#asking.has(key)) return
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
