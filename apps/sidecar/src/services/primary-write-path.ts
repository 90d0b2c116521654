import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import {
  comparePositions,
  decodeToken,
  type Limits,
  laterPosition,
  type Position,
  type SessionToken,
} from '@perigee/core'
import type { Receipt, WriteOptions } from '@perigee/protocol'
import { innerDeadlineMs } from '../deadline.ts'
import { type CallContext, writeDeadlineMs } from '../grpc/call.ts'
import { PeerUnreachable } from '../grpc/peer-error.ts'
import type { DataRedis } from '../redis/data-redis.ts'
import { outcomeUnknown } from '../redis/redis-status.ts'
import { StatusError } from '../status-error.ts'
import type { PrimaryRegion } from './primary-region.ts'
import { checkAtPrimary, type State, tokenAfter } from './session.ts'
import { writeChoiceOf } from './validation/options.ts'
import type { WritePath } from './write-path.ts'

const ATTEMPTS = 3
const PAUSE_MS = 100

/** Does writes here when this region holds the claim, else at the primary's sidecar. */
export class PrimaryWritePath implements WritePath {
  readonly #primary: PrimaryRegion
  readonly #data: DataRedis
  readonly #limits: Limits
  /** The newest write that was acknowledged here; the clock that was seen may be a moment behind. */
  #newestDone: Position | undefined

  constructor({ primary, data, limits }: { primary: PrimaryRegion; data: DataRedis; limits: Limits }) {
    this.#primary = primary
    this.#data = data
    this.#limits = limits
  }

