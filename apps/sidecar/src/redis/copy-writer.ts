import { CommandBytes } from './command-bytes.ts'
import type { IndexDefinition } from './index-definition.ts'
import type { Command, IndexRedis } from './index-redis.ts'
import type { Keys } from './keys.ts'
import { createCommand, dropCommand, FIELD, infoCommand, listCommand } from './search-commands.ts'

/** A change of one copy. */
export type CopyChange =
  | {
      readonly kind: 'put'
      readonly indexUid: string
      readonly id: string
      readonly fields: readonly (string | Buffer)[]
    }
  | { readonly kind: 'remove'; readonly indexUid: string; readonly id: string }
  /** Of an index that is gone: it has no copies any more. */
  | { readonly kind: 'forget'; readonly indexUid: string }

/** Changes of copies as the index Redis is sent them. */
export interface EncodedChanges {
  /** How many. */
  readonly size: number
  readonly commands: CommandBytes
}

/** A checkpoint's fields by name. */
type CheckpointFields = ReadonlyMap<string, string>

/** A commit that was sent ahead. */
interface CommitAhead {
  readonly changes: EncodedChanges
  readonly writes: CheckpointFields
  /** As it was when the watch began. */
  readonly checkpoint: Promise<CheckpointFields>
  /** Whether that was read. */
  isRead: boolean
}

/** What a follower calls its connection. */
export function followerName(id: string): string {
  return `perigee-follow-${id}`
}

/** What a follower does at the index Redis, over a connection of its own: WATCH belongs to a connection. */
export class CopyWriter {
  readonly #redis: IndexRedis
  readonly #keys: Keys
  readonly #tagSeparator: string
  /** The checkpoint as of the watch that is in force. */
  #watched: CheckpointFields = new Map()
  #ahead: CommitAhead | undefined

  constructor({ redis, keys, tagSeparator }: { redis: IndexRedis; keys: Keys; tagSeparator: string }) {
    this.#redis = redis
    this.#keys = keys
    this.#tagSeparator = tagSeparator
  }

  /** Reads the checkpoint's fields, and watches it until the next commit. */
  async watchCheckpoint(): Promise<CheckpointFields> {
    const ahead = this.#ahead
    if (ahead && !ahead.isRead && this.#redis.isOpen) {
      ahead.isRead = true
      this.#watched = await ahead.checkpoint
    } else {
      this.#ahead = undefined
      this.#watched = await this.#watch()
    }
    return this.#watched
  }

