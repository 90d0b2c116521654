/**
 * Reads: from this region if its state covers what the session has seen, else, after a short wait, from the primary.
 *
 * Invariant: an answer given under a session token includes everything in it, or there is no answer; one given under
 * `max_staleness` is of a region whose lag is known and no more than that. A region that can't read its state has no
 * answer either: it never counts as a miss.
 */
import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import { coverageOf, encodeToken, type Position, type SessionToken } from '@perigee/core'
import { FallbackReason, type ReadOptions, type Receipt } from '@perigee/protocol'
import { innerDeadlineMs, within } from '../deadline.ts'
import type { CallContext } from '../grpc/call.ts'
import { PeerUnreachable } from '../grpc/peer-error.ts'
import type { DataRedis } from '../redis/data-redis.ts'
import { dataUnavailable } from '../redis/redis-status.ts'
import { invalidField, StatusError } from '../status-error.ts'
import { durationOf } from '../wire-time.ts'
import { alsoUnanswered, behind, type Fallback, fallbackFrom, tooStale } from './fallback.ts'
import type { OwnState } from './own-state.ts'
import type { PrimaryRegion } from './primary-region.ts'
import type { LocalAnswer, LocalRead, ReadPath } from './read-path.ts'
import {
  checkAtPrimary,
  checkCluster,
  hasLost,
  includesToken,
  type State,
  tokenAfter,
  tokenBeside,
} from './session.ts'
import { type ReadChoice, readChoiceOf } from './validation/options.ts'
import { LOCAL_SHARE, WaitingRead } from './waiting-read.ts'

type WithReceipt = { receipt?: Receipt | undefined }

export class RegionalReadPath implements ReadPath {
  readonly #primary: PrimaryRegion
  readonly #data: DataRedis
  readonly #maxWaitMs: number
  readonly #ownState: OwnState

  constructor(options: {
    primary: PrimaryRegion
    data: DataRedis
    /** For reads that don't say how long they would wait. */
    maxWaitMs: number
    ownState: OwnState
  }) {
    this.#primary = options.primary
    this.#data = options.data
    this.#maxWaitMs = options.maxWaitMs
    this.#ownState = options.ownState
  }

