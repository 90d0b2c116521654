import type { Found, History, Operation } from './history.ts'
import { operationInWords } from './in-words.ts'
import type { KnownWrite, KnownWrites } from './known-writes.ts'
import { byTime, type Lineage, NOTHING, type Position, positionFrom, positionText } from './lineage.ts'
import type { Violation, ViolationKind } from './violation.ts'

/** A write that a session has seen, and by which call: whatever it is answered next must have that in its past. */
interface Glimpse {
  readonly at: Position
  readonly by: Operation
}

/** What a session has seen: the newest places only, of which there is one unless histories have parted. */
type Past = readonly Glimpse[]

interface SessionState {
  past: Past
  /** For each loss that the session was told of, the newest position that survived. Their count is the session's life. */
  readonly losses: Position[]
}

/**
 * Read-your-writes, monotonic reads, monotonic writes and writes-follow-reads, over entries and chunks alike.
 *
 * All four are one rule, since all writes have one order: an answer has in its past every write that the session had seen
 * when it asked, and all that came before those. So a value that is older than the newest write of its item in that past
 * is a violation; which of the four it is called depends on who wrote and who saw it.
 */
export function checkSessions(history: History, writes: KnownWrites, lineage: Lineage): Violation[] {
  return new SessionCheck(history, writes, lineage).run()
}

class SessionCheck {
  readonly #history: History
  readonly #writes: KnownWrites
  readonly #lineage: Lineage
  readonly #violations: Violation[] = []
  readonly #sessions = new Map<number, SessionState>()
  readonly #ofSession = new Map<number, Operation[]>()

  constructor(history: History, writes: KnownWrites, lineage: Lineage) {
    this.#history = history
    this.#writes = writes
    this.#lineage = lineage
  }

  run(): Violation[] {
    const pasts = new Map<number, Past>()
    for (const { operation, starts } of eventsOf(this.#history.operations)) {
      const state = this.#stateOf(operation.session)
      if (starts) {
        pasts.set(operation.id, state.past)
        continue
      }
      this.#judge(operation, this.#demanded(operation, state, pasts.get(operation.id) ?? []))
      this.#learn(operation, state)
      pasts.delete(operation.id)
    }
    return this.#violations
  }

  /** What an answer must include: of what was lost, nothing, if the session accepted the loss while it was under way. */
  #demanded({ life }: Operation, { losses }: SessionState, past: Past): Past {
    return losses.slice(life).reduce((rest, survives) => this.#surviving(rest, survives), past)
  }

  #surviving(past: Past, survives: Position): Past {
    let rest: Past = []
    for (const { at, by } of past) rest = this.#joined(rest, { at: this.#lineage.common(at, survives), by })
    return rest
  }

