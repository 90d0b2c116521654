import { DEFAULT_LIMITS } from '@perigee/core'
import { SearchService } from '@perigee/protocol'
import { aliasedIndex } from './alias.ts'
import { BULK_TIMEOUT_MS, firstBatch } from './batch.ts'
import { bulkUpsert } from './bulk-upsert.ts'
import type { ReadOptions, WriteOptions } from './call-options.ts'
import type { Calls } from './calls.ts'
import {
  type ChunkInput,
  chunkFromWire,
  chunkToWire,
  type Hits,
  hitFromWire,
  type StoredChunk,
  viewToWire,
} from './chunk.ts'
import type { Deadline } from './deadline.ts'
import { type Filter, filterToWire } from './filter.ts'
import {
  definitionFrom,
  definitionFromWire,
  definitionToWire,
  differencesBetween,
  type EmbeddingModel,
  type IndexDefinition,
  type IndexInput,
  type RegionalIndex,
  regionalIndexFromWire,
  sameModel,
} from './index-definition.ts'
import type { KnownIndexes } from './known-indexes.ts'
import { invalidArgument, PerigeeError } from './perigee-error.ts'
import type { Receipt } from './receipt.ts'
import { type Vector, vectorToWire } from './vector.ts'
import type {
  GetChunksOptions,
  ListOptions,
  SearchOptions,
  UpsertOptions,
  VectorIndexOptions,
} from './vector-index-options.ts'

const methods = SearchService.method
const BATCH_SIZE = 200
const CONCURRENCY = 4
/** A message's limit, less what isn't chunks. */
const BATCH_BYTES_MAX = DEFAULT_LIMITS.messageBytesMax - 16 * 1024
/** How often it is asked what an index is, each time for half of the time left, before a search is given up. */
const QUESTIONS_MAX = 3

/**
 * One vector index: written in the primary region, searched in the nearest region's own copy.
 *
 * By an alias's name it is the alias's index of the given model; deletions go to all indexes of the alias, and reads of
 * chunks by id and listings give, of each chunk, what was written last in any of them.
 *
 * Every method fails with a {@link PerigeeError}: `NOT_FOUND`, `INDEX_NOT_FOUND`, when there is no such index;
 * `FAILED_PRECONDITION`, `MODEL_MISMATCH`, when it is another model's.
 */
export class VectorIndex {
  readonly name: string
  readonly namespace: string
  readonly model: EmbeddingModel | undefined
  readonly #calls: Calls
  readonly #known: KnownIndexes

  /** Use `perigee.index()` or `session.index()`. */
  constructor(
    name: string,
    options: VectorIndexOptions,
    parts: { readonly calls: Calls; readonly known: KnownIndexes },
  ) {
    this.name = name
    this.namespace = options.namespace ?? 'default'
    this.model = options.model
    this.#calls = parts.calls
    this.#known = parts.known
  }

