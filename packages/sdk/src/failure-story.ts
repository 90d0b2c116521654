import type { Endpoint } from './endpoint.ts'
import { PerigeeError } from './perigee-error.ts'
import { neverSent } from './verdict.ts'

/** One attempt that failed. */
export interface Failure {
  readonly endpoint: Endpoint
  readonly error: PerigeeError
  /** Asking the next one costs nothing of the retry budget. */
  readonly free: boolean
}

/** What is known when a call has failed at all the sidecars that it could be sent to. */
export interface FailureStory {
  readonly failures: readonly Failure[]
  /** The one region that might have answered; `undefined`: any. */
  readonly region: string | undefined
  /** What discovery has to say. */
  readonly unknown: string
  readonly timeoutMs: number
  /** Whether the deadline has passed. */
  readonly late: boolean
  /** Whether others weren't asked because the retry budget is spent. */
  readonly overBudget: boolean
  /** The error of the last attempt that may have done the write. */
  readonly maybeDone: PerigeeError | undefined
}

/** The one error that a call fails with. */
export function exhausted(story: FailureStory): PerigeeError {
  const { failures, region, late, maybeDone } = story
  const latest = new Map(failures.map((failure) => [failure.endpoint.address, failure]))
  const each = [...latest.values()].map(({ endpoint, error }) => `${endpoint.region}: ${error.message}`)
  const told = [...each, ...(story.unknown ? [story.unknown] : [])].join('; ') || 'no address is known'
  // A sidecar's own reason says more than that others were silent.
  const best = failures.findLast(({ error }) => error.reason) ?? failures.at(-1)
  const where = region === undefined ? 'any region' : `region ${region}, which alone may answer this,`
  if (late && best?.error.reason)
    return maybeDone ? outcomeUnknown(maybeDone, told) : toTheEnd(best.error, story)
  if (late) {
    return new PerigeeError(
      `no answer from ${where} within ${story.timeoutMs} ms (${told}): check that sidecars run and can be reached, or allow more time with \`timeoutMs\``,
      { code: 'DEADLINE_EXCEEDED', region: best?.endpoint.region, cause: best?.error },
    )
  }
  if (maybeDone) return outcomeUnknown(maybeDone, told)
  if (best?.error.reason) return best.error
  if (story.overBudget && best) {
    return new PerigeeError(
      `the call failed (${told}) and was not sent to another sidecar, because too many calls of late had to be sent again: look for what overloads or breaks the sidecars, try again later, or allow more with \`retryBudget\``,
      { code: best.error.code, region: best.endpoint.region, cause: best.error },
    )
  }
  if (failures.some(({ error }) => !neverSent(error))) {
    const faulty = best?.error.code === 'INTERNAL' || best?.error.code === 'UNKNOWN'
    return new PerigeeError(
      `the call failed at every sidecar of ${where} (${told}): look at their logs, or try again later`,
      {
        code: faulty ? best.error.code : 'UNAVAILABLE',
        region: best?.endpoint.region,
        cause: best?.error,
      },
    )
  }
  return new PerigeeError(
    `no sidecar of ${where} could be reached (${told}): check that sidecars run and that their addresses can be reached from here`,
    { code: 'UNAVAILABLE', region: best?.endpoint.region, cause: best?.error },
  )
}

/** What a sidecar said, and what was so until the deadline. */
function toTheEnd(error: PerigeeError, { timeoutMs }: FailureStory): PerigeeError {
  const message = `${error.message} (It was so until the deadline, ${timeoutMs} ms after the call began: allow more time with \`timeoutMs\` if that passes.)`
  return new PerigeeError(message, { ...error, cause: error })
}

function outcomeUnknown(error: PerigeeError, story: string): PerigeeError {
  if (error.reason) return error
  return new PerigeeError(
    `whether the write was done is not known (${story}): read what it should have changed, or write again`,
    { code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN', region: error.region, cause: error },
  )
}

/** A refusal of a later attempt, which says nothing of an earlier one's outcome. */
export function afterUnknown(error: PerigeeError): PerigeeError {
  const message = `${error.message} (An earlier attempt of this write may have been done.)`
  const metadata = { ...error.metadata, earlier_attempt: 'unknown' }
  return new PerigeeError(message, { ...error, metadata, cause: error })
}
