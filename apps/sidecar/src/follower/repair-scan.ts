import { formatPosition, laterPosition, ORIGIN, type Position } from '@perigee/core'
import type { ChangeLog, StoredChunk } from '../redis/change-log.ts'
import type { CopyChange, CopyWriter } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { dataUnavailable } from '../redis/redis-status.ts'
import { copyChange, meantFor } from './copy.ts'
import { ScanProgress } from './scan-progress.ts'
import { goesOn } from './situation.ts'

// A page of SCAN can't be cut short, so it is asked for by the size of the chunks seen so far.
const PAGE_BYTES = 4 * 1024 * 1024
const FIRST_PAGE_COUNT = 20

// The walk over copies is the shorter part: it reads no vectors.
const SCAN_PART = 0.9

export interface RepairScanOptions {
  readonly region: string
  readonly definitions: readonly IndexDefinition[]
  readonly log: ChangeLog
  readonly copies: CopyWriter
}

/**
 * Compares chunks and copies, index by index: first a scan over all chunks, for copies that lack or are of another version,
 * newer ones too, which a fork may have taken back; then a walk over all copies, for those whose chunk is gone. What changes
 * meanwhile comes by the log, which the follower goes on reading between these steps.
 */
export class RepairScan {
  readonly #options: RepairScanOptions
  readonly #progress = new Map<string, number>()
  readonly #steps: AsyncIterator<CopyChange[]>
  #count = 1
  #from: Position = ORIGIN
  #chunkBytes = PAGE_BYTES / FIRST_PAGE_COUNT
  #seen: Position = ORIGIN

  constructor(options: RepairScanOptions) {
    this.#options = options
    for (const { uid } of options.definitions) this.#progress.set(uid, 0)
    this.#steps = this.#run()
  }

  /** Part done of each index. */
  get progress(): ReadonlyMap<string, number> {
    return this.#progress
  }

  /** The newest position of what was read so far. */
  get seen(): Position {
    return this.#seen
  }

  /**
   * The next changes to write, possibly none; `undefined` when all is compared.
   *
   * @param from the data Redis's clock as of the log's batch that the changes are written with: reads that don't go on from
   *   it, because the data was replaced in between, are thrown away.
   */
  async next(count: number, from: Position): Promise<CopyChange[] | undefined> {
    this.#count = count
    this.#from = from
    const step = await this.#steps.next()
    return step.done ? undefined : step.value
  }

  async *#run(): AsyncGenerator<CopyChange[]> {
    for (const definition of this.#options.definitions) {
      yield* this.#scan(definition)
      yield* this.#walk(definition)
      this.#progress.set(definition.uid, 1)
    }
  }

  async *#scan(definition: IndexDefinition): AsyncGenerator<CopyChange[]> {
    const { log, copies } = this.#options
    const progress = new ScanProgress()
    const { connects } = log
    let cursor = '0'
    while (true) {
      const count = Math.ceil(Math.min(this.#count, PAGE_BYTES / this.#chunkBytes))
      const page = await log.scan(definition.uid, cursor, count, 'all')
      this.#measure(page.chunks)
      // A Redis that restarted since has its chunks in another order: pages would leave some of them out.
      if (log.connects !== connects) throw dataUnavailable('it was connected to anew during a comparison')
      if (!goesOn(this.#from, page.clock)) {
        yield []
        continue
      }
      const versions = await copies.versions(
        definition.uid,
        page.chunks.map((c) => c.id),
      )
      this.#seen = page.chunks.map((c) => c.position).reduce(laterPosition, this.#seen)
      yield page.chunks.flatMap((chunk, i) => this.#compared(chunk, versions[i], definition))
      cursor = page.cursor
      this.#progress.set(definition.uid, SCAN_PART * progress.at(cursor))
      if (cursor === '0') return
    }
  }

  #measure(chunks: readonly StoredChunk[]): void {
    if (chunks.length === 0) return
    const bytes = chunks.reduce((sum, c) => sum + c.text.length + c.vector.length + c.metadata.length, 1)
    this.#chunkBytes = Math.max(this.#chunkBytes * 0.7, bytes / chunks.length)
  }

  #compared(chunk: StoredChunk, version: string | undefined, definition: IndexDefinition): CopyChange[] {
    const { region } = this.#options
    const wanted = meantFor(region, chunk, definition) ? formatPosition(chunk.position) : undefined
    return version === wanted ? [] : [copyChange(chunk.id, chunk, definition, region)]
  }

  async *#walk({ uid }: IndexDefinition): AsyncGenerator<CopyChange[]> {
    const { log, copies } = this.#options
    let after: string | undefined
    while (true) {
      const ids = await copies.ids(uid, after, this.#count)
      if (ids.length === 0) return
      const { chunks, clock } = await log.chunks(uid, ids, 'position')
      if (!goesOn(this.#from, clock)) {
        yield []
        continue
      }
      after = ids.at(-1)
      this.#seen = laterPosition(this.#seen, clock)
      const gone = ids.filter((_, i) => chunks[i] === undefined)
      yield gone.map((id) => ({ kind: 'remove', indexUid: uid, id }))
    }
  }
}
