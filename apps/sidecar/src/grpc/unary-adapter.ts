import type { DescMethod, Message } from '@bufbuild/protobuf'
import { type handleUnaryCall, status } from '@grpc/grpc-js'
import { StatusError } from '../status-error.ts'
import type { AdapterContext } from './adapter.ts'
import { AnswerBytes } from './answer-bytes.ts'
import { isInternal, isRead, methodName, type UnaryHandler } from './call.ts'
import { GrpcCaller } from './caller.ts'
import { statusLabel, toGrpcStatus } from './error-boundary.ts'
import { IncomingCall } from './incoming-call.ts'

/** grpc-js's form of a unary handler. */
export function adaptUnary(
  method: DescMethod,
  handler: UnaryHandler<never, unknown>,
  context: AdapterContext,
): handleUnaryCall<Message, Buffer> {
  const name = methodName(method)
  const { log, gate, observer, access, connections, calls, unaryDeadlineMs, pauses } = context
  const internal = isInternal(method)
  const rates = internal ? undefined : context.rates
  const read = isRead(method)

  return (call, callback) => {
    const startedMs = performance.now()
    const incoming = new IncomingCall(call, {
      deadlineMs: Date.now() + unaryDeadlineMs,
      waitedMsMax: pauses.waitedMsMax,
      onGivenUp: (error) => fail(error),
    })
    const deadline = callerSetDeadline(call)
      ? undefined
      : setTimeout(() => incoming.abort(tooLate(unaryDeadlineMs)), unaryDeadlineMs)
    const peer = connections.peerAt(call.getPeer())
    let entered = false
    let ended = false

    const end = (code: number) => {
      ended = true
      clearTimeout(deadline)
      calls.delete(incoming)
      incoming.answered()
      observer.callEnded(name, statusLabel(code), performance.now() - startedMs)
    }
    const fail = (thrown: unknown) => {
      if (ended) return
      if (call.cancelled) return end(pastDeadline(incoming) ? status.DEADLINE_EXCEEDED : status.CANCELLED)
      const answer = toGrpcStatus(thrown, log, name)
      end(answer.code)
      callback(answer)
    }
    const run = async () => {
      gate.enter(peer)
      entered = true
      if (!internal) peer.checkRoomForCall(0)
      const identity = access.identify(new GrpcCaller(call))
      incoming.principal = (identity instanceof Promise ? await identity : identity).principal
      rates?.take(incoming.principal)
      context.checkRequest(method, call.request)
      access.check(incoming.principal, method, call.request)
      const response = await handler(call.request as never, incoming)
      if (ended) return
      if (call.cancelled) return fail(undefined)
      const answer = new AnswerBytes(method.output, response as Message)
      let bytes: Buffer
      try {
        // A write was done, whether or not there is room to say so.
        if (read && !internal) peer.checkRoom(answer.length)
        bytes = answer.bytes
      } finally {
        answer.release()
      }
      peer.hold(bytes.length)
      // grpc-js says so once the answer is taken, or never will be.
      call.on('cancelled', () => peer.release(bytes.length))
      end(status.OK)
      callback(null, bytes)
    }
    calls.add(incoming)
    run()
      .catch(fail)
      .finally(() => entered && gate.leave(peer))
  }
}

function tooLate(unaryDeadlineMs: number): StatusError {
  return new StatusError(
    'DEADLINE_EXCEEDED',
    `No answer within ${unaryDeadlineMs} ms, this sidecar's default; set a deadline of your own to wait longer.`,
  )
}

function callerSetDeadline(call: Parameters<handleUnaryCall<Message, Buffer>>[0]): boolean {
  return Number.isFinite(Number(call.getDeadline()))
}

function pastDeadline(call: IncomingCall): boolean {
  return Date.now() >= call.deadlineMs
}
