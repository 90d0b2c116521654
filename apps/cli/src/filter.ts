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
import { type AttributeKind, all, any, type Filter, type NumberRange, not } from '@perigee/sdk'
import { Failure } from './failure.ts'

/** An index's attributes and their kinds. */
export type Attributes = Readonly<Record<string, AttributeKind>>

type Operator = '=' | '!=' | '<' | '<=' | '>' | '>=' | '~' | '!~'

interface Clause {
  readonly attribute: string
  readonly operator: Operator
  readonly values: readonly string[]
}

const GRAMMAR_HINT =
  'write filters like \'lang=en|de,year>=2024,text~"vector search"\'; docs/cli.md has the grammar'

/** Reads a filter against an index's attributes. */
export function parseFilter(text: string, attributes: Attributes): Filter {
  const [first, ...rest] = parseClauses(text).map((clause) => filterOf(clause, attributes))
  return first && rest.length === 0 ? first : all(...(first ? [first, ...rest] : rest))
}

function filterOf(clause: Clause, attributes: Attributes): Filter {
  const { attribute, operator, values } = clause
  const kind = kindOf(attribute, attributes)
  switch (operator) {
    case '!=':
      return not(filterOf({ ...clause, operator: '=' }, attributes))
    case '!~':
      return not(filterOf({ ...clause, operator: '~' }, attributes))
    case '~':
      requireKind(clause, kind, 'text')
      return anyOf(values.map((words) => ({ [attribute]: { words } })))
    case '=':
      if (kind === 'tag') return { [attribute]: values }
  }
  requireKind(clause, kind, 'numeric')
  return anyOf(values.map((value) => ({ [attribute]: rangeOf(operator, value) })))
}

function anyOf(filters: readonly Filter[]): Filter {
  return filters.length === 1 && filters[0] ? filters[0] : any(...filters)
}

function kindOf(name: string, attributes: Attributes): AttributeKind {
  const kind = name === 'text' ? 'text' : Object.hasOwn(attributes, name) ? attributes[name] : undefined
  if (kind) return kind
  const known = Object.entries({ ...attributes, text: 'text' }).map(([attribute, k]) => `${attribute} (${k})`)
  throw Failure.usage(`the index has no attribute "${name}" to filter by`, `it has: ${known.join(', ')}`)
}

function requireKind({ attribute, operator }: Clause, kind: AttributeKind, wanted: AttributeKind): void {
  if (kind === wanted) return
  const example = {
    tag: `${attribute}=value or ${attribute}!=value`,
    numeric: `${attribute}>=1, ${attribute}=1 or ${attribute}=1..9`,
    text: `${attribute}~"some words"`,
  }[kind]
  throw Failure.usage(
    `"${attribute}" is a ${kind} attribute, which "${operator}" does not fit`,
    `write ${example}`,
  )
}

function rangeOf(operator: Operator, value: string): NumberRange {
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
      if (from === '' && to === '') numberOf(value)
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
