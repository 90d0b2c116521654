/*
 * The filters that `perigee search --filter` takes, a small language of its own:
 *
 *   filter = clause { "," clause }                      all of them hold
 *   clause = attribute op value { "|" value }           any of the values
 *   op     = "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" | "!~"
 *   value  = bare text without , | or " at its ends     or "quoted", with \" and \\ inside
 *
 * `=` and `!=` take a tag, a number, or a range of numbers `2020..2024` (both ends included, either may be missing);
 * the four comparisons take a number; `~` asks for all the words in a text, `text` being the chunk's own.
 * What the values mean follows from the attribute's type in the index, so the index decides, not the spelling.
 */
import type { MessageInitShape } from '@bufbuild/protobuf'
import { AttributeType, type FilterSchema } from '@perigee/protocol'
import { enumName } from './enum-name.ts'
import { Failure } from './failure.ts'

/** A filter as the contract has it, ready to be sent. */
export type FilterInit = MessageInitShape<typeof FilterSchema>

/** An attribute that filters may name. */
export interface FilterAttribute {
  readonly name: string
  readonly type: AttributeType
}

type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '!~'

interface Clause {
  readonly attribute: string
  readonly operator: Operator
  readonly values: readonly string[]
}

const GRAMMAR_HINT =
  'write filters like \'lang=en|de,year>=2024,text~"vector search"\'; docs/cli.md has the grammar'

/** Reads a filter against an index's attributes. */
export function parseFilter(text: string, attributes: readonly FilterAttribute[]): FilterInit {
  const filters = parseClauses(text).map((clause) => filterOf(clause, attributes))
  return filters.length === 1 && filters[0] ? filters[0] : all(filters)
}

function filterOf(clause: Clause, attributes: readonly FilterAttribute[]): FilterInit {
  const { attribute, operator, values } = clause
  if (operator === '!=' || operator === '!~') {
    return not(filterOf({ ...clause, operator: operator === '!=' ? '=' : '~' }, attributes))
  }
  const type = typeOf(attribute, attributes)
  if (operator === '~') {
    requireType(clause, type, AttributeType.TEXT)
    return any(values.map((words) => leaf('textMatch', { attribute, words })))
  }
  if (operator === '=' && type === AttributeType.TAG) {
    return leaf('tagIn', { attribute, values: [...values] })
  }
  requireType(clause, type, AttributeType.NUMERIC)
  return any(values.map((value) => leaf('numberRange', { attribute, ...rangeOf(operator, value) })))
}

function typeOf(name: string, attributes: readonly FilterAttribute[]): AttributeType {
  if (name === 'text') return AttributeType.TEXT
  const found = attributes.find((a) => a.name === name)
  if (found) return found.type
  const known = [...attributes.map((a) => `${a.name} (${typeName(a.type)})`), 'text (text)'].join(', ')
  throw Failure.usage(`the index has no attribute "${name}" to filter by`, `it has: ${known}`)
}

function requireType({ attribute, operator }: Clause, type: AttributeType, wanted: AttributeType): void {
  if (type === wanted) return
  const examples = new Map<AttributeType, string>([
    [AttributeType.TAG, `${attribute}=value or ${attribute}!=value`],
    [AttributeType.NUMERIC, `${attribute}>=1, ${attribute}=1 or ${attribute}=1..9`],
    [AttributeType.TEXT, `${attribute}~"some words"`],
  ])
  throw Failure.usage(
    `"${attribute}" is a ${typeName(type)} attribute, which "${operator}" does not fit`,
    `write ${examples.get(type) ?? 'what its type takes'}`,
  )
}

function rangeOf(operator: Operator, value: string) {
  switch (operator) {
    case '<':
      return { max: numberOf(value), maxExclusive: true }
    case '<=':
      return { max: numberOf(value) }
    case '>':
      return { min: numberOf(value), minExclusive: true }
    case '>=':
      return { min: numberOf(value) }
    default: {
      const [from = '', to] = value.split('..')
      if (to === undefined) return { min: numberOf(from), max: numberOf(from) }
      return { ...(from !== '' && { min: numberOf(from) }), ...(to !== '' && { max: numberOf(to) }) }
    }
  }
}

function numberOf(text: string): number {
  const number = Number(text)
  if (text.trim() !== '' && Number.isFinite(number)) return number
  throw Failure.usage(`"${text}" in the filter is not a number`, GRAMMAR_HINT)
}

/** The name of an attribute's type, as people say it. */
export function typeName(type: AttributeType): string {
  return enumName(AttributeType, type)
}

function leaf<C extends 'tagIn' | 'numberRange' | 'textMatch'>(
  kind: C,
  value: Extract<FilterInit['expression'], { case: C }>['value'],
): FilterInit {
  return { expression: { case: kind, value } } as FilterInit
}

function not(filter: FilterInit): FilterInit {
  return { expression: { case: 'not', value: filter } } as FilterInit
}

function all(filters: FilterInit[]): FilterInit {
  return { expression: { case: 'all', value: { filters } } } as FilterInit
}

function any(filters: FilterInit[]): FilterInit {
  if (filters.length === 1 && filters[0]) return filters[0]
  return { expression: { case: 'any', value: { filters } } } as FilterInit
}

function parseClauses(text: string): Clause[] {
  const clauses: Clause[] = []
  let at = 0

  function match(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)
    if (!found) return undefined
    at = pattern.lastIndex
    return found[1] ?? found[0]
  }

  function expected(what: string): never {
    const rest = text.slice(at)
    throw Failure.usage(`the filter lacks ${what} ${rest ? `before "${rest}"` : 'at its end'}`, GRAMMAR_HINT)
  }

  function value(): string {
    const quoted = match(/\s*"((?:[^"\\]|\\["\\])*)"\s*/y)
    if (quoted !== undefined) return quoted.replace(/\\(["\\])/g, '$1')
    return match(/([^,|"]+)/y)?.trim() || expected('a value')
  }

  do {
    const attribute = match(/\s*([A-Za-z_][A-Za-z0-9_]*)\s*/y) ?? expected('the name of an attribute')
    const operator = (match(/(!=|!~|<=|>=|=|<|>|~)/y) ?? expected('one of = != < <= > >= ~ !~')) as Operator
    const values = [value()]
    while (match(/\|/y)) values.push(value())
    clauses.push({ attribute, operator, values })
  } while (match(/,/y))
  if (at < text.length) expected('a comma')
  return clauses
}