  #judge(operation: Operation, past: Past): void {
    const { outcome } = operation
    if (outcome.kind !== 'ok') return
    if (operation.atRest) this.#judgeAtRest(operation, past)
    for (const found of outcome.found) this.#judgeFound(operation, found, past)
    const at = this.#placeOfWrite(operation)
    if (at) this.#judgeWritten(operation, at, past)
  }

  #judgeFound(operation: Operation, found: Found, past: Past): void {
    const at = this.#placeOf(found)
    for (const glimpse of past) {
      if (this.#lineage.includes(at, glimpse.at)) continue
      if (!this.#lineage.includes(glimpse.at, at)) {
        this.#notTold(operation, glimpse, `returns a value of ${positionText(at)}`)
        return
      }
      const missed = this.#writes.newest(found.item, glimpse.at, this.#lineage)
      if (missed && byTime(missed.at, at) > 0) {
        this.#tooOld(operation, found, missed, glimpse)
        return
      }
    }
  }

  #judgeWritten(operation: Operation, at: Position, past: Past): void {
    for (const glimpse of past) {
      if (this.#lineage.includes(at, glimpse.at)) continue
      if (!this.#lineage.includes(glimpse.at, at)) {
        this.#notTold(operation, glimpse, `is acknowledged at ${positionText(at)}`)
        return
      }
      const kind = glimpse.by.value === undefined ? 'writes-follow-reads' : 'monotonic-writes'
      this.#add(
        kind,
        [glimpse.by, operation],
        [
          `The write of ${at.epoch}-${at.seq} comes before ${positionText(glimpse.at)}, which the session had seen when it wrote.`,
          operationInWords(glimpse.by),
          `then ${operationInWords(operation)}`,
        ],
      )
      return
    }
  }

  #judgeAtRest(operation: Operation, past: Past): void {
    const { final } = this.#history
    if (!final) return
    const state = positionFrom(final.clock)
    for (const glimpse of past) {
      if (!this.#lineage.includes(state, glimpse.at)) {
        this.#notTold(operation, glimpse, `is answered, with all regions at ${final.clock}`)
        return
      }
    }
  }

  #notTold(operation: Operation, glimpse: Glimpse, what: string): void {
    this.#add(
      'loss-not-told',
      [glimpse.by, operation],
      [
        `The session has seen ${positionText(glimpse.at)}, and is answered from a history that lost it, without LOST_HISTORY.`,
        operationInWords(glimpse.by),
        `then ${operationInWords(operation)}, which ${what}`,
      ],
    )
  }

  #tooOld(operation: Operation, found: Found, missed: KnownWrite, glimpse: Glimpse): void {
    const got =
      found.value === undefined ? `no ${found.item}` : `${found.item} = ${found.value} of ${found.at}`
    const kind = this.#kindOf(operation, missed, glimpse)
    const seenBy = kind.kind === 'read-your-writes' ? missed.operation : (kind.by ?? glimpse.by)
    const writer = missed.operation
    this.#add(
      kind.kind,
      [...(writer ? [writer] : []), ...(seenBy ? [seenBy] : []), operation],
      [
        `The session is given ${got}, but has in its past ${missed.item} = ${missed.value} of ${missed.text}.`,
        ...(writer ? [operationInWords(writer)] : []),
        ...(seenBy && seenBy !== writer
          ? [`its session saw that it had happened by ${operationInWords(seenBy)}`]
          : []),
        `then ${operationInWords(operation)}`,
      ],
    )
  }

  /** What a missed write is to a session: its own, one it has read, or one that others' writes told it of. */
  #kindOf(
    operation: Operation,
    missed: KnownWrite,
    glimpse: Glimpse,
  ): { kind: ViolationKind; by?: Operation | undefined } {
    const { session, start } = operation
    const writer = missed.operation
    if (writer?.session === session && isBefore(writer, start.event)) return { kind: 'read-your-writes' }
    const reads = this.#before(session, start.event).filter((o) => this.#saw(o, missed))
    if (reads.length > 0) return { kind: 'monotonic-reads', by: reads.at(-1) }
    const follows = glimpse.by.value === undefined ? this.#writeAt(glimpse) : glimpse.by
    if (!follows) return { kind: 'one-order' }
    if (writer && writer.session === follows.session && isBefore(writer, follows.start.event))
      return { kind: 'monotonic-writes' }
    const readFirst = this.#before(follows.session, follows.start.event).some((o) => this.#saw(o, missed))
    return { kind: readFirst ? 'writes-follow-reads' : 'one-order' }
  }

  /** The call that wrote what a glimpse saw. */
  #writeAt({ at, by }: Glimpse): Operation | undefined {
    if (by.outcome.kind !== 'ok') return undefined
    const text = positionText(at)
    const found = by.outcome.found.find((f) => f.value !== undefined && f.at === text)
    return found?.value === undefined ? undefined : this.#writes.of(found.value)?.operation
  }

  /** Whether a call was given a write, or a newer one of its item. */
  #saw({ outcome }: Operation, write: KnownWrite): boolean {
    if (outcome.kind !== 'ok') return false
    return outcome.found.some((f) => f.item === write.item && byTime(this.#placeOf(f), write.at) >= 0)
  }

  #before(session: number, event: number): Operation[] {
    let all = this.#ofSession.get(session)
    if (!all) {
      all = this.#history.operations.filter((o) => o.session === session)
      this.#ofSession.set(session, all)
    }
    return all.filter((o) => isBefore(o, event))
  }

  #learn(operation: Operation, state: SessionState): void {
    const { outcome, life } = operation
    if (outcome.kind !== 'ok') {
      if (outcome.reason === 'LOST_HISTORY' && life === state.losses.length)
        this.#lose(state, outcome.survives)
      return
    }
    const seen = outcome.found.map((found) => this.#placeOf(found))
    const written = this.#placeOfWrite(operation)
    if (written) seen.push(written)
    for (const at of seen) {
      // Asked before the session accepted a loss: what was lost is accepted as well.
      const kept = state.losses.slice(life).reduce((rest, loss) => this.#lineage.common(rest, loss), at)
      state.past = this.#joined(state.past, { at: kept, by: operation })
    }
  }

  #lose(state: SessionState, survives: string | undefined): void {
    const position = survives === undefined ? NOTHING : positionFrom(survives)
    state.losses.push(position)
    state.past = this.#surviving(state.past, position)
  }

  #joined(past: Past, glimpse: Glimpse): Past {
    if (past.some(({ at }) => this.#lineage.includes(at, glimpse.at))) return past
    return [...past.filter(({ at }) => !this.#lineage.includes(glimpse.at, at)), glimpse]
  }

  /** Where an acknowledged write is, if anybody knows. */
  #placeOfWrite({ value, outcome }: Operation): Position | undefined {
    if (value === undefined || outcome.kind !== 'ok') return undefined
    return (
      this.#writes.of(value, outcome.at)?.at ??
      (outcome.at === undefined ? undefined : positionFrom(outcome.at))
    )
  }

  #placeOf({ value, at }: Found): Position {
    if (value === undefined) return NOTHING
    return this.#writes.of(value, at)?.at ?? positionFrom(at)
  }

  #stateOf(session: number): SessionState {
    let state = this.#sessions.get(session)
    if (!state) {
      state = { past: [], losses: [] }
      this.#sessions.set(session, state)
    }
    return state
  }

  #add(kind: ViolationKind, operations: readonly Operation[], lines: readonly string[]): void {
    const ids = [...new Set(operations.map(({ id }) => id))]
    this.#violations.push({ kind, text: lines.join('\n    '), operations: ids })
  }
}

/** Starts and ends of calls in the order in which they happened. */
function eventsOf(operations: readonly Operation[]) {
  const events = operations.flatMap((operation) => [
    { event: operation.start.event, operation, starts: true },
    { event: operation.end.event, operation, starts: false },
  ])
  return events.sort((a, b) => a.event - b.event)
}

function isBefore({ end }: Operation, event: number): boolean {
  return end.event < event
}
