import type { Filter, FilterList, NumberRange, TagIn, TextMatch } from '@perigee/protocol'
import type { AttributeDefinition, IndexDefinition } from '../redis/index-definition.ts'
import { FIELD } from '../redis/search-commands.ts'
import { invalidField, type StatusError, tooLarge } from '../status-error.ts'
import { clausesOf, type Expression, normalForm } from './normal-form.ts'
import { encodeTag } from './tag-value.ts'
import { wordsOf } from './words.ts'

/** A filter in RediSearch's language (dialect 2). Every value is a parameter; field names come from the definition. */
export interface FilterQuery {
  readonly query: string
  readonly params: Readonly<Record<string, string | Buffer>>
}

const LITERALS_MAX = 2_048

/**
 * Compiles a filter. A chunk that lacks an attribute doesn't match a clause on it, so it does match that clause's `not`.
 *
 * RediSearch (2.10.5) loses or makes up hits where an intersection that holds nothing stands inside a union, and where a
 * negation stands around anything but a plain condition, both only when it skips ahead or searches for the nearest. So the
 * filter is brought into a normal form, in which neither occurs.
 *
 * @param livingAtMs leaves out chunks that have expired by then, Unix milliseconds by the primary's clock; those without an
 *   expiry live. It costs a search about as much as a broad filter, so it is for searches that come upon expired ones.
 * @throws StatusError INVALID_FIELD for an attribute that the index doesn't have or that is of another type; TOO_LARGE for a
 *   filter that grows too large in both normal forms.
 */
export function compileFilter(
  filter: Filter | undefined,
  definition: IndexDefinition,
  livingAtMs?: number,
): FilterQuery {
  const conditions = new Conditions(definition)
  const parts: Expression[] = []
  if (filter) parts.push(conditions.expression(filter, 'filter', false))
  if (livingAtMs !== undefined) parts.push(conditions.livingAt(livingAtMs))
  if (parts.length === 0) return { query: '*', params: {} }
  // The expiry may come once to each clause: a filter that is taken without it is taken with it.
  const form = normalForm({ kind: 'all', parts }, LITERALS_MAX * parts.length)
  if (!form) throw tooDeep()
  const [joined, inner] = form.kind === 'all' ? [intersection, union] : [union, intersection]
  return { query: joined(form.clauses.map(inner)), params: conditions.params }
}

/**
 * Compiles a filter for searches among given keys: queries whose hits together are what it finds. One is enough, as a rule.
 *
 * Keys make RediSearch (2.10.5) skip ahead, and then it loses hits of unions that hold intersections. So this is an intersection of
 * unions, or where that grows too large, an intersection for each case.
 *
 * @throws StatusError as of {@link compileFilter}.
 */
export function compileFilterAmongKeys(filter: Filter, definition: IndexDefinition): readonly FilterQuery[] {
  const conditions = new Conditions(definition)
  const expression = conditions.expression(filter, 'filter', false)
  const { params } = conditions
  const all = clausesOf(expression, 'all', LITERALS_MAX)
  if (all) return [{ query: intersection(all.map(union)), params }]
  const any = clausesOf(expression, 'any', LITERALS_MAX)
  if (!any) throw tooDeep()
  return any.map((clause) => ({ query: intersection(clause), params }))
}

function tooDeep(): StatusError {
  return tooLarge('filter', 'mixes all and any too deeply; flatten it, or search twice')
}

/** RediSearch walks larger unions by a heap, and then makes up hits when their parts hold negations. */
const UNION_MAX = 16

function intersection(parts: readonly string[]): string {
  return `(${parts.join(' ')})`
}

/** A union, of unions when it is large. */
function union(parts: readonly string[]): string {
  if (parts.length <= UNION_MAX) return `(${parts.join(' | ')})`
  const size = Math.max(UNION_MAX, Math.ceil(parts.length / UNION_MAX))
  const groups = Array.from({ length: Math.ceil(parts.length / size) }, (_, i) =>
    union(parts.slice(i * size, (i + 1) * size)),
  )
  return union(groups)
}

class Conditions {
  readonly params: Record<string, string | Buffer> = {}
  readonly #attributes: ReadonlyMap<string, AttributeDefinition['type']>
  #count = 0