  async run<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I> & { readonly options?: ReadOptions | undefined },
    call: CallContext,
    local: LocalRead<MessageShape<O> & WithReceipt>,
  ): Promise<MessageShape<O>> {
    const choice = readChoiceOf(request.options)
    for (;;) {
      try {
        return await this.#once(method, request, call, local, choice)
      } catch (error) {
        const unanswered = error instanceof StatusError && error.status === 'UNAVAILABLE'
        // No other region answers what is this one's alone, whoever is the primary.
        if (!unanswered || choice.whenBehind === 'FAIL' || local.localOnly) throw error
        if (!(await this.#primary.mayAskAgain(error, innerDeadlineMs(call.deadlineMs), call.signal)))
          throw error
      }
    }
  }

  async #once<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: CallContext,
    local: LocalRead<MessageShape<O> & WithReceipt>,
    choice: ReadChoice,
  ): Promise<MessageShape<O>> {
    const mayForward = choice.whenBehind === 'FORWARD' && this.#primary.isElsewhere && !local.localOnly
    const read = new WaitingRead({
      choice,
      waitMs: choice.maxWaitMs ?? this.#maxWaitMs,
      mayForward,
      call,
      local,
    })
    if (call.forwardedFrom !== undefined) {
      if (!this.#primary.isHere) throw this.#primary.notHere()
      return this.#atPrimary(read)
    }
    if (choice.consistency === 'PRIMARY') {
      if (!this.#primary.isElsewhere) return this.#atPrimary(read)
      if (local.localOnly) {
        const description = `can't be CONSISTENCY_PRIMARY here: the index is region-scoped; ask ${this.#primary.name}`
        throw invalidField('options.consistency', description)
      }
      return this.#forward(method, request, read, undefined)
    }
    const outcome = await this.#atHome(read)
    if (!('error' in outcome)) return outcome.response
    const { error, reason } = outcome
    const chosenToFail = choice.whenBehind === 'FAIL' && reason !== FallbackReason.DATA_UNAVAILABLE
    if (chosenToFail || local.localOnly || !this.#primary.isElsewhere) throw error
    return this.#forward(method, request, read, outcome)
  }

  /** Answers from this region's own state, whatever region this is. */
  async #atHome<O extends WithReceipt>(read: WaitingRead<O>): Promise<{ response: O } | Fallback> {
    const { token, consistency, maxStalenessMs } = read.choice
    const needed = consistency === 'SESSION' ? token : undefined
    let floor: Position | undefined
    try {
      if (maxStalenessMs !== undefined) {
        if (this.#primary.isHere) return { response: await this.#atPrimary(read) }
        // Before the state is read: what a lag that was measured later says of it, nobody knows.
        const lagMs = this.#ownState.stalenessMs
        if (lagMs === undefined || lagMs > maxStalenessMs) return tooStale(lagMs, maxStalenessMs)
        if (read.local.followsData) floor = await this.#data.clock({ primary: false })
      }
      for (;;) {
        const answer = await this.#answer(read, false)
        const applied = await this.#ownState.of(answer)
        if (token) checkCluster(token, applied.clusterId)
        const missing = (needed && !includesToken(applied, needed) && needed) || lacks(applied, floor)
        if (!missing) return { response: this.#sealed(read, answer, applied.clusterId) }
        // At the primary nobody else could know better: there, a wait for its own index may last as long as the call.
        if (needed && this.#primary.isHere && (await this.#checkAtPrimary(needed))) {
          if (read.choice.whenBehind === 'FORWARD') read.waitToTheEnd()
        }
        if (read.waitLeftMs <= 0) return behind(missing, answer.applied)
        await read.wait(answer.applied)
      }
    } catch (error) {
      const fallback = fallbackFrom(error)
      if (!fallback) throw error
      return fallback
    }
  }

  /** Answers as the primary: with a live claim, checked in the same step. */
  async #atPrimary<O extends WithReceipt>(read: WaitingRead<O>): Promise<O> {
    const { token, consistency, maxStalenessMs } = read.choice
    const needed = consistency === 'EVENTUAL' ? undefined : token
    if (needed && !(await this.#checkAtPrimary(needed))) throw this.#primary.notHere()
    // The primary has no lag, but its index may have some.
    const bounded = maxStalenessMs !== undefined && read.local.followsData
    const floor = bounded ? await this.#data.clock({ primary: true }) : undefined
    read.waitToTheEnd()
    for (;;) {
      const answer = await this.#answer(read, true)
      const clusterId = await this.#data.clusterId(answer.seen)
      if (token) checkCluster(token, clusterId)
      const applied = { position: answer.applied, forks: answer.forks, clusterId }
      const missing = (needed && !includesToken(applied, needed) && needed) || lacks(applied, floor)
      if (!missing) return this.#sealed(read, answer, clusterId)
      if (read.waitLeftMs <= 0) throw behind(missing, answer.applied).error
      await read.wait(answer.applied)
    }
  }

  async #forward<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    read: WaitingRead<WithReceipt>,
    fallback: Fallback | undefined,
  ): Promise<MessageShape<O>> {
    const { call } = read
    let response: MessageShape<O>
    try {
      const { signal, principal } = call
      const demand = { deadlineMs: innerDeadlineMs(call.deadlineMs), signal, principal }
      response = await this.#primary.forward(method, request, demand)
    } catch (error) {
      const unanswered =
        error instanceof PeerUnreachable ||
        (error instanceof StatusError &&
          (error.details.reason === 'NOT_PRIMARY' || error.details.reason === 'NO_PRIMARY'))
      if (!unanswered) throw error
      throw fallback ? alsoUnanswered(fallback.error, error) : this.#primary.noPrimary(error.message, error)
    }
    const { receipt } = response as WithReceipt
    if (receipt && fallback) {
      receipt.fallback = true
      receipt.fallbackReason = fallback.reason
      if (read.waitedMs > 0) receipt.waited = durationOf(read.waitedMs)
    }
    return response
  }

  #answer<O>(read: WaitingRead<O>, primary: boolean): Promise<LocalAnswer<O>> {
    const timeoutMs = (read.call.deadlineMs - Date.now()) * LOCAL_SHARE
    return within(read.local.answer(primary), timeoutMs, () => dataUnavailable('it takes too long'))
  }

  /**
   * Whether there is a live claim here, under which the token holds.
   *
   * @throws StatusError INVALID_TOKEN or LOST_HISTORY for a token that this primary will never include.
   */
  async #checkAtPrimary(token: SessionToken): Promise<boolean> {
    let position: Position
    try {
      position = await this.#data.clock({ primary: true })
    } catch (error) {
      if (error instanceof StatusError && error.details.reason === 'NO_PRIMARY') return false
      throw error
    }
    checkAtPrimary({ position, ...(await this.#data.history(position)) }, token)
    return true
  }

  #sealed<O extends WithReceipt>(read: WaitingRead<O>, answer: LocalAnswer<O>, clusterId: string): O {
    if (answer.refusal) throw answer.refusal
    const { response } = answer
    const sessionToken = tokenOf(read.choice, answer, clusterId)
    response.receipt = this.#ownState.receipt({
      sessionToken,
      warnings: answer.warnings,
      waitedMs: read.waitedMs,
    })
    return response
  }
}

/** A position that a state was to include and doesn't. */
function lacks({ position, forks }: State, floor: Position | undefined): Position | undefined {
  return floor && coverageOf(floor, position, forks, false) !== 'included' ? floor : undefined
}

/** What the session has seen with this answer. */
function tokenOf(
  { token, consistency }: ReadChoice,
  { seen: position, forks }: LocalAnswer<unknown>,
  clusterId: string,
): Uint8Array {
  if (!token || consistency !== 'EVENTUAL') return tokenAfter({ clusterId, position }, token)
  // A token of lost writes stays as it is, so that the session is told when it asks for what it has seen.
  return hasLost({ position, forks }, token)
    ? encodeToken(token)
    : tokenBeside({ position, forks, clusterId }, token)
}
