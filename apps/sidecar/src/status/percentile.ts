/**
 * The nearest-rank percentile: the smallest value that at least `share` of all values don't exceed.
 *
 * @param sorted ascending, not empty.
 * @param share above 0, at most 1.
 */
export function percentile(sorted: readonly number[], share: number): number {
  const rank = Math.max(1, Math.ceil(share * sorted.length))
  return sorted[Math.min(rank, sorted.length) - 1] as number
}
