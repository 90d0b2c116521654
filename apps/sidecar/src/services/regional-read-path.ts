/**
 * Reads: from this region if its state covers what the session has seen, else, after a short wait, from the primary.
 *
 * Invariant: an answer given under a session token includes everything up to it, or there is no answer. A region that
 * can't read its state has no answer either: it never counts as a miss.
 */
import { create, type DescMessage, type DescMethodUnary, type MessageShape } from '@bufbuild/protobuf'
import { coverageOf, encodeToken, type Position, type Reason, type SessionToken } from '@perigee/core'
import { FallbackReason, type ReadOptions, type Receipt, ReceiptSchema } from '@perigee/protocol'
import { innerDeadlineMs, within } from '../deadline.ts'
import type { CallContext } from '../grpc/call.ts'
import { PeerUnreachable } from '../grpc/peer-client.ts'
import type { DataRedis } from '../redis/data-redis.ts'
import { dataUnavailable } from '../redis/redis-status.ts'
import { invalidField, refusal, StatusError } from '../status-error.ts'
import { durationOf } from '../wire-time.ts'
import type { PrimaryRegion } from './primary-region.ts'
import type { LocalAnswer, LocalRead, ReadPath } from './read-path.ts'
import { checkCluster, neverIncluded, receiptToken } from './session.ts'
import { type ReadChoice, readChoiceOf } from './validation/options.ts'

type WithReceipt = { receipt?: Receipt | undefined }

/** Why this region has no answer, and the primary's is asked. */
interface Fallback {
  readonly reason: FallbackReason
  readonly error: StatusError
}

const FALLBACK_OF_REASON: Partial<Record<Reason, FallbackReason>> = {
  BEHIND_SESSION: FallbackReason.BEHIND,
  DATA_UNAVAILABLE: FallbackReason.DATA_UNAVAILABLE,
  INDEX_BUILDING: FallbackReason.INDEX_BUILDING,
}

/** Of the time left, how much this region's Redis may take; the rest is for asking the primary instead. */
const LOCAL_SHARE = 0.6
/** How long a wait lasts at most before the state is read again, whatever wakes it. */
const LOOK_AGAIN_MS = 500

export class RegionalReadPath implements ReadPath {
  readonly #primary: PrimaryRegion
  readonly #data: DataRedis
  readonly #maxWaitMs: number
  readonly #stalenessMs: () => number | undefined

  constructor(options: {
    primary: PrimaryRegion
    data: DataRedis
    /** For reads that don't say how long they would wait. */
    maxWaitMs: number
    /** This region's newest measured replication lag; `undefined` while unknown. */
    stalenessMs: () => number | undefined
  }) {
    this.#primary = options.primary
    this.#data = options.data
    this.#maxWaitMs = options.maxWaitMs
    this.#stalenessMs = options.stalenessMs
  }

