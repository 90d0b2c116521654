import { comparePositions, laterPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'
import type { Logger } from 'pino'
import type { ChangeLog } from '../redis/change-log.ts'
import type { CopyWriter } from '../redis/copy-writer.ts'
import type { AliasDefinition, IndexDefinition, NamedIndexes } from '../redis/index-definition.ts'

/** What a name stands for in this region. */
export interface RegionalName extends NamedIndexes {
  /** That is known to be so up to here. */
  readonly until: Position
  /** True of an alias that this region is to know only once its copies include more. */
  readonly ahead?: boolean
}

/** What an alias stood for, from one change of it to the next. */
interface AliasVersion {
  /** Absent: there was none. */
  readonly alias?: AliasDefinition
  readonly indexes: readonly IndexDefinition[]
  readonly since: Position
  /** Of all but the newest version: it is known to have held up to here. */
  until?: Position
}

const VERSIONS_MAX = 16

/** The indexes and aliases there are to be in this region, and the search indexes that the index Redis has for them. */
export class Catalogue {
  readonly #log: ChangeLog
  readonly #copies: CopyWriter
  readonly #logger: Logger
  #definitions: ReadonlyMap<string, IndexDefinition> | undefined
  #byName = new Map<string, IndexDefinition>()
  /** Newest last. Definitions are read ahead of the log; what an alias stood for before is still needed then. */
  readonly #aliases = new Map<string, AliasVersion[]>()
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

  /** What a name stands for where the copies include everything up to `applied`: an alias switches when they include its switch. */
  named(namespace: string, name: string, applied: Position): RegionalName {
    const index = this.find(namespace, name)
    if (index) return { indexes: [index], until: this.#knownAt }
    const versions = this.#aliases.get(`${namespace}/${name}`) ?? []
    const place = versions.findLastIndex(({ since }) => comparePositions(since, applied) <= 0)
    const version = versions[place]
    if (!version) return { indexes: [], until: this.#knownAt, ahead: versions.length > 0 }
    versions.splice(0, place)
    const { alias, indexes, until = this.#knownAt } = version
    return { alias, indexes, until }
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
    const { indexes, aliases, clock } = await this.#log.indexes()
    this.#definitions = new Map(indexes.map((d) => [d.uid, d]))
    this.#byName = new Map(indexes.map((d) => [`${d.namespace}/${d.name}`, d]))
    for (const alias of aliases) {
      const found = alias.indexes.flatMap((name) => this.find(alias.namespace, name) ?? [])
      this.#learn(alias, { alias, indexes: found, since: parsePosition(alias.position) ?? clock })
    }
    const names = new Set(aliases.map(({ namespace, name }) => `${namespace}/${name}`))
    for (const [name, versions] of this.#aliases) {
      const { alias } = versions.at(-1) ?? {}
      if (alias && !names.has(name)) this.#learn(alias, { indexes: [], since: clock })
    }
    this.#knownAt = clock
    this.#current = true
  }

  #learn({ namespace, name }: AliasDefinition, version: AliasVersion): void {
    const versions = this.#aliases.get(`${namespace}/${name}`) ?? []
    const before = versions.at(-1)
    if (before && before.alias?.position === version.alias?.position) return
    if (before) before.until = this.#knownAt
    this.#aliases.set(`${namespace}/${name}`, [...versions.slice(1 - VERSIONS_MAX), version])
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
