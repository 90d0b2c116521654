import { describe, expect, it } from 'vitest'
import { bucketsOf, renderHistogram } from './histogram.ts'

describe('a histogram', () => {
  it('counts every value once', () => {
    const values = Array.from({ length: 500 }, (_, i) => 35 + ((i * 7919) % 500) / 37)
    const counted = bucketsOf(values).reduce((sum, { count }) => sum + count, 0)
    expect(counted).toBe(500)
  })

  it('keeps an outlier from flattening the rest', () => {
    const buckets = bucketsOf([...Array.from({ length: 199 }, (_, i) => 35 + i / 100), 5000])
    expect(buckets.length).toBeGreaterThan(5)
    expect(buckets.at(-1)?.to).toBe(Number.POSITIVE_INFINITY)
    expect(renderHistogram(buckets, 'ms')).toContain('≥ 3')
    expect(bucketsOf([35, 36, 37, 5000]).length).toBeGreaterThan(3)
  })

  it('has round bounds', () => {
    const buckets = bucketsOf([35.1, 36.2, 37.9, 39])
    expect(buckets.map(({ from }) => Math.round(from * 10) / 10)).toEqual([35, 35.5, 36, 36.5, 37, 37.5])
  })

  it('is one bar for one value, and nothing for none', () => {
    expect(renderHistogram(bucketsOf([5, 5, 5]), 'ms')).toMatch(/^5\.0 – 5\.1 ms {2}3 {2}█+$/)
    expect(bucketsOf([])).toEqual([])
  })

  it('shows a bar for the smallest count too', () => {
    const lines = renderHistogram(
      [
        { from: 0, to: 1, count: 1 },
        { from: 1, to: 2, count: 10_000 },
      ],
      'ms',
    ).split('\n')
    expect(lines[0]).toMatch(/▏$/)
    expect(lines[1]).toMatch(/█{40}$/)
  })
})
