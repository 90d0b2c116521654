/**
 * One client's stream: reads its frames, has each call answered, and puts the replies into frames of its own.
 *
 * Invariant: a call has at most one reply, and unless the stream breaks, exactly one; what isn't answered from a group goes
 * through the same handler as a unary call, with a context of its own. If the stream ends first, all calls in flight are
 * given up, as unary ones are whose connection is gone; a write that was begun goes on.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Message } from '@bufbuild/protobuf'
import { STATUS } from '@perigee/core'
import { MultiplexService, type RequestFrame } from '@perigee/protocol'
import { innerDeadlineMs } from '../deadline.ts'
import type { AdapterContext } from '../grpc/adapter.ts'
import { AnswerBytes } from '../grpc/answer-bytes.ts'
import { isRead, methodName, writeDeadlineMs } from '../grpc/call.ts'
import { statusLabel, toToldError } from '../grpc/error-boundary.ts'
import type { FrameReader, FrameStream } from '../grpc/frame-stream.ts'
import { outcomeUnknown } from '../redis/redis-status.ts'
import type { Identity } from '../security/identity.ts'
import { invalidField, StatusError } from '../status-error.ts'
import { callRequest, noSuchSession, requestless } from './call-request.ts'
import { CallsInFlight } from './calls-in-flight.ts'
import { FrameSession } from './frame-session.ts'
import type { GetGroup, GroupAnswer } from './get-group.ts'
import { type Groups, newGroups } from './groups.ts'
import type { MultiplexOptions } from './multiplex-service.ts'
import { type Arrival, MultiplexedCall } from './multiplexed-call.ts'
import { Replies } from './replies.ts'
import { readFrame } from './request-frame.ts'
import type { SetGroup, SetListener } from './set-group.ts'

/** Of its time, how much a call may take in a group; after that it goes its own way, which leaves time for the primary. */
const GROUP_SHARE = 0.25

