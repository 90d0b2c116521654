/**
 * The claim: the right of this region's data Redis process to take writes, kept up by its sidecars.
 *
 * Invariant: a write is done only by a Redis process that holds a live claim on the epoch its clock is of. The claim
 * is in that process's memory alone (`prelude.lua`), so a restart, a promotion or a restore ends it; the lease ends
 * it when no sidecar vouches for the Redis any more. All this file does is ask and decide; what keeps the invariant
 * is inside the functions.
 *
 * Topology `static`: the region named in the configuration may claim while its Redis says it is a master. Without a
 * claim there, it claims; a live claim is joined. The first claim of an empty cluster needs every other region to say
 * that it holds nothing, or an operator's `perigee init`.
 *
 * If this process dies: before the claim's function call, nothing happened, but for an epoch number that nobody will
 * use; after it, the lease runs out within `leaseMs` unless another sidecar of the region, or this one restarted,
 * joins and renews.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { comparePositions, formatPosition, ORIGIN, type Position, parsePosition } from '@perigee/core'
import type { Logger } from 'pino'
import { type RedisConnection, RedisFailure } from '../redis/connection.ts'
import { type FunctionLibrary, isLibraryMissing, LIBRARY_VERSION } from '../redis/function-library.ts'
import type { Keys } from '../redis/keys.ts'
import { type ClaimState, sameClaimState } from './claim-state.ts'
import { nextEpoch } from './epoch.ts'
import { hostNowMs, type RedisTime } from './redis-time.ts'

/** What other regions say before a claim. */
export interface OtherRegions {
  /** The newest position each other region has ever held: ORIGIN for nothing, `undefined` for silence. */
  newestPositions(timeoutMs: number): Promise<ReadonlyMap<string, Position | undefined>>
}

export interface ClaimOptions {
  readonly region: string
  readonly regions: readonly string[]
  /** The region that may claim. */
  readonly primary: string
  readonly leaseMs: number
  readonly renewMs: number
  readonly logEntriesMax: number
  readonly keys: Keys
  /** The data Redis, over a connection of the claim's own. */
  readonly library: FunctionLibrary
  /** The index Redis, which remembers the highest epoch claimed. */
  readonly memory: RedisConnection
  readonly others: OtherRegions
  readonly redisTime: RedisTime
  readonly log: Logger
}

/** What `status.lua` replies, or what is known without the library. */
interface Status {
  readonly loaded: boolean
  readonly epoch: number
  readonly live: boolean
  readonly nowUs: number
  readonly clock: string
}

const OTHERS_TIMEOUT_MS = 400
const INITIALIZE_TIMEOUT_MS = 1000

export class Claim {
  readonly #options: ClaimOptions
  readonly #redis: RedisConnection
  readonly #listeners = new Set<(state: ClaimState) => void>()
  #state: ClaimState = { kind: 'unreachable', why: 'the connection is down' }
  #stopped = false
  #timer: NodeJS.Timeout | undefined
  #stepping: Promise<void> | undefined
  #silenceAccepted = false

  constructor(options: ClaimOptions) {
    this.#options = options
    this.#redis = options.library.connection
    this.#redis.onReady(() => void this.refresh())
    this.#redis.onClose(() => this.#move({ kind: 'unreachable', why: 'the connection is down' }))
  }

  get state(): ClaimState {
    return this.#state
  }

  /** The epoch this sidecar takes for claimed; `undefined` when it knows of no claim. */
  get epoch(): number | undefined {
    return this.#state.kind === 'claimed' ? this.#state.epoch : undefined
  }

