import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import type { Forks, Position } from '@perigee/core'
import type { ReadOptions, Receipt } from '@perigee/protocol'
import type { CallContext } from '../grpc/call.ts'
import type { StatusError } from '../status-error.ts'

/** A local answer: the response without its receipt, what it includes for certain, and what it has seen. */
export interface LocalAnswer<O> {
  readonly response: O
  /** Compared with the session token: the answer includes everything up to here. */
  readonly applied: Position
  /** Put into the receipt: the answer may include things up to here. */
  readonly seen: Position
  readonly forks: Forks
  readonly warnings?: readonly string[]
  /** What to fail with instead of answering, once the answer covers the session token: no such index, another model. */
  readonly refusal?: StatusError
}

/** How a read is answered from this region. */
export interface LocalRead<O> {
  /**
   * Reads once. `primary` demands a live claim, checked in the same atomic step as the read.
   *
   * @throws StatusError DATA_UNAVAILABLE or INDEX_BUILDING when this region can't answer (the read then falls back).
   */
  answer(primary: boolean): Promise<LocalAnswer<O>>
  /** Resolves when this region's state may have moved on from `known`, or after `timeoutMs`, or when the signal aborts. */
  changed(known: Position, timeoutMs: number, signal: AbortSignal): Promise<void>
  /** True when no other region's answer will do (a search in a region-scoped index). */
  readonly localOnly?: boolean
  /** True when the answer's state follows that of the data Redis, and so may be behind it: an index. */
  readonly followsData?: boolean
}

/** Answers reads: from this region, waiting for it to catch up with the session token, else from the primary's sidecar. */
export interface ReadPath {
  run<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I> & { readonly options?: ReadOptions | undefined },
    call: CallContext,
    local: LocalRead<MessageShape<O> & { receipt?: Receipt | undefined }>,
  ): Promise<MessageShape<O>>
}
