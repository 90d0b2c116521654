import type { DescMessage, DescMethodUnary, MessageShape } from '@bufbuild/protobuf'
import type { CallContext } from '../grpc/call.ts'

/** Where writes are done: here, when this region's data Redis holds a live claim, else at the primary's sidecar. */
export interface WritePath {
  /**
   * Runs `perform` here, or forwards the request, one hop. The session was checked against the epoch that `perform` is
   * given: its writes must demand that one.
   *
   * @throws StatusError NO_PRIMARY, NOT_PRIMARY (a forwarded call at the wrong sidecar), OUTCOME_UNKNOWN, and whatever
   *   `perform` or the primary's sidecar throws.
   */
  run<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: MessageShape<I>,
    call: CallContext,
    perform: (epoch: number) => Promise<MessageShape<O>>,
  ): Promise<MessageShape<O>>
}
