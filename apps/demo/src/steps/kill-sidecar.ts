import { setTimeout as delay } from 'node:timers/promises'
import { promise } from '../broken-promise.ts'
import type { Demo } from '../demo.ts'
import { timed } from '../latencies.ts'
import { poll } from '../poll.ts'
import type { Region } from '../regions.ts'
import { docs, pages, serviceIn } from '../services.ts'
import { count, ms } from '../terminal/format.ts'
import { pageKey } from './fill-indexes.ts'

const victim: Region = 'eu-west-1'
const readsBefore = 100
const readsAfter = 25

export interface Failover {
  victim: Region
  reads: number
  failed: number
  /** The longest that a read took, from the kill on. */
  gapMs: number
  answeredBy: string
}

interface Read {
  startedAt: number
  tookMs: number
  answeredBy?: string
  error?: unknown
}

/** Kills eu-west-1's sidecar while a service there keeps reading and searching. */
export async function killSidecar(demo: Demo): Promise<Failover> {
  const { report, cluster } = demo
  report.step(`Kill ${victim}'s sidecar while a service there goes on reading`)
  const reader = new Reader(demo)
  const reading = reader.run()
  let killedAt: number
  try {
    await reader.atLeast(readsBefore)
    killedAt = performance.now()
    await cluster.stopProcess(victim, 'sidecar', 'SIGKILL')
    await reader.atLeast(reader.reads.length + readsAfter)
  } finally {
    reader.stop()
    await reading
  }
  const failover = describe(reader.reads, killedAt)
  report.line(
    `${count(failover.reads)} reads and searches, ${failover.failed} failed; the longest, at the kill, took ${ms(failover.gapMs)}`,
  )
  report.line(`then ${failover.answeredBy} answered, ${ms(median(reader.reads.slice(-10)))} a call`)
  promise(failover.failed === 0, `${failover.failed} reads failed: ${firstError(reader.reads)}`)
  promise(failover.answeredBy !== victim, `${victim} still answers, though its sidecar was killed.`)
  report.check('no read failed')
  await cluster.startProcess(victim, 'sidecar')
  return failover
}

/** Alternates cache reads and searches without a pause, and notes how each went. */
class Reader {
  readonly reads: Read[] = []
  readonly #demo: Demo
  #stopped = false

  constructor(demo: Demo) {
    this.#demo = demo
  }

  async run(): Promise<void> {
    const { nearest } = serviceIn(this.#demo.services, victim)
    const cache = pages(nearest)
    const index = docs(nearest)
    const vector = this.#demo.corpus.vectors[0] ?? new Float32Array()
    for (let n = 0; !this.#stopped && !this.#demo.signal.aborted; n++) {
      const startedAt = performance.now()
      const read = async () =>
        n % 2 === 0
          ? (await cache.getEntry(pageKey(n)))?.receipt.region
          : (await index.search(vector, { k: 10 })).receipt.region
      try {
        const { ms: tookMs, result } = await timed(read)
        if (result === undefined) throw new Error(`${pageKey(n)} was answered as a miss`)
        this.reads.push({ startedAt, tookMs, answeredBy: result })
      } catch (error) {
        this.reads.push({ startedAt, tookMs: performance.now() - startedAt, error })
        await delay(10)
      }
    }
  }

  async atLeast(count: number): Promise<void> {
    await poll(async () => this.reads.length >= count || undefined, {
      timeoutMs: 30_000,
      everyMs: 5,
      explain: () => `The reader got stuck after ${this.reads.length} reads.`,
      signal: this.#demo.signal,
    })
  }

  stop(): void {
    this.#stopped = true
  }
}

function describe(reads: Read[], killedAt: number): Failover {
  const afterKill = reads.filter((read) => read.startedAt + read.tookMs > killedAt)
  return {
    victim,
    reads: reads.length,
    failed: reads.filter((read) => read.error !== undefined).length,
    gapMs: Math.max(...afterKill.map((read) => read.tookMs)),
    answeredBy: reads.at(-1)?.answeredBy ?? 'nobody',
  }
}

function median(reads: Read[]): number {
  return (
    reads.map((read) => read.tookMs).toSorted((a, b) => a - b)[Math.floor(reads.length / 2)] ?? Number.NaN
  )
}

function firstError(reads: Read[]): string {
  return String(reads.find((read) => read.error !== undefined)?.error)
}
