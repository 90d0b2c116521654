/** A cache entry or a chunk, such as `entry:k7` or `chunk:c3`. */
export type Item = string

/** A place in the order of writes, `epoch-seq`. */
export type PositionText = string

export type OperationKind = 'set' | 'get' | 'upsert' | 'search'

/** When something happened: its number in the order of this process's events, and milliseconds since the run began. */
export interface Moment {
  readonly event: number
  readonly ms: number
}

/** What a read found of one item; no value: the item wasn't there. */
export interface Found {
  readonly item: Item
  readonly value: string | undefined
  /** The version that came with the value. */
  readonly at: PositionText | undefined
}

/**
 * How a call ended. `fail` means for certain that a write was not done, `unknown` that nobody can tell.
 */
export type Outcome =
  | {
      readonly kind: 'ok'
      /** Of a read. */
      readonly found: readonly Found[]
      /** Of a write of an entry: the version it was given. */
      readonly at?: PositionText | undefined
      /** The session's token after the call. */
      readonly token?: PositionText | undefined
      /** The region whose Redis answered. */
      readonly answeredBy: string
    }
  | {
      readonly kind: 'fail' | 'unknown'
      readonly code: string
      readonly reason: string | undefined
      readonly message: string
      /** Of a `LOST_HISTORY`: the newest position that survives. */
      readonly survives?: PositionText | undefined
    }

/** One call of one session, from its invocation to its outcome. */
export interface Operation {
  readonly id: number
  readonly session: number
  /** Grows each time the session accepts a loss of writes it has seen. */
  readonly life: number
  readonly kind: OperationKind
  readonly item: Item
  /** Of a write; no two writes have the same. */
  readonly value?: string | undefined
  /** The region that the session was in. */
  readonly region: string
  readonly timeoutMs: number
  /** Its deadline was short on purpose. */
  readonly hurried: boolean
  /** Of a read that asked for the primary's answer. */
  readonly primary: boolean
  /** Of a write that asked for replicas to have it. */
  readonly replicated: boolean
  /** Made once all had become quiet: every region stands where the others do. */
  readonly atRest: boolean
  readonly start: Moment
  readonly end: Moment
  readonly outcome: Outcome
}

/** A write that was seen in a store itself. */
export interface StoredWrite {
  readonly at: PositionText
  readonly item: Item
  readonly value: string
  /** Where it was seen, in words. */
  readonly source: string
}

/** The beginning of an epoch, as a store's own files tell it. */
export interface Claim {
  readonly epoch: number
  /** Where the epoch carries on from; absent for the first one. */
  readonly from: PositionText | undefined
  readonly source: string
}

/** One region's index as it was in one moment, read from its Redis directly. */
export interface IndexSample {
  readonly region: string
  readonly ms: number
  /** The index holds everything up to here, */
  readonly applied: PositionText
  /** and perhaps something up to here. */
  readonly seen: PositionText
  /** It doesn't answer, or is being compared with the chunks. */
  readonly incomplete: boolean
  readonly copies: readonly Found[]
}

/** What the stores hold when all has become quiet. */
export interface FinalState {
  readonly clock: PositionText
  /** Epoch → the last seq that the next epoch carried on from. */
  readonly forks: readonly (readonly [epoch: number, seq: number])[]
  /** What each region's data Redis holds. */
  readonly regions: readonly { readonly region: string; readonly items: readonly Found[] }[]
  /** What didn't come to rest in time, in words. */
  readonly unrest: readonly string[]
}

/** What was done to the regions, in words. */
export interface Note {
  readonly ms: number
  readonly text: string
}

/** How a run was asked for. */
export interface RunSettings {
  readonly seed: number
  readonly ops: number
  readonly sessions: number
  /** False: calls are made without sessions, which promises nothing. */
  readonly sessionsOn: boolean
  readonly faults: string
  readonly bug: string | undefined
  readonly regions: readonly string[]
}

/** All that is known of a run. It is judged by this alone. */
export interface History {
  readonly settings: RunSettings
  /** In the order of their ends. */
  readonly operations: readonly Operation[]
  readonly stored: readonly StoredWrite[]
  readonly claims: readonly Claim[]
  readonly samples: readonly IndexSample[]
  readonly notes: readonly Note[]
  readonly final: FinalState | undefined
}
