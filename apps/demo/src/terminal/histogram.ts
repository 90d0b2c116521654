import type { Latencies } from '../latencies.ts'
import { ms } from './format.ts'

const bars = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█']

/**
 * Horizontal bars of the values from the smallest to the 99th percentile; the slowest hundredth is named below
 * them, so that one outlier doesn't squeeze the rest into one bar.
 */
export function histogram(latencies: Latencies, options: { rows: number; width: number }): string[] {
  const fromMs = latencies.min
  const toMs = Math.max(latencies.p99, fromMs + 0.1)
  const counts = latencies.buckets(options.rows, { fromMs, toMs })
  const largest = Math.max(...counts)
  const step = (toMs - fromMs) / options.rows
  const lines = counts.map((count, row) => {
    const label = ms(fromMs + row * step).padStart(9)
    return `${label} ${bar(count / largest, options.width)} ${count}`
  })
  return [...lines, `${ms(latencies.max).padStart(9)} slowest of ${latencies.count}`]
}

/** A bar of eighths of a character; a fraction above zero is never invisible. */
export function bar(fraction: number, width: number): string {
  if (fraction <= 0) return ''
  const eighths = Math.max(Math.round(fraction * width * 8), 1)
  const rest = eighths % 8
  return '█'.repeat(Math.floor(eighths / 8)) + (rest === 0 ? '' : (bars[rest - 1] ?? ''))
}
