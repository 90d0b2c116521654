/*
 * The gate: whether replicas may follow this region's data Redis. The ACL user that they log in with is on or off.
 *
 * A primary that restarts with less than its replicas have would roll them back the moment they reconnect. So the user
 * is `off` in the ACL file, every process begins with a closed gate, and only a claim opens it. Nothing here saves the
 * ACL or rewrites a configuration, or `on` would outlive the process.
 *
 * If this process dies, the gate stays as it is: open at a claimed Redis, which is right, since replicas may follow it
 * until its process ends or it is demoted; closed otherwise.
 */
import type { Logger } from 'pino'
import type { RedisConnection } from '../redis/connection.ts'
import type { OwnLook } from './own-redis.ts'

/** It is set again after so long: another sidecar of the region, or an operator who loads the ACL file anew, may have turned it. */
const AGAIN_MS = 2000

export class Gate {
  readonly #redis: RedisConnection
  readonly #user: string | undefined
  readonly #log: Logger
  /** What it was set to, on which connection, and when in monotonic milliseconds. */
  #set: { readonly open: boolean; readonly connects: number; readonly atMs: number } | undefined

  /** @param options.user absent: there is no gate, and replicas may always follow. */
  constructor(options: { redis: RedisConnection; user: string | undefined; log: Logger }) {
    this.#redis = options.redis
    this.#user = options.user
    this.#log = options.log
  }

  /**
   * Opens or closes it as a look at the Redis asks for.
   *
   * @param furthest whether no other region holds more, for certain, and this one isn't to be claimed.
   * @throws RedisFailure
   */
  async follow(look: OwnLook, furthest = false): Promise<void> {
    const wanted = wantedGate(look, furthest)
    if (wanted !== 'as-it-is') await this.#turn(wanted === 'open')
  }

  /** Opens it right after a claim. @throws RedisFailure */
  async open(): Promise<void> {
    await this.#turn(true)
  }

  async #turn(open: boolean): Promise<void> {
    const { connects } = this.#redis
    if (this.#user === undefined || this.#isSet(open, connects)) return
    const atMs = performance.now()
    await this.#redis.call('ACL', 'SETUSER', this.#user, open ? 'on' : 'off')
    // Off alone leaves those streaming that have logged in already.
    const killed = open ? 0 : await this.#redis.call('CLIENT', 'KILL', 'USER', this.#user)
    if (this.#set?.open !== open) this.#log.info({ gate: open ? 'open' : 'closed', killed }, 'gate')
    this.#set = { open, connects, atMs }
  }

  #isSet(open: boolean, connects: number): boolean {
    const set = this.#set
    return set?.open === open && set.connects === connects && performance.now() - set.atMs < AGAIN_MS
  }
}

/**
 * Open with a live claim, and at a master that gives way to another and holds the most of all: that one is to fetch it.
 * As it is while the newest epoch is one that this very process was claimed in: a primary that
 * was told to give way, or whose lease ran out, holds all that its replicas have. Closed at everything else.
 */
export function wantedGate(look: OwnLook, furthest: boolean): 'open' | 'closed' | 'as-it-is' {
  if (look.role === 'replica') return 'closed'
  if (look.live || furthest) return 'open'
  const claimedBefore = look.newestEpoch > 0 && look.clock?.epoch === look.newestEpoch
  return claimedBefore ? 'as-it-is' : 'closed'
}
