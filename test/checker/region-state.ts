import type { Found, History } from './history.ts'
import { foundInWords } from './in-words.ts'
import type { KnownWrites } from './known-writes.ts'
import { type Lineage, positionFrom, samePosition } from './lineage.ts'
import type { Violation } from './violation.ts'

/**
 * An index at a position is exactly what the writes up to there make it: each chunk's newest one. While it catches up it may
 * also hold newer ones, up to what it says it has seen.
 */
export function checkIndexes(history: History, writes: KnownWrites, lineage: Lineage): Violation[] {
  const violations: Violation[] = []
  for (const { region, ms, applied, seen, incomplete, copies } of history.samples) {
    if (incomplete) continue
    const from = positionFrom(applied)
    const to = positionFrom(seen)
    for (const copy of copies) {
      const fold = writes.newest(copy.item, from, lineage)
      if (copy.value === undefined && !fold) continue
      const at =
        copy.value === undefined ? undefined : (writes.of(copy.value, copy.at)?.at ?? positionFrom(copy.at))
      if (at && fold && samePosition(at, fold.at)) continue
      const newer = at && !lineage.includes(from, at) && lineage.includes(to, at)
      if (newer && !samePosition(from, to)) continue
      const should = fold ? `${fold.item} = ${fold.value} of ${fold.text}` : `no ${copy.item}`
      violations.push({
        kind: 'index-not-the-fold',
        text: `The index of ${region}, read at ${Math.round(ms)} ms, holds ${foundInWords(copy)}; by what it has applied, ${applied}${applied === seen ? '' : ` (seen ${seen})`}, it should hold ${should}.`,
        operations: [],
      })
    }
  }
  return violations
}

/** In the end every region holds exactly what the surviving writes make, and nothing of what was lost. */
export function checkStores({ final }: History, writes: KnownWrites, lineage: Lineage): Violation[] {
  if (!final) return []
  const state = positionFrom(final.clock)
  const violations: Violation[] = final.unrest.map((text) => ({ kind: 'unrest', text, operations: [] }))
  for (const { region, items } of final.regions) {
    const held = new Map<string, Found>(items.map((found) => [found.item, found]))
    for (const item of new Set([...writes.items(), ...held.keys()])) {
      const found = held.get(item)
      const should = writes.newest(item, state, lineage)
      if (found?.value === should?.value) continue
      violations.push({
        kind: 'stores-differ',
        text: `The data Redis of ${region} holds ${found ? foundInWords(found) : `no ${item}`} in the end; by all writes up to ${final.clock} it should hold ${should ? `${should.value} of ${should.text}` : 'nothing'}.`,
        operations: should?.operation ? [should.operation.id] : [],
      })
    }
  }
  return violations
}
