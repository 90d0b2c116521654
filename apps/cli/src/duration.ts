import { InvalidArgumentError } from 'commander'

const UNITS_MS: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * A duration as people type it, in whole milliseconds: `250ms`, `60s`, `5m`, `1h30m`, `7d`.
 *
 * A bare number is refused, since nobody can tell its unit; so is zero.
 */
export function parseDuration(text: string): number {
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h|d)/g)]
  const sumMs = parts.reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (UNITS_MS[unit ?? ''] ?? Number.NaN),
    0,
  )
  const ms = Math.round(sumMs)
  const whole = parts.map(([part]) => part).join('') === text
  if (!whole || !(ms > 0) || !Number.isSafeInteger(ms)) {
    throw new InvalidArgumentError('A duration has a unit: 250ms, 60s, 5m, 2h, 7d.')
  }
  return ms
}

/** A duration for people: three digits at most, with the unit that fits. */
export function formatMs(ms: number): string {
  const size = Math.abs(ms)
  if (size < 9.995) return `${ms.toFixed(2)} ms`
  if (size < 99.95) return `${ms.toFixed(1)} ms`
  if (size < 999.5) return `${Math.round(ms)} ms`
  if (size < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return `${Math.floor(seconds / 60)} m ${seconds % 60} s`
  const minutes = Math.round(seconds / 60)
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`
  return `${(ms / 86_400_000).toFixed(1)} d`
}

/** A measured duration with half of its confidence interval: `35.2 ms ± 0.4`. */
export function formatMsWithin(ms: number, uncertaintyMs: number | undefined): string {
  return uncertaintyMs === undefined ? formatMs(ms) : `${formatMs(ms)} ± ${formatMs(uncertaintyMs)}`
}
