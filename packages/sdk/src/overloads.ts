import type { Endpoint } from './endpoint.ts'
import type { PerigeeError } from './perigee-error.ts'

/**
 * Sidecars that have too much to do, until when they asked to be left alone. A call that one of them has turned away asks it
 * again no sooner; other calls ask the others first meanwhile.
 */
export class Overloads {
  /** By address, when each may be asked again, by the monotonic clock. */
  readonly #until = new Map<string, number>()

  /** Whether any sidecar is to be left alone: quickly known. */
  get any(): boolean {
    return this.#until.size > 0
  }

  /** To be told of every attempt that failed. */
  heard({ address }: Endpoint, { reason, retryDelayMs = 0 }: PerigeeError): void {
    if (reason !== 'OVERLOADED' || retryDelayMs <= 0) return
    this.#until.set(address, performance.now() + retryDelayMs)
  }

  /** How long a sidecar is to be left alone. */
  waitMs({ address }: Endpoint): number {
    const until = this.#until.get(address)
    if (until === undefined) return 0
    const leftMs = until - performance.now()
    if (leftMs > 0) return leftMs
    this.#until.delete(address)
    return 0
  }

  /** How long it is until one of them may be asked. */
  shortestMs(endpoints: () => readonly Endpoint[]): number {
    if (!this.any) return 0
    const shortest = Math.min(...endpoints().map((endpoint) => this.waitMs(endpoint)))
    return Number.isFinite(shortest) ? shortest : 0
  }

  /** The same sidecars, those that are to be left alone last. */
  lastOf(endpoints: readonly Endpoint[]): readonly Endpoint[] {
    if (!this.any) return endpoints
    const waiting = endpoints.filter((endpoint) => this.waitMs(endpoint) > 0)
    return waiting.length === 0 ? endpoints : [...endpoints.filter((e) => !waiting.includes(e)), ...waiting]
  }
}
