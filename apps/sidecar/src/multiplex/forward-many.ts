import { FORWARD_FIELD, PeerService } from '@perigee/protocol'
import { methodName, type ServiceRegistration, type UnaryHandler } from '../grpc/call.ts'
import { FORWARDING_BYTES } from '../grpc/forwarding-bytes.ts'
import type { FramesHandler } from '../grpc/frames-adapter.ts'
import type { MultiplexedMethod } from './methods.ts'
import type { MultiplexOptions } from './multiplex-service.ts'
import { MultiplexStream } from './multiplex-stream.ts'

/** `PeerService` with ForwardMany: its Forward, many calls to a stream and several to a frame. */
export function withForwardMany(
  { service, handlers }: ServiceRegistration,
  shared: Omit<MultiplexOptions, 'methods' | 'frameBytesMax'>,
): ServiceRegistration {
  const { forward } = PeerService.method
  const method: MultiplexedMethod = {
    name: methodName(forward),
    method: forward,
    handler: handlers.forward as UnaryHandler<never, unknown>,
    replyField: FORWARD_FIELD.reply,
  }
  const options = {
    ...shared,
    methods: new Map([[FORWARD_FIELD.call, method]]),
    frameBytesMax: shared.limits.messageBytesMax + FORWARDING_BYTES,
    internal: true,
  }
  const forwardMany: FramesHandler = (stream, context, identity) =>
    new MultiplexStream({ stream, context, options, identity })
  return { service, handlers: { ...handlers, forwardMany } }
}
