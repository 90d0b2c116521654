import {
  type AttemptPlan,
  type AttemptTools,
  type BegunCall,
  type FailedAttempt,
  FIRST_SHARE,
  LATER_SHARE,
  type SlowAttempt,
} from './attempt-plan.ts'
import { deadlineOf } from './call-settings.ts'
import type { Deadline } from './deadline.ts'
import type { Endpoint } from './endpoint.ts'
import { afterUnknown, exhausted, type Failure } from './failure-story.ts'
import { hedged, type Leg } from './hedge.ts'
import { pause } from './pause.ts'
import { aborted, PerigeeError } from './perigee-error.ts'
import { judge, mayHaveDone, neverSent, overload } from './verdict.ts'

/** After everyone failed once, how long to wait before asking all of them again. */
const PAUSES_MS = [100, 300]
/** And a write that may have been done is asked about so often, until the deadline, while any sidecar answers. */
const UNKNOWN_PAUSE_MS = 500
/** And for addresses, where none is known. */
const LOOKUP_MAX_MS = 1_000
/** Sidecars remember a request id for 60 s; a write isn't sent again after this. */
const REPEAT_WRITES_FOR_MS = 45_000
/** Timers are no finer than this. */
const TIMER_SLACK_MS = 2

/** Why the slower one of two attempts is given up: the first, which another sidecar overtook; the second, asked for nothing. */
const OVERTAKEN = Symbol('another sidecar answered')
const NOT_NEEDED = Symbol('the first sidecar answered')

/** How one attempt ended. */
type Outcome<T> =
  | { readonly kind: 'answered'; readonly result: T }
  | { readonly kind: 'refused'; readonly error: PerigeeError }
  | { readonly kind: 'try next' }

/**
 * One call, made by as many attempts as it takes: at the nearest sidecar, and when that one fails at the next nearest,
 * until one answers, the total deadline passes or the retry budget is spent.
 *
 * Invariant: only what may be repeated is repeated. Reads are free of side effects; every write carries a request id,
 * which stays the same in all attempts, and which the primary remembers for longer than this keeps trying. When the
 * process dies between two attempts the write happened at most once. A write that one attempt may have done is never
 * said not to have been done, whatever the later attempts say.
 */
export class Attempts<T> {
  readonly #tools: AttemptTools
  readonly #plan: AttemptPlan<T>
  readonly #deadline: Deadline
  readonly #repeatUntil: Deadline
  readonly #failures: Failure[] = []
  readonly #begun: BegunCall | undefined
  #made = 0
  #mayLeaveHome: boolean | undefined
  #maybeDone: PerigeeError | undefined
  /** Whether that was said, or its connection broke: anything but too little time. */
  #leftUnknown = false
  /** Whether any sidecar answered in this round, be it with a refusal. */
  #anyAnswer = false
  #overBudget = false

  constructor(tools: AttemptTools, plan: AttemptPlan<T>, begun?: BegunCall) {
    this.#tools = tools
    this.#plan = plan
    this.#begun = begun
    this.#deadline = begun?.deadline ?? deadlineOf(plan.settings)
    this.#repeatUntil = plan.read
      ? this.#deadline
      : this.#deadline.within(REPEAT_WRITES_FOR_MS - tookMs(begun))
  }

  /** @throws PerigeeError */
  async run(): Promise<T> {
    const begun = this.#begun
    if (begun?.failed) {
      this.#made += 1
      const outcome = this.#failed(begun.failed, this.#plan.settings.signal)
      if (outcome.kind === 'refused') throw this.#final(outcome.error)
    } else if (!begun) this.#tools.budget.callMade()
    for (let round = 0; await this.#begins(round); round++) {
      const outcome = await this.#askAll(round === 0 ? begun : undefined)
      if (outcome.kind === 'answered') return outcome.result
      if (outcome.kind === 'refused') throw this.#final(outcome.error)
      if (this.#overBudget || this.#deadline.remainingMs < TIMER_SLACK_MS) break
    }
    throw this.#exhausted()
  }

  #final(error: PerigeeError): PerigeeError {
    return this.#maybeDone && !this.#plan.settings.signal?.aborted ? afterUnknown(error) : error
  }

