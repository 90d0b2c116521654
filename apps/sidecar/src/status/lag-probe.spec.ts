import { describe, expect, it } from 'vitest'
import { type ProbeOptions, type ProbeSample, type ProbeSummary, probeLag } from './lag-probe.ts'
import { MarkWatch } from './mark-watch.ts'

/** A primary whose writes arrive here after `distanceMs`, unless `drops` says otherwise. */
class Replica {
  text: string | null = null
  nowMs = 5000
  distanceMs = 0
  drops: (sample: number) => boolean = () => false
  acknowledge: 'before' | 'after' = 'before'
  changed: () => void = () => {}
  readonly watch = new MarkWatch({
    onChange: (listener) => {
      this.changed = listener
      return () => {}
    },
    read: async () => this.text,
    nowMs: () => this.nowMs,
  })

  constructor() {
    this.watch.start()
  }

  async write(probeId: string, sample: number) {
    this.nowMs += 1
    const writtenAtMs = this.nowMs
    const arrive = async () => {
      if (this.drops(sample)) return
      this.nowMs = writtenAtMs + this.distanceMs
      this.text = `${probeId}:${sample} ${writtenAtMs * 1000}`
      this.changed()
      await new Promise((resolve) => setImmediate(resolve))
    }
    if (this.acknowledge === 'after') await arrive()
    else setImmediate(arrive)
    return { writtenAtMs }
  }

  async probe(options: Partial<ProbeOptions>): Promise<{ samples: ProbeSample[]; summary: ProbeSummary }> {
    const run = probeLag({
      samples: 5,
      intervalMs: 5,
      lostAfterMs: 100,
      write: (id, sample) => this.write(id, sample),
      probes: this.watch,
      signal: new AbortController().signal,
      ...options,
    })
    const samples: ProbeSample[] = []
    for (;;) {
      const next = await run.next()
      if (next.done) return { samples, summary: next.value }
      samples.push(next.value)
    }
  }
}

describe('a lag probe', () => {
  it.each(['before', 'after'] as const)(
    'measures writes acknowledged %s they arrive',
    async (acknowledge) => {
      const replica = new Replica()
      Object.assign(replica, { distanceMs: 35, acknowledge })
      const { samples, summary } = await replica.probe({})
      expect(samples.map((s) => s.observedAtMs - s.writtenAtMs)).toEqual([35, 35, 35, 35, 35])
      expect(summary).toEqual({ samples: 5, lost: 0, lags: { min: 35, p50: 35, p95: 35, p99: 35, max: 35 } })
    },
  )

  it('counts what never arrives as lost', async () => {
    const replica = new Replica()
    replica.drops = (sample) => sample === 4
    const { samples, summary } = await replica.probe({})
    expect(samples).toHaveLength(4)
    expect(summary.lost).toBe(1)
  })

  it('takes a probe that was overtaken for arrived with the one after it', async () => {
    const replica = new Replica()
    replica.drops = (sample) => sample === 2
    const { summary } = await replica.probe({})
    expect(summary.lost).toBe(0)
  })

  it('says so when nothing arrives at all', async () => {
    const replica = new Replica()
    replica.drops = () => true
    expect((await replica.probe({ samples: 2 })).summary).toEqual({ samples: 2, lost: 2 })
  })

  it('fails when the first write does', async () => {
    const write = async () => {
      throw new Error('no primary')
    }
    await expect(new Replica().probe({ write })).rejects.toThrow('no primary')
  })

  it('without a pace is as fast as the primary answers, few at a time', async () => {
    const replica = new Replica()
    let [writing, most] = [0, 0]
    const write = async (id: string, sample: number) => {
      most = Math.max(most, ++writing)
      await new Promise((resolve) => setTimeout(resolve, 5))
      writing--
      return replica.write(id, sample)
    }
    const { summary } = await replica.probe({ samples: 2000, intervalMs: 0, lostAfterMs: 5000, write })
    expect(summary).toMatchObject({ samples: 2000, lost: 0 })
    expect(most).toBeGreaterThan(1)
    expect(most).toBeLessThanOrEqual(256)
  })

  it('ends when its caller gives up', async () => {
    const abort = new AbortController()
    const replica = new Replica()
    replica.drops = () => true
    setTimeout(() => abort.abort(new Error('gave up')), 20)
    await expect(replica.probe({ signal: abort.signal, lostAfterMs: 60_000 })).rejects.toThrow('gave up')
  })
})
