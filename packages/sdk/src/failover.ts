import type {
  DescMessage,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageShape,
} from '@bufbuild/protobuf'
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt'
import { Deadline } from './deadline.ts'
import type { Endpoint, EndpointChooser } from './endpoint.ts'
import type { EventListener } from './event.ts'
import { pause } from './pause.ts'
import { aborted, invalidArgument, PerigeeError } from './perigee-error.ts'
import type { Transport } from './transport.ts'

/** After everyone failed once, how long to wait before asking all of them again. */
const PAUSES_MS = [100, 300]
/** And a write that may have been done is asked about so often, until the deadline, while any sidecar answers. */
const UNKNOWN_PAUSE_MS = 500
/** Sidecars remember a request id for 60 s; a write isn't sent again after this. */
const REPEAT_WRITES_FOR_MS = 45_000
/** A sidecar that was given less time than this may be well and merely have been asked too much. */
const FAIR_MS = 300
/** Timers are no finer than this. */
const TIMER_SLACK_MS = 2

/** How one call is to be made. */
export interface CallSettings {
  /** Over all attempts. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
  /** Only this region will do. */
  readonly region?: string | undefined
  /** No attempt is cut shorter than this to leave time for another one. */
  readonly patienceMs?: number | undefined
  /** `BEHIND_SESSION` is what the caller wants to hear, not a reason to ask another region. */
  readonly failBehind?: boolean | undefined
  /** Asked before the first attempt outside the home region: whether another region's answer would be as right. */
  readonly mayLeaveHome?: ((deadline: Deadline) => Promise<boolean>) | undefined
}

interface Failure {
  readonly endpoint: Endpoint
  readonly error: PerigeeError
}

/**
 * Makes one call by as many attempts as it takes: at the nearest sidecar, and when that one fails at the next nearest,
 * until one answers or the total deadline passes.
 *
 * Invariant: only what may be repeated is repeated. Reads are free of side effects; every write carries a request id,
 * which stays the same in all attempts, and which the primary remembers for longer than this keeps trying. When the
 * process dies between two attempts the write happened at most once. A write that one attempt may have done is never
 * said not to have been done, whatever the later attempts say.
 */
export class Failover {
  readonly #chooser: EndpointChooser
  readonly #transport: Transport
  readonly #connectTimeoutMs: number
  readonly #onEvent: EventListener

  constructor(options: {
    readonly chooser: EndpointChooser
    readonly transport: Transport
    readonly connectTimeoutMs: number
    readonly onEvent: EventListener
  }) {
    this.#chooser = options.chooser
    this.#transport = options.transport
    this.#connectTimeoutMs = options.connectTimeoutMs
    this.#onEvent = options.onEvent
  }

