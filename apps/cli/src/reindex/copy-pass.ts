/*
 * Brings the second index up to the first: what the first has and the second lacks, or has of an older version, is embedded
 * and written; what is gone from the first is deleted from the second. Again and again, until little is left.
 *
 * Nothing is kept but in memory. The state is the two indexes themselves: a pass compares them, so that one that was killed
 * is gone on with by another process. A copy is told by its contents, for a vector is made of the text.
 *
 * Once the alias points at both, clients write to the second index as well. Then the later write wins: a chunk of the second
 * index that is no copy made here stays, unless the first index's is newer; and it stays when the first has none. Copies are
 * written, and deleted, only over what was compared: whatever a client writes or deletes meanwhile is left alone.
 */
import { createHash } from 'node:crypto'
import type { Perigee, Session, StoredChunk, VectorIndex } from '@perigee/sdk'
import type { EmbeddingCommand } from './embedding-command.ts'
import { caughtUp, type RegionClients, sessionOfNow } from './region-clients.ts'
import type { ReindexPlan } from './reindex-plan.ts'
import { isLater } from './version.ts'

/** What a pass has done so far. */
export interface PassCounts {
  /** Chunks of the first index. */
  total: number
  /** Compared with the second index, and copied where that was needed. */
  done: number
  copied: number
  deleted: number
  /** Copies that stood there already, by contents. */
  unchanged: number
  /** Left as they are: clients have written them through the second index later. */
  kept: number
  /** How long the copying alone took, milliseconds. */
  tookMs: number
}

export interface CopyingOptions {
  readonly plan: ReindexPlan
  readonly regions: RegionClients
  /** Made when the first text is to be embedded. @throws Failure when there is none. */
  readonly embedding: () => EmbeddingCommand
  /** How far the primary's clock is ahead of this one, milliseconds. */
  readonly clockAheadMs: number
  readonly timeoutMs: number
  readonly signal: AbortSignal
  readonly onProgress: (counts: PassCounts) => void
}

/** A chunk whose copy was made here, or found to be right. */
interface Settled {
  /** Version in the first index. */
  readonly source: string
  /** Hash of the copy's contents; absent where the second index's own chunk was left. */
  readonly contents?: string
}

/** A copy to be made. */
interface Copy {
  readonly chunk: StoredChunk
  readonly ttlMs: number | undefined
  /** Of what the second index holds in its place: if clients change that meanwhile, the copy isn't written. */
  readonly ifVersion: string
}

const BATCH = 100
const CONCURRENCY = 3
/** Expiries are set by a duration, so a copy's is off by how long a call takes. */
const EXPIRY_SLACK_MS = 10_000

export class Copying {
  readonly #options: CopyingOptions
  readonly #settled = new Map<string, Settled>()
  #token = ''

  constructor(options: CopyingOptions) {
    this.#options = options
  }

  /** What was written here and seen, as a session's token. */
  get token(): string {
    return this.#token
  }

