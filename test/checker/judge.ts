import { checkSurvival, checkWriters } from './acknowledged-writes.ts'
import { checkEpochs, checkStoreOrder, lineageOf } from './epochs.ts'
import type { History, Operation } from './history.ts'
import { operationInWords } from './in-words.ts'
import { KnownWrites } from './known-writes.ts'
import { checkPrimaryReads } from './primary-reads.ts'
import { checkIndexes, checkStores } from './region-state.ts'
import { checkSessions } from './session-guarantees.ts'
import type { Violation } from './violation.ts'

/** What a history shows. */
export interface Verdict {
  readonly violations: readonly Violation[]
  /** Calls by how they ended, those with a deadline that was short on purpose aside. */
  readonly ok: number
  readonly failed: number
  readonly unknown: number
  readonly hurried: number
  /** Why calls failed or ended unknown, and how often. */
  readonly reasons: ReadonlyMap<string, number>
  /** Acknowledged writes that were lost and told. */
  readonly lost: number
  /** How many sessions were told of a loss, each time counted. */
  readonly losesTold: number
  /** How many readings of indexes were compared with the log. */
  readonly samples: number
  /** What was done to the regions. */
  readonly disturbances: number
}

/** What no timing and no fault excuses. */
const NEVER = new Set([
  'INVALID_ARGUMENT',
  'INTERNAL',
  'UNKNOWN',
  'NOT_FOUND',
  'FAILED_PRECONDITION',
  'UNIMPLEMENTED',
])

/** Judges a history by itself: by the values that were written and read. */
export function judge(history: History): Verdict {
  const lineage = lineageOf(history.claims, history.final)
  const writes = new KnownWrites(history, lineage)
  const survival = checkSurvival(history, writes, lineage)
  const violations = [
    ...checkSessions(history, writes, lineage),
    ...checkPrimaryReads(history, writes, lineage),
    ...writes.violations,
    ...checkStoreOrder(history.stored),
    ...checkEpochs(history.claims),
    ...checkWriters(history, writes),
    ...survival.violations,
    ...checkIndexes(history, writes, lineage),
    ...checkStores(history, writes, lineage),
    ...checkErrors(history),
  ]
  const calm = history.operations.filter(({ hurried }) => !hurried)
  const count = (kind: Operation['outcome']['kind']) =>
    calm.filter(({ outcome }) => outcome.kind === kind).length
  return {
    violations,
    ok: count('ok'),
    failed: count('fail'),
    unknown: count('unknown'),
    hurried: history.operations.length - calm.length,
    reasons: reasonsOf(calm),
    lost: survival.lost,
    losesTold: history.operations.filter(isLoss).length,
    samples: history.samples.filter(({ incomplete }) => !incomplete).length,
    disturbances: history.notes.length,
  }
}

function checkErrors({ operations, settings }: History): Violation[] {
  return operations.flatMap((operation): Violation[] => {
    const { outcome, id } = operation
    if (outcome.kind === 'ok') return []
    if (isLoss(operation)) {
      if (settings.faults !== 'none') return []
      const text = `A loss was told, though nothing failed: ${outcome.message}\n    ${operationInWords(operation)}`
      return [{ kind: 'false-loss', text, operations: [id] }]
    }
    if (!NEVER.has(outcome.code)) return []
    const text = `${outcome.code} ${outcome.reason ?? ''}: ${outcome.message}\n    ${operationInWords(operation)}`
    return [{ kind: 'unexpected-error', text, operations: [id] }]
  })
}

function isLoss({ outcome }: Operation): boolean {
  return outcome.kind !== 'ok' && outcome.reason === 'LOST_HISTORY'
}

function reasonsOf(operations: readonly Operation[]): ReadonlyMap<string, number> {
  const reasons = new Map<string, number>()
  for (const { outcome } of operations) {
    if (outcome.kind === 'ok') continue
    const reason = outcome.reason ?? outcome.code
    reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
  }
  return reasons
}
