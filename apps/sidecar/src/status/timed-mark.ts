/** A heartbeat or a lag probe, as the primary wrote it: what stands before the timestamp, and its Redis's time. */
export interface TimedMark {
  readonly label: string
  /** Unix milliseconds, to fractions of one. */
  readonly writtenAtMs: number
}

/** Reads `<label> <Unix µs>`; `undefined` for anything else. */
export function parseMark(text: string): TimedMark | undefined {
  const match = /^(.*) (\d{1,16})$/s.exec(text)
  if (!match?.[1] || !match[2]) return undefined
  return { label: match[1], writtenAtMs: Number(match[2]) / 1000 }
}
