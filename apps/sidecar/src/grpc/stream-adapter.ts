import { once } from 'node:events'
import type { DescMethod, Message } from '@bufbuild/protobuf'
import { type handleServerStreamingCall, type ServerWritableStream, status } from '@grpc/grpc-js'
import { watchIdentity } from '../security/identity-watch.ts'
import type { AdapterContext } from './adapter.ts'
import { methodName, type StreamHandler } from './call.ts'
import { GrpcCaller } from './caller.ts'
import { statusLabel, toGrpcStatus } from './error-boundary.ts'
import { IncomingCall } from './incoming-call.ts'

/** grpc-js's form of a server-streaming handler. A stream that the sidecar's drain cuts short ends with UNAVAILABLE. */
export function adaptServerStream(
  method: DescMethod,
  handler: StreamHandler<never, unknown>,
  context: AdapterContext,
): handleServerStreamingCall<Message, Message> {
  const name = methodName(method)
  const { log, gate, observer, access, streams, connections } = context

  return (call) => {
    const startedMs = performance.now()
    const incoming = new IncomingCall(call, { deadlineMs: Number.POSITIVE_INFINITY })
    const peer = connections.peerAt(call.getPeer())
    let entered = false
    let unwatch = () => {}

    const end = (code: number) => {
      incoming.answered()
      observer.callEnded(name, statusLabel(code), performance.now() - startedMs)
    }
    const run = async () => {
      gate.enter(peer)
      entered = true
      streams.add(incoming)
      const found = access.identify(new GrpcCaller(call))
      const identity = found instanceof Promise ? await found : found
      incoming.principal = identity.principal
      context.rates?.take(identity.principal)
      context.checkRequest(method, call.request)
      const check = () => access.check(identity.principal, method, call.request)
      check()
      unwatch = watchIdentity({ access, identity, check, onRefused: (error) => incoming.abort(error) })
      await pipe(handler(call.request as never, incoming), call, incoming.signal)
    }
    run()
      .then(
        () => {
          end(status.OK)
          call.end()
        },
        (thrown) => {
          if (call.cancelled) return end(status.CANCELLED)
          const answer = toGrpcStatus(thrown, log, name)
          end(answer.code)
          call.emit('error', answer)
        },
      )
      .finally(() => {
        streams.delete(incoming)
        unwatch()
        if (entered) gate.leave(peer)
      })
  }
}

/** Writes what comes, no faster than the caller reads; rejects with the signal's reason as soon as it aborts. */
async function pipe(
  messages: AsyncIterable<unknown>,
  call: ServerWritableStream<Message, Message>,
  signal: AbortSignal,
): Promise<void> {
  const aborted = abortion(signal)
  const iterator = messages[Symbol.asyncIterator]()
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted.promise])
      if (next.done) return
      if (!call.write(next.value as Message)) await Promise.race([once(call, 'drain'), aborted.promise])
    }
  } finally {
    aborted.release()
    // A generator that is waiting for something slow finishes on its own; nobody waits for it.
    iterator.return?.().catch(() => {})
  }
}

function abortion(signal: AbortSignal): { promise: Promise<never>; release: () => void } {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  const onAbort = () => reject(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  return { promise, release: () => signal.removeEventListener('abort', onAbort) }
}
