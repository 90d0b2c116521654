import type { History, Operation } from './history.ts'
import { operationInWords } from './in-words.ts'
import type { KnownWrite, KnownWrites } from './known-writes.ts'
import { byTime, type Lineage, NOTHING, positionFrom } from './lineage.ts'
import type { Violation } from './violation.ts'

/** A read of consistency primary returns nothing older than what anybody's write had been acknowledged before it began. */
export function checkPrimaryReads(history: History, writes: KnownWrites, lineage: Lineage): Violation[] {
  const { operations, final } = history
  if (!final) return []
  const state = positionFrom(final.clock)
  const newest = new Map<string, KnownWrite>()
  const acknowledged = operations
    .filter(({ value, outcome }) => value !== undefined && outcome.kind === 'ok')
    .sort((a, b) => a.end.event - b.end.event)
  const reads = operations
    .filter(({ primary, outcome }) => primary && outcome.kind === 'ok')
    .sort((a, b) => a.start.event - b.start.event)
  const violations: Violation[] = []
  let next = 0
  for (const read of reads) {
    for (; next < acknowledged.length; next++) {
      const operation = acknowledged[next] as Operation
      if (operation.end.event > read.start.event) break
      const write = writes.of(operation.value as string)
      const before = newest.get(operation.item)
      if (!write || !lineage.includes(state, write.at)) continue
      if (!before || byTime(write.at, before.at) > 0) newest.set(operation.item, write)
    }
    if (read.outcome.kind !== 'ok') continue
    for (const { item, value, at: told } of read.outcome.found) {
      const missed = newest.get(item)
      const at = value === undefined ? NOTHING : writes.of(value, told)?.at
      if (!missed?.operation || !at || byTime(at, missed.at) >= 0) continue
      violations.push({
        kind: 'one-order',
        text: [
          `A read of the primary missed ${item} = ${missed.value} of ${missed.text}, acknowledged before it began.`,
          operationInWords(missed.operation),
          `then ${operationInWords(read)}`,
        ].join('\n    '),
        operations: [missed.operation.id, read.id],
      })
    }
  }
  return violations
}
