import { describe, expect, it } from 'vitest'
import { Latencies } from './latencies.ts'

describe('Latencies', () => {
  it('gives percentiles by nearest rank, whatever the order', () => {
    const latencies = new Latencies([30, 10, 20, 40])
    expect([latencies.min, latencies.p50, latencies.p95, latencies.p99, latencies.max]).toEqual([
      10, 20, 40, 40, 40,
    ])
    const hundred = new Latencies(Array.from({ length: 100 }, (_, i) => 100 - i))
    expect([hundred.min, hundred.p50, hundred.p95, hundred.p99, hundred.max]).toEqual([1, 50, 95, 99, 100])
  })

  it('is of one value what that value is', () => {
    const one = new Latencies([7])
    expect([one.min, one.p50, one.p99, one.max]).toEqual([7, 7, 7, 7])
  })

  it('counts every value in exactly one bucket, outliers in the outermost', () => {
    const latencies = new Latencies([-5, 0, 1, 5, 9.99, 10, 99])
    expect(latencies.buckets(2, { fromMs: 0, toMs: 10 })).toEqual([3, 4])
  })

  it('refuses to describe nothing', () => {
    expect(() => new Latencies([])).toThrow('Nothing was measured')
  })
})
