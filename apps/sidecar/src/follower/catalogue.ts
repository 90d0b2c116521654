import { laterPosition, ORIGIN, type Position } from '@perigee/core'
import type { Logger } from 'pino'
import type { ChangeLog } from '../redis/change-log.ts'
import type { CopyWriter } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'

/** The indexes there are to be in this region, and the search indexes that the index Redis has for them. */
export class Catalogue {
  readonly #log: ChangeLog
  readonly #copies: CopyWriter
  readonly #logger: Logger
  #definitions: ReadonlyMap<string, IndexDefinition> | undefined
  #byName = new Map<string, IndexDefinition>()
  #knownAt: Position = ORIGIN
  #made: Set<string> | undefined
  #current = false

  constructor(log: ChangeLog, copies: CopyWriter, logger: Logger) {
    this.#log = log
    this.#copies = copies
    this.#logger = logger
  }

  /** By uid; empty until known. */
  get definitions(): ReadonlyMap<string, IndexDefinition> {
    return this.#definitions ?? new Map()
  }

  /** Whether the definitions have been read. */
  get known(): boolean {
    return this.#definitions !== undefined
  }

  /** The definitions are those of the data Redis at this position. */
  get at(): Position {
    return this.#knownAt
  }

  /** The index of a name. */
  find(namespace: string, name: string): IndexDefinition | undefined {
    return this.#byName.get(`${namespace}/${name}`)
  }

  /** Says that the definitions haven't changed up to a position. */
  knownAt(position: Position): void {
    this.#knownAt = laterPosition(this.#knownAt, position)
  }

  /** From now on nothing is taken for current: another sidecar wrote, or a Redis may have changed. */
  forget(): void {
    this.#made = undefined
    this.#current = false
  }

  /** Reads the definitions unless they are current. */
  async ensure(): Promise<void> {
    if (!this.#current) await this.load()
  }

  /** Reads the definitions. */
  async load(): Promise<void> {
    const { indexes, clock } = await this.#log.indexes()
    this.#definitions = new Map(indexes.map((d) => [d.uid, d]))
    this.#byName = new Map(indexes.map((d) => [`${d.namespace}/${d.name}`, d]))
    this.#knownAt = clock
    this.#current = true
  }

  /** The definitions without a search index. */
  async missing(): Promise<IndexDefinition[]> {
    this.#made ??= await this.#copies.searchIndexes()
    const made = this.#made
    return [...this.definitions.values()].filter(({ uid }) => !made.has(uid))
  }

  /** Makes the search indexes that lack. */
  async makeMissing(): Promise<void> {
    for (const definition of await this.missing()) {
      await this.#copies.createIndex(definition)
      this.#made?.add(definition.uid)
      this.#logger.info(
        { namespace: definition.namespace, index: definition.name, uid: definition.uid },
        'search index made',
      )
    }
  }

  /**
   * Drops the search indexes that no definition asks for, by definitions read after their names: so that one which another
   * sidecar made just now stays.
   */
  async dropOthers(): Promise<void> {
    const made = await this.#copies.searchIndexes()
    await this.load()
    this.#made = made
    for (const uid of made) {
      if (this.definitions.has(uid)) continue
      await this.#copies.dropIndex(uid)
      made.delete(uid)
      this.#logger.info({ uid }, 'search index dropped')
    }
  }
}
