import {
  type DescMessage,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type MessageShape,
} from '@bufbuild/protobuf'
import type { AttemptTools, BegunCall } from './attempt-plan.ts'
import { Attempts } from './attempts.ts'
import { type CallSettings, deadlineOf } from './call-settings.ts'
import type { Endpoint, EndpointChooser } from './endpoint.ts'
import type { EventListener } from './event.ts'
import { serviceOf } from './health-watch.ts'
import { isRead } from './idempotency.ts'
import { MultiplexTransport } from './multiplex-transport.ts'
import { Overloads } from './overloads.ts'
import { PerigeeError } from './perigee-error.ts'
import { QuickGets } from './quick-get.ts'
import { QuickSets } from './quick-set.ts'
import { RetryBudget, type RetryBudgetOptions } from './retry-budget.ts'
import type { AttemptOptions, Transport } from './transport.ts'

/** Makes calls that go on to the next sidecar when one fails: see {@link Attempts}. */
export class Failover {
  /** The short way of plain Gets, where the transport has one. */
  readonly quickGets: QuickGets | undefined
  /** And of plain Sets. */
  readonly quickSets: QuickSets | undefined
  readonly #transport: Transport
  readonly #reads: AttemptTools
  readonly #writes: AttemptTools

  constructor(options: {
    readonly chooser: EndpointChooser
    readonly transport: Transport
    readonly connectTimeoutMs: number
    readonly onEvent: EventListener
    readonly retryBudget?: RetryBudgetOptions | undefined
  }) {
    const { transport, retryBudget, ...shared } = options
    const tools = { ...shared, overloads: new Overloads() }
    this.#transport = transport
    // Of their own each: while nobody takes writes, these spend theirs, and reads must still be able to go on elsewhere.
    this.#reads = { ...tools, budget: new RetryBudget(retryBudget) }
    this.#writes = { ...tools, budget: new RetryBudget(retryBudget) }
    if (transport instanceof MultiplexTransport) {
      this.quickGets = new QuickGets({ ...this.#reads, transport })
      this.quickSets = new QuickSets({ ...this.#writes, transport })
    }
  }

  /**
   * @param request made anew for each attempt, so that it carries what the session has seen by then; given the number of
   *   the attempt, from 0.
   * @param begun its first attempt, number 0, if that was begun already.
   * @returns the answer, and the number of the attempt that brought it.
   */
  unary<I extends DescMessage, O extends DescMessage>(
    method: DescMethodUnary<I, O>,
    request: (attempt: number) => MessageShape<I>,
    settings: CallSettings,
    begun?: BegunCall,
  ): Promise<{ readonly response: MessageShape<O>; readonly endpoint: Endpoint; readonly attempt: number }> {
    const read = isRead(method)
    const plan = {
      ...{ read, service: serviceOf(method), settings },
      attempt: async (endpoint: Endpoint, options: AttemptOptions, attempt: number) => {
        const answer = attempt === 0 ? await begun?.slow?.answer(options.signal) : undefined
        const response = answer
          ? fromBinary(method.output, answer)
          : await this.#transport.unary(endpoint, method, () => request(attempt), options)
        return { response, endpoint, attempt }
      },
    }
    return new Attempts(read ? this.#reads : this.#writes, plan, begun).run()
  }

  /**
   * A stream fails over until its first answer; one that breaks later is the caller's to open again.
   *
   * @param firstAnswerMs a sidecar that says nothing for so long at the beginning counts as failed.
   */
  async *serverStream<I extends DescMessage, O extends DescMessage>(
    method: DescMethodServerStreaming<I, O>,
    request: MessageShape<I>,
    settings: CallSettings,
    firstAnswerMs: number,
  ): AsyncGenerator<MessageShape<O>> {
    const deadline = deadlineOf(settings)
    const started = await new Attempts(this.#reads, {
      ...{ read: true, service: serviceOf(method), settings },
      attempt: async (endpoint, { connectTimeoutMs }) => {
        const late = new AbortController()
        const signal = settings.signal ? AbortSignal.any([settings.signal, late.signal]) : late.signal
        const options = { deadline, connectTimeoutMs, signal }
        const answers = this.#transport
          .serverStream(endpoint, method, request, options)
          [Symbol.asyncIterator]()
        const timer = setTimeout(() => late.abort(), firstAnswerMs)
        try {
          return { answers, first: await answers.next() }
        } catch (error) {
          throw late.signal.aborted ? silentFor(firstAnswerMs) : error
        } finally {
          clearTimeout(timer)
        }
      },
    }).run()
    try {
      for (let next = started.first; !next.done; next = await started.answers.next()) yield next.value
    } finally {
      await started.answers.return?.()
    }
  }
}

function silentFor(ms: number): PerigeeError {
  return new PerigeeError(`the sidecar said nothing for ${ms} ms`, { code: 'DEADLINE_EXCEEDED' })
}
