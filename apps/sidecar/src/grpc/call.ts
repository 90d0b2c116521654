import type { DescMethod, MessageShape } from '@bufbuild/protobuf'
import type { GenService, GenServiceMethods } from '@bufbuild/protobuf/codegenv2'
import { MethodOptions_IdempotencyLevel } from '@bufbuild/protobuf/wkt'
import type { Principal } from '../security/principal.ts'
import type { FramesHandler } from './frames-adapter.ts'

/** What a handler knows of the call it answers. */
export interface CallContext {
  /** Unix milliseconds past which nobody waits for the answer; the sidecar's default when the caller gave none. */
  readonly deadlineMs: number
  /**
   * How long the call may have waited before it was read, because this process stood still. The deadline came as the time
   * that was left when it was sent.
   */
  readonly waitedMsMax?: number
  /** Who calls; of a forwarded call, whom the region it came in at let in. */
  readonly principal: Principal
  /** Aborted when the caller gives up, the deadline passes, or the sidecar drains a stream. */
  readonly signal: AbortSignal
  /** The region whose sidecar forwarded this call; absent for calls of clients. */
  readonly forwardedFrom?: string
}

/** When a write must have been done at the latest, Unix milliseconds: surely no later than its caller waits for it. */
export function writeDeadlineMs({ deadlineMs, waitedMsMax = 0 }: CallContext): number {
  return deadlineMs - waitedMsMax
}

/** Answers one call. Throws a `StatusError`; anything else becomes INTERNAL with a log id. */
export type UnaryHandler<I, O> = (request: I, call: CallContext) => Promise<O>

/** Answers one call with a stream; what it throws ends the stream. */
export type StreamHandler<I, O> = (request: I, call: CallContext) => AsyncIterable<O>

/** Handlers of the unary and server-streaming methods of a service, by local name. */
export type ServiceHandlers<M extends GenServiceMethods> = {
  readonly [K in keyof M as M[K]['methodKind'] extends 'unary' | 'server_streaming'
    ? K
    : never]: M[K]['methodKind'] extends 'unary'
    ? UnaryHandler<MessageShape<M[K]['input']>, MessageShape<M[K]['output']>>
    : StreamHandler<MessageShape<M[K]['input']>, MessageShape<M[K]['output']>>
}

/** A service and its handlers, as the server registers them. */
export interface ServiceRegistration {
  readonly service: GenService<GenServiceMethods>
  readonly handlers: Readonly<Record<string, Handler>>
}

/** A handler of any kind of method. */
export type Handler = UnaryHandler<never, unknown> | StreamHandler<never, unknown> | FramesHandler

/** Whether a method has no side effects, by the contract. */
export function isRead(method: DescMethod): boolean {
  return method.idempotency === MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS
}

/** Whether a method is between sidecars. */
export function isInternal(method: DescMethod): boolean {
  return method.parent.typeName.startsWith('perigee.internal.')
}

/** The full name of a method, for example `perigee.v1.CacheService/Set`. */
export function methodName(method: DescMethod): string {
  return `${method.parent.typeName}/${method.name}`
}
