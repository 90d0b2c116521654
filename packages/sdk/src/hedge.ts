import { inTime } from './pause.ts'

/** One of two ways to the same answer. */
export interface Leg<T> {
  /** Never rejects. */
  readonly outcome: Promise<T>
  giveUp(): void
}

/**
 * Goes a second way when the first has brought nothing in time, and takes what comes first; the other is given up. An
 * outcome that decides nothing is waited out for the other one.
 *
 * @param allowed whether the second way may be gone; if the first way ends before that is known, it isn't.
 * @param second begins the second way; `undefined` when there is none after all.
 * @param decides whether an outcome is to be taken though the other may bring another one.
 */
export async function hedged<T extends object>(
  first: Leg<T>,
  {
    afterMs,
    allowed,
    second,
    decides,
  }: {
    readonly afterMs: number
    readonly allowed: () => Promise<boolean>
    readonly second: () => Leg<T> | undefined
    readonly decides: (outcome: T) => boolean
  },
): Promise<T> {
  const soon = await inTime(first.outcome, afterMs)
  if (soon) return soon
  const other = (await Promise.race([allowed(), first.outcome.then(() => false)])) ? second() : undefined
  if (!other) return first.outcome
  const [outcome, rest] = await Promise.race([
    first.outcome.then((one) => [one, other] as const),
    other.outcome.then((one) => [one, first] as const),
  ])
  if (!decides(outcome)) return rest.outcome
  rest.giveUp()
  return outcome
}
