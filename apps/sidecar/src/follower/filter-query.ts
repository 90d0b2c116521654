import type { Filter, FilterList, NumberRange, TagIn, TextMatch } from '@perigee/protocol'
import type { AttributeDefinition, IndexDefinition } from '../redis/index-definition.ts'
import { invalidField } from '../status-error.ts'
import { encodeTag } from './tag-value.ts'
import { wordsOf } from './words.ts'

/** A filter in RediSearch's language (dialect 2). Every value is a parameter; field names come from the definition. */
export interface FilterQuery {
  readonly query: string
  readonly params: Readonly<Record<string, string | Buffer>>
}

/** Names that no attribute can have, so that the query's own parameters can't be taken for a filter's. */
const PARAM = 'f'

/**
 * Compiles a filter. A chunk that lacks an attribute doesn't match a clause on it, so it does match that clause's `not`.
 *
 * @throws StatusError INVALID_FIELD for an attribute that the index doesn't have or that is of another type.
 */
export function compileFilter(filter: Filter | undefined, definition: IndexDefinition): FilterQuery {
  if (!filter) return { query: '*', params: {} }
  const compiler = new Compiler(definition)
  const query = compiler.compile(filter, 'filter')
  return { query, params: compiler.params }
}

class Compiler {
  readonly params: Record<string, string | Buffer> = {}
  readonly #attributes: ReadonlyMap<string, AttributeDefinition['type']>
  #count = 0

  constructor(definition: IndexDefinition) {
    this.#attributes = new Map(definition.attributes.map((a) => [a.name, a.type]))
  }

  compile({ expression }: Filter, path: string): string {
    switch (expression.case) {
      case 'all':
        return `(${this.#each(expression.value, `${path}.all`).join(' ')})`
      case 'any':
        return `(${this.#each(expression.value, `${path}.any`).join(' | ')})`
      case 'not':
        return `(-${this.compile(expression.value, `${path}.not`)})`
      case 'tagIn':
        return this.#tagIn(expression.value, `${path}.tag_in`)
      case 'numberRange':
        return this.#numberRange(expression.value, `${path}.number_range`)
      case 'textMatch':
        return this.#textMatch(expression.value, `${path}.text_match`)
      case undefined:
        throw invalidField(path, 'needs exactly one of all, any, not, tag_in, number_range, text_match')
    }
  }

  #each({ filters }: FilterList, path: string): string[] {
    if (filters.length === 0) throw invalidField(`${path}.filters`, 'needs at least one filter')
    return filters.map((filter, i) => this.compile(filter, `${path}.filters[${i}]`))
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

  #textMatch({ attribute, words }: TextMatch, path: string): string {
    const field = attribute === 'text' ? 'text' : this.#field(attribute, 'TEXT', path)
    const each = wordsOf(words)
    if (each.length === 0) throw invalidField(`${path}.words`, 'holds no word')
    return `(${each.map((word) => `(@${field}:(${this.#param(word)}))`).join(' ')})`
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
    const name = `${PARAM}${this.#count++}`
    this.params[name] = value
    return `$${name}`
  }
}

function numberText(value: number, path: string): string {
  if (Number.isNaN(value)) throw invalidField(path, 'must be a number')
  if (value === Number.POSITIVE_INFINITY) return '+inf'
  return value === Number.NEGATIVE_INFINITY ? '-inf' : String(value)
}