  async #watch(): Promise<CheckpointFields> {
    const key = this.#keys.checkpoint
    const [, , flat] = await this.#redis.batch([['UNWATCH'], ['WATCH', key], ['HGETALL', key]])
    const values = (flat as Buffer[]).map(String)
    const fields = new Map<string, string>()
    for (let i = 0; i + 1 < values.length; i += 2) fields.set(values[i] as string, values[i + 1] as string)
    return fields
  }

  /** Changes as {@link commit} takes them. Of two of one copy the later one holds. */
  encode(changes: readonly CopyChange[]): EncodedChanges {
    const keys = this.#keys
    const commands = new CommandBytes()
    const copies = new Map<string, Exclude<CopyChange, { kind: 'forget' }>>()
    for (const change of changes) {
      if (change.kind === 'forget') commands.add('SREM', keys.copyIndexes, change.indexUid)
      else copies.set(keys.copy(change.indexUid, change.id), change)
    }
    // Unlinked first, so that no field of an earlier version stays.
    if (copies.size > 0) commands.add('UNLINK', ...copies.keys())
    const [listed, unlisted] = [new Map<string, (string | number)[]>(), new Map<string, string[]>()]
    for (const [key, change] of copies) {
      const { indexUid, id } = change
      if (change.kind === 'put') {
        commands.add('HSET', key, ...change.fields)
        listOf(listed, indexUid).push(0, id)
      } else {
        listOf(unlisted, indexUid).push(id)
      }
    }
    for (const [uid, ids] of listed) commands.add('ZADD', keys.copyIds(uid), ...ids)
    for (const [uid, ids] of unlisted) commands.add('ZREM', keys.copyIds(uid), ...ids)
    if (listed.size > 0) commands.add('SADD', keys.copyIndexes, ...listed.keys())
    return { size: changes.length, commands }
  }

  /** Writes copies and checkpoint, all or none; false when the checkpoint has changed since it was watched. */
  async commit(changes: readonly EncodedChanges[], checkpoint: CheckpointFields): Promise<boolean> {
    const ahead = this.#ahead
    this.#ahead = undefined
    const [only, ...more] = changes.filter(({ size }) => size > 0)
    const isThere = ahead && this.#redis.isOpen && only === ahead.changes && more.length === 0
    if (isThere && sameFields(checkpoint, ahead.writes)) return await this.#redis.run()
    // What is taken back takes the watch along.
    if (ahead && !sameFields(this.#watched, await this.#watch())) return false
    return await this.#redis.transaction(...this.#commands(changes, checkpoint))
  }

  /**
   * To be called while a commit is under way: sends the next one behind it, so that the index Redis has all of it as soon as
   * it is done, under a watch that begins right then. If that is what is committed next, it need only be run; else it is
   * taken back.
   */
  commitAhead(changes: EncodedChanges, checkpoint: CheckpointFields): void {
    const watched = this.#watch()
    // It is told to whoever reads the checkpoint next.
    watched.catch(() => {})
    this.#redis.open(...this.#commands([changes], checkpoint))
    this.#ahead = { changes, writes: checkpoint, checkpoint: watched, isRead: false }
  }

  #commands(changes: readonly EncodedChanges[], checkpoint: CheckpointFields): CommandBytes[] {
    const key = this.#keys.checkpoint
    const written = new CommandBytes().add('DEL', key).add('HSET', key, ...[...checkpoint].flat())
    return [...changes.map(({ commands }) => commands), written]
  }

  /** The versions of copies; `undefined` for those that aren't there, or not whole. */
  async versions(indexUid: string, ids: readonly string[]): Promise<(string | undefined)[]> {
    if (ids.length === 0) return []
    const commands: Command[] = ids.map((id) => ['HGET', this.#keys.copy(indexUid, id), FIELD.version])
    const [listed, ...values] = await this.#redis.batch([
      ['ZMSCORE', this.#keys.copyIds(indexUid), ...ids],
      ...commands,
    ])
    return values.map((value, i) => (value && (listed as unknown[])[i] !== null ? String(value) : undefined))
  }

  /** Whether a follower is connected, by the name that it gave its connection; true when the Redis won't tell. */
  async followerConnected(id: string): Promise<boolean> {
    const list = await this.#redis.call('CLIENT', 'LIST').catch((error: unknown) => {
      if (this.#redis.usable) return undefined
      throw error
    })
    return list === undefined || String(list).includes(` name=${followerName(id)} `)
  }

  /** Ids of copies after a given one (`undefined`: from the first), in the order of their bytes. */
  async ids(indexUid: string, after: string | undefined, count: number): Promise<string[]> {
    const from = after === undefined ? '-' : `(${after}`
    const page = await this.#redis.call(
      'ZRANGE',
      this.#keys.copyIds(indexUid),
      from,
      '+',
      'BYLEX',
      'LIMIT',
      0,
      count,
    )
    return (page as Buffer[]).map(String)
  }

  /** Uids of the indexes that have copies. */
  async indexesWithCopies(): Promise<string[]> {
    return ((await this.#redis.call('SMEMBERS', this.#keys.copyIndexes)) as Buffer[]).map(String)
  }

  /** Uids of the search indexes under this prefix. */
  async searchIndexes(): Promise<Set<string>> {
    const prefix = this.#keys.searchIndex('')
    const names = await this.#redis.search(listCommand())
    return new Set(names.filter((n) => n.startsWith(prefix)).map((n) => n.slice(prefix.length)))
  }

  /** Makes an index unless it is there; copies that are there already come into it in the background. */
  async createIndex(definition: IndexDefinition): Promise<void> {
    const { uid } = definition
    const name = this.#keys.searchIndex(uid)
    const prefix = this.#keys.copyPrefix(uid)
    const command = createCommand({ name, prefix, definition, tagSeparator: this.#tagSeparator })
    await this.#redis.search(command).catch(unless(() => this.searchIndexes().then((uids) => uids.has(uid))))
  }

  /** Drops an index if it is there; its copies stay until swept. */
  async dropIndex(indexUid: string): Promise<void> {
    const command = dropCommand(this.#keys.searchIndex(indexUid))
    await this.#redis
      .search(command)
      .catch(unless(() => this.searchIndexes().then((uids) => !uids.has(indexUid))))
  }

  /** Whether all copies that were there when the index was made are in it. */
  async filled(indexUid: string): Promise<boolean> {
    return (await this.#redis.search(infoCommand(this.#keys.searchIndex(indexUid)))).filled
  }
}

function sameFields(a: CheckpointFields, b: CheckpointFields): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value)
}

/** The list of an index, which begins empty. */
function listOf<T>(lists: Map<string, T[]>, indexUid: string): T[] {
  const list = lists.get(indexUid) ?? []
  lists.set(indexUid, list)
  return list
}

/** Overlooks an error when what was wanted is so: another sidecar was first. */
function unless(isSo: () => Promise<boolean>): (error: unknown) => Promise<void> {
  return async (error) => {
    if (!(await isSo())) throw error
  }
}
