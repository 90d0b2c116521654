import { describe, expect, it } from 'vitest'
import { Latencies } from '../latencies.ts'
import { bar, histogram } from './histogram.ts'

describe('histogram', () => {
  it('counts every value once and names the slowest', () => {
    const values = Array.from({ length: 200 }, (_, i) => 35 + (i % 10))
    const lines = histogram(new Latencies([...values, 400]), { rows: 5, width: 20 })
    expect(lines).toHaveLength(6)
    const counts = lines.slice(0, -1).map((line) => Number(line.split(' ').at(-1)))
    expect(counts.reduce((sum, count) => sum + count)).toBe(201)
    expect(lines.at(-1)).toContain('400 ms slowest of 201')
  })

  it('draws values that are all the same', () => {
    const lines = histogram(new Latencies([35, 35, 35]), { rows: 4, width: 8 })
    expect(lines[0]).toContain('████████ 3')
  })
})

describe('bar', () => {
  it('is as long as the fraction, to an eighth, and visible above zero', () => {
    expect(bar(1, 4)).toBe('████')
    expect(bar(0.5, 4)).toBe('██')
    expect(bar(0.28125, 4)).toBe('█▏')
    expect(bar(0.0001, 4)).toBe('▏')
    expect(bar(0, 4)).toBe('')
  })
})
