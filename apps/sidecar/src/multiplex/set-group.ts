import { create, type Message, toBinary } from '@bufbuild/protobuf'
import { encodeToken, formatPosition, type Limits, type SessionToken } from '@perigee/core'
import { CALL_FIELD, ReceiptSchema, readPlainSet, type SetRequest } from '@perigee/protocol'
import type { SetDemand, SetEach, SetEachOutcomes } from '../primary/set-each.ts'
import type { Rights } from '../security/rights.ts'
import { preconditionOf } from '../services/cache-service.ts'
import type { PrimaryRegion } from '../services/primary-region.ts'
import type { PrimaryWritePath } from '../services/primary-write-path.ts'
import { checkAtPrimary, type State } from '../services/session.ts'
import { checkSet } from '../services/validation/cache-requests.ts'
import { checkName } from '../services/validation/name.ts'
import { writeDemand } from '../services/write-demand.ts'
import { callRequest } from './call-request.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'
import { QuickSet } from './quick-set.ts'

/** Of Sets in one group: Redis does nothing else while it does one. */
const SETS_MAX = 128
/** Of their values together, likewise. */
const BYTES_MAX = 1024 * 1024

/** A Set of a group. */
export interface GroupedSet {
  readonly call: MultiplexedCall
  /** What is asked. */
  readonly demand: SetDemand
  /** What its session has seen, if it is of one. */
  readonly token: SessionToken | undefined
}

/** Sets of one namespace that came in one frame. */
export interface SetGroup {
  readonly namespace: string
  readonly sets: GroupedSet[]
  bytes: number
}

/** Who hears what calls are answered. */
export interface SetListener {
  /** @param receipt encoded. */
  done(call: MultiplexedCall, version: string, receipt: Uint8Array): void
  failed(call: MultiplexedCall, error: Error): void
}

export interface SetGroupsOptions {
  readonly limits: Limits
  /** For entries set without a ttl; 0: they never expire. */
  readonly defaultTtlMs: number
  /** Of the one whose Sets they are. */
  readonly rights: Rights
  /** Refuses requests that no handler may see. */
  readonly check: (request: Message) => void
}

/** Sorts a frame's Sets by namespace. One that is refused, or is to be REPLICATED, is left to the handler of Set. */
export class SetGroups {
  readonly groups: SetGroup[] = []
  readonly #options: SetGroupsOptions

  constructor(options: SetGroupsOptions) {
    this.#options = options
  }

  /** Puts a call into its group. @returns false when it isn't for one. */
  take(call: MultiplexedCall): boolean {
    const { asked, method } = call
    if (asked.field !== CALL_FIELD.set || asked.odd || !method) return false
    try {
      const { limits, defaultTtlMs } = this.#options
      const plain = readPlainSet(asked.request)
      if (plain) {
        const set = new QuickSet(call, plain, defaultTtlMs, limits)
        return this.#add(plain.namespace, set, plain.value.length)
      }
      const request = callRequest({ method, asked, session: call.session }) as SetRequest
      this.#options.check(request)
      const { namespace, entry, condition, choice } = checkSet(request, limits, defaultTtlMs)
      if (choice.durability !== 'PRIMARY') return false
      const demand = {
        ...writeDemand({ schema: method.method.input, request, choice, call }),
        // Also of one without a request id: a group has one requester.
        requester: call.principal.name,
        entry,
        precondition: condition && preconditionOf(condition),
      }
      return this.#add(namespace, { call, demand, token: choice.token }, entry.value.length)
    } catch {
      return false
    }
  }

  #add(namespace: string, set: GroupedSet, bytes: number): boolean {
    let group = this.groups.findLast((candidate) => candidate.namespace === namespace)
    if (!group || group.sets.length >= SETS_MAX || group.bytes + bytes > BYTES_MAX) {
      checkName('namespace', namespace)
      if (!this.#options.rights.may('write', namespace)) return false
      group = { namespace, sets: [], bytes: 0 }
      this.groups.push(group)
    }
    group.sets.push(set)
    group.bytes += bytes
    return true
  }
}

/** Writes groups while this region is the primary. */
export class GroupWriter {
  readonly #primary: Pick<PrimaryRegion, 'own'>
  readonly #writePath: Pick<PrimaryWritePath, 'here' | 'done'>
  readonly #setEach: SetEach

  constructor(options: {
    primary: Pick<PrimaryRegion, 'own'>
    writePath: Pick<PrimaryWritePath, 'here' | 'done'>
    setEach: SetEach
  }) {
    this.#primary = options.primary
    this.#writePath = options.writePath
    this.#setEach = options.setEach
  }

  /** Writes a group. @param listener isn't told of calls that are for the handler of Set, since nothing was done. */
  async write({ namespace, sets }: SetGroup, listener: SetListener): Promise<void> {
    const here = await this.#writePath.here()
    if (!here) return
    const { epoch, state } = here
    const mayFollow = following(state)
    const follows = sets.filter(({ call, token }) => !call.answered && mayFollow(token))
    if (follows.length === 0) return
    const demands = follows.map(({ demand }) => demand)
    const outcomes = await this.#setEach.write(namespace, demands, epoch)
    const receipts = this.#receipts(outcomes, epoch)
    for (const [i, { call }] of follows.entries()) {
      const outcome = outcomes.each[i] ?? 'not-done'
      if (outcome === 'not-done') continue
      if (outcome instanceof Error) {
        listener.failed(call, outcome)
        continue
      }
      const position = typeof outcome === 'number' ? { epoch, seq: outcome } : outcome.position
      listener.done(call, formatPosition(position), receipts.get(position.epoch) as Uint8Array)
    }
  }

  /** One receipt for all that was done in one epoch: they were done in one step. */
  #receipts({ clusterId, each }: SetEachOutcomes, now: number): ReadonlyMap<number, Uint8Array> {
    // By epoch, the newest seq.
    const newest = new Map<number, number>()
    for (const outcome of each) {
      if (outcome === 'not-done' || outcome instanceof Error) continue
      const epoch = typeof outcome === 'number' ? now : outcome.position.epoch
      const seq = typeof outcome === 'number' ? outcome : outcome.position.seq
      if (seq > (newest.get(epoch) ?? -1)) newest.set(epoch, seq)
    }
    const receipts = new Map<number, Uint8Array>()
    for (const [epoch, seq] of newest) {
      const position = { epoch, seq }
      this.#writePath.done(position)
      const sessionToken = encodeToken({ clusterId, position })
      const receipt = create(ReceiptSchema, { region: this.#primary.own, sessionToken })
      receipts.set(epoch, toBinary(ReceiptSchema, receipt))
    }
    return receipts
  }
}

/** Says of one session after another whether a state that writes come after includes it, as far as is known without asking. */
function following(state: State | undefined): (token: SessionToken | undefined) => boolean {
  let last: SessionToken | undefined
  let follows = true
  return (token) => {
    if (token === last) return follows || !token
    last = token
    follows = includes(state, token)
    return follows
  }
}

function includes(state: State | undefined, token: SessionToken | undefined): boolean {
  if (!token) return true
  if (!state) return false
  try {
    checkAtPrimary(state, token)
    return true
  } catch {
    return false
  }
}
