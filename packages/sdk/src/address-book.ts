import type { Discovery, FoundAddress, Resolution } from './discovery.ts'
import type { Endpoint } from './endpoint.ts'
import type { EventListener } from './event.ts'
import { PerigeeError } from './perigee-error.ts'

/**
 * How often names are looked up. Answers are wanted to be in use within five seconds of a change of DNS, of which one
 * is left for DNS to answer in; it costs a region two or three packets each way, whatever the number of calls. Up to a
 * quarter less, at random, so that clients which started together don't ask together. Records' times to live don't
 * matter here: caches on the way keep them, which is why zones should set them to five seconds or less.
 */
const PERIOD_MS = 4_000
const JITTER = 0.25
/** Of one region, because a sidecar there failed. */
const AT_MOST_EVERY_MS = 1_000
/** More would be connections to watch for nothing; DNS may say anything. */
const ADDRESSES_MAX = 64
const FORMER_MAX = 8
/** By then the address may be somebody else's. */
const FORMER_KEPT_MS = 60 * 60_000
const NOBODY: readonly Endpoint[] = []

/** What {@link AddressBook} needs. */
export interface AddressBookOptions {
  readonly regions: readonly string[]
  readonly discovery: Discovery
  readonly onEvent: EventListener
  /** Called when the addresses of a region changed. */
  readonly onChange?: ((region: string) => void) | undefined
}

/** What was found when a region was last looked up. */
export interface LookedUp extends Resolution {
  readonly at: Date
  readonly tookMs: number
}

interface Entry {
  endpoints: readonly Endpoint[]
  former: readonly Former[]
  lookedUp: LookedUp | undefined
  askedAt: number
  asking: Promise<void> | undefined
  problem: PerigeeError | undefined
}

interface Former {
  readonly endpoint: Endpoint
  readonly until: number
}

/**
 * The sidecars' addresses, kept up to date.
 *
 * Invariant: what was found once stays known until something else is found. A name that doesn't resolve, times out,
 * fails or is empty takes no address away. An address that an answer with others no longer has becomes a *former* one:
 * its region's last resort, until one of the newer addresses has answered a call.
 *
 * Names are looked up when a sidecar failed, at most once a second, and every three to four seconds: a new address is
 * in use within five seconds of the change of DNS.
 */
export class AddressBook {
  readonly #options: AddressBookOptions
  readonly #entries: ReadonlyMap<string, Entry>
  #hasFormer = false
  #timer: NodeJS.Timeout | undefined
  #closed = false