  /** @param request made anew for each attempt, so that it carries what the session has seen by then. */
  async unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: () => MessageShape<I>,
    settings: CallSettings,
  ): Promise<{ readonly response: MessageShape<O>; readonly endpoint: Endpoint }> {
    return this.#attempts(isRead(method), settings, async (endpoint, deadline, connectTimeoutMs) => {
      const options = { deadline, connectTimeoutMs, signal: settings.signal }
      const response = await this.#transport.unary(endpoint, method, request, options)
      return { response, endpoint }
    })
  }

  /**
   * A stream fails over until its first answer; one that breaks later is the caller's to open again.
   *
   * @param firstAnswerMs a sidecar that says nothing for so long at the beginning counts as failed.
   */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    settings: CallSettings,
    firstAnswerMs: number,
  ): AsyncGenerator<MessageShape<O>> {
    const deadline = deadlineOf(settings)
    const started = await this.#attempts(true, settings, async (endpoint, _share, connectTimeoutMs) => {
      const late = new AbortController()
      const signal = settings.signal ? AbortSignal.any([settings.signal, late.signal]) : late.signal
      const options = { deadline, connectTimeoutMs, signal }
      const answers = this.#transport.serverStream(endpoint, method, request, options)[Symbol.asyncIterator]()
      const timer = setTimeout(() => late.abort(), firstAnswerMs)
      try {
        return { answers, first: await answers.next() }
      } catch (error) {
        throw late.signal.aborted ? silentFor(firstAnswerMs) : error
      } finally {
        clearTimeout(timer)
      }
    })
    try {
      for (let next = started.first; !next.done; next = await started.answers.next()) yield next.value
    } finally {
      await started.answers.return?.()
    }
  }

  async #attempts<T>(
    read: boolean,
    settings: CallSettings,
    attempt: (endpoint: Endpoint, deadline: Deadline, connectTimeoutMs: number) => Promise<T>,
  ): Promise<T> {
    const deadline = deadlineOf(settings)
    const repeatUntil = read ? deadline : deadline.within(REPEAT_WRITES_FOR_MS)
    const failures: Failure[] = []
    let mayLeaveHome: boolean | undefined
    let maybeDone: PerigeeError | undefined

    let answered = false

    for (let round = 0; round <= PAUSES_MS.length || (maybeDone && answered); round++) {
      answered = false
      if (round > 0) {
        const pauseMs = (PAUSES_MS[round - 1] ?? UNKNOWN_PAUSE_MS) * (0.75 + Math.random() / 2)
        if (repeatUntil.remainingMs < pauseMs) break
        await Promise.all([pause(pauseMs, settings.signal), this.#chooser.refresh()])
      }
      const candidates = this.#chooser.candidates(settings.region)
      for (const [i, endpoint] of candidates.entries()) {
        if (settings.signal?.aborted) throw aborted(settings.signal)
        if (failures.length > 0 && repeatUntil.remainingMs < TIMER_SLACK_MS) break
        if (settings.mayLeaveHome && endpoint.region !== this.#chooser.home) {
          mayLeaveHome ??= await settings.mayLeaveHome(deadline)
          if (!mayLeaveHome) continue
        }
        const last = failures.at(-1)
        if (last) this.#onEvent({ type: 'failover', from: last.endpoint, to: endpoint, error: last.error })
        const shareMs = i < candidates.length - 1 ? deadline.remainingMs / 2 : deadline.remainingMs
        const attemptDeadline = deadline.within(Math.max(shareMs, settings.patienceMs ?? 0))
        const startedAt = performance.now()
        try {
          const result = await attempt(endpoint, attemptDeadline, Math.min(this.#connectTimeoutMs, shareMs))
          this.#chooser.succeeded(endpoint)
          return result
        } catch (thrown) {
          const error = PerigeeError.from(thrown, endpoint.region)
          if (settings.signal?.aborted) throw error
          const verdict = judge(error, read, settings.failBehind === true)
          const fair = error.code !== 'DEADLINE_EXCEEDED' || performance.now() - startedAt >= FAIR_MS
          if (verdict.endpointFailed && fair) this.#chooser.failed(endpoint, error)
          else if (!verdict.endpointFailed) this.#chooser.succeeded(endpoint)
          if (!verdict.tryNext) throw maybeDone ? afterUnknown(error) : error
          if (!read && mayHaveDone(error)) maybeDone = error
          answered ||= error.reason !== undefined
          failures.push({ endpoint, error })
        }
      }
      if (deadline.remainingMs < TIMER_SLACK_MS) break
    }
    throw this.#exhausted(
      failures,
      mayLeaveHome === false ? this.#chooser.home : settings.region,
      settings,
      deadline,
      maybeDone,
    )
  }

  #exhausted(
    failures: readonly Failure[],
    region: string | undefined,
    settings: CallSettings,
    deadline: Deadline,
    maybeDone: PerigeeError | undefined,
  ): PerigeeError {
    const latest = new Map(failures.map((failure) => [failure.endpoint.address, failure]))
    const told = [...latest.values()].map(({ endpoint, error }) => `${endpoint.region}: ${error.message}`)
    const unknown = this.#chooser.explain(region)
    const story = [...told, ...(unknown ? [unknown] : [])].join('; ') || 'no address is known'
    // A sidecar's own reason says more than that others were silent.
    const best = failures.findLast(({ error }) => error.reason) ?? failures.at(-1)
    const where = region === undefined ? 'any region' : `region ${region}, which alone may answer this,`
    if (deadline.remainingMs < TIMER_SLACK_MS) {
      return new PerigeeError(
        `no answer from ${where} within ${settings.timeoutMs} ms (${story}): check that sidecars run and can be reached, or allow more time with \`timeoutMs\``,
        { code: 'DEADLINE_EXCEEDED', region: best?.endpoint.region, cause: best?.error },
      )
    }
    if (maybeDone) return outcomeUnknown(maybeDone, story)
    if (best?.error.reason) return best.error
    return new PerigeeError(
      `no sidecar of ${where} could be reached (${story}): check that sidecars run and that their addresses can be reached from here`,
      { code: 'UNAVAILABLE', region: best?.endpoint.region, cause: best?.error },
    )
  }
}

function deadlineOf({ timeoutMs }: CallSettings): Deadline {
  if (!Number.isNaN(timeoutMs)) return Deadline.in(timeoutMs)
  throw invalidArgument('timeoutMs is a number of milliseconds, not NaN', 'timeoutMs')
}

function silentFor(ms: number): PerigeeError {
  return new PerigeeError(`the sidecar said nothing for ${ms} ms`, { code: 'DEADLINE_EXCEEDED' })
}

function isRead(method: DescMethodUnary): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
}