  /** Calls back at every change of the state. */
  onChange(listener: (state: ClaimState) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  start(): void {
    void this.refresh()
  }

  /** Stops renewing: the lease runs out, unless another sidecar of the region renews it. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#stepping
  }

  /** Asks and decides now; at the latest it does so by itself every `renewMs`. */
  refresh(): Promise<void> {
    this.#stepping ??= this.#tick().finally(() => {
      this.#stepping = undefined
    })
    return this.#stepping
  }

  /**
   * Makes the first claim of an empty cluster though regions are silent; of one that has a claim, tells it.
   *
   * @returns the clock, or why there is no claim.
   */
  async initialize(): Promise<Position | { readonly why: string }> {
    this.#silenceAccepted = true
    try {
      await this.#stepping
      for (let attempt = 0; attempt < 3 && this.epoch === undefined; attempt++) {
        await this.refresh()
        if (this.epoch === undefined) await delay(50)
      }
      if (this.#state.kind !== 'claimed') return { why: whyNot(this.#state) }
      return parsePosition((await this.#status()).clock) ?? ORIGIN
    } finally {
      this.#silenceAccepted = false
    }
  }

  async #tick(): Promise<void> {
    clearTimeout(this.#timer)
    if (this.#stopped) return
    try {
      this.#move(await this.#step())
    } catch (error) {
      this.#move({ kind: 'unreachable', why: (error as Error).message })
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.refresh(), this.#options.renewMs)
  }

  /** One look at the Redis, and what follows from it. */
  async #step(): Promise<ClaimState> {
    if (!this.#redis.ready) return { kind: 'unreachable', why: 'the connection is down' }
    const { library, keys, region, primary, leaseMs } = this.#options
    // The lease's end is reckoned from a time read before anything that vouches for this Redis.
    const status = await this.#status()
    const role = (await this.#redis.call('ROLE')) as unknown[]
    if (role[0] !== 'master') return { kind: 'replica' }
    if (region !== primary) return { kind: 'not-chosen' }
    if (!status.loaded) {
      const version = await library.newestVersion()
      if (version > LIBRARY_VERSION) return { kind: 'outdated', version }
      await library.load()
    }
    if (!status.live) return this.#claim(status)
    const leaseEndUs = status.nowUs + leaseMs * 1000
    try {
      await library.call('renew', [keys.clock], [status.epoch, leaseEndUs])
      return { kind: 'claimed', epoch: status.epoch }
    } catch (error) {
      if (error instanceof RedisFailure && error.word === 'FENCED')
        return { kind: 'waiting', why: error.message }
      throw error
    }
  }

  async #claim(status: Status): Promise<ClaimState> {
    const { keys, library, regions, region, leaseMs, logEntriesMax, log } = this.#options
    const clock = parsePosition(status.clock)
    const positions = await this.#options.others.newestPositions(
      clock ? OTHERS_TIMEOUT_MS : INITIALIZE_TIMEOUT_MS,
    )
    const refused = clock ? undefined : whyNotFirst(positions, this.#silenceAccepted)
    if (refused) return { kind: 'waiting', why: refused }
    for (const [other, position] of positions) {
      if (clock && position && comparePositions(position, clock) > 0) {
        const seen = { other, position: formatPosition(position), own: status.clock }
        log.warn(seen, 'claiming although another region has seen newer writes: they are lost')
      }
    }
    const known = Math.max(
      clock?.epoch ?? 0,
      await this.#remembered(),
      ...[...positions.values()].map((p) => p?.epoch ?? 0),
    )

    const fresh = await this.#status()
    const role = (await this.#redis.call('ROLE')) as unknown[]
    if (role[0] !== 'master') return { kind: 'replica' }
    const epoch = nextEpoch({ nowMs: fresh.nowUs / 1000, ordinal: regions.indexOf(region), known })
    await this.#remember(epoch)
    const claimKeys = [keys.clock, keys.log, keys.forks, keys.cluster]
    const leaseEndUs = fresh.nowUs + leaseMs * 1000
    const clusterId = randomBytes(8).toString('hex')
    try {
      await library.call('claim', claimKeys, [epoch, leaseEndUs, status.clock, clusterId, logEntriesMax])
    } catch (error) {
      if (error instanceof RedisFailure && error.kind === 'refused') {
        // Another sidecar of the region was faster, or the clock moved: the next look tells.
        return { kind: 'waiting', why: error.message }
      }
      throw error
    }
    return { kind: 'claimed', epoch }
  }

  async #status(): Promise<Status> {
    const { keys, library, redisTime } = this.#options
    const sentMs = hostNowMs()
    try {
      const reply = (await library.readText('status', [keys.clock], [])) as string[]
      const [epoch = '', , nowUs = '', clock = '', fenced = ''] = reply
      redisTime.note({ redisMs: Number(nowUs) / 1000, sentMs, receivedMs: hostNowMs() })
      return { loaded: true, epoch: Number(epoch), live: fenced === '', nowUs: Number(nowUs), clock }
    } catch (error) {
      if (!isLibraryMissing(error)) throw error
    }
    const [seconds, us] = (await this.#redis.call('TIME')) as string[]
    const clock = (await this.#redis.call('GET', keys.clock)) as string | null
    const nowUs = Number(seconds) * 1e6 + Number(us)
    return { loaded: false, epoch: 0, live: false, nowUs, clock: clock ?? '' }
  }

  async #remembered(): Promise<number> {
    const { memory, keys } = this.#options
    try {
      return Number((await memory.call('GET', keys.claimedEpoch)) ?? 0)
    } catch {
      return 0
    }
  }

  async #remember(epoch: number): Promise<void> {
    const { memory, keys, log } = this.#options
    try {
      await memory.call('SET', keys.claimedEpoch, epoch)
    } catch (error) {
      log.warn({ error: (error as Error).message }, "the index Redis can't remember the claimed epoch")
    }
  }

  #move(state: ClaimState): void {
    if (sameClaimState(state, this.#state)) return
    this.#options.log.info({ from: this.#state.kind, to: state }, `claim: ${state.kind}`)
    this.#state = state
    for (const listener of this.#listeners) listener(state)
  }
}

/** Why the first claim of an empty cluster must wait, or nothing. */
function whyNotFirst(
  positions: ReadonlyMap<string, Position | undefined>,
  silenceAccepted: boolean,
): string | undefined {
  const silent: string[] = []
  for (const [region, position] of positions) {
    if (position && comparePositions(position, ORIGIN) > 0) {
      return `this Redis is empty, but ${region} holds writes up to ${formatPosition(position)}: restore it, or point it at that region's Redis`
    }
    if (!position) silent.push(region)
  }
  if (silent.length === 0 || silenceAccepted) return undefined
  return `the first claim needs all regions to say that they hold nothing, and ${silent.join(', ')} is silent: start it, or run "perigee init"`
}

/** Why there is no claim, in words. */
export function whyNot(state: ClaimState): string {
  switch (state.kind) {
    case 'unreachable':
      return `its data Redis can't be reached: ${state.why}`
    case 'replica':
      return 'its data Redis is a replica'
    case 'not-chosen':
      return 'the configuration names another region as the primary'
    case 'outdated':
      return `version ${state.version} of the functions is loaded: update this sidecar`
    case 'waiting':
      return state.why
    case 'claimed':
      return 'it is claimed'
  }
}