  constructor(options: AddressBookOptions) {
    this.#options = options
    this.#entries = new Map(
      options.regions.map((region) => [
        region,
        {
          endpoints: [],
          former: [],
          lookedUp: undefined,
          askedAt: Number.NEGATIVE_INFINITY,
          asking: undefined,
          problem: undefined,
        },
      ]),
    )
  }

  /** Looks all regions up, and goes on doing so until closed. Takes about two seconds at most, and never fails. */
  async start(): Promise<void> {
    this.#schedule()
    await Promise.all([...this.#entries.keys()].map((region) => this.#lookUp(region)))
  }

  /** A region's sidecars by the newest answer; the order of first sight, so that answers in changing order move nobody. */
  endpoints(region: string): readonly Endpoint[] {
    return this.#entries.get(region)?.endpoints ?? []
  }

  /** Sidecars that DNS no longer names, and none of whose successors has answered yet: to be tried after these. */
  former(region: string): readonly Endpoint[] {
    if (!this.#hasFormer) return NOBODY
    const now = performance.now()
    const former = this.#entries.get(region)?.former ?? []
    return former.filter(({ until }) => until > now).map(({ endpoint }) => endpoint)
  }

  /** All sidecars that may still be called; connections to others can be closed. */
  get all(): readonly Endpoint[] {
    return [...this.#entries.keys()].flatMap((region) => [...this.endpoints(region), ...this.former(region)])
  }

  /** To be told when a sidecar answered. */
  answered(endpoint: Endpoint): void {
    if (!this.#hasFormer) return
    const entry = this.#entries.get(endpoint.region)
    if (!entry?.former.length || !entry.endpoints.some((e) => e.address === endpoint.address)) return
    entry.former = []
    this.#hasFormer = [...this.#entries.values()].some(({ former }) => former.length > 0)
    this.#options.onChange?.(endpoint.region)
  }

  /** Looks a region up, or all of them, unless that was done within the last second. Never fails. */
  async refresh(region?: string): Promise<void> {
    const regions = region === undefined ? [...this.#entries.keys()] : [region]
    await Promise.all(
      regions.map((name) => {
        const entry = this.#entries.get(name)
        if (!entry) return undefined
        if (entry.asking) return entry.asking
        const recent = entry.askedAt + AT_MOST_EVERY_MS > performance.now()
        return recent ? undefined : this.#lookUp(name)
      }),
    )
  }

  /** What was found when a region was last looked up; `undefined` before that. */
  lookedUp(region: string): LookedUp | undefined {
    return this.#entries.get(region)?.lookedUp
  }

  /** Why a region's name did not resolve when it was last looked up. */
  problem(region: string): PerigeeError | undefined {
    return this.#entries.get(region)?.problem
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#options.discovery.close()
  }

  /** The next round is due whether or not this one has ended: a slow answer makes nothing later. */
  #schedule(): void {
    if (this.#closed) return
    this.#timer = setTimeout(
      () => {
        this.#schedule()
        for (const region of this.#entries.keys()) void this.#lookUp(region)
      },
      PERIOD_MS * (1 - Math.random() * JITTER),
    )
    this.#timer.unref()
  }

  #lookUp(region: string): Promise<void> {
    const entry = this.#entries.get(region)
    if (!entry) return Promise.resolve()
    entry.asking ??= this.#resolve(region, entry).finally(() => {
      entry.asking = undefined
    })
    return entry.asking
  }

  async #resolve(region: string, entry: Entry): Promise<void> {
    entry.askedAt = performance.now()
    const found = await this.#options.discovery.resolve(region).catch((thrown: unknown) => {
      const error = PerigeeError.from(thrown, region)
      return { addresses: [], questions: [], ignored: [], error } satisfies Resolution
    })
    if (this.#closed) return
    entry.lookedUp = { ...found, at: new Date(), tookMs: performance.now() - entry.askedAt }
    if (found.addresses.length) this.#take(region, entry, found.addresses)
    this.#note(region, entry, found.error)
  }

  #take(region: string, entry: Entry, found: readonly FoundAddress[]): void {
    const byAddress = new Map(found.map((one) => [one.address, one]))
    const before = entry.endpoints
    const kept = before.filter((e) => byAddress.has(e.address)).map((e) => e.address)
    const known = new Set(kept)
    const added = found.map((one) => one.address).filter((address) => !known.has(address))
    const addresses = [...kept, ...added].slice(0, ADDRESSES_MAX)
    const endpoints = addresses.map((address) => {
      const priority = byAddress.get(address)?.priority
      const same = before.find((e) => e.address === address && e.priority === priority)
      return same ?? { region, address, ...(priority !== undefined && { priority }) }
    })
    const unchanged = endpoints.length === before.length && endpoints.every((e, i) => e === before[i])
    const now = performance.now()
    const current = new Set(addresses)
    const gone = before.filter((e) => !current.has(e.address))
    const former = [
      ...gone.map((endpoint) => ({ endpoint, until: now + FORMER_KEPT_MS })),
      ...entry.former.filter(({ endpoint, until }) => until > now && !current.has(endpoint.address)),
    ].slice(0, FORMER_MAX)
    if (unchanged && former.length === entry.former.length) return
    entry.endpoints = endpoints
    entry.former = former
    this.#hasFormer = [...this.#entries.values()].some((one) => one.former.length > 0)
    this.#options.onChange?.(region)
  }

  /** Tells of a failure once, not at each look. */
  #note(region: string, entry: Entry, error: PerigeeError | undefined): void {
    const news = error && error.message !== entry.problem?.message
    entry.problem = error
    if (news) this.#options.onEvent({ type: 'discovery-failed', region, error })
  }
}