  async run<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I> & { readonly options?: ReadOptions | undefined },
    call: CallContext,
    local: LocalRead<MessageShape<O> & WithReceipt>,
  ): Promise<MessageShape<O>> {
    const choice = readChoiceOf(request.options)
    const waitMs = choice.maxWaitMs ?? this.#maxWaitMs
    const read = new Read({ choice, waitMs, call, local })
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
  async #atHome<O extends WithReceipt>(read: Read<O>): Promise<{ response: O } | Fallback> {
    const { token } = read.choice
    const needed = read.choice.consistency === 'SESSION' ? token : undefined
    for (;;) {
      let answer: LocalAnswer<O>
      try {
        answer = await this.#answer(read, false)
        const { clusterId } = await this.#data.history(answer.seen)
        if (token) checkCluster(token, clusterId)
        if (!needed || covers(needed, answer, clusterId))
          return { response: this.#sealed(read, answer, clusterId) }
      } catch (error) {
        const reason =
          error instanceof StatusError && error.details.reason && FALLBACK_OF_REASON[error.details.reason]
        if (!reason) throw error
        return { reason, error: error as StatusError }
      }
      // At the primary nobody else could know better: there, a wait for its own index may last as long as the call.
      if (needed && this.#primary.isHere) {
        await this.#checkAtPrimary(needed)
        if (read.choice.whenBehind === 'FORWARD') read.waitToTheEnd()
      }
      if (read.waitLeftMs <= 0) return behind(needed as SessionToken, answer.applied)
      await this.#wait(read, answer.applied)
    }
  }

  /** Answers as the primary: with a live claim, checked in the same step. */
  async #atPrimary<O extends WithReceipt>(read: Read<O>): Promise<O> {
    const { token, consistency } = read.choice
    if (token) await this.#checkAtPrimary(token)
    read.waitToTheEnd()
    for (;;) {
      const answer = await this.#answer(read, true)
      const { clusterId } = await this.#data.history(answer.seen)
      const needed = consistency === 'EVENTUAL' ? undefined : token
      if (!needed || covers(needed, answer, clusterId)) return this.#sealed(read, answer, clusterId)
      if (read.waitLeftMs <= 0) throw behind(needed, answer.applied).error
      await this.#wait(read, answer.applied)
    }
  }

  async #forward<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    read: Read<WithReceipt>,
    fallback: Fallback | undefined,
  ): Promise<MessageShape<O>> {
    const { call } = read
    let response: MessageShape<O>
    try {
      const demand = { deadlineMs: innerDeadlineMs(call.deadlineMs), signal: call.signal }
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

  #answer<O>(read: Read<O>, primary: boolean): Promise<LocalAnswer<O>> {
    const timeoutMs = (read.call.deadlineMs - Date.now()) * LOCAL_SHARE
    return within(read.local.answer(primary), timeoutMs, () => dataUnavailable('it takes too long'))
  }

  /** @throws StatusError INVALID_TOKEN or LOST_HISTORY for a token that this primary will never include. */
  async #checkAtPrimary(token: SessionToken): Promise<void> {
    const position = await this.#data.clock({ primary: true })
    const { forks, clusterId } = await this.#data.history(position)
    checkCluster(token, clusterId)
    const coverage = coverageOf(token.position, position, forks, true)
    const refused = neverIncluded(coverage, token, { position, clusterId })
    if (refused) throw refused
  }

  async #wait(read: Read<unknown>, known: Position): Promise<void> {
    const startedMs = performance.now()
    await read.local.changed(known, Math.min(read.waitLeftMs, LOOK_AGAIN_MS), read.call.signal)
    read.waitedMs += performance.now() - startedMs
    read.call.signal.throwIfAborted()
  }

  #sealed<O extends WithReceipt>(read: Read<O>, answer: LocalAnswer<O>, clusterId: string): O {
    if (answer.refusal) throw answer.refusal
    const { response } = answer
    const { token } = read.choice
    const seen = { clusterId, position: answer.seen }
    // A token of lost writes stays as it is, so that the session is told when it asks for what it has seen.
    const lost = token && coverageOf(token.position, answer.seen, answer.forks, false) === 'lost'
    const staleness = this.#primary.isHere ? undefined : this.#stalenessMs()
    response.receipt = create(ReceiptSchema, {
      region: this.#primary.own,
      sessionToken: lost ? encodeToken(token) : receiptToken(seen, token),
      warnings: [...(answer.warnings ?? [])],
      ...(staleness !== undefined && { staleness: durationOf(Math.max(0, staleness)) }),
      ...(read.waitedMs > 0 && { waited: durationOf(read.waitedMs) }),
    })
    return response
  }
}

/** One read on its way. */
class Read<O> {
  readonly choice: ReadChoice
  readonly call: CallContext
  readonly local: LocalRead<O>
  /** Milliseconds spent waiting. */
  waitedMs = 0
  #waitUntilMs: number

  constructor(options: { choice: ReadChoice; waitMs: number; call: CallContext; local: LocalRead<O> }) {
    this.choice = options.choice
    this.call = options.call
    this.local = options.local
    this.#waitUntilMs = Math.min(Date.now() + options.waitMs, innerDeadlineMs(options.call.deadlineMs))
  }

  get waitLeftMs(): number {
    return this.#waitUntilMs - Date.now()
  }

  /** From now on it waits as long as its deadline allows. */
  waitToTheEnd(): void {
    this.#waitUntilMs = Math.max(this.#waitUntilMs, innerDeadlineMs(this.call.deadlineMs) - 1)
  }
}

/** @throws StatusError LOST_HISTORY when it never will. */
function covers(token: SessionToken, answer: LocalAnswer<unknown>, clusterId: string): boolean {
  const coverage = coverageOf(token.position, answer.applied, answer.forks, false)
  const refused = neverIncluded(coverage, token, { position: answer.seen, clusterId })
  if (refused) throw refused
  return coverage === 'included'
}

function behind(token: SessionToken, applied: Position): Fallback {
  const error = refusal(
    'BEHIND_SESSION',
    `This region has applied ${applied.epoch}-${applied.seq}, and the session has seen ` +
      `${token.position.epoch}-${token.position.seq}. Wait longer (max_wait), or let the read be forwarded (when_behind).`,
    { retryDelayMs: 50 },
  )
  return { reason: FallbackReason.BEHIND, error }
}

function alsoUnanswered(error: StatusError, cause: Error): StatusError {
  const message = `${error.message} The primary was asked instead: ${cause.message}`
  return new StatusError(error.status, message, error.details, { cause })
}
