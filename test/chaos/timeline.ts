import type { Operation } from '../checker/history.ts'
import { percentile } from '../support/percentile.ts'
import { tookMs } from './calls.ts'

/** One region's clients in one slice of time. */
export interface Slice {
  readonly fromMs: number
  /** Of reads that were answered; undefined when none was. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  readonly reads: number
  readonly failedReads: number
  readonly writes: number
  readonly failedWrites: number
}

/** A fault from its beginning until it was healed. */
export interface Band {
  readonly label: string
  readonly fromMs: number
  readonly toMs: number
}

interface OpenSlice {
  readonly fromMs: number
  readonly latenciesMs: number[]
  reads: number
  failedReads: number
  writes: number
  failedWrites: number
}

/** Slices of time by region. What is kept doesn't grow with the calls, only with the slices. */
export class Timeline {
  readonly regions: readonly string[]
  readonly sliceMs: number
  readonly bands: Band[] = []
  readonly #closed = new Map<string, Slice[]>()
  readonly #open = new Map<string, OpenSlice>()

  constructor(regions: readonly string[], sliceMs: number) {
    this.regions = regions
    this.sliceMs = sliceMs
    for (const region of regions) {
      this.#closed.set(region, [])
      this.#open.set(region, emptySlice(0))
    }
  }

  /** Takes a call in, in the order of their ends. */
  add(call: Operation, endMs: number): void {
    const slice = this.#sliceAt(call.region, endMs)
    if (!slice) return
    const answered = isAnswer(call)
    if (call.value === undefined) {
      slice.reads += 1
      if (answered) slice.latenciesMs.push(tookMs(call))
      else slice.failedReads += 1
    } else {
      slice.writes += 1
      if (!answered) slice.failedWrites += 1
    }
  }

  /** All slices of a region, the last one as it is now. */
  of(region: string): readonly Slice[] {
    const open = this.#open.get(region)
    return [...(this.#closed.get(region) ?? []), ...(open ? [closed(open)] : [])]
  }

  #sliceAt(region: string, endMs: number): OpenSlice | undefined {
    const fromMs = Math.floor(endMs / this.sliceMs) * this.sliceMs
    let slice = this.#open.get(region)
    if (!slice) return undefined
    while (slice.fromMs < fromMs) {
      this.#closed.get(region)?.push(closed(slice))
      slice = emptySlice(slice.fromMs + this.sliceMs)
      this.#open.set(region, slice)
    }
    return slice
  }
}

/** Whether a call was answered, or told truly that what its session saw is lost. */
export function isAnswer({ outcome }: Operation): boolean {
  return outcome.kind === 'ok' || outcome.reason === 'LOST_HISTORY'
}

function emptySlice(fromMs: number): OpenSlice {
  return { fromMs, latenciesMs: [], reads: 0, failedReads: 0, writes: 0, failedWrites: 0 }
}

function closed({ latenciesMs, ...slice }: OpenSlice): Slice {
  const known = latenciesMs.length > 0
  const at = (share: number) => (known ? percentile(latenciesMs, share) : undefined)
  return { ...slice, p50Ms: at(0.5), p99Ms: at(0.99) }
}
