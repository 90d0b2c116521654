import { formatPosition, type Position } from '@perigee/core'
import { innerDeadlineMs, within } from '../deadline.ts'
import type { Argument } from '../redis/connection.ts'
import type { FunctionLibrary } from '../redis/function-library.ts'
import type { HistoryReader } from '../redis/history.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import type { Keys } from '../redis/keys.ts'
import { outcomeUnknown, writeError } from '../redis/redis-status.ts'
import { refusal, StatusError } from '../status-error.ts'
import type { Claim } from './claim.ts'
import { whyNot } from './claim-state.ts'
import type { RedisTime } from './redis-time.ts'
import type { ReplicatedWrites } from './replicated-writes.ts'

/** What every write is told. */
export interface WriteDemand {
  /** Unix milliseconds past which it must not be done any more. */
  readonly deadlineMs: number
  /** Remembered with its answer for 60 s; empty or absent: none. */
  readonly requestId?: string | undefined
  /** Whose request id it is: the principal's name; empty or absent: nobody's in particular. */
  readonly requester?: string | undefined
  /** A short hash of what is asked, remembered with the answer: a request id is for one body alone. */
  readonly bodyHash?: string | undefined
  /** The epoch that must be claimed for it; absent: the one that is. */
  readonly epoch?: number
  /** When it is acknowledged. Default PRIMARY. */
  readonly durability?: 'PRIMARY' | 'REPLICATED' | undefined
}

/** What a write has done. */
export interface WriteOutcome {
  readonly clusterId: string
  /** Of the last thing written; the clock when there was nothing to write. */
  readonly position: Position
  /** Of each thing written, in order. */
  readonly positions: readonly Position[]
  /** Unix milliseconds by the primary Redis's clock, to fractions of one. */
  readonly writtenAtMs: number
  /** How many of the things named existed for a reader; for deletes. */
  readonly found: number
}

/** A cache entry to write. Give one of the two expiries, or none. */
export interface EntryWrite {
  readonly key: string
  readonly value: Uint8Array
  readonly contentType: string
  readonly ttlMs?: number | undefined
  readonly expiresAtMs?: number | undefined
}

/** A chunk to write. */
export interface ChunkWrite {
  readonly id: string
  readonly text: string
  /** Packed little-endian in the index's vector type. */
  readonly vector: Buffer
  /** A JSON object. */
  readonly metadata: string
  readonly regionTags: readonly string[]
  readonly ttlMs?: number | undefined
}

/** What must hold of a key for its write to be done. */
export type EntryPrecondition = { readonly exists: boolean } | { readonly version: string }

/** An index without what its creation decides. */
export type NewIndex = Omit<IndexDefinition, 'uid'>

/** Which index a write is for. */
type WrittenIndex = Pick<IndexDefinition, 'namespace' | 'name' | 'uid'>

/** How the indexes were named. */
export interface ByAlias {
  /** The alias by which they were found: the write is refused when it doesn't point at them any more. */
  readonly alias?: string | undefined
}

/** Keys and arguments of a write, after those that all writes share. */
interface FunctionCall {
  readonly name: string
  /** Of the public API, for request ids. */
  readonly method: string
  readonly namespace: string
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
}

/**
 * Writes to the data Redis that this region holds the claim of, one function call a write: all of it or nothing.
 *
 * Every method throws `StatusError`: NO_PRIMARY when there is no live claim (nothing was done), OUTCOME_UNKNOWN when
 * nobody knows, DEADLINE_EXCEEDED when it came too late (nothing was done), INVALID_FIELD when the request id was another
 * body's, OUT_OF_MEMORY, DATA_UNAVAILABLE.
 */
export class Writer {
  readonly #library: FunctionLibrary
  readonly #keys: Keys
  readonly #claim: Claim
  readonly #history: HistoryReader
  readonly #redisTime: RedisTime
  readonly #logEntriesMax: number
  readonly #replicated: ReplicatedWrites | undefined

