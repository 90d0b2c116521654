import { formatPosition, laterPosition, ORIGIN, type Position } from '@perigee/core'
import type { ChangeLog, StoredChunk } from '../redis/change-log.ts'
import type { CopyChange, CopyWriter } from '../redis/copy-writer.ts'
import type { IndexDefinition } from '../redis/index-definition.ts'
import { dataUnavailable } from '../redis/redis-status.ts'
import { copiesOf } from './chunk-copies.ts'
import { meantFor } from './copy.ts'
import { ScanProgress } from './scan-progress.ts'
import { goesOn } from './situation.ts'

// Of what is compared, positions alone.
const PAGE = 200

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
 * meanwhile comes by the log, which the follower goes on reading between these steps: so what differs is read whole only with
 * the step that writes it.
 */
export class RepairScan {
  readonly #options: RepairScanOptions
  readonly #progress = new Map<string, number>()
  readonly #steps: AsyncIterator<CopyChange[]>
  #count = 1
  #from: Position = ORIGIN
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
    const { log, copies, region } = this.#options
    const { uid } = definition
    const progress = new ScanProgress()
    const { connects } = log
    let cursor = '0'
    while (true) {
      const page = await log.scan(uid, cursor, PAGE, 'position')
      // A Redis that restarted since has its chunks in another order: pages would leave some of them out.
      if (log.connects !== connects) throw dataUnavailable('it was connected to anew during a comparison')
      if (!goesOn(this.#from, page.clock)) {
        yield []
        continue
      }
      const ids = page.chunks.map(({ id }) => id)
      const versions = await copies.versions(uid, ids)
      const wanted = page.chunks.map((chunk) => meantFor(region, chunk, definition) && versionOf(chunk))
      yield* this.#written(
        definition,
        ids.filter((_, i) => (versions[i] ?? false) !== wanted[i]),
      )
      cursor = page.cursor
      this.#progress.set(uid, SCAN_PART * progress.at(cursor))
      if (cursor === '0') return
    }
  }

  async *#walk(definition: IndexDefinition): AsyncGenerator<CopyChange[]> {
    const { log, copies } = this.#options
    const { uid } = definition
    let after: string | undefined
    while (true) {
      const ids = await copies.ids(uid, after, PAGE)
      if (ids.length === 0) return
      const { chunks, clock } = await log.chunks(uid, ids, 'position')
      if (!goesOn(this.#from, clock)) {
        yield []
        continue
      }
      after = ids.at(-1)
      yield* this.#written(
        definition,
        ids.filter((_, i) => chunks[i] === undefined),
      )
    }
  }

  /** Makes copies be as their chunks are by then, at least one step, so that the log is never left alone for long. */
  async *#written(definition: IndexDefinition, ids: readonly string[]): AsyncGenerator<CopyChange[]> {
    const { log, region } = this.#options
    const left = [...ids]
    do {
      const { changes, seen } = await copiesOf(log, definition, {
        ...{ region, ids: left.slice(0, this.#count), from: this.#from },
      })
      left.splice(0, changes.length)
      this.#seen = laterPosition(this.#seen, seen)
      yield [...changes]
    } while (left.length > 0)
  }
}

function versionOf(chunk: StoredChunk): string {
  return formatPosition(chunk.position)
}
