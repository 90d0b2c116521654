import type { MessageInitShape } from '@bufbuild/protobuf'
import type { FilterSchema } from '@perigee/protocol'
import { invalidArgument } from './perigee-error.ts'

type WireFilter = MessageInitShape<typeof FilterSchema>

/** A range of a numeric attribute; bounds left out are open. */
export interface NumberRange {
  readonly min?: number | undefined
  readonly max?: number | undefined
  /** Leave `min` itself out. */
  readonly minExclusive?: boolean | undefined
  /** Leave `max` itself out. */
  readonly maxExclusive?: boolean | undefined
}

/** Words that must all occur in a text attribute, or in the chunk's own `text`. */
export interface TextWords {
  readonly words: string
}

/** What one attribute must be. A string is a tag; a list is any of its members; a number is exactly that number. */
export type Condition = string | number | readonly string[] | readonly number[] | NumberRange | TextWords

/** Conditions by attribute, all of which must hold: `{ lang: 'en', year: { min: 2024 } }`. */
export interface Conditions {
  readonly [attribute: string]: Condition
}

/** Which chunks a search, a listing or a deletion is about: conditions, or a tree of them. */
export type Filter = Conditions | FilterTree

/** Made by {@link all}, {@link any} and {@link not}. */
export class FilterTree {
  /** @internal */
  readonly wire: WireFilter

  /** @internal */
  constructor(wire: WireFilter) {
    this.wire = wire
  }
}

/** All of the filters hold. */
export function all(...filters: readonly Filter[]): FilterTree {
  return new FilterTree({ expression: { case: 'all', value: { filters: listOf('all', filters) } } })
}

/** At least one of the filters holds. */
export function any(...filters: readonly Filter[]): FilterTree {
  return new FilterTree({ expression: { case: 'any', value: { filters: listOf('any', filters) } } })
}

/** The filter does not hold. */
export function not(filter: Filter): FilterTree {
  return new FilterTree({ expression: { case: 'not', value: required('not', filter) } })
}

/** A filter on the wire; `undefined` for no conditions. */
export function filterToWire(filter: Filter | undefined): WireFilter | undefined {
  if (filter === undefined) return undefined
  if (filter instanceof FilterTree) return filter.wire
  const filters = Object.entries(filter).map(([attribute, condition]) =>
    conditionToWire(attribute, condition),
  )
  if (filters.length < 2) return filters[0]
  return { expression: { case: 'all', value: { filters } } }
}

function listOf(name: string, filters: readonly Filter[]): WireFilter[] {
  if (filters.length === 0) throw invalidArgument(`${name}() needs at least one filter`, 'filter')
  return filters.map((filter) => required(name, filter))
}

function required(name: string, filter: Filter): WireFilter {
  const wire = filterToWire(filter)
  if (wire) return wire
  throw invalidArgument(`${name}() got a filter without conditions`, 'filter')
}

function conditionToWire(attribute: string, condition: Condition): WireFilter {
  if (typeof condition === 'string') {
    return attribute === 'text' ? textMatch(attribute, condition) : tagIn(attribute, [condition])
  }
  if (typeof condition === 'number') return numberRange(attribute, { min: condition, max: condition })
  if (Array.isArray(condition)) return anyOf(attribute, condition)
  if (typeof condition === 'object' && condition !== null) {
    if ('words' in condition) return textMatch(attribute, condition.words)
    return rangeToWire(attribute, condition as NumberRange)
  }
  // Leaving a condition out in silence would widen the filter: a missing tenant would mean all tenants.
  throw invalidArgument(
    `the condition for ${attribute} is ${condition}: it must be a string, a number, a list of them, { min, max } or { words }; leave the attribute out for no condition`,
    `filter.${attribute}`,
  )
}

function anyOf(attribute: string, members: readonly (string | number)[]): WireFilter {
  if (members.length === 0) {
    throw invalidArgument(`the list for ${attribute} is empty, and nothing is in it`, `filter.${attribute}`)
  }
  if (members.every((m) => typeof m === 'string')) return tagIn(attribute, members)
  const filters = members.map((m) => conditionToWire(attribute, m))
  return filters.length === 1 && filters[0] ? filters[0] : { expression: { case: 'any', value: { filters } } }
}

const RANGE_FIELDS = new Set(['min', 'max', 'minExclusive', 'maxExclusive'])

function rangeToWire(attribute: string, range: NumberRange): WireFilter {
  const foreign = Object.keys(range).find((field) => !RANGE_FIELDS.has(field))
  if (foreign !== undefined || (range.min === undefined && range.max === undefined)) {
    const what = foreign === undefined ? 'has neither min nor max' : `has ${foreign}`
    throw invalidArgument(
      `the condition for ${attribute} ${what}: it must be { min, max, minExclusive, maxExclusive } or { words }`,
      `filter.${attribute}`,
    )
  }
  return numberRange(attribute, range)
}

function tagIn(attribute: string, values: readonly string[]): WireFilter {
  return { expression: { case: 'tagIn', value: { attribute, values: [...values] } } }
}

function textMatch(attribute: string, words: string): WireFilter {
  return { expression: { case: 'textMatch', value: { attribute, words } } }
}

function numberRange(attribute: string, { min, max, minExclusive, maxExclusive }: NumberRange): WireFilter {
  const bounds = { ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
  const value = {
    attribute,
    ...bounds,
    minExclusive: minExclusive ?? false,
    maxExclusive: maxExclusive ?? false,
  }
  return { expression: { case: 'numberRange', value } }
}
