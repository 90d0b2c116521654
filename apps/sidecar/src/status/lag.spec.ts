import { describe, expect, it } from 'vitest'
import { LagMeter } from './lag.ts'
import { MarkWatch } from './mark-watch.ts'

class Bench {
  nowMs = 1_000_000
  uncertainty = 3
  text: string | null = null
  changed: () => void = () => {}
  readonly watch = new MarkWatch({
    onChange: (listener) => {
      this.changed = listener
      return () => {}
    },
    read: async () => this.text,
    nowMs: () => this.nowMs,
  })
  readonly meter = new LagMeter({
    heartbeats: this.watch,
    clock: { nowMs: () => this.nowMs, uncertaintyMs: () => this.uncertainty },
    intervalMs: 100,
  })

  constructor() {
    this.watch.start()
  }

  async arrive(text: string) {
    this.text = text
    this.changed()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the replication lag', () => {
  it('is unknown before the first heartbeat', () => {
    expect(new Bench().meter.lag()).toBeUndefined()
  })

  it('is unknown while the primary’s clock is', async () => {
    const bench = new Bench()
    await bench.arrive('5-7 999965000')
    bench.uncertainty = Number.POSITIVE_INFINITY
    expect(bench.meter.lag()).toBeUndefined()
  })

  it('is how long the newest heartbeat took, while heartbeats come', async () => {
    const bench = new Bench()
    await bench.arrive('5-7 999965000')
    bench.nowMs += 90
    expect(bench.meter.lag()).toEqual({ lagMs: 35, uncertaintyMs: 3 })
  })

  it('grows when heartbeats stay away', async () => {
    const bench = new Bench()
    await bench.arrive('5-7 999965000')
    bench.nowMs += 5000
    expect(bench.meter.lag()?.lagMs).toBe(4935)
  })

  it('falls back once they come again', async () => {
    const bench = new Bench()
    await bench.arrive('5-7 999965000')
    bench.nowMs += 5000
    await bench.arrive('5-9 1004960000')
    expect(bench.meter.lag()?.lagMs).toBe(40)
  })

  it('is not moved by what is no heartbeat', async () => {
    const bench = new Bench()
    await bench.arrive('garbage')
    await bench.arrive('5-7 x')
    expect(bench.meter.lag()).toBeUndefined()
  })
})