  /** One pass. @param shared whether clients may write to the second index: the alias points at it. */
  async pass(shared: boolean): Promise<PassCounts> {
    const { plan, regions, timeoutMs, signal } = this.#options
    const counts = { total: 0, done: 0, copied: 0, deleted: 0, unchanged: 0, kept: 0, tookMs: 0 }
    const name = { namespace: plan.namespace, name: plan.source.name }
    const session = await sessionOfNow(regions.home, name, { token: this.#token, timeoutMs, signal })
    const sources = await this.#versions(plan.source.name, session.token)
    const copies = await this.#versions(plan.targetName, session.token)
    const startedMs = performance.now()
    counts.total = sources.size
    // A copy that was right and is gone was deleted by a client of the second index.
    const wanting = [...sources].filter(
      ([id, version]) => this.#settled.get(id)?.source !== version || (!shared && !copies.has(id)),
    )
    const orphans = [...copies.keys()].filter((id) => !sources.has(id))
    counts.done = sources.size - wanting.length
    this.#options.onProgress(counts)
    const pass = new Pass({ ...this.#options, session, copies, shared, settled: this.#settled, counts })
    await pass.copyAll(wanting.map(([id]) => id))
    await pass.deleteAll(orphans)
    counts.tookMs = performance.now() - startedMs
    this.#token = session.token
    return counts
  }

  /** Versions by id. Of a region-scoped index each region holds a part. */
  async #versions(name: string, token: string): Promise<Map<string, string>> {
    const { plan, regions, signal } = this.#options
    const all = plan.source.regionScoped ? await regions.each() : [['', regions.home] as const]
    const versions = new Map<string, string>()
    for (const [, client] of all)
      await listInto(versions, client, { name, token, namespace: plan.namespace }, signal)
    return versions
  }
}

async function listInto(
  versions: Map<string, string>,
  client: Perigee,
  { name, namespace, token }: { name: string; namespace: string; token: string },
  signal: AbortSignal,
): Promise<void> {
  const index = client.session(token).index(name, { namespace })
  for await (const { id, version } of index.list({ view: 'id', pageSize: 1_000, ...caughtUp(signal) }))
    versions.set(id, version)
}

interface PassOptions extends CopyingOptions {
  readonly session: Session
  readonly copies: ReadonlyMap<string, string>
  readonly shared: boolean
  readonly settled: Map<string, Settled>
  readonly counts: PassCounts
}

/** The work of one pass. */
class Pass {
  readonly #options: PassOptions
  readonly #source: VectorIndex
  readonly #target: VectorIndex
  readonly #call: { readonly timeoutMs: number; readonly signal: AbortSignal }

  constructor(options: PassOptions) {
    this.#options = options
    const { session, plan, timeoutMs, signal } = options
    const { namespace, target } = plan
    this.#source = session.index(plan.source.name, { namespace })
    this.#target = session.index(plan.targetName, { namespace, model: target?.model })
    this.#call = { timeoutMs: Math.max(timeoutMs, 30_000), signal }
  }

  async copyAll(ids: readonly string[]): Promise<void> {
    const rest = [...ids]
    let failure: unknown
    const work = async () => {
      while (rest.length > 0 && failure === undefined) {
        this.#options.signal.throwIfAborted()
        const batch = rest.splice(0, BATCH)
        await this.#copy(batch)
        this.#options.counts.done += batch.length
        this.#options.onProgress(this.#options.counts)
      }
    }
    const failing = (error: unknown) => {
      failure ??= error
    }
    // Nothing is under way any more when it fails: another pass may follow.
    await Promise.all(Array.from({ length: CONCURRENCY }, () => work().catch(failing)))
    if (failure !== undefined) throw failure
  }

  async #copy(ids: readonly string[]): Promise<void> {
    const { copies, settled, counts, clockAheadMs } = this.#options
    const chunks = await this.#source.getMany(ids, { consistency: 'primary', ...this.#call })
    const known = ids.filter((id) => copies.has(id))
    const there =
      known.length > 0
        ? await this.#target.getMany(known, { consistency: 'primary', ...this.#call })
        : new Map<string, StoredChunk>()
    const toWrite: Copy[] = []
    for (const chunk of chunks.values()) {
      const copy = there.get(chunk.id)
      const verdict = this.#verdict(chunk, copy)
      if (verdict === 'copy') {
        const ttlMs = chunk.expiresAt && chunk.expiresAt.getTime() - Date.now() - clockAheadMs
        if (ttlMs === undefined || ttlMs >= 1) toWrite.push({ chunk, ttlMs, ifVersion: copy?.version ?? '' })
        continue
      }
      counts[verdict] += 1
      const contents = verdict === 'unchanged' ? { contents: contentsOf(chunk) } : {}
      settled.set(chunk.id, { source: chunk.version, ...contents })
    }
    if (toWrite.length > 0) await this.#write(toWrite)
    // Deleted since the look at both: the next pass may be one that leaves to clients what it doesn't know.
    await this.deleteAll(known.filter((id) => !chunks.has(id)))
  }

  async #write(copies: readonly Copy[]): Promise<void> {
    const { settled, counts } = this.#options
    const texts = copies.map(({ chunk: { id, text } }) => ({ id, text }))
    const vectors = await this.#options.embedding().embed(texts)
    const { upserted } = await this.#target.upsert(
      copies.map(({ chunk: { id, text, metadata, regions }, ttlMs, ifVersion }, i) => ({
        ...{ id, text, metadata, vector: vectors[i] ?? [], ifVersion },
        ...(regions.length > 0 && { regions }),
        ...(ttlMs !== undefined && { ttlMs: Math.ceil(ttlMs) }),
      })),
      this.#call,
    )
    counts.copied += upserted
    // Where clients were faster with some, the next pass looks again at all of these.
    const all = upserted === copies.length
    for (const { chunk } of copies)
      settled.set(chunk.id, { source: all ? chunk.version : '', contents: contentsOf(chunk) })
    // What was deleted from both while its vector was made must not come back.
    const ids = copies.map(({ chunk }) => chunk.id)
    const still = await this.#source.getMany(ids, { view: 'id', consistency: 'primary', ...this.#call })
    await this.deleteAll(ids.filter((id) => !still.has(id)))
  }

  #verdict(chunk: StoredChunk, copy: StoredChunk | undefined): 'copy' | 'unchanged' | 'kept' {
    if (!copy) return 'copy'
    if (contentsOf(copy) === contentsOf(chunk) && sameExpiry(copy, chunk)) return 'unchanged'
    const own = this.#isOwn(copy)
    return this.#options.shared && !own && isLater(copy.version, chunk.version) ? 'kept' : 'copy'
  }

  /** Whether a chunk of the second index is as it was written here. */
  #isOwn(copy: StoredChunk): boolean {
    return this.#options.settled.get(copy.id)?.contents === contentsOf(copy)
  }

  /** Deletes copies whose chunk is gone. */
  async deleteAll(ids: readonly string[]): Promise<void> {
    const { shared, settled, counts, signal } = this.#options
    const read = { consistency: 'primary', ...this.#call } as const
    for (let i = 0; i < ids.length; i += BATCH) {
      signal.throwIfAborted()
      const batch = ids.slice(i, i + BATCH)
      const there = await this.#target.getMany(batch, read)
      // It may have been written to the first index since the look at both.
      const back = await this.#source.getMany(batch, { view: 'id', ...read })
      const gone = [...there.values()].filter((copy) => !back.has(copy.id) && (!shared || this.#isOwn(copy)))
      if (gone.length === 0) continue
      const versions = new Map(gone.map(({ id, version }) => [id, version]))
      counts.deleted += (await this.#target.delete(versions, this.#call)).deleted
      for (const { id } of gone) settled.delete(id)
    }
  }
}

/** Whether two chunks expire together, as near as copies can. */
function sameExpiry(a: StoredChunk, b: StoredChunk): boolean {
  if (!a.expiresAt || !b.expiresAt) return a.expiresAt === b.expiresAt
  return Math.abs(a.expiresAt.getTime() - b.expiresAt.getTime()) <= EXPIRY_SLACK_MS
}

/** A hash of all that a copy takes over but the expiry. */
export function contentsOf({ text, metadata, regions }: StoredChunk): string {
  const contents = JSON.stringify([text, inOrder(metadata), [...regions].sort()])
  return createHash('sha256').update(contents).digest('base64url').slice(0, 22)
}

function inOrder(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inOrder)
  if (value === null || typeof value !== 'object') return value
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, member]) => [key, inOrder(member)]))
}