  /**
   * Makes the index, or checks that the one there is what is asked for. By an alias: checks its index of this model, and
   * never makes one.
   *
   * @throws PerigeeError `ALREADY_EXISTS`, `INDEX_EXISTS`, naming the differences when there is another one of its name;
   *   `FAILED_PRECONDITION`, `MODEL_MISMATCH`, for an alias without an index of this model.
   */
  async ensureIndex(input: IndexInput, options: WriteOptions = {}): Promise<IndexDefinition> {
    const wanted = definitionFrom(this.name, this.#requiredModel(), input)
    const nearby = await this.#definitionIfAny(options)
    if (nearby && differencesBetween(nearby, wanted).length === 0) return this.#learn(nearby)
    const created = await this.#createUnlessThere(wanted, options)
    if (created) return this.#learn(created)
    const existing = await this.#definitionIfAny({ ...options, consistency: 'primary' })
    if (!existing) {
      throw new PerigeeError(
        `index ${this.namespace}/${this.name} was dropped meanwhile: call ensureIndex again`,
        {
          code: 'ABORTED',
        },
      )
    }
    const differences = differencesBetween(existing, wanted)
    if (differences.length === 0) return this.#learn(existing)
    throw new PerigeeError(
      `index ${this.namespace}/${this.name} exists and is another one: its ${differences.join(', its ')}; use another name, or drop it first`,
      { code: 'ALREADY_EXISTS', reason: 'INDEX_EXISTS', metadata: { differences: differences.join('; ') } },
    )
  }

  /**
   * What the index is, and the state of each region's copy as the answering region knows it. By an alias without a model:
   * its first index, and the copies of all.
   */
  async describe(options?: ReadOptions): Promise<{
    readonly definition: IndexDefinition
    readonly regions: readonly RegionalIndex[]
    readonly receipt: Receipt
  }> {
    const fields = { namespace: this.namespace, name: this.name }
    const { response, receipt } = await this.#calls.read(methods.getIndex, fields, options)
    if (!response.index) throw new PerigeeError('the sidecar described no index', { code: 'INTERNAL' })
    const definition = this.#learn(await this.#ofModel(definitionFromWire(response.index), options))
    const regions = response.regions.map(regionalIndexFromWire)
    const own = this.model ? regions.filter(({ index }) => index === definition.name) : regions
    return { definition, regions: own, receipt }
  }

  /**
   * Writes chunks, any number of them, from a list or a stream: in calls of 200 that fit a message, four at a time,
   * taking from the source no faster than they are acknowledged. Each call is written whole or not at all; when one
   * fails, what was acknowledged before stays written, and upserting everything again does no harm. `timeoutMs` holds for each
   * call; its default is at least 30 s.
   *
   * @returns how many were written, and the last receipt; `undefined` when there were none.
   */
  async upsert(
    chunks: Iterable<ChunkInput> | AsyncIterable<ChunkInput>,
    options: UpsertOptions = {},
  ): Promise<{ readonly upserted: number; readonly receipt: Receipt | undefined }> {
    const { onProgress, concurrency = CONCURRENCY, batchSize = BATCH_SIZE } = options
    const target = { namespace: this.namespace, index: this.name, model: this.#requiredModel() }
    const total = Array.isArray(chunks) ? chunks.length : undefined
    const asFloat32 = this.#keepsFloat32()
    let upserted = 0
    let last: Receipt | undefined
    const write = async (batch: readonly ChunkInput[]) => {
      const wire = batch.map((chunk) => chunkToWire(chunk, asFloat32))
      const { response, receipt } = await this.#calls.write(
        methods.upsertChunks,
        { ...target, chunks: wire, expectedVersions: expectedVersions(batch) },
        options,
        BULK_TIMEOUT_MS,
      )
      upserted += response.upserted
      last = receipt
      onProgress?.({ upserted, total })
    }
    await bulkUpsert(
      chunks,
      write,
      { batchSize, concurrency, batchBytesMax: BATCH_BYTES_MAX },
      options.signal,
    )
    return { upserted, receipt: last }
  }

  /** The `k` chunks nearest to a vector in the nearest region's copy of the index, best first. */
  async search(vector: Vector, options: SearchOptions = {}): Promise<Hits> {
    const filter = filterToWire(options.filter)
    const { maxDistance } = options
    const fields = {
      namespace: this.namespace,
      index: this.name,
      model: this.#requiredModel(),
      vector: vectorToWire(vector, this.#keepsFloat32()),
      k: options.k ?? 10,
      efRuntime: options.efRuntime ?? 0,
      view: viewToWire(options.view),
      ...(filter && { filter }),
      ...(maxDistance !== undefined && { maxDistance }),
    }
    const { response, receipt } = await this.#calls.read(methods.search, fields, options, this.#routing())
    // A search that must leave home has little time left to ask whether it may.
    this.#known.learnSoon(this, () => this.#definitionIfAny({}))
    return Object.assign(response.hits.map(hitFromWire), { receipt })
  }

  /** One chunk by its id; `undefined` when there is none. */
  async get(id: string, options?: GetChunksOptions): Promise<StoredChunk | undefined> {
    return (await this.getMany([id], options)).get(id)
  }

  /** Those of the chunks that are there, by id, in the order asked. From the data itself, not from the index. */
  async getMany(ids: Iterable<string>, options: GetChunksOptions = {}): Promise<Map<string, StoredChunk>> {
    const asked = [...new Set(ids)]
    const found = new Map<string, StoredChunk>()
    const target = await this.#readTarget(options)
    let rest = asked
    while (rest.length > 0) {
      const now = firstBatch(rest)
      const { response, receipt } = await this.#calls.read(
        methods.getChunks,
        { ...target, ids: now },
        options,
      )
      for (const chunk of response.chunks) found.set(chunk.id, chunkFromWire(chunk))
      if (response.unreadIds.length >= now.length) {
        throw new PerigeeError(
          `the sidecar left every chunk unread of ${now.length}: raise its message limit`,
          {
            code: 'INTERNAL',
            region: receipt.region,
          },
        )
      }
      rest = [...response.unreadIds, ...rest.slice(now.length)]
    }
    return new Map(asked.flatMap((id) => (found.has(id) ? [[id, found.get(id) as StoredChunk]] : [])))
  }

  /** All chunks of the nearest region's copy of the index, or those for which a filter holds; in no order. */
  async *list(options: ListOptions = {}): AsyncGenerator<StoredChunk, void, undefined> {
    const filter = filterToWire(options.filter)
    const target = await this.#readTarget(options)
    const pageSize = options.pageSize ?? 0
    let pageToken = ''
    let region: string | undefined
    do {
      const fields = { ...target, pageSize, pageToken, ...(filter && { filter }) }
      // A page token means something only where the page before it came from.
      const routing = region === undefined ? this.#routing() : { region }
      const { response, sidecarRegion } = await this.#calls.read(methods.listChunks, fields, options, routing)
      yield* response.chunks.map(chunkFromWire)
      pageToken = response.nextPageToken
      region = sidecarRegion
    } while (pageToken)
  }

  /**
   * Deletes chunks by id, or all those for which a filter holds once everything written before is indexed. A map of ids and
   * versions deletes each only while it has its version.
   *
   * @returns how many there were.
   */
  async delete(
    selection: string | readonly string[] | ReadonlyMap<string, string> | { readonly filter: Filter },
    options?: WriteOptions,
  ): Promise<{ readonly deleted: number; readonly receipt: Receipt | undefined }> {
    const target = { namespace: this.namespace, index: this.name }
    if (isByFilter(selection)) {
      const filter = filterToWire(selection.filter)
      if (!filter) {
        throw invalidArgument(
          'a filter without conditions would delete every chunk: drop the index instead',
          'filter',
        )
      }
      const fields = { ...target, selection: { case: 'filter' as const, value: filter } }
      const { response, receipt } = await this.#calls.write(methods.deleteChunks, fields, options)
      return { deleted: response.deleted, receipt }
    }
    const versions = selection instanceof Map ? (selection as ReadonlyMap<string, string>) : undefined
    const ids = versions ? versions.keys() : (selection as string | readonly string[])
    let rest = typeof ids === 'string' ? [ids] : [...new Set(ids)]
    let deleted = 0
    let last: Receipt | undefined
    while (rest.length > 0) {
      const values = firstBatch(rest)
      rest = rest.slice(values.length)
      const expected = versions ? values.map((id) => versions.get(id) ?? '*') : []
      const value = { values, expectedVersions: expected }
      const fields = { ...target, selection: { case: 'ids' as const, value } }
      const { response, receipt } = await this.#calls.write(methods.deleteChunks, fields, options)
      deleted += response.deleted
      last = receipt
    }
    return { deleted, receipt: last }
  }

  /** Removes the index with all its chunks. */
  async drop(options?: WriteOptions): Promise<{ readonly receipt: Receipt }> {
    const fields = { namespace: this.namespace, name: this.name }
    const { receipt } = await this.#calls.write(methods.dropIndex, fields, options)
    this.#known.forget(this)
    return { receipt }
  }

  /** A region-scoped index answers in the home region or not at all: another region's answer would be a different one. */
  #routing(): { readonly mayLeaveHome: (deadline: Deadline) => Promise<boolean> } {
    return { mayLeaveHome: (deadline) => this.#isEverywhere(deadline) }
  }

  /** Whether another region's answer will do. */
  async #isEverywhere(deadline: Deadline): Promise<boolean> {
    for (let asked = 0; asked < QUESTIONS_MAX; asked++) {
      const known = this.#known.get(this)
      if (known) return !known.regionScoped
      try {
        const definition = await this.#definitionIfAny({ timeoutMs: Math.max(deadline.remainingMs / 2, 1) })
        return definition !== undefined && !this.#learn(definition).regionScoped
      } catch (error) {
        // A client that has just begun connects meanwhile: the next question is answered sooner.
        if (!PerigeeError.from(error).retryable) return false
        if (this.#known.last(this)) break
      }
    }
    return this.#known.last(this)?.regionScoped === false
  }

  #keepsFloat32(): boolean {
    return this.#known.get(this)?.vectorType === 'float32'
  }

