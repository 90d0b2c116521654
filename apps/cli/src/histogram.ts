/** A stretch of values and how many fell into it. */
export interface Bucket {
  readonly from: number
  /** Exclusive; infinite in the last one. */
  readonly to: number
  readonly count: number
}

const BUCKETS = 10
const BAR_WIDTH = 40
const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉']

/**
 * Buckets of one round width (1, 2 or 5 times a power of ten) from the smallest value to the 98th percentile; the
 * last one holds everything above, so that an outlier doesn't flatten the rest.
 */
export function bucketsOf(values: readonly number[]): Bucket[] {
  const sorted = values.toSorted((a, b) => a - b)
  const least = sorted[0]
  if (least === undefined) return []
  const most = sorted[Math.floor((sorted.length - 1) * 0.98)] ?? least
  const width = roundWidth((most - least) / BUCKETS)
  const first = Math.floor(least / width)
  const last = Math.floor(most / width)
  const greatest = sorted.at(-1) ?? most
  const buckets: Bucket[] = []
  for (let i = first; i <= last; i++) {
    const from = i * width
    const open = i === last && greatest >= (i + 1) * width
    const to = open ? Number.POSITIVE_INFINITY : (i + 1) * width
    buckets.push({
      from,
      to,
      count: sorted.filter((v) => Math.floor(v / width) === i || (open && v >= from)).length,
    })
  }
  return buckets
}

/** Buckets as lines of text: where each begins, how many, and a bar. */
export function renderHistogram(buckets: readonly Bucket[], unit: string): string {
  const most = Math.max(1, ...buckets.map(({ count }) => count))
  const width = Math.min(1, ...buckets.map(({ from, to }) => to - from))
  const digits = Math.max(0, -Math.floor(Math.log10(width) + 1e-9))
  const labels = buckets.map(({ from, to }) =>
    Number.isFinite(to) ? `${from.toFixed(digits)} – ${to.toFixed(digits)}` : `≥ ${from.toFixed(digits)}`,
  )
  const labelWidth = Math.max(0, ...labels.map((l) => l.length))
  const countWidth = String(most).length
  return buckets
    .map(({ count }, i) => {
      const label = `${(labels[i] ?? '').padStart(labelWidth)} ${unit}`
      return `${label}  ${String(count).padStart(countWidth)}  ${bar(count / most)}`.trimEnd()
    })
    .join('\n')
}

function bar(part: number): string {
  const eighths = Math.round(part * BAR_WIDTH * 8)
  if (eighths === 0 && part > 0) return EIGHTHS[1] ?? ''
  return '█'.repeat(Math.floor(eighths / 8)) + EIGHTHS[eighths % 8]
}

function roundWidth(width: number): number {
  const least = Math.max(width, 0.1)
  const power = 10 ** Math.floor(Math.log10(least))
  const factor = [1, 2, 5, 10].find((f) => f * power >= least * (1 - 1e-9)) ?? 10
  return factor * power
}
