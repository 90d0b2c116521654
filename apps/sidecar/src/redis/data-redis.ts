import { type Forks, type Position, parsePosition } from '@perigee/core'
import type { EntryFields, Pieces } from '@perigee/protocol'
import type { PrimaryClock } from '../primary-clock.ts'
import type { ChangeLog, ChunkFields, ChunkScan, DataState, LogBatch, StoredChunk } from './change-log.ts'
import type { ClockWatch } from './clock-watch.ts'
import { type RedisConnection, RedisFailure } from './connection.ts'
import { type EntryAtClock, EntryBatches } from './entry-batches.ts'
import { decodeEntry, decodeEntryHeader, EntryReader, isVisible, type StoredEntry } from './entry-codec.ts'
import { FunctionLibrary } from './function-library.ts'
import { clockOf, forksOf, type History, type HistoryReader } from './history.ts'
import type { IndexDefinition, NamedIndexes } from './index-definition.ts'
import type { Keys } from './keys.ts'
import type { LeanRedis } from './lean-redis.ts'
import {
  type Definitions,
  decodeAlias,
  decodeChunk,
  decodeDefinitions,
  decodeLogBatch,
  type LogReply,
} from './log-codec.ts'
import { OnceATurn } from './once-a-turn.ts'
import { readError } from './redis-status.ts'

/** What all reads are told. */
export interface ReadDemand {
  /** Demands a live claim, checked in the same atomic step. */
  readonly primary: boolean
}

/** An answer of the data Redis, with the exact clock it was read at. */
export interface AtClock {
  readonly clock: Position
}

/** Entries where the connection put them. */
export interface EntriesAtClock extends AtClock {
  /** The entry of a key by its place, until the next is asked for; `undefined`: a miss. */
  at(i: number): EntryFields | undefined
}

/** Of chunks in one batch of the log. */
const LOG_BATCH_BYTES = 4 * 1024 * 1024
const CHUNK_FIELDS_ARGUMENT = { position: '0', all: '1', 'no-vector': '2' } as const
const LIST_COUNT_MAX = 5000
const LIST_STEPS_MAX = 20

/**
 * Reads this region's data Redis, primary's or replica's alike. Each answer comes with the clock it was read at, in
 * one atomic step. Every method throws `StatusError` DATA_UNAVAILABLE when the Redis can't answer or holds no clock
 * yet, and NO_PRIMARY when a live claim was demanded and there is none.
 */
export class DataRedis implements ChangeLog {
  readonly #reads: RedisConnection
  readonly #values: LeanRedis | undefined
  readonly #library: FunctionLibrary
  readonly #bulk: FunctionLibrary
  readonly #keys: Keys
  readonly #history: HistoryReader
  readonly #watch: ClockWatch
  readonly #primaryClock: PrimaryClock
  readonly #state = new OnceATurn(() => this.#readState())
  readonly #batches = new EntryBatches((namespace, keys, use) => this.useEntries(namespace, keys, use))

  constructor(options: {
    /** For calls of clients. */
    reads: RedisConnection
    /** For many entries at a time. Without it, nothing is read by {@link useEntries}. */
    values?: LeanRedis
    /** For the follower, whose large replies would hold clients up. */
    bulk: RedisConnection
    keys: Keys
    history: HistoryReader
    watch: ClockWatch
    primaryClock: PrimaryClock
  }) {
    this.#reads = options.reads
    this.#values = options.values
    this.#library = new FunctionLibrary(options.reads)
    this.#bulk = new FunctionLibrary(options.bulk)
    this.#keys = options.keys
    this.#history = options.history
    this.#watch = options.watch
    this.#primaryClock = options.primaryClock
  }

  /** Whether a read would be sent now. */
  get ready(): boolean {
    return this.#reads.ready
  }

  /** The newest clock seen, without asking. */
  get newestClock(): Position | undefined {
    return this.#watch.newest
  }

  /** What {@link history} says, if that is known without asking. */
  knownHistory(clock: Position): History | undefined {
    const known = this.#history.known
    return known?.epoch === clock.epoch ? known : undefined
  }

  /** Forks and cluster id of the state a clock belongs to. */
  history(clock: Position): Promise<History> {
    return this.#history.of(clock.epoch)
  }