  async #createUnlessThere(
    wanted: IndexDefinition,
    options: WriteOptions,
  ): Promise<IndexDefinition | undefined> {
    try {
      const fields = { namespace: this.namespace, index: definitionToWire(wanted) }
      const { response } = await this.#calls.write(methods.createIndex, fields, options)
      return response.index && definitionFromWire(response.index)
    } catch (error) {
      if (error instanceof PerigeeError && error.reason === 'INDEX_EXISTS') return undefined
      throw error
    }
  }

  async #definitionIfAny(options: ReadOptions): Promise<IndexDefinition | undefined> {
    try {
      const fields = { namespace: this.namespace, name: this.name }
      const { response } = await this.#calls.read(methods.getIndex, fields, options)
      return response.index && (await this.#ofModel(definitionFromWire(response.index), options))
    } catch (error) {
      if (error instanceof PerigeeError && error.reason === 'INDEX_NOT_FOUND') return undefined
      throw error
    }
  }

  async #readTarget({ view, ...options }: GetChunksOptions) {
    const vectors = view === 'full' && this.model !== undefined
    const index = vectors ? await this.#nameOfModel(options) : this.name
    return { namespace: this.namespace, index, view: viewToWire(view) }
  }

  /** An alias is described by its first index: that may be another model's than the one meant here. */
  async #ofModel(first: IndexDefinition, options: ReadOptions = {}): Promise<IndexDefinition> {
    const { model } = this
    if (first.name === this.name || !model || sameModel(first.model, model)) return first
    const own = await aliasedIndex(
      this.#calls,
      { namespace: this.namespace, name: this.name, model },
      options,
    )
    if (own) return own
    throw new PerigeeError(
      `alias ${this.namespace}/${this.name} has no index of model ${model.id} revision ${model.revision}: ` +
        `make one, such as by \`perigee reindex ${this.name} --model ${model.id}@${model.revision}\``,
      { code: 'FAILED_PRECONDITION', reason: 'MODEL_MISMATCH' },
    )
  }

  /** The name to ask for vectors by: an alias of several models gives none, but its index of this model does. */
  async #nameOfModel(options: ReadOptions): Promise<string> {
    const known = this.#known.get(this)
    if (known) return known.name
    const asked = await this.#definitionIfAny(options)
    return asked ? this.#learn(asked).name : this.name
  }

  #learn(definition: IndexDefinition): IndexDefinition {
    return this.#known.learn(this, definition)
  }

  #requiredModel(): EmbeddingModel {
    if (this.model) return this.model
    throw invalidArgument(
      `say which model the vectors of ${this.name} are from: perigee.index('${this.name}', { model: { id, revision } })`,
      'model',
    )
  }
}

/** None when no chunk names one: a sidecar that is older doesn't know of them. */
function expectedVersions(chunks: readonly ChunkInput[]): string[] {
  if (chunks.every(({ ifVersion }) => ifVersion === undefined)) return []
  return chunks.map(({ ifVersion }) => ifVersion ?? '*')
}

function isByFilter(
  selection: string | readonly string[] | ReadonlyMap<string, string> | { readonly filter: Filter },
): selection is { readonly filter: Filter } {
  return typeof selection === 'object' && 'filter' in selection && typeof selection.filter !== 'function'
}