export class MultiplexStream implements FrameReader {
  readonly #stream: FrameStream
  readonly #context: AdapterContext
  readonly #options: MultiplexOptions
  readonly #identity: Identity
  readonly #replies: Replies
  readonly #inFlight = new CallsInFlight((call, nowMs) => this.#due(call, nowMs))
  readonly #setListener: SetListener = {
    done: (call, version, receipt) => this.#answerSet(call, version, receipt),
    failed: (call, error) => this.#failSet(call, error),
  }
  #draining = false
  #finishing = false

  constructor({
    stream,
    context,
    options,
    identity,
  }: {
    stream: FrameStream
    context: AdapterContext
    options: MultiplexOptions
    identity: Identity
  }) {
    this.#stream = stream
    this.#context = context
    this.#options = options
    this.#identity = identity
    this.#replies = new Replies(stream)
  }

  read(bytes: Buffer): void {
    const frame = readFrame(bytes, this.#options.frameBytesMax)
    const calls = this.#callsOf(frame, bytes.length)
    for (const id of frame.cancels) this.#cancel(id)
    const groups = newGroups(bytes, this.#options, this.#context, this.#identity.principal)
    const refused = this.#refusal(bytes.length)
    for (const call of calls) {
      if (call.answered) continue
      if (refused) this.#fail(call, refused)
      else this.#begin(call, frame, groups)
    }
    for (const group of groups.gets.groups) void this.#readGroup(group)
    for (const group of groups.sets.groups) void this.#writeGroup(group)
  }

  finish(): void {
    this.#finishing = true
    this.#endIfDone()
  }

  drain(): void {
    if (this.#draining) return
    this.#draining = true
    this.#replies.draining()
    this.#endIfDone()
  }

  closed(): void {
    for (const call of this.#inFlight.clear()) {
      call.giveUp(new StatusError('CANCELLED', 'The stream of the call has ended.'))
      this.#observe(call, STATUS.CANCELLED, performance.now())
    }
  }

  /** The calls of a frame, in flight from now on. @throws StatusError for an id that is taken. */
  #callsOf({ calls, sessionTokens }: RequestFrame, bytes: number): MultiplexedCall[] {
    const { pauses, unaryDeadlineMs } = this.#context
    const { principal } = this.#identity
    const sessions = sessionTokens.map((token) => new FrameSession(token))
    const arrival: Arrival = {
      atMs: Date.now(),
      startedMs: performance.now(),
      waitedMsMax: pauses.waitedMsMax,
      principal,
      timeoutMs: unaryDeadlineMs,
      bytes,
      inFlight: 0,
    }
    return calls.map((asked) => {
      const session = asked.session > 0 ? sessions[asked.session - 1] : undefined
      const call = new MultiplexedCall(asked, arrival, this.#options.methods.get(asked.field), session)
      if (!this.#inFlight.add(call)) throw invalidField('calls', `have the id ${call.id}, which is in flight`)
      return call
    })
  }

  /** Why the stream's caller is let in no longer, or not with a frame of so many bytes; or nothing. */
  #refusal(bytes: number): unknown {
    try {
      this.#context.access.checkStill(this.#identity)
      if (this.#options.internal) this.#stream.peer.checkEssentialRoomForCall(bytes)
      else this.#stream.peer.checkRoomForCall(bytes)
      return undefined
    } catch (error) {
      return error
    }
  }

  #begin(call: MultiplexedCall, frame: RequestFrame, { gets, sets }: Groups): void {
    const { gate } = this.#context
    const rates = this.#options.internal ? undefined : this.#context.rates
    try {
      if (this.#draining) throw notBegun()
      if (call.asked.session > 0 && !call.session) throw noSuchSession(call.asked, frame.sessionTokens.length)
      rates?.take(call.principal)
      gate.enter(this.#stream.peer)
    } catch (error) {
      this.#fail(call, error)
      return
    }
    if (call.arrival.inFlight === 0) this.#stream.peer.hold(call.arrival.bytes)
    call.arrival.inFlight += 1
    if (gets.take(call)) {
      call.grouped = 'get'
      this.#inFlight.makeDue(call, Math.floor(call.timeoutMs * GROUP_SHARE))
    } else if (sets.take(call)) {
      call.grouped = 'set'
      this.#inFlight.makeDue(call, Math.floor(innerDeadlineMs(writeDeadlineMs(call)) - call.arrival.atMs))
    } else void this.#handle(call)
  }

  /** Has a call answered by its method's handler. */
  async #handle(call: MultiplexedCall): Promise<void> {
    try {
      const { method, asked, session } = call
      if (!method) throw requestless(asked)
      const request = callRequest({ method, asked, session })
      this.#context.checkRequest(method.method, request)
      this.#context.access.check(call.principal, method.method, request)
      const response = await method.handler(request as never, call)
      if (call.answered) return
      const answer = new AnswerBytes(method.method.output, response as Message)
      try {
        if (isRead(method.method)) this.#stream.peer.checkRoom(answer.length)
        this.#replies.message(call.id, method.replyField, answer)
      } finally {
        answer.release()
      }
      this.#ended(call, STATUS.OK)
    } catch (error) {
      this.#fail(call, error)
    } finally {
      this.#leave(call)
    }
  }

  /** Answers those of a group that this region's own state answers; the others go their own ways. */
  async #readGroup(group: GetGroup): Promise<void> {
    const reading = this.#options.reader.read(group, (answer) => this.#answerGroup(group, answer))
    await reading.catch(() => this.#answerGroup(group, undefined))
  }

  #answerGroup({ calls, keys }: GetGroup, answer: GroupAnswer | undefined): void {
    const nowMs = performance.now()
    for (let i = 0; i < calls.length; i++) {
      const call = calls[i] as MultiplexedCall
      // It has gone alone already.
      if (!call.grouped) continue
      if (call.answered) this.#leaveGroup(call)
      else if (!answer?.covers(call.session)) this.#goAlone(call)
      else {
        try {
          this.#replies.entry(call.id, answer.at(i), keys, i, answer.receipt)
          this.#ended(call, STATUS.OK, nowMs)
        } catch (error) {
          this.#fail(call, error)
        }
        this.#leaveGroup(call)
      }
    }
  }

  /** Writes those of a group that can be written here and now; the others go their own ways. */
  async #writeGroup(group: SetGroup): Promise<void> {
    // What waited on a stalled link, or in a paused process, brings its caller's giving up right behind it.
    await nextTurn()
    await this.#options.writer.write(group, this.#setListener).catch(() => undefined)
    for (const { call } of group.sets) {
      // It has its answer already.
      if (!call.grouped) continue
      if (call.answered) this.#leaveGroup(call)
      else this.#goAlone(call)
    }
  }

  #answerSet(call: MultiplexedCall, version: string, receipt: Uint8Array): void {
    if (call.answered) return
    try {
      this.#replies.set(call.id, version, receipt)
      this.#ended(call, STATUS.OK)
    } catch (error) {
      this.#fail(call, error)
    }
    this.#leaveGroup(call)
  }

  #failSet(call: MultiplexedCall, error: Error): void {
    this.#fail(call, error)
    this.#leaveGroup(call)
  }

  #leaveGroup(call: MultiplexedCall): void {
    call.grouped = undefined
    this.#leave(call)
  }

  #leave({ arrival }: MultiplexedCall): void {
    this.#context.gate.leave(this.#stream.peer)
    arrival.inFlight -= 1
    if (arrival.inFlight === 0) this.#stream.peer.release(arrival.bytes)
  }

  #goAlone(call: MultiplexedCall): void {
    call.grouped = undefined
    call.dueAfterMs = call.timeoutMs
    void this.#handle(call)
  }

  #due(call: MultiplexedCall, nowMs: number): void {
    if (nowMs >= call.deadlineMs) this.#giveUp(call, tooLate(call))
    else if (call.grouped === 'get') this.#goAlone(call)
    else this.#giveUp(call, outcomeUnknown('no answer within its deadline'))
  }

  #cancel(id: number): void {
    const call = this.#inFlight.get(id)
    if (call) this.#giveUp(call, new StatusError('CANCELLED', 'The caller gave up.'))
  }

  #giveUp(call: MultiplexedCall, error: StatusError): void {
    this.#fail(call, error)
    call.giveUp(error)
  }

  #fail(call: MultiplexedCall, thrown: unknown): void {
    if (call.answered) return
    const told = toToldError(thrown, this.#context.log, this.#nameOf(call))
    this.#replies.error(call.id, told.status)
    this.#ended(call, told.code)
  }

  #ended(call: MultiplexedCall, code: number, nowMs = performance.now()): void {
    call.answered = true
    this.#inFlight.delete(call)
    this.#observe(call, code, nowMs)
    this.#endIfDone()
  }

  #observe(call: MultiplexedCall, code: number, nowMs: number): void {
    this.#context.observer.callEnded(this.#nameOf(call), statusLabel(code), nowMs - call.startedMs)
  }

  #nameOf(call: MultiplexedCall): string {
    return call.method?.name ?? methodName(MultiplexService.method.multiplex)
  }

  #endIfDone(): void {
    if (!(this.#draining || this.#finishing) || this.#inFlight.size > 0) return
    this.#replies.flush()
    this.#stream.end()
  }
}

function tooLate({ timeoutMs }: MultiplexedCall): StatusError {
  const text = `No answer within ${timeoutMs} ms; allow more time, or ask for less at once.`
  return new StatusError('DEADLINE_EXCEEDED', text)
}

function notBegun(): StatusError {
  return new StatusError('UNAVAILABLE', 'This sidecar is shutting down, and nothing was done; ask another.')
}