  /** The cluster that this Redis belongs to; of an index as well, whose state may be of an earlier epoch. */
  clusterId(at: Position): string | Promise<string> {
    return this.#history.known?.clusterId ?? this.#history.of(at.epoch).then(({ clusterId }) => clusterId)
  }

  /** The clock alone. */
  async clock({ primary }: ReadDemand): Promise<Position> {
    const keys = [this.#keys.clock, this.#keys.cluster]
    const reply = await this.#ask(() => this.#library.read('read_entries', primary, keys, [0]))
    return clockOf((reply as unknown[])[0])
  }

  /** The Redis process that answers, by what only those know who may ask it; another one doesn't understand its scan cursors. */
  async processId(): Promise<string> {
    const info = String(await this.#ask(() => this.#reads.call('INFO', 'server')))
    return /run_id:(\w+)/.exec(info)?.[1] ?? ''
  }

  /** Reads an entry; `undefined`: a miss. Those that are asked for in one turn of the event loop share a command. */
  readEntry(namespace: string, key: string, { primary }: ReadDemand): Promise<EntryAtClock> {
    if (!primary && this.#values?.ready) return this.#batches.get(namespace, key)
    return this.readEntries(namespace, [key], { primary, bytesMax: 0 }).then(({ entries, clock }) => ({
      entry: entries[0] as StoredEntry | undefined,
      clock,
    }))
  }

  /**
   * Reads entries by key: each is the entry, `undefined` for a miss, or `'unread'` when the answer would have more
   * than `bytesMax` bytes (the first one found never is).
   */
  async readEntries(
    namespace: string,
    keys: readonly string[],
    { primary, bytesMax }: ReadDemand & { bytesMax: number },
  ): Promise<AtClock & { entries: readonly (StoredEntry | 'unread' | undefined)[] }> {
    const named = this.#entryKeys(namespace, keys)
    const reply = (await this.#ask(() => this.#library.read('read_entries', primary, named, [bytesMax]))) as (
      | Buffer
      | number
      | null
    )[]
    const { clock, visible } = this.#readAround(reply)
    const entries = keys.map((key, i) => {
      const bytes = reply[i + 2]
      return typeof bytes === 'number' ? ('unread' as const) : visible(key, bytes)
    })
    return { entries, clock }
  }

  /**
   * Reads entries by key, each whole, however large the answer, in the cheapest way there is.
   *
   * @param use is given the entries. Their memory is used again as soon as it returns: what is kept must be copied.
   * @returns what `use` returns.
   */
  useEntries<T>(namespace: string, keys: Pieces, use: (entries: EntriesAtClock) => T): Promise<T> {
    const first = [this.#keys.clock, this.#keys.cleared(namespace)]
    const named = { prefix: Buffer.from(this.#keys.entry(namespace, '')), ends: keys }
    return this.#ask(async () => {
      if (!this.#values) throw new RedisFailure('down', 'there is no connection for values')
      return this.#values.mget(first, named, (values) => use(this.#entriesAt(values)))
    })
  }

  #entriesAt(values: Pieces): EntriesAtClock {
    const cleared = values.view(1)
    const clearedAt = cleared && parsePosition(String(cleared))
    const nowMs = this.#primaryClock.nowMs()
    const reader = new EntryReader()
    const at = (i: number) => {
      const found = values.has(i + 2) && reader.read(values.memory, values.from(i + 2), values.to(i + 2))
      return found && reader.isVisible(clearedAt, nowMs) ? reader : undefined
    }
    return { clock: clockOf(values.view(0) ?? null), at }
  }

  #entryKeys(namespace: string, keys: readonly string[]): string[] {
    const around = [this.#keys.clock, this.#keys.cleared(namespace)]
    return around.concat(keys.map((key) => this.#keys.entry(namespace, key)))
  }

  /** The clock that entries were read at, and which of them a reader sees. */
  #readAround(reply: readonly (Buffer | number | null)[]) {
    const cleared = reply[1] ? parsePosition(String(reply[1])) : undefined
    const nowMs = this.#primaryClock.nowMs()
    const visible = (key: string, bytes: Buffer | null | undefined): StoredEntry | undefined => {
      const entry = bytes ? decodeEntry(key, bytes) : undefined
      return entry && isVisible(entry, cleared, nowMs) ? entry : undefined
    }
    return { clock: clockOf(reply[0]), visible }
  }

  /**
   * A page of keys that begin with a prefix, in no order; a key may come on two pages. It includes everything up to
   * `clock`, and may include things up to `seen`.
   *
   * @param from where the page before ended; absent for the first.
   */
  async listKeys(
    namespace: string,
    prefix: string,
    { primary, pageSize, from }: ReadDemand & { pageSize: number; from?: KeyListPlace | undefined },
  ): Promise<AtClock & { seen: Position; keys: readonly string[]; next?: KeyListPlace }> {
    const start = this.#keys.entry(namespace, '')
    const pattern = `${escapeGlob(start + prefix)}*`
    const around = [this.#keys.clock, this.#keys.cleared(namespace)]
    const found = new Set<string>()
    let place: KeyListPlace | undefined = from ?? { cursor: '0', left: [] }
    let clock: Position | undefined
    let seen: Position | undefined
    let count = Math.ceil(pageSize / 2)
    for (let step = 0; place && found.size < pageSize && step < LIST_STEPS_MAX; step++) {
      const args = [place.cursor, pattern, count, ...place.left.map((key) => start + key)]
      const reply = (await this.#ask(() =>
        this.#library.read('list_keys', primary, around, args),
      )) as Buffer[]
      // What a page includes for certain is what its first part includes.
      seen = clockOf(reply[0])
      clock ??= seen
      const cleared = reply[1] ? parsePosition(String(reply[1])) : undefined
      const left = visibleKeys(reply.slice(3), { cleared, nowMs: this.#primaryClock.nowMs() })
        .map((key) => key.slice(start.length))
        .filter((key) => !found.has(key))
      const none = left.length === 0
      for (const key of left.splice(0, pageSize - found.size)) found.add(key)
      count = none ? Math.min(count * 4, LIST_COUNT_MAX) : Math.max(1, Math.ceil((pageSize - found.size) / 2))
      const cursor = String(reply[2])
      if (cursor !== '0') place = { cursor, left }
      else place = left.length > 0 ? { cursor: '', left } : undefined
    }
    const at = { clock: clock as Position, seen: seen as Position }
    return { keys: [...found], ...at, ...(place && { next: place }) }
  }

  /** What a name stands for: an index, or the indexes of an alias. */
  async named(
    namespace: string,
    name: string,
    { primary }: ReadDemand = { primary: false },
  ): Promise<AtClock & NamedIndexes> {
    const keys = [this.#keys.clock, this.#keys.indexes(namespace), this.#keys.aliases(namespace)]
    const reply = await this.#ask(() => this.#library.read('read_index', primary, keys, [name]))
    const [clock, alias, ...definitions] = reply as [Buffer | null, Buffer | null, ...Buffer[]]
    return {
      clock: clockOf(clock),
      indexes: definitions.map((json) => JSON.parse(String(json)) as IndexDefinition),
      ...(alias && { alias: decodeAlias(namespace, name, alias) }),
    }
  }

  /** The indexes and aliases of a namespace, by name. */
  async listIndexes(
    namespace: string,
    { primary }: ReadDemand = { primary: false },
  ): Promise<AtClock & Definitions> {
    return this.#readIndexes(this.#library, namespace, primary)
  }

  /**
   * Reads chunks by id: each is the chunk, `undefined` when there is none or it has expired, or `'unread'` when the
   * answer would have more than `bytesMax` bytes (the first one found never is). Fields left out are empty.
   */
  async readChunks(
    indexUid: string,
    ids: readonly string[],
    { primary, fields, bytesMax }: ReadDemand & { fields: ChunkFields; bytesMax: number },
  ): Promise<AtClock & { forks: Forks; chunks: readonly (StoredChunk | 'unread' | undefined)[] }> {
    const reply = await this.#chunks(this.#library, indexUid, ids, { primary, fields, bytesMax })
    const nowMs = this.#primaryClock.nowMs()
    const expired = (chunk: StoredChunk) => chunk.expiresAtMs !== undefined && chunk.expiresAtMs <= nowMs
    const chunks = reply.chunks.map((chunk) =>
      typeof chunk === 'object' && expired(chunk) ? undefined : chunk,
    )
    return { ...reply, chunks }
  }

  state(): Promise<DataState> {
    return this.#state.get()
  }

  async #readState(): Promise<DataState> {
    const clock = clockOf(await this.#ask(() => this.#reads.call('GET', this.#keys.clock)))
    return { clock, ...(await this.#history.of(clock.epoch)) }
  }

  async read(after: Position, countMax: number): Promise<LogBatch> {
    const keys = [this.#keys.clock, this.#keys.log, this.#keys.forks, this.#keys.cluster]
    const chunks = this.#keys.chunk('', '').slice(0, -1)
    const args = [`${after.epoch}-${after.seq}`, countMax, chunks, LOG_BATCH_BYTES]
    return decodeLogBatch((await this.#ask(() => this.#bulk.read('read_log', false, keys, args))) as LogReply)
  }

  indexes(): Promise<AtClock & Definitions> {
    return this.#readIndexes(this.#bulk, '', false)
  }

  get connects(): number {
    return this.#bulk.connection.connects
  }

  async scan(
    indexUid: string,
    cursor: string,
    count: number,
    fields: 'all' | 'position',
  ): Promise<ChunkScan> {
    const start = this.#keys.chunk(indexUid, '')
    const args = [cursor, count, start, `${escapeGlob(start)}*`, CHUNK_FIELDS_ARGUMENT[fields]]
    const reply = await this.#ask(() => this.#bulk.read('scan_chunks', false, [this.#keys.clock], args))
    const [next, clock, ...rows] = reply as [Buffer, Buffer | null, ...[Buffer, ...(Buffer | null)[]][]]
    const chunks = rows.map(([id, ...row]) => decodeChunk({ indexUid, id: String(id), fields: row }))
    return { cursor: String(next), clock: clockOf(clock), chunks }
  }

  async chunks(
    indexUid: string,
    ids: readonly string[],
    fields: 'all' | 'position',
  ): Promise<AtClock & { chunks: readonly (StoredChunk | 'unread' | undefined)[] }> {
    return this.#chunks(this.#bulk, indexUid, ids, { primary: false, fields, bytesMax: LOG_BATCH_BYTES })
  }

  changed(known: Position, timeoutMs: number, signal: AbortSignal): Promise<void> {
    return this.#watch.changed(known, timeoutMs, signal)
  }

  async #chunks(
    library: FunctionLibrary,
    indexUid: string,
    ids: readonly string[],
    { primary, fields, bytesMax }: ReadDemand & { fields: ChunkFields; bytesMax: number },
  ): Promise<AtClock & { forks: Forks; chunks: readonly (StoredChunk | 'unread' | undefined)[] }> {
    const keys = [this.#keys.clock, this.#keys.forks, ...ids.map((id) => this.#keys.chunk(indexUid, id))]
    const args = [bytesMax, CHUNK_FIELDS_ARGUMENT[fields]]
    const reply = (await this.#ask(() => library.read('read_chunks', primary, keys, args))) as unknown[]
    const chunks = ids.map((id, i) => {
      const row = reply[i + 2]
      if (row === 1) return 'unread' as const
      return row ? decodeChunk({ indexUid, id, fields: row as (Buffer | null)[] }) : undefined
    })
    return { clock: clockOf(reply[0]), forks: forksOf(reply[1] as Buffer[]), chunks }
  }

  async #readIndexes(library: FunctionLibrary, namespace: string, primary: boolean) {
    const keys = [this.#keys.clock, this.#keys.indexNamespaces]
    const args = [this.#keys.indexes(''), this.#keys.aliases(''), namespace]
    const reply = await this.#ask(() => library.read('read_indexes', primary, keys, args))
    const [clock, ...rest] = reply as [Buffer | null, ...(Buffer | Buffer[])[]]
    return { clock: clockOf(clock), ...decodeDefinitions(rest) }
  }

  async #ask<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask()
    } catch (error) {
      throw readError(error)
    }
  }
}

/** Where a listing of keys is. */
export interface KeyListPlace {
  /** A SCAN cursor, which one Redis process alone understands; empty when the scan is complete. */
  readonly cursor: string
  /** Keys that didn't fit on the page. */
  readonly left: readonly string[]
}

function visibleKeys(
  flat: readonly Buffer[],
  { cleared, nowMs }: { cleared: Position | undefined; nowMs: number },
): string[] {
  const keys: string[] = []
  for (let i = 0; i + 1 < flat.length; i += 2) {
    const header = decodeEntryHeader(flat[i + 1] as Buffer)
    if (header && isVisible(header, cleared, nowMs)) keys.push(String(flat[i]))
  }
  return keys
}

function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&')
}
