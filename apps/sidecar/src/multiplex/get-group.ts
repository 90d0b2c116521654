import { fromBinary, toBinary } from '@bufbuild/protobuf'
import { encodeToken, type Limits } from '@perigee/core'
import {
  CALL_FIELD,
  Consistency,
  type EntryFields,
  GetRequestReader,
  Pieces,
  type ReadOptions,
  ReadOptionsSchema,
  ReceiptSchema,
} from '@perigee/protocol'
import type { DataRedis, EntriesAtClock } from '../redis/data-redis.ts'
import type { History } from '../redis/history.ts'
import type { Rights } from '../security/rights.ts'
import type { OwnState } from '../services/own-state.ts'
import { includesToken, type State } from '../services/session.ts'
import { checkName } from '../services/validation/name.ts'
import type { FrameSession } from './frame-session.ts'
import type { MultiplexedCall } from './multiplexed-call.ts'

/** Of Gets in one group: Redis does nothing else while it answers one. */
const KEYS_MAX = 256

/** Gets of one namespace that came in one frame, in the order of `keys`. */
export interface GetGroup {
  readonly namespace: string
  readonly calls: MultiplexedCall[]
  /** Pieces of the frame. */
  readonly keys: Pieces
}

/** What this region's own state answers a group. */
export interface GroupAnswer {
  /** The entry that a call's answer has, by its place, until the next is asked for; `undefined`: a miss. */
  at(i: number): EntryFields | undefined
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
  readonly #request: GetRequestReader

  /** @param rights of the one whose Gets they are. */
  constructor(frame: Buffer, limits: Limits, rights: Rights) {
    this.#limits = limits
    this.#rights = rights
    this.#request = new GetRequestReader(frame)
  }

  /** Puts a call into its group. @returns false when it isn't for one. */
  take(call: MultiplexedCall): boolean {
    const request = this.#request
    if (!this.#isPlain(call)) return false
    const { namespace } = request
    let group = this.#groupOf(namespace)
    if (!group || group.keys.length >= KEYS_MAX) {
      if (!isName(namespace) || !this.#rights.may('read', namespace)) return false
      group = { namespace, calls: [], keys: new Pieces(call.asked.frame) }
      this.groups.push(group)
    }
    group.calls.push(call)
    group.keys.add(request.keyFrom, request.keyTo)
    return true
  }

  #groupOf(namespace: string): GetGroup | undefined {
    for (let i = this.groups.length - 1; i >= 0; i--) {
      const group = this.groups[i]
      if (group?.namespace === namespace) return group
    }
    return undefined
  }

  /** Whether a call is a Get that any state which includes its session answers, and is read now. */
  #isPlain({ asked, session, method }: MultiplexedCall): boolean {
    if (asked.field !== CALL_FIELD.get || asked.odd || !method) return false
    const request = this.#request
    try {
      if (!request.read(asked.requestFrom, asked.requestTo)) return false
      const keyBytes = request.keyTo - request.keyFrom
      if (keyBytes === 0 || keyBytes > this.#limits.keyBytesMax) return false
      return !request.options || arePlain(request.options, session)
    } catch {
      return false
    }
  }
}

function isName(namespace: string): boolean {
  try {
    checkName('namespace', namespace)
    return true
  } catch {
    return false
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
   * @param use is given the answer, whose entries are to be used at once: their memory is used again when it returns. `undefined`:
   *   what the state includes isn't known yet.
   * @throws StatusError as reads from this region's own state do.
   */
  read({ namespace, keys }: GetGroup, use: (answer: GroupAnswer | undefined) => void): Promise<void> {
    return this.#data.useEntries(namespace, keys, (entries) => {
      const history = this.#data.knownHistory(entries.clock)
      use(history && this.#answer(entries, history))
    })
  }

  #answer({ at, clock }: EntriesAtClock, { forks, clusterId }: History): GroupAnswer {
    this.#ownState.check(clock)
    const sessionToken = encodeToken({ clusterId, position: clock })
    const receipt = this.#ownState.receipt({ sessionToken, waitedMs: 0 })
    const covers = coverageBy({ position: clock, forks, clusterId })
    return { at, receipt: toBinary(ReceiptSchema, receipt), covers }
  }
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