  constructor(options: {
    library: FunctionLibrary
    keys: Keys
    claim: Claim
    history: HistoryReader
    redisTime: RedisTime
    logEntriesMax: number
    /** Absent in a single region, where REPLICATED is no more than PRIMARY. */
    replicated?: ReplicatedWrites | undefined
  }) {
    this.#library = options.library
    this.#keys = options.keys
    this.#claim = options.claim
    this.#history = options.history
    this.#redisTime = options.redisTime
    this.#logEntriesMax = options.logEntriesMax
    this.#replicated = options.replicated
  }

  /**
   * Writes entries; each takes a position.
   *
   * @throws StatusError PRECONDITION_FAILED, which is about the first entry.
   */
  setEntries(
    namespace: string,
    entries: readonly EntryWrite[],
    demand: WriteDemand & { precondition?: EntryPrecondition | undefined; method?: 'Set' | 'SetMany' },
  ): Promise<WriteOutcome> {
    const keys = [
      this.#keys.cleared(namespace),
      ...entries.map(({ key }) => this.#keys.entry(namespace, key)),
    ]
    const args = entries.flatMap((entry) => [
      asBuffer(entry.value),
      entry.contentType,
      optionalNumber(entry.ttlMs),
      optionalNumber(entry.expiresAtMs),
    ])
    const call = { name: 'set_entries', method: demand.method ?? 'Set', namespace, keys }
    return this.#write({ ...call, args: [preconditionArgument(demand.precondition), ...args] }, demand)
  }

  /**
   * Deletes entries; each that was there takes a position.
   *
   * @throws StatusError PRECONDITION_FAILED, which is about the first key.
   */
  deleteEntries(
    namespace: string,
    keys: readonly string[],
    demand: WriteDemand & { precondition?: EntryPrecondition | undefined },
  ): Promise<WriteOutcome> {
    const call = { name: 'delete_entries', method: 'Delete', namespace }
    const entryKeys = keys.map((key) => this.#keys.entry(namespace, key))
    const args = [preconditionArgument(demand.precondition)]
    return this.#write({ ...call, keys: [this.#keys.cleared(namespace), ...entryKeys], args }, demand)
  }

  /** Forgets all entries of a namespace; takes a position. */
  clearNamespace(namespace: string, demand: WriteDemand): Promise<WriteOutcome> {
    const keys = [this.#keys.cleared(namespace), this.#keys.clearing]
    const call = { name: 'clear_namespace', method: 'ClearNamespace', namespace, keys, args: [namespace] }
    return this.#write(call, demand)
  }

  /**
   * Defines an index; takes a position, which is its uid.
   *
   * @throws StatusError INDEX_EXISTS, also when an alias has its name.
   */
  async createIndex(
    index: NewIndex,
    demand: WriteDemand,
  ): Promise<{ definition: IndexDefinition; outcome: WriteOutcome }> {
    const { namespace, name } = index
    const keys = [this.#keys.indexes(namespace), this.#keys.indexNamespaces, this.#keys.aliases(namespace)]
    const args = [namespace, name, JSON.stringify(index)]
    const outcome = await this.#write(
      { name: 'create_index', method: 'CreateIndex', namespace, keys, args },
      demand,
    )
    return { definition: { ...index, uid: formatPosition(outcome.position) }, outcome }
  }

  /**
   * Drops an index; takes a position. Its chunks are swept in the background.
   *
   * @throws StatusError INDEX_NOT_FOUND; INDEX_IN_USE while an alias points at it.
   */
  dropIndex(namespace: string, name: string, demand: WriteDemand): Promise<WriteOutcome> {
    const keys = [
      this.#keys.indexes(namespace),
      this.#keys.indexNamespaces,
      this.#keys.dropped,
      this.#keys.aliases(namespace),
    ]
    const call = { name: 'drop_index', method: 'DropIndex', namespace, keys, args: [namespace, name] }
    return this.#write(call, demand)
  }

  /**
   * Points an alias at indexes of its namespace, whatever it pointed at before; takes a position.
   *
   * @throws StatusError INDEX_EXISTS when an index has its name; INDEX_NOT_FOUND when an index isn't this one any more.
   */
  putAlias(
    { namespace, name }: { readonly namespace: string; readonly name: string },
    indexes: readonly WrittenIndex[],
    demand: WriteDemand,
  ): Promise<WriteOutcome> {
    const keys = [this.#keys.indexes(namespace), this.#keys.aliases(namespace)]
    const args = [namespace, name, ...indexes.flatMap((index) => [index.name, index.uid])]
    return this.#write({ name: 'put_alias', method: 'PutAlias', namespace, keys, args }, demand)
  }

  /**
   * Deletes an alias; takes a position.
   *
   * @throws StatusError ALIAS_NOT_FOUND
   */
  deleteAlias(namespace: string, name: string, demand: WriteDemand): Promise<WriteOutcome> {
    const call = { name: 'delete_alias', method: 'DeleteAlias', namespace }
    return this.#write({ ...call, keys: [this.#keys.aliases(namespace)], args: [namespace, name] }, demand)
  }

  /**
   * Writes chunks whole; each takes a position.
   *
   * @param expected versions of the chunks there: `''` for none, `*` for any. One that isn't so is left out. Absent: any.
   * @throws StatusError INDEX_NOT_FOUND when the index isn't this one any more; AliasMoved when the alias it was named by
   *   points elsewhere by now.
   */
  upsertChunks(
    index: WrittenIndex,
    chunks: readonly ChunkWrite[],
    demand: WriteDemand & ByAlias,
    expected: readonly string[] = [],
  ): Promise<WriteOutcome> {
    const { namespace, name, uid } = index
    const chunkKeys = chunks.map(({ id }) => this.#keys.chunk(uid, id))
    const keys = [...this.#chunkWriteKeys(namespace), ...chunkKeys]
    const rows = chunks.flatMap((chunk) => [
      chunk.id,
      chunk.text,
      chunk.vector,
      chunk.metadata,
      chunk.regionTags.join(','),
      optionalNumber(chunk.ttlMs),
    ])
    const call = { name: 'upsert_chunks', method: 'UpsertChunks', namespace, keys }
    return this.#write({ ...call, args: [uid, name, demand.alias ?? '', ...rows, ...expected] }, demand)
  }

  /**
   * Deletes chunks; each that was there takes a position.
   *
   * @param versions of each of them: one that has another by now is left alone. Absent, or `*`: whatever their version.
   * @throws StatusError INDEX_NOT_FOUND when the index isn't this one any more; AliasMoved.
   */
  deleteChunks(
    index: WrittenIndex,
    ids: readonly string[],
    demand: WriteDemand & ByAlias,
    versions?: readonly string[],
  ): Promise<WriteOutcome> {
    const which = versions ? ['2', ...ids, ...versions] : ['0', ...ids]
    return this.#deleteChunks([index], ids, which, demand)
  }

  /**
   * Deletes chunks from all of several indexes of a namespace, in one step; each that was there takes a position, and an id
   * found in several counts once.
   *
   * @throws StatusError INDEX_NOT_FOUND when an index isn't this one any more; AliasMoved.
   */
  deleteFromAll(
    indexes: readonly WrittenIndex[],
    ids: readonly string[],
    demand: WriteDemand & ByAlias,
  ): Promise<WriteOutcome> {
    return this.#deleteChunks(indexes, ids, ['0', ...ids], demand)
  }

  /** Deletes those of the chunks that have expired, whatever became of their index. */
  expireChunks(indexUid: string, ids: readonly string[], demand: WriteDemand): Promise<WriteOutcome> {
    const chunkKeys = ids.map((id) => this.#keys.chunk(indexUid, id))
    const call = { name: 'delete_chunks', method: '', namespace: '' }
    const keys = [...this.#chunkWriteKeys(''), ...chunkKeys]
    return this.#write({ ...call, keys, args: [indexUid, '', '', '1', ...ids] }, demand)
  }

  #deleteChunks(
    indexes: readonly WrittenIndex[],
    ids: readonly string[],
    which: readonly string[],
    demand: WriteDemand & ByAlias,
  ): Promise<WriteOutcome> {
    const namespace = indexes[0]?.namespace ?? ''
    const chunkKeys = indexes.flatMap(({ uid }) => ids.map((id) => this.#keys.chunk(uid, id)))
    const uids = indexes.map(({ uid }) => uid).join(',')
    const names = indexes.map(({ name }) => name).join(',')
    const call = { name: 'delete_chunks', method: 'DeleteChunks', namespace }
    const keys = [...this.#chunkWriteKeys(namespace), ...chunkKeys]
    return this.#write({ ...call, keys, args: [uids, names, demand.alias ?? '', ...which] }, demand)
  }

  /** Keys that writes of chunks name before the chunks. */
  #chunkWriteKeys(namespace: string): string[] {
    return [this.#keys.indexes(namespace), this.#keys.expiring, this.#keys.aliases(namespace)]
  }

  /** Writes a lag probe; takes no position. */
  async probe(probeId: string, sample: number): Promise<{ writtenAtMs: number }> {
    const epoch = this.#claimedEpoch()
    try {
      const keys = [this.#keys.clock, this.#keys.probe]
      const us = await this.#library.call('heartbeat', keys, [epoch, `${probeId}:${sample}`])
      return { writtenAtMs: Number(us) / 1000 }
    } catch (error) {
      throw writeError(error)
    }
  }

  async #write(call: FunctionCall, { deadlineMs, requestId, ...demand }: WriteDemand): Promise<WriteOutcome> {
    const epoch = demand.epoch ?? this.#claimedEpoch()
    const attemptMs = innerDeadlineMs(deadlineMs)
    const keys = this.#keys
    const name = requestId && keys.requestName(call.method, call.namespace, requestId, demand.requester)
    const shared = [
      epoch,
      Math.floor(attemptMs + this.#redisTime.offsetMs),
      name ? `${demand.bodyHash ?? ANY_BODY} ${name}` : NO_REQUEST_ID,
      this.#logEntriesMax,
    ]
    const { clusterId } = await this.#history.of(epoch)
    let reply: string[]
    try {
      const allKeys = [keys.clock, keys.log, keys.done, keys.doneBefore, ...call.keys]
      const args = [...shared, ...call.args]
      if (this.#replicated && demand.durability === 'REPLICATED') {
        const sent = { name: call.name, keys: allKeys, args, epoch, deadlineMs: attemptMs }
        reply = (await this.#replicated.call(sent)) as string[]
      } else {
        const sent = this.#library.call(call.name, allKeys, args)
        reply = (await within(sent, attemptMs - Date.now(), noAnswer)) as string[]
      }
    } catch (error) {
      const shown = writeError(error)
      if (shown instanceof StatusError && shown.details.reason === 'NO_PRIMARY') void this.#claim.refresh()
      throw shown
    }
    return outcomeOf(clusterId, reply.map(Number))
  }

  #claimedEpoch(): number {
    const { epoch, state } = this.#claim
    if (epoch !== undefined) return epoch
    throw refusal('NO_PRIMARY', `This region can't take writes: ${whyNot(state)}. Try again shortly.`, {
      retryDelayMs: 500,
    })
  }
}

/** Stands for the body where nobody told its hash. */
export const ANY_BODY = '1'
/** Stands for it without a request id. */
export const NO_REQUEST_ID = '0'

/** What a write's function has replied. */
export function outcomeOf(clusterId: string, reply: readonly number[]): WriteOutcome {
  const [epoch = 0, first = 0, taken = 0, writtenUs = 0, found = 0] = reply
  return {
    clusterId,
    position: { epoch, seq: first + taken - 1 },
    positions: Array.from({ length: taken }, (_, i) => ({ epoch, seq: first + i })),
    writtenAtMs: writtenUs / 1000,
    found,
  }
}

function noAnswer(): StatusError {
  return outcomeUnknown('no answer within its deadline')
}

/** A precondition as the functions are told of it. */
export function preconditionArgument(precondition: EntryPrecondition | undefined): string {
  if (!precondition) return ''
  if ('version' in precondition) return `=${precondition.version}`
  return precondition.exists ? 'present' : 'absent'
}

/** A number that may be absent, as the functions are told of it. */
export function optionalNumber(number: number | undefined): string {
  return number === undefined ? '' : String(Math.round(number))
}

/** Bytes as commands take them. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
