import type { DescMethod } from '@bufbuild/protobuf'
import { type handleBidiStreamingCall, Metadata, status } from '@grpc/grpc-js'
import type { Identity } from '../security/identity.ts'
import type { StatusError } from '../status-error.ts'
import type { AdapterContext } from './adapter.ts'
import { methodName } from './call.ts'
import { GrpcCaller } from './caller.ts'
import { statusLabel, toGrpcStatus } from './error-boundary.ts'
import { type FrameReader, FrameStream } from './frame-stream.ts'

/** Answers a two-way stream of encoded messages. */
export type FramesHandler = (
  stream: FrameStream,
  context: AdapterContext,
  /** Who opened it. What it says may end: see `Access.checkStill`. */
  identity: Identity,
) => FrameReader

/** A two-way stream that a drain lets finish. */
export interface OpenFrames {
  /** Lets it finish. */
  drain(): void
  /** Ends it, whatever it has in flight. */
  abort(error: StatusError): void
}

/** The two-way streams that are open. */
export class OpenFrameStreams {
  readonly #open = new Set<OpenFrames>()
  #draining = false

  add(stream: OpenFrames): void {
    this.#open.add(stream)
    if (this.#draining) stream.drain()
  }

  /** @returns whether it was open. */
  delete(stream: OpenFrames): boolean {
    return this.#open.delete(stream)
  }

  /** Lets them finish, and those that come. */
  drain(): void {
    this.#draining = true
    for (const stream of this.#open) stream.drain()
  }

  /** Ends them. */
  abort(error: StatusError): void {
    for (const stream of this.#open) stream.abort(error)
  }
}

/** grpc-js's form of a handler of frames. The stream counts as a connection does, not as a call: it isn't in the gate. */
export function adaptFrames(
  method: DescMethod,
  handler: FramesHandler,
  context: AdapterContext,
): handleBidiStreamingCall<Buffer, Buffer> {
  const name = methodName(method)
  const { log, observer, access, frames, connections } = context

  return (call) => {
    const startedMs = performance.now()
    const stream = new FrameStream(call, connections.peerAt(call.getPeer()))
    let reader: FrameReader | undefined
    let code: number = status.OK
    let gone = false
    const fail = (thrown: unknown) => {
      const answer = toGrpcStatus(thrown, log, name)
      code = answer.code
      stream.fail(answer)
      reader?.closed()
    }
    const attempt = (act: () => void) => {
      if (stream.over) return
      try {
        act()
      } catch (error) {
        fail(error)
      }
    }
    const openFrames: OpenFrames = { drain: () => attempt(() => reader?.drain()), abort: fail }
    const begin = (open: () => void) => {
      if (gone) return
      attempt(open)
      frames.add(openFrames)
    }
    const serve = (identity: Identity) => {
      access.check(identity.principal, method, undefined)
      connections.widen(call.getPeer())
      reader = handler(stream, context, identity)
      // One that ends with a status and nothing before was refused, and nothing of it was done: not so once a frame is read.
      call.once('data', () => attempt(() => call.sendMetadata(new Metadata())))
      call.on('data', (frame: Buffer) => attempt(() => reader?.read(frame)))
      call.on('end', () => attempt(() => reader?.finish()))
    }
    const identified = attempted(() => access.identify(new GrpcCaller(call)))
    // Until somebody listens, nothing is read of it.
    if (identified instanceof Promise) {
      identified.then(
        (identity) => begin(() => serve(identity)),
        (error) => begin(() => fail(error)),
      )
    } else if ('thrown' in identified) begin(() => fail(identified.thrown))
    else begin(() => serve(identified))
    // grpc-js says so at the end of every stream, whoever ended it.
    call.on('cancelled', () => {
      gone = true
      const cancelled = !stream.over
      stream.closed()
      if (!frames.delete(openFrames)) return
      if (cancelled) code = status.CANCELLED
      reader?.closed()
      observer.callEnded(name, statusLabel(code), performance.now() - startedMs)
    })
  }
}

function attempted<T>(act: () => T): T | { readonly thrown: unknown } {
  try {
    return act()
  } catch (thrown) {
    return { thrown }
  }
}
