import { SearchService } from '@perigee/protocol'
import type { ReadOptions, WriteOptions } from './call-options.ts'
import type { Calls } from './calls.ts'
import {
  definitionFromWire,
  type EmbeddingModel,
  type IndexDefinition,
  sameModel,
} from './index-definition.ts'
import { indexPages } from './index-pages.ts'
import type { Receipt } from './receipt.ts'

/** A name that stands for indexes of different models: a request by it goes to the one of the request's model. */
export interface Alias {
  readonly name: string
  /** One to eight, in the order they were put in. */
  readonly indexes: readonly string[]
}

interface InNamespace {
  /** Default `default`. */
  readonly namespace?: string | undefined
}

const methods = SearchService.method

/**
 * Aliases of indexes: `index(alias, { model })` searches and writes the alias's index of that model, so that clients move
 * from one model to the next one by one. Each region switches once its own indexes include everything written before.
 *
 * Every method fails with a `PerigeeError`.
 */
export class Aliases {
  readonly #calls: Calls

  /** Use `perigee.aliases` or `session.aliases`. */
  constructor(calls: Calls) {
    this.#calls = calls
  }

  /**
   * Points an alias at indexes of different models, whatever it pointed at before.
   *
   * @throws PerigeeError `INDEX_EXISTS` when an index has its name, `INDEX_NOT_FOUND`, `INVALID_FIELD` for two of one model.
   */
  async put(
    name: string,
    indexes: readonly string[],
    options: WriteOptions & InNamespace = {},
  ): Promise<{ readonly receipt: Receipt }> {
    const fields = { namespace: options.namespace ?? 'default', alias: { name, indexes: [...indexes] } }
    const { receipt } = await this.#calls.write(methods.putAlias, fields, options)
    return { receipt }
  }

  /** Deletes an alias; its indexes stay. @throws PerigeeError `ALIAS_NOT_FOUND` */
  async delete(
    name: string,
    options: WriteOptions & InNamespace = {},
  ): Promise<{ readonly receipt: Receipt }> {
    const fields = { namespace: options.namespace ?? 'default', name }
    const { receipt } = await this.#calls.write(methods.deleteAlias, fields, options)
    return { receipt }
  }

  /** One alias; `undefined` when there is none of the name. */
  async get(name: string, options: ReadOptions & InNamespace = {}): Promise<Alias | undefined> {
    for await (const alias of this.list(options)) if (alias.name === name) return alias
    return undefined
  }

  /** The aliases of a namespace, by name. */
  async *list(options: ReadOptions & InNamespace = {}): AsyncGenerator<Alias, void, undefined> {
    for await (const { aliases } of indexPages(this.#calls, options.namespace, options))
      for (const { name, indexes } of aliases) yield { name, indexes }
  }
}

/** The index of a model that an alias points at; `undefined` when it has none. */
export async function aliasedIndex(
  calls: Calls,
  alias: { readonly namespace: string; readonly name: string; readonly model: EmbeddingModel },
  options: ReadOptions,
): Promise<IndexDefinition | undefined> {
  const definitions = new Map<string, IndexDefinition>()
  let names: readonly string[] = []
  for await (const page of indexPages(calls, alias.namespace, options)) {
    for (const index of page.indexes) definitions.set(index.name, definitionFromWire(index))
    names = page.aliases.find(({ name }) => name === alias.name)?.indexes ?? names
  }
  return names.map((name) => definitions.get(name)).find((d) => d && sameModel(d.model, alias.model))
}
