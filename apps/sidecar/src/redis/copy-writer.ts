import type { IndexDefinition } from './index-definition.ts'
import type { Command, IndexRedis } from './index-redis.ts'
import type { Keys } from './keys.ts'
import { createCommand, dropCommand, infoCommand, listCommand } from './search-commands.ts'

/** A change of one copy. */
export type CopyChange =
  | {
      readonly kind: 'put'
      readonly indexUid: string
      readonly id: string
      readonly fields: readonly (string | Buffer)[]
    }
  | { readonly kind: 'remove'; readonly indexUid: string; readonly id: string }

/** What a follower does at the index Redis, over a connection of its own: WATCH belongs to a connection. */
export class CopyWriter {
  readonly #redis: IndexRedis
  readonly #keys: Keys
  readonly #tagSeparator: string

  constructor({ redis, keys, tagSeparator }: { redis: IndexRedis; keys: Keys; tagSeparator: string }) {
    this.#redis = redis
    this.#keys = keys
    this.#tagSeparator = tagSeparator
  }

  /** Reads the checkpoint's fields, and watches it until the next commit. */
  async watchCheckpoint(): Promise<Map<string, string>> {
    const key = this.#keys.checkpoint
    const [, , flat] = await this.#redis.batch([['UNWATCH'], ['WATCH', key], ['HGETALL', key]])
    const values = (flat as Buffer[]).map(String)
    const fields = new Map<string, string>()
    for (let i = 0; i + 1 < values.length; i += 2) fields.set(values[i] as string, values[i + 1] as string)
    return fields
  }

  /** Writes copies and checkpoint, all or none; false when the checkpoint has changed since it was watched. */
  commit(changes: readonly CopyChange[], checkpoint: ReadonlyMap<string, string>): Promise<boolean> {
    const keys = this.#keys
    const commands: Command[] = []
    for (const change of changes) {
      const { indexUid, id } = change
      const key = keys.copy(indexUid, id)
      // Unlinked first, so that no field of an earlier version stays.
      commands.push(['UNLINK', key])
      if (change.kind === 'put') {
        commands.push(['HSET', key, ...change.fields], ['ZADD', keys.copyIds(indexUid), 0, id])
      } else {
        commands.push(['ZREM', keys.copyIds(indexUid), id])
      }
    }
    const put = new Set(changes.filter((c) => c.kind === 'put').map((c) => c.indexUid))
    if (put.size > 0) commands.push(['SADD', keys.copyIndexes, ...put])
    commands.push(['DEL', keys.checkpoint], ['HSET', keys.checkpoint, ...[...checkpoint].flat()])
    return this.#redis.transaction(commands)
  }

  /** The versions of copies; `undefined` for those that aren't there. */
  async versions(indexUid: string, ids: readonly string[]): Promise<(string | undefined)[]> {
    const commands = ids.map((id) => ['HGET', this.#keys.copy(indexUid, id), 'version'] as const)
    const values = await this.#redis.batch(commands)
    return values.map((value) => (value ? String(value) : undefined))
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

  /** Removes copies of an index that isn't there any more; true when none are left. */
  async sweep(indexUid: string, count: number): Promise<boolean> {
    const ids = await this.ids(indexUid, undefined, count)
    const all = this.#keys.copyIds(indexUid)
    if (ids.length > 0) {
      await this.#redis.batch([
        ['UNLINK', ...ids.map((id) => this.#keys.copy(indexUid, id))],
        ['ZREM', all, ...ids],
      ])
    }
    if (ids.length === count) return false
    await this.#redis.call('SREM', this.#keys.copyIndexes, indexUid)
    return true
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

/** Overlooks an error when what was wanted is so: another sidecar was first. */
function unless(isSo: () => Promise<boolean>): (error: unknown) => Promise<void> {
  return async (error) => {
    if (!(await isSo())) throw error
  }
}
