import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { encodeToken, type Limits, type Position } from '@perigee/core'
import {
  CALL_FIELD,
  Consistency,
  type ReadOptions,
  ReadOptionsSchema,
  ReceiptSchema,
  readGetRequest,
} from '@perigee/protocol'
import type { DataRedis } from '../redis/data-redis.ts'
import type { StoredEntry } from '../redis/entry-codec.ts'
import type { History } from '../redis/history.ts'
import type { Rights } from '../security/rights.ts'
import type { OwnState } from '../services/own-state.ts'
import { includesToken, type State } from '../services/session.ts'
import { checkKey, checkName } from '../services/validation/name.ts'
import type { FrameSession } from './frame-session.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'

/** Of Gets in one group: Redis does nothing else while it answers one. */
const KEYS_MAX = 256

/** Gets of one namespace that came in one frame, in the order of `keys`. */
export interface GetGroup {
  readonly namespace: string
  readonly calls: MultiplexedCall[]
  readonly keys: string[]
}

/** What this region's own state answers a group. */
export interface GroupAnswer {
  readonly entries: readonly (StoredEntry | undefined)[]
  /** Encoded; one for all of them. */
  readonly receipt: Uint8Array
  /** Whether it is an answer under a session's token. */
  covers(session: FrameSession | undefined): boolean
}

/** Sorts a frame's Gets by namespace. One that isn't plain is left to the handler of Get, which has all of the rules. */
export class GetGroups {
  readonly groups: GetGroup[] = []
  readonly #limits: Limits
  readonly #rights: Rights

  /** @param rights of the one whose Gets they are. */
  constructor(limits: Limits, rights: Rights) {
    this.#limits = limits
    this.#rights = rights
  }

  /** Puts a call into its group. @returns false when it isn't for one. */
  take(call: MultiplexedCall): boolean {
    const plain = plainGet(call, this.#limits)
    if (!plain) return false
    const { namespace, key } = plain
    let group = this.groups.findLast((candidate) => candidate.namespace === namespace)
    if (!group || group.keys.length >= KEYS_MAX) {
      if (!this.#rights.may('read', namespace)) return false
      group = { namespace, calls: [], keys: [] }
      this.groups.push(group)
    }
    group.calls.push(call)
    group.keys.push(key)
    return true
  }
}

/** Reads groups from this region's data Redis. */
export class GroupReader {
  readonly #data: DataRedis
  readonly #ownState: OwnState

  constructor({ data, ownState }: { data: DataRedis; ownState: OwnState }) {
    this.#data = data
    this.#ownState = ownState
  }

  /**
   * Reads a group.
   *
   * @param use is given the answer, whose values are to be used at once: their memory is used again when it returns.
   * @throws StatusError as reads from this region's own state do.
   */
  async read({ namespace, keys }: GetGroup, use: (answer: GroupAnswer) => void): Promise<void> {
    const unused = await this.#data.useEntries(namespace, keys, ({ entries, clock }) => {
      const history = this.#data.knownHistory(clock)
      if (!history) return { entries: entries.map(copyOf), clock }
      use(this.#answer(entries, clock, history))
      return undefined
    })
    if (unused) use(this.#answer(unused.entries, unused.clock, await this.#data.history(unused.clock)))
  }

  #answer(
    entries: readonly (StoredEntry | undefined)[],
    clock: Position,
    { forks, clusterId }: Pick<History, 'forks' | 'clusterId'>,
  ): GroupAnswer {
    this.#ownState.check(clock)
    const sessionToken = encodeToken({ clusterId, position: clock })
    const receipt = this.#ownState.receipt({ sessionToken, waitedMs: 0 })
    const covers = coverageBy({ position: clock, forks, clusterId })
    return { entries, receipt: toBinary(ReceiptSchema, receipt), covers }
  }
}

function copyOf(entry: StoredEntry | undefined): StoredEntry | undefined {
  return entry && { ...entry, value: Uint8Array.from(entry.value) }
}

/** Says of one session after another whether a state includes it; of the same one in a row, once. */
function coverageBy(state: State): GroupAnswer['covers'] {
  let last: FrameSession | undefined
  let covered = true
  return (session) => {
    if (!session) return true
    if (session !== last) covered = includes(state, session)
    last = session
    return covered
  }
}

/** Lost history, and what is no token, are told by the handler of Get. */
function includes(state: State, session: FrameSession): boolean {
  try {
    return includesToken(state, session.token)
  } catch {
    return false
  }
}

/** What a Get asks that any state which includes its session answers. */
function plainGet(
  { asked, session }: MultiplexedCall,
  limits: Limits,
): { namespace: string; key: string } | undefined {
  if (asked.field !== CALL_FIELD.get || asked.odd) return undefined
  try {
    const request = readGetRequest(asked.request)
    if (!request || (request.options && !arePlain(request.options, session))) return undefined
    checkName('namespace', request.namespace)
    checkKey('key', request.key, limits)
    return request
  } catch {
    return undefined
  }
}

/** Whether options say no more than there is without any: `max_wait` and `when_behind` are for a region that is behind. */
function arePlain(bytes: Buffer, session: FrameSession | undefined): boolean {
  if (bytes.length === 0) return true
  const options: ReadOptions = fromBinary(ReadOptionsSchema, bytes)
  if (options.$unknown?.length || options.sessionToken.length > 0) return false
  if (options.maxWait || options.maxStaleness || options.whenBehind !== 0) return false
  return (
    options.consistency === Consistency.SESSION ||
    options.consistency === Consistency.UNSPECIFIED ||
    (options.consistency === Consistency.EVENTUAL && !session)
  )
}