  /**
   * The epoch that writes are done in here just now, with a state that they come after for all that is known without asking;
   * `undefined` when they aren't done here.
   *
   * @throws StatusError DATA_UNAVAILABLE
   */
  async here(): Promise<{ epoch: number; state: State | undefined } | undefined> {
    const { epoch, holdsWrites } = this.#primary
    if (epoch === undefined || holdsWrites) return undefined
    const known = this.#newestKnown(epoch)
    return { epoch, state: known && { position: known, ...(await this.#data.history(known)) } }
  }

  /** A write here was acknowledged. */
  done(position: Position): void {
    this.#newestDone = this.#newestDone ? laterPosition(this.#newestDone, position) : position
  }

  async run<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: CallContext,
    perform: (epoch: number) => Promise<MessageShape<O>>,
  ): Promise<MessageShape<O>> {
    const { options } = request as { options?: WriteOptions }
    const { token, requestId } = writeChoiceOf(options, this.#limits)
    // What waited on a stalled link, or in a paused process, brings its caller's giving up right behind it.
    await nextTurn()
    if (call.signal.aborted) throw new StatusError('CANCELLED', 'The caller gave up; nothing was done.')
    // Of an attempt elsewhere, if it may have arrived: whatever later ones say, that one may have done it.
    let maybeDone: PeerUnreachable | undefined
    for (;;) {
      try {
        if (this.#primary.holdsWrites) throw this.#primary.noPrimary('they are handed over')
        if (this.#primary.isHere) return await this.#here(perform, token)
        if (call.forwardedFrom !== undefined || !this.#primary.isElsewhere) throw this.#primary.notHere()
        return await this.#there(method, request, call, requestId !== undefined)
      } catch (error) {
        if (error instanceof MovedHere) maybeDone = error.maybeDone ?? maybeDone
        else if (
          !isNoPrimary(error) ||
          !(await this.#primary.mayAskAgain(error, untilOf(call), call.signal))
        ) {
          throw maybeDone ? afterUnknown(error, maybeDone) : error
        }
      }
    }
  }

  async #here<O>(perform: (epoch: number) => Promise<O>, token: SessionToken | undefined): Promise<O> {
    const response = await this.#performed(perform, token)
    const receipt = (response as { receipt?: Receipt }).receipt
    if (receipt) {
      const seen = decodeToken(receipt.sessionToken)
      this.done(seen.position)
      receipt.region = this.#primary.own
      receipt.sessionToken = tokenAfter(seen, token)
    }
    return response
  }

  /** A claim that was lost and taken anew meanwhile: the functions refused, so nothing was done, and once more is safe. */
  async #performed<O>(perform: (epoch: number) => Promise<O>, token: SessionToken | undefined): Promise<O> {
    try {
      return await this.#inEpoch(perform, token)
    } catch (error) {
      if (!isNoPrimary(error)) throw error
      await this.#primary.lookAgain()
      if (!this.#primary.isHere) throw error
      return this.#inEpoch(perform, token)
    }
  }

  async #inEpoch<O>(perform: (epoch: number) => Promise<O>, token: SessionToken | undefined): Promise<O> {
    const { epoch } = this.#primary
    if (epoch === undefined) throw this.#primary.notHere()
    if (token) await this.#checkSession(token, epoch)
    return perform(epoch)
  }

  /** A write may follow only what the primary still holds. */
  async #checkSession(token: SessionToken, epoch: number): Promise<void> {
    const known = this.#newestKnown(epoch)
    const position =
      known && comparePositions(known, token.position) >= 0
        ? known
        : await this.#data.clock({ primary: true })
    if (position.epoch !== epoch) throw this.#primary.noPrimary('it is changing hands')
    checkAtPrimary({ position, ...(await this.#data.history(position)) }, token)
  }

  /** A position of an epoch that this primary holds, the newest known. */
  #newestKnown(epoch: number): Position | undefined {
    const clock = this.#data.newestClock
    const done = this.#newestDone?.epoch === epoch ? this.#newestDone : undefined
    if (clock?.epoch !== epoch) return done
    return done ? laterPosition(clock, done) : clock
  }

  async #there<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: CallContext,
    repeatable: boolean,
  ): Promise<MessageShape<O>> {
    // One deadline for all attempts, early enough for the outcome to be told.
    const { signal, principal } = call
    const demand = { deadlineMs: innerDeadlineMs(writeDeadlineMs(call)), signal, principal }
    // An attempt that may have arrived: whatever later ones say, this one may have done it.
    let maybeDone: PeerUnreachable | undefined
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#primary.forward(method, request, demand)
      } catch (error) {
        const timeLeft = Date.now() + PAUSE_MS < demand.deadlineMs && !call.signal.aborted
        const again = attempt < ATTEMPTS && timeLeft
        if (error instanceof PeerUnreachable) {
          if (error.sent) maybeDone = error
          // What may have arrived is safe to send again only with a request id.
          if (again && error.sent && repeatable) {
            await delay(PAUSE_MS)
            continue
          }
          throw maybeDone
            ? outcomeUnknown(maybeDone.message, error)
            : this.#primary.noPrimary(error.message, error)
        }
        const notPrimary = error instanceof StatusError && error.details.reason === 'NOT_PRIMARY'
        if (!notPrimary) throw maybeDone ? afterUnknown(error, maybeDone) : error
        if (!again) {
          throw maybeDone
            ? outcomeUnknown(maybeDone.message, error)
            : this.#primary.noPrimary(error.message, error)
        }
        await Promise.all([this.#primary.lookAgain(), delay(PAUSE_MS)])
        if (this.#primary.isHere) throw new MovedHere(maybeDone)
      }
    }
  }
}

/** Until when a write that nobody takes yet may wait. */
function untilOf(call: CallContext): number {
  return innerDeadlineMs(writeDeadlineMs(call))
}

/** The primary is here by now; nothing was done elsewhere, but maybe by an attempt that has a request id. */
class MovedHere extends Error {
  readonly maybeDone: PeerUnreachable | undefined

  constructor(maybeDone: PeerUnreachable | undefined) {
    super('the primary is here by now')
    this.maybeDone = maybeDone
  }
}

function isNoPrimary(error: unknown): error is StatusError {
  return error instanceof StatusError && error.details.reason === 'NO_PRIMARY'
}

/** What a later attempt's error says of the whole write, of which an earlier attempt may have been done. */
function afterUnknown(error: unknown, maybeDone: PeerUnreachable): unknown {
  if (!(error instanceof StatusError)) return error
  if (error.status === 'UNAVAILABLE') return outcomeUnknown(maybeDone.message, error)
  if (error.details.reason !== 'LOST_HISTORY') return error
  const metadata = { ...error.details.metadata, earlier_attempt: 'unknown' }
  return new StatusError(error.status, error.message, { ...error.details, metadata }, { cause: error })
}
