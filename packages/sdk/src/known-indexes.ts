import { Deadline } from './deadline.ts'
import type { IndexDefinition } from './index-definition.ts'

const KNOWN_FOR_MS = 30_000

/** Definitions of indexes this client has seen lately. An index may be dropped and made anew, so none is kept long. */
export class KnownIndexes {
  readonly #known = new Map<string, { readonly definition: IndexDefinition; readonly until: Deadline }>()

  get(namespace: string, name: string): IndexDefinition | undefined {
    const known = this.#known.get(`${namespace}/${name}`)
    return known?.until.passed ? undefined : known?.definition
  }

  learn(namespace: string, name: string, definition: IndexDefinition): IndexDefinition {
    this.#known.set(`${namespace}/${name}`, { definition, until: Deadline.in(KNOWN_FOR_MS) })
    return definition
  }

  forget(namespace: string, name: string): void {
    this.#known.delete(`${namespace}/${name}`)
  }
}
