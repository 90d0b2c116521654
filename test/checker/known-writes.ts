import type { History, Item, Operation, PositionText } from './history.ts'
import { operationInWords } from './in-words.ts'
import { byTime, type Lineage, type Position, positionFrom } from './lineage.ts'
import type { Violation } from './violation.ts'

/** One place at which a value was seen. */
export interface KnownWrite {
  readonly item: Item
  readonly value: string
  readonly at: Position
  readonly text: PositionText
  /** Where it was first seen. */
  readonly source: string
  /** The call that wrote it. */
  readonly operation: Operation | undefined
}

interface Evidence {
  readonly at: PositionText
  readonly item: Item
  readonly value: string
  readonly source: string
}

/**
 * Every write that anybody saw, and its place in the order of writes: by its acknowledgement, by reads that returned it, and
 * by the stores themselves. Values are unique, so a value names the call that wrote it.
 */
export class KnownWrites {
  /** What the evidence itself breaks. */
  readonly violations: Violation[] = []
  readonly #lineage: Lineage
  readonly #callOf = new Map<string, Operation>()
  /** The latest place of each value. */
  readonly #byValue = new Map<string, KnownWrite>()
  readonly #byPosition = new Map<PositionText, KnownWrite>()
  /** What is at a position that another write has. */
  readonly #told = new Set<string>()
  readonly #byItem = new Map<Item, KnownWrite[]>()

  constructor(history: History, lineage: Lineage) {
    this.#lineage = lineage
    for (const operation of history.operations) {
      if (operation.value !== undefined) this.#callOf.set(operation.value, operation)
    }
    for (const evidence of evidenceOf(history)) this.#take(evidence)
    for (const writes of this.#byItem.values()) writes.sort((a, b) => byTime(a.at, b.at))
  }

  /**
   * Where a value was written, if that is known.
   *
   * @param at of several places this one, instead of the latest. A write that a failover lost may be done again.
   */
  of(value: string, at?: PositionText): KnownWrite | undefined {
    const there = at === undefined ? undefined : this.#byPosition.get(at)
    return there?.value === value ? there : this.#byValue.get(value)
  }

  all(): Iterable<KnownWrite> {
    return this.#byPosition.values()
  }

  items(): Iterable<Item> {
    return this.#byItem.keys()
  }

  /** The newest write of an item that a state has in its past. */
  newest(item: Item, state: Position, lineage: Lineage): KnownWrite | undefined {
    const writes = this.#byItem.get(item) ?? []
    let low = 0
    let high = writes.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (byTime((writes[middle] as KnownWrite).at, state) <= 0) low = middle + 1
      else high = middle
    }
    for (let i = low - 1; i >= 0; i--) {
      const write = writes[i] as KnownWrite
      if (lineage.includes(state, write.at)) return write
    }
    return undefined
  }

  #take(evidence: Evidence): void {
    const { item, value, at, source } = evidence
    const there = this.#byPosition.get(at)
    const what = `${at} ${item} ${value}`
    if ((there?.value === value && there.item === item) || this.#told.has(what)) return
    if (there) this.#told.add(what)
    const operation = this.#callOf.get(value)
    const write = { item, value, at: positionFrom(at), text: at, source, operation }
    const known = this.#byValue.get(value)
    if (!known) this.#first(write)
    else if (known.item !== item || this.#oneHistory(known, write)) this.#doneTwice(known, write)
    if (!known || byTime(write.at, known.at) > 0) this.#byValue.set(value, write)
    if (there) this.#givenTwice(there, write)
    else this.#byPosition.set(at, write)
    const writes = this.#byItem.get(item)
    if (writes) writes.push(write)
    else this.#byItem.set(item, [write])
  }

  #oneHistory(a: KnownWrite, b: KnownWrite): boolean {
    return this.#lineage.includes(a.at, b.at) || this.#lineage.includes(b.at, a.at)
  }

  #first(write: KnownWrite): void {
    const { operation, value, item, source } = write
    if (!operation || operation.item !== item) {
      const whose = operation ? `was written to ${operation.item} alone` : 'nobody wrote'
      this.violations.push({
        kind: 'value-from-nowhere',
        text: `${item} was ${value} at ${write.text} (${source}), which ${whose}.`,
        operations: operation ? [operation.id] : [],
      })
    } else if (operation.outcome.kind === 'fail') {
      this.violations.push({
        kind: 'failed-write-done',
        text: `${operationInWords(operation)}. That says that nothing was written, but the value is there at ${write.text} (${source}).`,
        operations: [operation.id],
      })
    }
  }

  #doneTwice(known: KnownWrite, again: KnownWrite): void {
    const call = again.operation ? ` The call: ${operationInWords(again.operation)}.` : ''
    this.violations.push({
      kind: 'write-done-twice',
      text: `${again.value} was written to ${known.item} at ${known.text} (${known.source}) and to ${again.item} at ${again.text} (${again.source}); it was asked for once.${call}`,
      operations: again.operation ? [again.operation.id] : [],
    })
  }

  #givenTwice(there: KnownWrite, other: KnownWrite): void {
    this.violations.push({
      kind: 'position-given-twice',
      text: `Position ${there.text} is ${there.item} = ${there.value} (${there.source}) and ${other.item} = ${other.value} (${other.source}).`,
      operations: [there.operation, other.operation].flatMap((operation) =>
        operation ? [operation.id] : [],
      ),
    })
  }
}

function* evidenceOf({ stored, operations, samples, final }: History): Generator<Evidence> {
  // The stores' own files first: what is told of a position later is then told against them.
  yield* stored
  for (const { id, item, value, outcome } of operations) {
    if (outcome.kind !== 'ok') continue
    if (value !== undefined && outcome.at !== undefined)
      yield { at: outcome.at, item, value, source: `acknowledged by call ${id}` }
    for (const found of outcome.found) {
      if (found.value === undefined || found.at === undefined) continue
      yield { at: found.at, item: found.item, value: found.value, source: `read by call ${id}` }
    }
  }
  for (const { region, ms, copies } of samples) {
    for (const { item, value, at } of copies) {
      if (value !== undefined && at !== undefined)
        yield { at, item, value, source: `in the index of ${region} at ${Math.round(ms)} ms` }
    }
  }
  for (const { region, items } of final?.regions ?? []) {
    for (const { item, value, at } of items) {
      if (value !== undefined && at !== undefined)
        yield { at, item, value, source: `in the data Redis of ${region} at the end` }
    }
  }
}