  /** Waits for the round's time to come; false when there is to be none. */
  async #begins(round: number): Promise<boolean> {
    if (round === 0) return true
    if (round > PAUSES_MS.length && !(this.#maybeDone && this.#anyAnswer)) return false
    const jitter = 0.75 + Math.random() / 2
    const { chooser, overloads } = this.#tools
    const alone = overloads.shortestMs(() =>
      chooser.candidates(this.#plan.service, this.#plan.settings.region),
    )
    // A little longer than that, so that not everybody is back at once.
    const pauseMs = Math.max((PAUSES_MS[round - 1] ?? UNKNOWN_PAUSE_MS) * jitter, alone * Math.max(1, jitter))
    if (this.#repeatUntil.remainingMs < pauseMs) return false
    await this.#lookForOthers(pauseMs)
    return true
  }

  /** Waits, and for DNS no longer than that, unless it knows nobody. */
  async #lookForOthers(pauseMs: number): Promise<void> {
    const { service, settings } = this.#plan
    const { chooser } = this.#tools
    const looked = chooser.refresh()
    await pause(pauseMs, settings.signal)
    if (chooser.candidates(service, settings.region).length > 0) return
    const over = new AbortController()
    const signal = settings.signal ? AbortSignal.any([settings.signal, over.signal]) : over.signal
    const longestMs = Math.min(this.#repeatUntil.remainingMs, LOOKUP_MAX_MS)
    await Promise.race([looked, pause(longestMs, signal)]).finally(() => over.abort())
  }

  /** Asks all sidecars that may answer, one after another, until one does. @param begun what was asked already. */
  async #askAll(begun: BegunCall | undefined): Promise<Outcome<T>> {
    const { settings, service } = this.#plan
    const { chooser, overloads } = this.#tools
    this.#anyAnswer = false
    const candidates = overloads.lastOf(chooser.candidates(service, settings.region))
    const asked = begun?.failed?.endpoint ?? begun?.slow?.endpoint
    const waiting = candidates.filter(
      (endpoint) => endpoint.address !== asked?.address && !this.#leavesAlone(endpoint),
    )
    let share = begun?.failed ? LATER_SHARE : FIRST_SHARE
    for (let next = begun?.slow?.endpoint ?? waiting.shift(); next; next = waiting.shift()) {
      if (settings.signal?.aborted) throw aborted(settings.signal)
      if (this.#failures.length > 0 && this.#repeatUntil.remainingMs < TIMER_SLACK_MS) break
      if (!(await this.#mayAsk(next))) continue
      if (!this.#mayRetry(next)) break
      const outcome = await this.#askOrHedge(next, waiting, share)
      if (outcome.kind !== 'try next') return outcome
      share = LATER_SHARE
    }
    return { kind: 'try next' }
  }

  /** Whether a sidecar has told this very call to come back later, and it isn't later yet. */
  #leavesAlone({ address }: Endpoint): boolean {
    const told = this.#failures.findLast(({ endpoint }) => endpoint.address === address)
    return told?.error.reason === 'OVERLOADED' && this.#tools.overloads.waitMs(told.endpoint) > 0
  }

  async #mayAsk(endpoint: Endpoint): Promise<boolean> {
    const { mayLeaveHome } = this.#plan.settings
    if (!mayLeaveHome || endpoint.region === this.#tools.chooser.home) return true
    this.#mayLeaveHome ??= await mayLeaveHome(this.#deadline)
    return this.#mayLeaveHome
  }

  /** Asking what became of a write costs nothing, but where sidecars seem to have too much to do. */
  #mayRetry(next: Endpoint): boolean {
    const last = this.#failures.at(-1)
    if (!last) return true
    const asksWhatBecame = this.#leftUnknown && !overload(last.error)
    if (last.free || asksWhatBecame || this.#tools.budget.spend()) {
      this.#tools.onEvent({ type: 'failover', from: last.endpoint, to: next, error: last.error })
      return true
    }
    this.#overBudget = true
    const { endpoint, error } = last
    this.#tools.onEvent({ type: 'retry-refused', endpoint, error })
    return false
  }

  /**
   * Asks one sidecar, and if it takes long the next one as well. Reads are hedged so when the caller wishes it, and are cut
   * short to leave time for another attempt. A write is never cut short: whatever sidecar it is sent to, it goes to the
   * same primary, so a slow one may well be as fast as another one would be.
   */
  #askOrHedge(
    endpoint: Endpoint,
    waiting: Endpoint[],
    share: number,
    signal = this.#plan.settings.signal,
  ): Promise<Outcome<T>> {
    const { read, settings } = this.#plan
    const shareMs = this.#shareMs(waiting, share)
    const time = { attemptMs: read ? shareMs : this.#deadline.remainingMs, connectMs: shareMs }
    const slow = this.#slow
    const afterMs = read ? settings.hedgeAfterMs : slow ? 0 : shareMs
    const [to] = waiting
    if (!to || afterMs === undefined || (read && afterMs >= shareMs)) return this.#ask(endpoint, time, signal)
    const first = this.#leg(endpoint, OVERTAKEN, signal, (either) => this.#ask(endpoint, time, either))
    return hedged(first, {
      afterMs,
      decides: ({ kind }) => kind !== 'try next',
      allowed: () => this.#mayAsk(to),
      second: () => {
        if (this.#repeatUntil.remainingMs < TIMER_SLACK_MS) return undefined
        if (!this.#tools.budget.spend()) {
          const error = tooSlow(endpoint, afterMs + tookMs(slow && this.#begun))
          if (!read) this.#tools.onEvent({ type: 'retry-refused', endpoint, error })
          return undefined
        }
        waiting.shift()
        this.#tools.onEvent({ type: 'hedged', from: endpoint, to })
        return this.#leg(to, NOT_NEEDED, signal, (either) => {
          if (!read) return this.#askOrHedge(to, waiting, LATER_SHARE, either)
          const restMs = this.#shareMs(waiting, LATER_SHARE)
          return this.#ask(to, { attemptMs: restMs, connectMs: restMs }, either)
        })
      },
    })
  }

  /** The attempt that is under way already, until it has been taken over. */
  get #slow(): SlowAttempt | undefined {
    return this.#made === 0 ? this.#begun?.slow : undefined
  }

  /** How long an attempt may take: all of what is left when nobody waits to be asked after it. */
  #shareMs(waiting: readonly Endpoint[], share: number): number {
    return waiting.length > 0 ? this.#deadline.remainingMs * share : this.#deadline.remainingMs
  }

  #leg(
    endpoint: Endpoint,
    whyGivenUp: symbol,
    signal: AbortSignal | undefined,
    ask: (signal: AbortSignal) => Promise<Outcome<T>>,
  ): Leg<Outcome<T>> {
    const startedAt = this.#slow?.startedMs ?? performance.now()
    const loser = new AbortController()
    const giveUp = () => {
      // What the other one is told says nothing of this one.
      if (!this.#plan.read) this.#maybeDone ??= tooSlow(endpoint, performance.now() - startedAt)
      loser.abort(whyGivenUp)
    }
    return { outcome: ask(signal ? AbortSignal.any([signal, loser.signal]) : loser.signal), giveUp }
  }

  /** Makes one attempt. */
  async #ask(
    endpoint: Endpoint,
    { attemptMs, connectMs }: { readonly attemptMs: number; readonly connectMs: number },
    signal: AbortSignal | undefined,
  ): Promise<Outcome<T>> {
    const { chooser, connectTimeoutMs } = this.#tools
    const { service, settings } = this.#plan
    const options = {
      deadline: this.#deadline.within(Math.max(attemptMs, settings.patienceMs ?? 0)),
      connectTimeoutMs: Math.min(connectTimeoutMs, connectMs),
      signal,
    }
    const slow = this.#slow
    const startedAt = slow?.startedMs ?? performance.now()
    const wasInUse = slow !== undefined || chooser.inUse(endpoint, service)
    chooser.began(endpoint)
    try {
      const result = await this.#plan.attempt(endpoint, options, this.#made++)
      chooser.answered(endpoint, service)
      return { kind: 'answered', result }
    } catch (thrown) {
      const error = PerigeeError.from(thrown, endpoint.region)
      return this.#failed({ endpoint, error, tookMs: performance.now() - startedAt, wasInUse }, signal)
    } finally {
      chooser.ended(endpoint)
    }
  }

  /** What an attempt that failed says of its sidecar, and of the call. */
  #failed({ endpoint, error, tookMs, wasInUse }: FailedAttempt, signal: AbortSignal | undefined): Outcome<T> {
    const { chooser, overloads } = this.#tools
    const { read, service, settings } = this.#plan
    overloads.heard(endpoint, error)
    if (signal?.aborted) {
      if (signal.reason === OVERTAKEN)
        chooser.failed(endpoint, service, tooSlow(endpoint, tookMs), 'overtaken', tookMs)
      return { kind: 'refused', error }
    }
    const verdict = judge(error, { read, failBehind: settings.failBehind === true, tookMs })
    if (verdict.failure) chooser.failed(endpoint, service, error, verdict.failure, tookMs)
    else if (error.reason || !verdict.tryNext) chooser.answered(endpoint, service)
    if (!verdict.tryNext) return { kind: 'refused', error }
    if (!read && mayHaveDone(error)) {
      this.#maybeDone = error
      this.#leftUnknown ||= !overload(error)
    }
    this.#anyAnswer ||= error.reason !== undefined
    // What never left this process is no load; calls under way at a sidecar that was put aside are a limited one.
    const free = neverSent(error) || (wasInUse && !chooser.inUse(endpoint, service))
    this.#failures.push({ endpoint, error, free })
    return { kind: 'try next' }
  }

  #exhausted(): PerigeeError {
    const { chooser } = this.#tools
    const { settings } = this.#plan
    const region = this.#mayLeaveHome === false ? chooser.home : settings.region
    return exhausted({
      failures: this.#failures,
      region,
      unknown: chooser.explain(region),
      timeoutMs: settings.timeoutMs,
      late: this.#deadline.remainingMs < TIMER_SLACK_MS,
      overBudget: this.#overBudget,
      maybeDone: this.#maybeDone,
    })
  }
}

function tooSlow({ address, region }: Endpoint, afterMs: number): PerigeeError {
  const message = `the sidecar at ${address} had not answered after ${Math.round(afterMs)} ms`
  return new PerigeeError(message, { code: 'CANCELLED', region })
}

/** How long ago a call was begun. */
function tookMs(begun: BegunCall | undefined): number {
  return begun?.failed?.tookMs ?? (begun?.slow ? performance.now() - begun.slow.startedMs : 0)
}
