const levels = ['·', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']

/** A line of columns as high as the fractions, from 0 (a dot) to 1. Only 1 is drawn full, only 0 as nothing. */
export function sparkline(fractions: readonly number[]): string {
  return fractions.map(level).join('')
}

function level(fraction: number): string {
  if (fraction <= 0) return '·'
  if (fraction >= 1) return '█'
  return levels[Math.min(Math.max(Math.round(fraction * 8), 1), 7)] ?? '█'
}
