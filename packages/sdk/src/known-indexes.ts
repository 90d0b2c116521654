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

  get(index: IndexName): IndexDefinition | undefined {
    const known = this.#known.get(keyOf(index))
    return known?.until.passed ? undefined : known?.definition
  }

  learn(index: IndexName, definition: IndexDefinition): IndexDefinition {
    this.#known.set(keyOf(index), { definition, until: Deadline.in(KNOWN_FOR_MS) })
    return definition
  }

  forget(index: IndexName): void {
    this.#known.delete(keyOf(index))
  }
}

function keyOf({ namespace, name, model }: IndexName): string {
  return `${namespace}/${name}/${model ? `${model.id}@${model.revision}` : ''}`
}
