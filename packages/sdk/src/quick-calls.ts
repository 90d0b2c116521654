import type { Endpoint, EndpointChooser } from './endpoint.ts'
import type { ServiceName } from './health-watch.ts'
import type { MultiplexTransport } from './multiplex-transport.ts'
import type { Overloads } from './overloads.ts'
import type { RetryBudget } from './retry-budget.ts'

/** What quick calls of one kind share: where they go, and the account that the ordinary way keeps of each call too. */
export class QuickCalls {
  readonly chooser: EndpointChooser
  readonly transport: MultiplexTransport
  readonly #budget: RetryBudget
  readonly #overloads: Overloads

  constructor(parts: {
    readonly chooser: EndpointChooser
    readonly transport: MultiplexTransport
    /** Of reads or of writes. */
    readonly budget: RetryBudget
    readonly overloads: Overloads
  }) {
    this.chooser = parts.chooser
    this.transport = parts.transport
    this.#budget = parts.budget
    this.#overloads = parts.overloads
  }

  /** Where a call goes; `undefined` when it isn't for a quick one to decide. */
  protected endpoint(service: ServiceName): Endpoint | undefined {
    const endpoint = this.chooser.first(service)
    if (endpoint && this.#overloads.any && this.#overloads.waitMs(endpoint) > 0) return undefined
    return endpoint
  }

  /** A call is sent there, for the first time. */
  protected began(endpoint: Endpoint): void {
    this.#budget.callMade()
    this.chooser.began(endpoint)
    this.transport.hold.enter()
  }
}