  constructor(definition: IndexDefinition) {
    this.#attributes = new Map(definition.attributes.map((a) => [a.name, a.type]))
  }

  /** A filter, or its negation, with all negations at the conditions. */
  expression({ expression }: Filter, path: string, negated: boolean): Expression {
    switch (expression.case) {
      case 'all':
      case 'any':
        return {
          kind: (expression.case === 'all') === negated ? 'any' : 'all',
          parts: this.#each(expression.value, `${path}.${expression.case}`, negated),
        }
      case 'not':
        return this.expression(expression.value, `${path}.not`, !negated)
      case 'tagIn':
        return literal(this.#tagIn(expression.value, `${path}.tag_in`), negated)
      case 'numberRange':
        return literal(this.#numberRange(expression.value, `${path}.number_range`), negated)
      case 'textMatch':
        return this.#textMatch(expression.value, `${path}.text_match`, negated)
      case undefined:
        throw invalidField(path, 'needs exactly one of all, any, not, tag_in, number_range, text_match')
    }
  }

  /** Not expired by a time. */
  livingAt(ms: number): Expression {
    return literal(`(@${FIELD.expiresAt}:[-inf ${this.#param(String(ms))}])`, true)
  }

  #each({ filters }: FilterList, path: string, negated: boolean): Expression[] {
    if (filters.length === 0) throw invalidField(`${path}.filters`, 'needs at least one filter')
    return filters.map((filter, i) => this.expression(filter, `${path}.filters[${i}]`, negated))
  }

  #tagIn({ attribute, values }: TagIn, path: string): string {
    const field = this.#field(attribute, 'TAG', path)
    if (values.length === 0) throw invalidField(`${path}.values`, 'needs at least one value')
    return `(@${field}:{${values.map((value) => this.#param(encodeTag(value))).join(' | ')}})`
  }

  #numberRange(range: NumberRange, path: string): string {
    const field = this.#field(range.attribute, 'NUMERIC', path)
    const min = range.min === undefined ? '-inf' : this.#param(numberText(range.min, `${path}.min`))
    const max = range.max === undefined ? '+inf' : this.#param(numberText(range.max, `${path}.max`))
    const open = range.minExclusive && range.min !== undefined ? '(' : ''
    const close = range.maxExclusive && range.max !== undefined ? '(' : ''
    return `(@${field}:[${open}${min} ${close}${max}])`
  }

  #textMatch({ attribute, words }: TextMatch, path: string, negated: boolean): Expression {
    const field = attribute === FIELD.text ? attribute : this.#field(attribute, 'TEXT', path)
    const each = wordsOf(words)
    if (each.length === 0) throw invalidField(`${path}.words`, 'holds no word')
    const parts = each.map((word) => {
      const condition = `(@${field}:(${this.#param(word)}))`
      // A negation, skipping past the end of a single word of one field, would take the word's last document, in whatever
      // field, for a match. A union, be it of the condition with itself, has no such fault.
      return literal(negated ? `(${condition} | ${condition})` : condition, negated)
    })
    return { kind: negated ? 'any' : 'all', parts }
  }

  #field(attribute: string, type: AttributeDefinition['type'], path: string): string {
    const actual = this.#attributes.get(attribute)
    if (actual === type) return attribute
    const known = [...this.#attributes.keys()].join(', ') || 'none'
    const problem = actual
      ? `names ${attribute}, which is a ${actual} attribute; this filter needs a ${type} one`
      : `names ${JSON.stringify(attribute)}, which isn't an attribute of the index (those are: ${known})`
    throw invalidField(`${path}.attribute`, problem)
  }

  #param(value: string | Buffer): string {
    const name = `f${this.#count++}`
    this.params[name] = value
    return `$${name}`
  }
}

function literal(condition: string, negated: boolean): Expression {
  return { kind: 'literal', text: negated ? `(-${condition})` : condition }
}

function numberText(value: number, path: string): string {
  if (Number.isNaN(value)) throw invalidField(path, 'must be a number')
  if (value === Number.POSITIVE_INFINITY) return '+inf'
  return value === Number.NEGATIVE_INFINITY ? '-inf' : String(value)
}
