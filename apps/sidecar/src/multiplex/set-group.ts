import { create, type Message, toBinary } from '@bufbuild/protobuf'
import {
  encodeToken,
  formatPosition,
  type Limits,
  laterPosition,
  type Position,
  type SessionToken,
} from '@perigee/core'
import { CALL_FIELD, CacheService, ReceiptSchema, type SetRequest } from '@perigee/protocol'
import type { SetEach, SetEachOutcome } from '../primary/set-each.ts'
import type { Rights } from '../security/rights.ts'
import { preconditionOf } from '../services/cache-service.ts'
import type { PrimaryRegion } from '../services/primary-region.ts'
import type { PrimaryWritePath } from '../services/primary-write-path.ts'
import { checkAtPrimary, type State } from '../services/session.ts'
import { checkSet, type SetInput } from '../services/validation/cache-requests.ts'
import { writeDemand } from '../services/write-demand.ts'
import { callRequest } from './call-request.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'
import { encodedBody } from './set-body.ts'

/** Of Sets in one group: Redis does nothing else while it does one. */
const SETS_MAX = 128
/** Of their values together, likewise. */
const BYTES_MAX = 1024 * 1024

/** A Set and what its checked request asks. */
interface GroupedSet {
  readonly call: MultiplexedCall
  readonly request: SetRequest
  readonly input: SetInput
}

/** Sets of one namespace that came in one frame. */
export interface SetGroup {
  readonly namespace: string
  readonly sets: GroupedSet[]
  bytes: number
}

/** What a Set is answered: its version and an encoded receipt; an error; or by the handler of Set, since nothing was done. */
export type SetAnswer = { readonly version: string; readonly receipt: Uint8Array } | Error | 'alone'

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
    const set = this.#plainSet(call)
    if (!set) return false
    const { namespace, entry } = set.input
    const bytes = entry.value.length
    let group = this.groups.findLast((candidate) => candidate.namespace === namespace)
    if (!group || group.sets.length >= SETS_MAX || group.bytes + bytes > BYTES_MAX) {
      if (!this.#options.rights.may('write', namespace)) return false
      group = { namespace, sets: [], bytes: 0 }
      this.groups.push(group)
    }
    group.sets.push(set)
    group.bytes += bytes
    return true
  }

  #plainSet(call: MultiplexedCall): GroupedSet | undefined {
    const { asked, session, method } = call
    if (asked.field !== CALL_FIELD.set || asked.odd || !method) return undefined
    try {
      const request = callRequest({ method, asked, session }) as SetRequest
      this.#options.check(request)
      const input = checkSet(request, this.#options.limits, this.#options.defaultTtlMs)
      return input.choice.durability === 'PRIMARY' ? { call, request, input } : undefined
    } catch {
      return undefined
    }
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

  /** @returns the answers of the calls that came with it, by call; those left out are for the handler of Set. */
  async write({ namespace, sets }: SetGroup): Promise<ReadonlyMap<MultiplexedCall, SetAnswer>> {
    const here = await this.#writePath.here()
    if (!here) return new Map()
    const { epoch, state } = here
    const follows = sets.filter(({ call, input }) => !call.answered && mayFollow(state, input.choice.token))
    if (follows.length === 0) return new Map()
    const demands = follows.map(({ call, request, input }) => {
      const { entry, condition, choice } = input
      const body = choice.requestId === undefined ? undefined : encodedBody(call.asked.request, request)
      const asked = { schema: CacheService.method.set.input, request, choice, call, body }
      return { ...writeDemand(asked, epoch), entry, precondition: condition && preconditionOf(condition) }
    })
    const outcomes = await this.#setEach.write(namespace, demands, epoch)
    const receipts = this.#receipts(outcomes)
    return new Map(follows.map(({ call }, i) => [call, answerOf(outcomes[i] as SetEachOutcome, receipts)]))
  }

  /** One receipt for all that was done in one epoch: they were done in one step. */
  #receipts(outcomes: readonly SetEachOutcome[]): ReadonlyMap<number, Uint8Array> {
    const newest = new Map<number, { clusterId: string; position: Position }>()
    for (const outcome of outcomes) {
      if (outcome === 'not-done' || outcome instanceof Error) continue
      const { clusterId, position } = outcome
      const before = newest.get(position.epoch)?.position
      newest.set(position.epoch, { clusterId, position: before ? laterPosition(before, position) : position })
    }
    const receipts = new Map<number, Uint8Array>()
    for (const [epoch, seen] of newest) {
      this.#writePath.done(seen.position)
      const receipt = create(ReceiptSchema, { region: this.#primary.own, sessionToken: encodeToken(seen) })
      receipts.set(epoch, toBinary(ReceiptSchema, receipt))
    }
    return receipts
  }
}

/** Whether a state that the write comes after includes the session, as far as is known without asking. */
function mayFollow(state: State | undefined, token: SessionToken | undefined): boolean {
  if (!token) return true
  if (!state) return false
  try {
    checkAtPrimary(state, token)
    return true
  } catch {
    return false
  }
}

function answerOf(outcome: SetEachOutcome, receipts: ReadonlyMap<number, Uint8Array>): SetAnswer {
  if (outcome === 'not-done') return 'alone'
  if (outcome instanceof Error) return outcome
  const { position } = outcome
  return { version: formatPosition(position), receipt: receipts.get(position.epoch) as Uint8Array }
}
