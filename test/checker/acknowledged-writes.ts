import type { History, Operation } from './history.ts'
import { operationInWords } from './in-words.ts'
import type { KnownWrite, KnownWrites } from './known-writes.ts'
import { byTime, type Lineage, NOTHING, type Position, positionFrom, positionText } from './lineage.ts'
import type { Violation } from './violation.ts'

/** An answer may be under way for so long. */
const UNDER_WAY_MS = 2_000

interface Acknowledged {
  readonly operation: Operation
  readonly at: Position
}

/** What became of the writes that were acknowledged. */
export interface Survival {
  readonly violations: Violation[]
  /** Writes that were lost in a way that their sessions are told of. */
  readonly lost: number
}

/** All writes that were acknowledged, with the position of those whose position anybody knows. */
function acknowledged(
  history: History,
  writes: KnownWrites,
): (Omit<Acknowledged, 'at'> & { at?: Position })[] {
  return history.operations.flatMap((operation) => {
    const { value, outcome } = operation
    if (value === undefined || outcome.kind !== 'ok') return []
    const at =
      writes.of(value, outcome.at)?.at ?? (outcome.at === undefined ? undefined : positionFrom(outcome.at))
    return [{ operation, ...(at && { at }) }]
  })
}

/**
 * One writer at a time: a write that began after another one was acknowledged comes after it; an epoch is one region's; and
 * nothing is acknowledged in an epoch once a later one has begun.
 */
export function checkWriters(history: History, writes: KnownWrites): Violation[] {
  const placed = acknowledged(history, writes).filter((w): w is Acknowledged => w.at !== undefined)
  return [...realTimeOrder(placed), ...oneRegionAnEpoch(placed), ...endedEpochs(placed)]
}

function realTimeOrder(placed: readonly Acknowledged[]): Violation[] {
  const violations: Violation[] = []
  const ends = placed.toSorted((a, b) => a.operation.end.event - b.operation.end.event)
  const starts = placed.toSorted((a, b) => a.operation.start.event - b.operation.start.event)
  let newest: Acknowledged | undefined
  let ended = 0
  for (const write of starts) {
    for (; ended < ends.length; ended++) {
      const other = ends[ended] as Acknowledged
      if (other.operation.end.event > write.operation.start.event) break
      if (!newest || byTime(other.at, newest.at) > 0) newest = other
    }
    if (!newest || byTime(write.at, newest.at) > 0) continue
    violations.push({
      kind: 'two-writers',
      text: [
        `A write was given ${positionText(write.at)} though ${positionText(newest.at)} had been acknowledged before it began.`,
        operationInWords(newest.operation),
        `then ${operationInWords(write.operation)}`,
      ].join('\n    '),
      operations: [newest.operation.id, write.operation.id],
    })
  }
  return violations
}

function oneRegionAnEpoch(placed: readonly Acknowledged[]): Violation[] {
  const violations: Violation[] = []
  const regions = new Map<number, { region: string; operation: Operation }>()
  for (const { operation, at } of placed) {
    if (operation.outcome.kind !== 'ok') continue
    const region = operation.outcome.answeredBy
    const first = regions.get(at.epoch)
    if (!first) regions.set(at.epoch, { region, operation })
    else if (first.region !== region) {
      violations.push({
        kind: 'two-writers',
        text: `Epoch ${at.epoch} took writes in ${first.region} and in ${region}.\n    ${operationInWords(first.operation)}\n    ${operationInWords(operation)}`,
        operations: [first.operation.id, operation.id],
      })
    }
  }
  return violations
}

function endedEpochs(placed: readonly Acknowledged[]): Violation[] {
  const begins = new Map<number, Acknowledged>()
  for (const write of placed) {
    const first = begins.get(write.at.epoch)
    if (!first || write.operation.end.ms < first.operation.end.ms) begins.set(write.at.epoch, write)
  }
  const epochs = [...begins.keys()].sort((a, b) => a - b)
  return placed.flatMap(({ operation, at }) => {
    const next = epochs.find((epoch) => epoch > at.epoch)
    const begin = next === undefined ? undefined : begins.get(next)
    if (!begin || operation.end.ms <= begin.operation.end.ms + UNDER_WAY_MS) return []
    const violation: Violation = {
      kind: 'two-writers',
      text: [
        `A write was acknowledged in epoch ${at.epoch} though epoch ${next} had long begun.`,
        operationInWords(begin.operation),
        operationInWords(operation),
      ].join('\n    '),
      operations: [begin.operation.id, operation.id],
    }
    return [violation]
  })
}

/** Every acknowledged write is in the surviving history, or past a fork, so that whoever saw it is told. */
export function checkSurvival(history: History, writes: KnownWrites, lineage: Lineage): Survival {
  const { final, settings } = history
  if (!final) return { violations: [], lost: 0 }
  const state = positionFrom(final.clock)
  const held = new Map<string, KnownWrite | undefined>()
  const primary = final.regions[0]
  for (const { item, value, at } of primary?.items ?? [])
    held.set(item, value === undefined ? undefined : writes.of(value, at))
  const violations: Violation[] = []
  let lost = 0
  const complain = (operation: Operation, why: string) =>
    violations.push({
      kind: 'acknowledged-write-lost',
      text: `${why}\n    ${operationInWords(operation)}`,
      operations: [operation.id],
    })

  for (const { operation, at } of acknowledged(history, writes)) {
    const { outcome, item } = operation
    if (outcome.kind !== 'ok') continue
    // Without a place of its own, what its session had seen then is the latest that it can be at.
    const latest = at ?? (outcome.token === undefined ? NOTHING : positionFrom(outcome.token))
    const survives = lineage.includes(state, latest)
    if (!survives) {
      lost += 1
      if (operation.replicated) complain(operation, 'It was acknowledged as replicated, and is lost.')
      else if (settings.faults === 'none') complain(operation, 'It is lost, though nothing failed.')
    } else if (!at) {
      complain(
        operation,
        `No store holds it or ever held it, though ${final.clock} includes ${positionText(latest)}.`,
      )
    } else if (byTime(held.get(item)?.at ?? NOTHING, at) < 0) {
      const what = held.get(item)
      complain(
        operation,
        `${final.clock} includes ${positionText(at)}, but ${item} is ${what ? `${what.value} of ${what.text}` : 'gone'} in the end.`,
      )
    }
  }
  return { violations, lost }
}
