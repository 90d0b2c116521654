import type { Limits } from '@perigee/core'
import { MultiplexService } from '@perigee/protocol'
import type { ServiceRegistration } from '../grpc/call.ts'
import type { FramesHandler } from '../grpc/frames-adapter.ts'
import type { GroupReader } from './get-group.ts'
import type { MultiplexedMethods } from './methods.ts'
import { MultiplexStream } from './multiplex-stream.ts'
import type { GroupWriter } from './set-group.ts'

/** What all streams share. */
export interface MultiplexOptions {
  readonly methods: MultiplexedMethods
  readonly reader: GroupReader
  readonly writer: GroupWriter
  readonly limits: Limits
  /** For entries set without a ttl; 0: they never expire. */
  readonly defaultTtlMs: number
  readonly frameBytesMax: number
  /** The streams are other sidecars', whose calls were counted where they came from. */
  readonly internal?: boolean
}

/** `perigee.v1.MultiplexService`: the unary methods, many calls to a stream and several to a frame. */
export function createMultiplexService(shared: Omit<MultiplexOptions, 'frameBytesMax'>): ServiceRegistration {
  const options = { ...shared, frameBytesMax: shared.limits.messageBytesMax }
  const multiplex: FramesHandler = (stream, context, identity) =>
    new MultiplexStream({ stream, context, options, identity })
  return { service: MultiplexService, handlers: { multiplex } }
}
