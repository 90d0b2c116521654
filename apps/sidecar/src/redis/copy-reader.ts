import type { Command, IndexRedis } from './index-redis.ts'
import type { Keys } from './keys.ts'
import { FIELD, type Found, type SearchOptions, searchCommand } from './search-commands.ts'
import type { SearchReader } from './search-reader.ts'

/** What was found, between two looks at the checkpoint. */
export interface BetweenCheckpoints<T> {
  readonly before: readonly (string | undefined)[]
  readonly after: readonly (string | undefined)[]
  readonly found: T
}

/** What there is of a copy: both, or it isn't whole. */
export interface CopyPresence {
  /** As a search finds it; `undefined` when it doesn't. */
  readonly version: string | undefined
  readonly listed: boolean
}

/** Reads copies and searches them. Where the module has worker threads, searches go over several connections. */
export class CopyReader {
  readonly #connections: readonly IndexRedis[]
  readonly #searches: SearchReader | undefined
  readonly #keys: Keys
  #next = 0

  constructor(options: {
    readonly connections: readonly IndexRedis[]
    /** For searches where the module has no worker threads; without it, or while it isn't connected, `connections` serve. */
    readonly searches?: SearchReader | undefined
    readonly keys: Keys
  }) {
    const { connections, searches, keys } = options
    this.#connections = connections
    this.#searches = searches
    this.#keys = keys
  }

  /** Whether the index Redis takes commands. */
  get usable(): boolean {
    return this.#connection().usable
  }

  /** Searches an index; the checkpoint's fields come from right before and right after. */
  async search(
    indexUid: string,
    query: string,
    options: SearchOptions & { readonly checkpointFields: readonly string[] },
  ): Promise<BetweenCheckpoints<Found>> {
    const command = searchCommand(this.#keys.searchIndex(indexUid), query, options)
    const look: Command = ['HMGET', this.#keys.checkpoint, ...options.checkpointFields]
    const connection = this.#connection()
    if (connection.usable && connection.workers === 0 && this.#searches?.ready)
      return this.#searches.search(look as readonly string[], command.args)
    const [name, ...args] = command.args
    const [before, found, after] = await connection.batch([look, [name as string, ...args], look])
    return { before: texts(before), after: texts(after), found: command.decode(found) }
  }

  /** The keys of copies, for `SearchOptions.keys`. */
  copyKeys(indexUid: string, ids: readonly string[]): string[] {
    return ids.map((id) => this.#keys.copy(indexUid, id))
  }

  /** Fields of the checkpoint. */
  async checkpoint(fields: readonly string[]): Promise<(string | undefined)[]> {
    return texts(await this.#connection().call('HMGET', this.#keys.checkpoint, ...fields))
  }

  /** Ids of copies after a given one (`undefined`: from the first), in the order of their bytes. */
  async ids(indexUid: string, after: string | undefined, count: number): Promise<string[]> {
    const from = after === undefined ? '-' : `(${after}`
    const key = this.#keys.copyIds(indexUid)
    const page = await this.#connection().call('ZRANGE', key, from, '+', 'BYLEX', 'LIMIT', 0, count)
    return (page as Buffer[]).map(String)
  }

  /** Fields of copies, in the order asked; all `null` for one that isn't there. */
  async copies(
    indexUid: string,
    ids: readonly string[],
    fields: readonly string[],
  ): Promise<Record<string, Buffer | null>[]> {
    const commands = ids.map((id) => ['HMGET', this.#keys.copy(indexUid, id), ...fields] as const)
    const rows = (await this.#connection().batch(commands)) as (Buffer | null)[][]
    return rows.map((row) => Object.fromEntries(fields.map((field, i) => [field, row[i] ?? null])))
  }

  /** What a search and a listing have of copies, in the order asked. */
  async presence(indexUid: string, ids: readonly string[], timeoutMs: number): Promise<CopyPresence[]> {
    if (ids.length === 0) return []
    const keys = this.copyKeys(indexUid, ids)
    const options = { fields: [FIELD.version], params: {}, count: ids.length, keys, timeoutMs }
    const command = searchCommand(this.#keys.searchIndex(indexUid), '*', options)
    const [name, ...args] = command.args
    const [found, listed] = await this.#connection().batch([
      [name as string, ...args],
      ['ZMSCORE', this.#keys.copyIds(indexUid), ...ids],
    ])
    const { documents } = command.decode(found)
    const versions = new Map(documents.map((found) => [found.key, found.text(FIELD.version) ?? '']))
    return keys.map((key, i) => ({
      version: versions.get(key),
      listed: (listed as unknown[])[i] !== null,
    }))
  }

  /** A page of the ids of everything under an index's prefix, listed or not, in no order; cursor `0` begins and ends. */
  async scan(
    indexUid: string,
    cursor: string,
    count: number,
  ): Promise<{ readonly ids: readonly string[]; readonly cursor: string }> {
    const prefix = this.#keys.copyPrefix(indexUid)
    const pattern = `${prefix.replace(/[\\*?[\]^]/g, '\\$&')}*`
    const page = await this.#connection().call('SCAN', cursor, 'MATCH', pattern, 'COUNT', count)
    const [next, keys] = page as [Buffer, Buffer[]]
    return { cursor: String(next), ids: keys.map((key) => String(key).slice(prefix.length)) }
  }

  /** Ids of copies drawn at random, so that some may come twice; none of an index without copies. */
  async randomIds(indexUid: string, count: number): Promise<string[]> {
    const drawn = await this.#connection().call('ZRANDMEMBER', this.#keys.copyIds(indexUid), -count)
    return (drawn as Buffer[]).map(String)
  }

  /** How many copies indexes have. */
  async counts(indexUids: readonly string[]): Promise<number[]> {
    const commands = indexUids.map((uid) => ['ZCARD', this.#keys.copyIds(uid)] as const)
    return (await this.#connection().batch(commands)).map(Number)
  }

  #connection(): IndexRedis {
    const [first] = this.#connections as readonly [IndexRedis, ...IndexRedis[]]
    if (first.workers === 0) return first
    this.#next = (this.#next + 1) % this.#connections.length
    return this.#connections[this.#next] ?? first
  }
}

function texts(row: unknown): (string | undefined)[] {
  return (row as (Buffer | null)[]).map((value) => (value === null ? undefined : String(value)))
}
