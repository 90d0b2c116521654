import type { Claim, FinalState } from './history.ts'
import { Lineage, NOTHING, type Position, positionFrom, positionText } from './lineage.ts'
import type { Violation } from './violation.ts'

/** How epochs follow each other, from what the stores' own files tell and from the forks that survive. */
export function lineageOf(claims: readonly Claim[], final: FinalState | undefined): Lineage {
  const origins = new Map<number, Position>()
  for (const { epoch, from } of claims) {
    if (!origins.has(epoch)) origins.set(epoch, from === undefined ? NOTHING : positionFrom(from))
  }
  if (!final) return new Lineage(origins)
  // What survives decides over what some store may once have held.
  const forks = [...final.forks].sort(([a], [b]) => a - b)
  const newest = positionFrom(final.clock).epoch
  for (const [i, [epoch, seq]] of forks.entries()) {
    const next = forks[i + 1]?.[0] ?? newest
    origins.set(next, { epoch, seq })
  }
  return new Lineage(origins)
}

/** An epoch is claimed once: two claims of it, or two origins, would give positions out twice. */
export function checkEpochs(claims: readonly Claim[]): Violation[] {
  const violations: Violation[] = []
  const known = new Map<number, Claim>()
  for (const claim of claims) {
    const first = known.get(claim.epoch)
    if (!first) known.set(claim.epoch, claim)
    else if (first.from !== claim.from) {
      violations.push({
        kind: 'epoch-claimed-twice',
        text: `Epoch ${claim.epoch} carries on from ${first.from ?? 'nothing'} (${first.source}) and from ${claim.from ?? 'nothing'} (${claim.source}).`,
        operations: [],
      })
    }
  }
  return violations
}

/** Every position that a store takes is later than all it has taken before. */
export function checkStoreOrder(
  stored: readonly { readonly at: string; readonly source: string; readonly item: string }[],
): Violation[] {
  const violations: Violation[] = []
  const newest = new Map<string, Position>()
  for (const { at, source, item } of stored) {
    const position = positionFrom(at)
    const before = newest.get(source)
    if (before && (position.epoch - before.epoch || position.seq - before.seq) <= 0) {
      violations.push({
        kind: 'position-given-twice',
        text: `${source}: ${item} was written at ${at}, after ${positionText(before)}: positions only grow.`,
        operations: [],
      })
    }
    newest.set(source, position)
  }
  return violations
}