/** Whether a write that failed like this may have been done all the same. */
function mayHaveDone({ code, reason, cause }: PerigeeError): boolean {
  if (reason) return reason === 'OUTCOME_UNKNOWN'
  // Without gRPC's own error as the cause it was never sent.
  return cause instanceof Error && 'metadata' in cause && code !== 'UNIMPLEMENTED'
}

function outcomeUnknown(error: PerigeeError, story: string): PerigeeError {
  if (error.reason) return error
  return new PerigeeError(
    `whether the write was done is not known (${story}): read what it should have changed, or write again`,
    { code: 'UNAVAILABLE', reason: 'OUTCOME_UNKNOWN', region: error.region, cause: error },
  )
}

/** A refusal of a later attempt, which says nothing of an earlier one's outcome. */
function afterUnknown(error: PerigeeError): PerigeeError {
  const message = `${error.message} (An earlier attempt of this write may have been done.)`
  const metadata = { ...error.metadata, earlier_attempt: 'unknown' }
  return new PerigeeError(message, { ...error, metadata, cause: error })
}

interface Verdict {
  /** Another sidecar may do better. */
  readonly tryNext: boolean
  /** The sidecar itself is in trouble: ask others first for a while. */
  readonly endpointFailed: boolean
}

const FINAL: Verdict = { tryNext: false, endpointFailed: false }
const NEXT: Verdict = { tryNext: true, endpointFailed: false }
const FAILED: Verdict = { tryNext: true, endpointFailed: true }

/** What an error says of the call and of the sidecar it came from. */
function judge(error: PerigeeError, read: boolean, failBehind: boolean): Verdict {
  switch (error.reason) {
    case 'BEHIND_SESSION':
      return failBehind ? FINAL : NEXT
    case 'DATA_UNAVAILABLE':
      return FAILED
    case 'INDEX_BUILDING':
    case 'NO_PRIMARY':
    case 'NOT_PRIMARY':
    case 'OUTCOME_UNKNOWN':
      return NEXT
    case undefined:
      break
    default:
      return FINAL
  }
  switch (error.code) {
    case 'UNAVAILABLE':
    case 'DEADLINE_EXCEEDED':
      return FAILED
    // Something that isn't a sidecar answers at that address: a proxy, another service.
    case 'UNIMPLEMENTED':
      return FAILED
    // Reset by the other side, with gRPC's error as its cause; our own close has none.
    case 'CANCELLED':
      return error.cause === undefined ? FINAL : FAILED
    // A fault of that sidecar. A write may have happened, and the next one would be told the first answer.
    case 'INTERNAL':
    case 'UNKNOWN':
      return read ? NEXT : FINAL
    default:
      return FINAL
  }
}
