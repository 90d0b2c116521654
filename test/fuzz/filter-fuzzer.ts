import { setTimeout as pause } from 'node:timers/promises'
import type { JsonObject } from '@bufbuild/protobuf'
import { AttributeType, ChunkView, type Filter } from '@perigee/protocol'
import fc from 'fast-check'
import {
  anyFilter,
  anyMetadata,
  anySentence,
  type FilterMetadata,
  matchesFilter,
} from '../../apps/sidecar/src/follower/filters.spec-support.ts'
import { chunk, createIndex, MODEL, vectorMessage, vectorOf } from '../support/chunks.ts'
import { CallError, RawClient } from '../support/clients.ts'
import type { Draw } from './draw.ts'
import { Finding, type Fuzzer } from './fuzzer.ts'
import type { Stage } from './stage.ts'

const INDEX = 'filtered'
const FILTERS_MAX = 10
const CHUNKS_MAX = 30
/** How long a Redis may be away before that is a finding. */
const AWAY_MS = 40_000

/** A chunk's fields and its text. */
type Row = readonly [FilterMetadata, string]

/** Filters over chunks, whole way through a sidecar: the same hits as an evaluator of the contract gives. */
export class FilterFuzzer implements Fuzzer {
  readonly lanes = 1
  readonly #us: RawClient
  #round = 0

  constructor(stage: Stage) {
    this.#us = new RawClient(stage.addresses[0] ?? '', stage.callers.operator)
  }

  async run(draw: Draw, note: (input: string) => void): Promise<string> {
    const { all, filters } = drawnCase(draw)
    note(JSON.stringify({ all, filters }, plain))
    const untilMs = performance.now() + AWAY_MS
    for (;;) {
      try {
        return await this.#compare(all, filters)
      } catch (error) {
        if (!isAway(error) || performance.now() > untilMs) throw error
        await pause(500)
      }
    }
  }

  async #compare(all: readonly Row[], filters: readonly Filter[]): Promise<string> {
    const { namespace, sessionToken } = await this.#fill(all)
    let refused = 0
    for (const filter of filters) {
      const expected = all.flatMap(([fields, text], i) =>
        matchesFilter(filter, { ...fields, text }) ? [`${i}`] : [],
      )
      const options = { sessionToken }
      const vector = vectorMessage(vectorOf('any'))
      const asked = { namespace, index: INDEX, filter, options }
      try {
        const { hits } = await this.#us.search.search({ ...asked, model: MODEL, vector, k: 1_000 })
        const listed = await this.#us.search.listChunks({ ...asked, pageSize: 1_000, view: ChunkView.ID })
        demandSame(
          'a search',
          hits.map((hit) => hit.chunk?.id ?? ''),
          expected,
          filter,
        )
        demandSame(
          'a listing',
          listed.chunks.map(({ id }) => id),
          expected,
          filter,
        )
      } catch (error) {
        if (!(error instanceof CallError)) throw error
        if (isAway(error)) throw error
        if (error.status !== 'INVALID_ARGUMENT') throw new Finding(`${error.status} ${error.message}`)
        refused++
      }
    }
    await this.#us.search.dropIndex({ namespace, name: INDEX })
    return refused === 0 ? 'same hits' : 'same hits, or refused'
  }

  async #fill(all: readonly Row[]) {
    this.#round += 1
    const namespace = `filters-${this.#round}`
    const attributes = [
      { name: 'tag', type: AttributeType.TAG },
      { name: 'num', type: AttributeType.NUMERIC },
      { name: 'body', type: AttributeType.TEXT },
    ]
    await createIndex(this.#us, namespace, { name: INDEX, attributes })
    const chunks = all.map(([fields, text], i) => ({
      ...chunk(`${i}`, { metadata: fields as JsonObject }),
      text,
    }))
    const { receipt } = await this.#us.search.upsertChunks({ namespace, index: INDEX, model: MODEL, chunks })
    return { namespace, sessionToken: receipt?.sessionToken ?? new Uint8Array() }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#us.close()
  }
}

function drawnCase(draw: Draw): { all: Row[]; filters: Filter[] } {
  const drawn = <T>(arbitrary: fc.Arbitrary<T>) =>
    fc.sample(arbitrary, { seed: draw.seed(), numRuns: 1 })[0] as T
  const all = drawn(fc.array(fc.tuple(anyMetadata, anySentence), { minLength: 1, maxLength: CHUNKS_MAX }))
  const filters = drawn(fc.array(anyFilter, { minLength: 1, maxLength: FILTERS_MAX }))
  return { all, filters }
}

/** Something isn't there for a moment, or got no processor time. */
function isAway(error: unknown): boolean {
  return error instanceof CallError && ['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes(error.status)
}

function demandSame(
  what: string,
  got: readonly string[],
  expected: readonly string[],
  filter: unknown,
): void {
  const [a, b] = [got, expected].map((ids) => [...ids].sort().join())
  if (a === b) return
  throw new Finding(`${what} finds [${a}], not [${b}], by ${JSON.stringify(filter, plain)}`)
}

/** Without the types' names; numbers that JSON lacks as text. */
function plain(key: string, value: unknown): unknown {
  if (key === '$typeName') return undefined
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}
