import { PerigeeError } from './perigee-error.ts'
import { shuffled } from './shuffled.ts'

/** Finds the addresses of a region's sidecars. */
export interface Discovery {
  /** Returns within about two seconds, and never fails: an answer without addresses says why in `error`. */
  resolve(region: string): Promise<Resolution>
  close(): void
}

/** What a search for a region's sidecars found. */
export interface Resolution {
  /** In the order in which to prefer them; equals in random order, so that clients spread over them. */
  readonly addresses: readonly FoundAddress[]
  /** What was asked, services first, and what came of it; none when addresses were given as a list. */
  readonly questions: readonly DnsQuestion[]
  /** Answers that can't be used, and why, in words. */
  readonly ignored: readonly string[]
  /** Why there are no addresses; `undefined` when there are some. */
  readonly error: PerigeeError | undefined
}

/** One sidecar that was found. */
export interface FoundAddress {
  /** `host:port`; an IPv6 host stands in brackets. */
  readonly address: string
  /** Of its SRV record: those with a lower number are asked first. Default 0. */
  readonly priority?: number | undefined
}

/** One question to DNS, and what came of it. */
export interface DnsQuestion {
  readonly name: string
  /** `A/AAAA` is a question to the system, hosts file included. */
  readonly type: 'A' | 'AAAA' | 'SRV' | 'A/AAAA'
  /** `host:port` of the server, or several; `system` for the system's own lookup. */
  readonly server: string
  /** Addresses; of SRV `priority weight port target`. */
  readonly records: readonly string[]
  /** Why there is no answer, by the resolver's own code, such as `ENOTFOUND`, `ETIMEOUT`, `ESERVFAIL`. */
  readonly error: string | undefined
  /** `records` are of an earlier answer, because there is none now. */
  readonly remembered: boolean
  readonly tookMs: number
}

/** A given list. */
export class ListedAddresses implements Discovery {
  readonly #addresses: ReadonlyMap<string, readonly string[]>

  constructor(addresses: ReadonlyMap<string, readonly string[]>) {
    this.#addresses = addresses
  }

  async resolve(region: string): Promise<Resolution> {
    const addresses = shuffled(this.#addresses.get(region) ?? []).map((address) => ({ address }))
    const error = addresses.length
      ? undefined
      : new PerigeeError(`no address was given for region ${region}: add it to \`addresses\``, {
          code: 'UNAVAILABLE',
          region,
        })
    return { addresses, questions: [], ignored: [], error }
  }

  close(): void {}
}
