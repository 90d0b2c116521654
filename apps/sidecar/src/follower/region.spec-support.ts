import { randomUUID } from 'node:crypto'
import { type RedisProcess, startRedis } from '@perigee/embedded-redis'
import { pino } from 'pino'
import { afterEach, expect, vi } from 'vitest'
import type { StoredChunk } from '../redis/change-log.ts'
import { ClockWatch } from '../redis/clock-watch.ts'
import { RedisConnection } from '../redis/connection.ts'
import { CopyReader } from '../redis/copy-reader.ts'
import { CopyWriter, followerName } from '../redis/copy-writer.ts'
import { DataRedis } from '../redis/data-redis.ts'
import { FunctionLibrary } from '../redis/function-library.ts'
import { HistoryReader } from '../redis/history.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { IndexRedis } from '../redis/index-redis.ts'
import { Keys } from '../redis/keys.ts'
import { SearchReader } from '../redis/search-reader.ts'
import { Tracking } from '../redis/tracking.ts'
import { Follower } from './follower.ts'
import { IndexAudit } from './index-audit.ts'
import { Pace } from './pace.ts'
import { RegionalIndexes } from './regional-indexes.ts'
import { TAG_SEPARATOR } from './tag-value.ts'

const log = pino({ level: process.env.SPEC_LOG ?? 'silent' })
export const keys = new Keys('pg')
const primaryClock = { nowMs: () => Date.now(), uncertaintyMs: () => 1 }
const cleanups: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

export async function redis(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisProcess> {
  const process = await startRedis(options)
  cleanups.push(() => process[Symbol.asyncDispose]())
  return process
}

/** The primary's data Redis, written to by the library's own functions. */
export class Primary {
  readonly #library: FunctionLibrary
  readonly connection: RedisConnection
  epoch = 0

  constructor(url: string) {
    this.connection = new RedisConnection({ url, name: 'primary', timeoutMs: 5000, log })
    this.#library = new FunctionLibrary(this.connection)
    this.connection.start()
    cleanups.push(() => this.connection.stop())
  }

  async claim(): Promise<void> {
    await vi.waitFor(() => expect(this.connection.ready).toBe(true), 5000)
    await this.#library.load()
    this.epoch = Math.max(this.epoch + 1, Date.now() * 1000)
    const clock = (await this.connection.call('GET', keys.clock)) ?? ''
    const lease = String((Date.now() + 3_600_000) * 1000)
    const names = [keys.clock, keys.log, keys.forks, keys.cluster]
    const args = [this.epoch, lease, String(clock), '0123456789abcdef', 100_000, Date.now() * 1000]
    await this.#library.call('claim', names, args)
  }

  async createIndex(name: string, more: Partial<IndexDefinition> = {}): Promise<IndexDefinition> {
    const definition = {
      namespace: 'ns',
      name,
      dimensions: 2,
      metric: 'L2' as const,
      vectorType: 'FLOAT32' as const,
      algorithm: { kind: 'FLAT' as const },
      model: { id: 'm', revision: '1' },
      attributes: [{ name: 'lang', type: 'TAG' as const }],
      regionScoped: false,
      ...more,
    }
    const names = [keys.indexes('ns'), keys.indexNamespaces, keys.aliases('ns')]
    const reply = await this.#write('create_index', names, ['ns', name, JSON.stringify(definition)])
    return { ...definition, uid: `${reply[0]}-${reply[1]}` }
  }

  dropIndex(name: string): Promise<string[]> {
    const names = [keys.indexes('ns'), keys.indexNamespaces, keys.dropped, keys.aliases('ns')]
    return this.#write('drop_index', names, ['ns', name])
  }

  upsert(
    index: IndexDefinition,
    chunks: readonly { id: string; text?: string; tags?: string[] }[],
  ): Promise<string[]> {
    const chunkKeys = chunks.map((c) => keys.chunk(index.uid, c.id))
    const names = [keys.indexes('ns'), keys.expiring, keys.aliases('ns'), ...chunkKeys]
    const vector = (id: string) => Buffer.from(Float32Array.of(Number(id) || 0, 1).buffer)
    const rows = chunks.flatMap((c) => [
      c.id,
      c.text ?? c.id,
      vector(c.id),
      '{"lang":"en"}',
      (c.tags ?? []).join(','),
      '',
    ])
    return this.#write('upsert_chunks', names, [index.uid, index.name, '', ...rows])
  }

  delete(index: IndexDefinition, ids: readonly string[]): Promise<string[]> {
    const chunkKeys = ids.map((id) => keys.chunk(index.uid, id))
    const names = [keys.indexes('ns'), keys.expiring, keys.aliases('ns'), ...chunkKeys]
    return this.#write('delete_chunks', names, [index.uid, index.name, '', '0', ...ids])
  }

  async #write(name: string, names: string[], args: (string | Buffer)[]): Promise<string[]> {
    const common = [keys.clock, keys.log, keys.done, keys.doneBefore]
    const first = [this.epoch, Date.now() + 60_000, '0', 100_000]
    return (await this.#library.call(name, [...common, ...names], [...first, ...args])) as string[]
  }
}

/** A region's follower, as a sidecar builds it. */
export function region(dataUrl: string, indexUrl: string, name = 'us-east-1') {
  const watching = new RedisConnection({ url: dataUrl, name: 'reads', timeoutMs: 5000, log })
  const bulk = new RedisConnection({ url: dataUrl, name: 'bulk', timeoutMs: 5000, log })
  const tracking = new Tracking({ url: dataUrl, keys, timeoutMs: 5000, log })
  const watch = new ClockWatch({ connection: watching, keys, tracking })
  const history = new HistoryReader({ connection: watching, keys })
  const data = new DataRedis({ reads: watching, bulk, keys, history, watch, primaryClock })
  const id = randomUUID()
  const index = new IndexRedis({ url: indexUrl, log, name: followerName(id) })
  const searching = new IndexRedis({ url: indexUrl, log, name: 'search' })
  const copies = new CopyWriter({ redis: index, keys, tagSeparator: TAG_SEPARATOR })
  const pace = new Pace()
  const clock = primaryClock
  const follower = new Follower({ ...{ id, region: name, log: data, copies, clock, pace }, logger: log })
  index.onChange(() => follower.indexRedisChanged())
  const searches = new SearchReader({ url: indexUrl, log, name: 'searches', timeoutMs: 5000 })
  const reader = new CopyReader({ connections: [searching], searches, keys })
  const indexes = new RegionalIndexes({
    ...{ region: name, follower, log: data, reader, pace, clock },
    ...{ staleAfterMs: 10_000, replicationLagMs: () => 0 },
  })
  const audit = new IndexAudit({ region: name, log: data, reader, indexes, follower })
  for (const each of [watching, bulk, tracking, index, searching, searches, follower]) each.start()
  const stop = async () => {
    await follower.stop()
    for (const each of [watching, bulk, tracking, index, searching, searches]) each.stop()
  }
  cleanups.push(stop)
  return { id, follower, copies, data, index, indexUrl, indexes, audit, stop }
}

export type Region = ReturnType<typeof region>

export async function copiesOf({ copies }: Region, uid: string): Promise<Record<string, string>> {
  const ids = await copies.ids(uid, undefined, 100_000)
  const versions = await copies.versions(uid, ids)
  return Object.fromEntries(ids.map((id, i) => [id, versions[i] ?? 'none']))
}

export async function chunksOf({ data }: Region, uid: string): Promise<Record<string, string>> {
  const chunks: StoredChunk[] = []
  let cursor = '0'
  do {
    const page = await data.scan(uid, cursor, 1000, 'all')
    chunks.push(...page.chunks)
    cursor = page.cursor
  } while (cursor !== '0')
  const rows = chunks.map((c) => [c.id, `${c.position.epoch}-${c.position.seq}`] as const)
  return Object.fromEntries(rows.sort(([a], [b]) => (a < b ? -1 : 1)))
}

export function searched({ index }: Region, uid: string): Promise<number> {
  return index
    .call('FT.SEARCH', keys.searchIndex(uid), '@lang:{en}', 'LIMIT', 0, 0)
    .then((r) => (r as number[])[0] ?? 0)
}

export async function level(r: Region, uid: string): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(r.follower.state).toBe('level')
      expect(r.follower.checkpoint?.complete.has(uid)).toBe(true)
      expect(await copiesOf(r, uid)).toEqual(await chunksOf(r, uid))
    },
    { timeout: 10_000, interval: 20 },
  )
}

