const ORDINALS = 1000

/**
 * A new epoch: Unix milliseconds × 1,000 + the region's ordinal, or the next such number above every epoch known.
 * So epochs of different regions differ without agreement.
 */
export function nextEpoch({
  nowMs,
  ordinal,
  known,
}: {
  nowMs: number
  ordinal: number
  known: number
}): number {
  const epoch = Math.floor(nowMs) * ORDINALS + ordinal
  if (epoch > known) return epoch
  const next = Math.floor(known / ORDINALS) * ORDINALS + ordinal
  return next > known ? next : next + ORDINALS
}