/** Holds a follower right before it looks at the checkpoint; returns what lets it go on. */
export function hold({ copies }: Region): () => void {
  const gate = Promise.withResolvers<void>()
  const watch = copies.watchCheckpoint
  copies.watchCheckpoint = async () => {
    await gate.promise
    return await watch.call(copies)
  }
  const release = () => {
    copies.watchCheckpoint = watch
    gate.resolve()
  }
  cleanups.push(release)
  return release
}

export const rows = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => ({ id: String(from + i) }))

export async function cluster(options: Parameters<typeof startRedis>[0] = {}) {
  const [data, index] = await Promise.all([redis(options), redis({ search: true, config: [['save', '']] })])
  const primary = new Primary(data.url)
  await primary.claim()
  return { data, index, primary }
}

/** Makes a Redis follow another one, and waits until it has its data. */
export async function follow(replica: RedisProcess, primary: RedisProcess): Promise<void> {
  await replica.command('REPLICAOF', primary.host, String(primary.port))
  await vi.waitFor(
    async () => {
      const [mine, theirs] = await Promise.all([replica, primary].map((r) => r.command('GET', keys.clock)))
      expect(mine).toBe(theirs)
    },
    { timeout: 15_000, interval: 20 },
  )
}

/** What a search of a whole index gives, as a session-less caller would get it: id → version. */
export async function everything({ indexes }: Region, uid: string): Promise<Record<string, string>> {
  const options = { fields: ['chunk_id', 'version'], params: {}, count: 100_000, timeoutMs: 5_000 }
  const { found } = await indexes.search(uid, '*', options)
  return Object.fromEntries(
    found.documents.map(({ fields }) => [String(fields.chunk_id), String(fields.version)]),
  )
}
