import { create } from '@bufbuild/protobuf'
import {
  type Filter,
  FilterListSchema,
  FilterSchema,
  NumberRangeSchema,
  TagInSchema,
  TextMatchSchema,
} from '@perigee/protocol'
import fc from 'fast-check'
import { wordsOf } from './words.ts'

/** Attributes of a chunk of an index with `tag` (TAG), `num` (NUMERIC) and `body` (TEXT). */
export interface FilterMetadata {
  readonly tag?: string | readonly string[]
  readonly num?: number
  readonly body?: string
}

// Values meet often, and hold what RediSearch's language, its tags and its tokeniser treat as special.
const special = fc.constantFrom(
  '',
  ' ',
  'a',
  'A',
  ' a',
  'a ',
  'b',
  '\\',
  'a\\-b',
  '\0',
  'a\0b',
  '\x1e',
  '\x1f',
  'a\x1fb',
  'red} | @tag:{b',
  '$f0',
  '*',
  'a*',
  '-',
  '%a%',
  '~a',
  'a|b',
  '{',
  '}',
  '(',
  ')',
  '[1 2]',
  '"a"',
  "'",
  'é',
  'É',
  '日本',
  'the',
  '\n',
  'a\nb',
  'a,b',
  '@num:[0 9]',
  'x'.repeat(5000),
  `${'x'.repeat(5000)}y`,
)
const tagValue = fc.oneof(special, fc.string({ maxLength: 3 }))
const number = fc.oneof(
  fc.integer({ min: -3, max: 3 }),
  fc.constantFrom(0.1, 0.3, 1e21, -1e-7, 2 ** 53 - 1, 1.0000000000000002),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
)
const words = fc.array(
  fc.constantFrom(
    'the',
    'One',
    'one',
    'two',
    'é',
    'É',
    'a-b',
    'w'.repeat(200),
    `${'w'.repeat(150)}`,
    '_x',
    'x\\y',
    'q\0r',
    'u\nv',
    '“mark”',
    'don’t',
    '日本。語',
  ),
  { maxLength: 4 },
)
/** A text, and the words to look for in one. */
export const anySentence = fc
  .tuple(words, fc.constantFrom(' ', '\n', ', ', '\u00a0', '\\'))
  .map(([w, gap]) => w.join(gap))

/** What such a chunk may hold. */
export const anyMetadata: fc.Arbitrary<FilterMetadata> = fc.record(
  { tag: fc.oneof(tagValue, fc.array(tagValue, { maxLength: 3 })), num: number, body: anySentence },
  { requiredKeys: [] },
)

/** A chunk has one of the values in `tag`. */
export const tagIn = (values: string[]) =>
  create(FilterSchema, {
    expression: { case: 'tagIn', value: create(TagInSchema, { attribute: 'tag', values }) },
  })
const leaf: fc.Arbitrary<Filter> = fc.oneof(
  fc.array(tagValue, { minLength: 1, maxLength: 3 }).map(tagIn),
  fc
    .record({
      min: fc.option(number, { nil: undefined }),
      max: fc.option(number, { nil: undefined }),
      minExclusive: fc.boolean(),
      maxExclusive: fc.boolean(),
    })
    .map((r) =>
      create(FilterSchema, {
        expression: {
          case: 'numberRange',
          value: create(NumberRangeSchema, {
            attribute: 'num',
            minExclusive: r.minExclusive,
            maxExclusive: r.maxExclusive,
            ...(r.min !== undefined && { min: r.min }),
            ...(r.max !== undefined && { max: r.max }),
          }),
        },
      }),
    ),
  fc
    .tuple(
      fc.constantFrom('body', 'text'),
      anySentence.filter((s) => wordsOf(s).length > 0),
    )
    .map(([attribute, w]) =>
      create(FilterSchema, {
        expression: { case: 'textMatch', value: create(TextMatchSchema, { attribute, words: w }) },
      }),
    ),
)
/** A filter of any shape over those attributes and the text. */
export const { filter: anyFilter } = fc.letrec<{ filter: Filter; list: Filter }>((tie) => ({
  list: fc
    .tuple(
      fc.constantFrom('all' as const, 'any' as const),
      fc.array(tie('filter'), { minLength: 1, maxLength: 3 }),
    )
    .map(([name, filters]) =>
      create(FilterSchema, { expression: { case: name, value: create(FilterListSchema, { filters }) } }),
    ),
  filter: fc.oneof(
    { maxDepth: 3 },
    leaf,
    tie('list'),
    tie('filter').map((value) => create(FilterSchema, { expression: { case: 'not', value } })),
  ),
}))

/** What the contract says a filter means, without RediSearch. */
export function matchesFilter(
  { expression }: Filter,
  chunk: FilterMetadata & { readonly text: string },
): boolean {
  switch (expression.case) {
    case 'all':
      return expression.value.filters.every((f) => matchesFilter(f, chunk))
    case 'any':
      return expression.value.filters.some((f) => matchesFilter(f, chunk))
    case 'not':
      return !matchesFilter(expression.value, chunk)
    case 'tagIn': {
      const values = chunk.tag === undefined ? [] : [chunk.tag].flat()
      return values.some((v) => expression.value.values.includes(v))
    }
    case 'numberRange': {
      const { min, max, minExclusive, maxExclusive } = expression.value
      if (chunk.num === undefined) return false
      if (min !== undefined && (minExclusive ? chunk.num <= min : chunk.num < min)) return false
      return !(max !== undefined && (maxExclusive ? chunk.num >= max : chunk.num > max))
    }
    case 'textMatch': {
      const text = expression.value.attribute === 'text' ? chunk.text : (chunk.body ?? '')
      const held = new Set(wordsOf(text).map((w) => w.toString('latin1')))
      return wordsOf(expression.value.words).every((w) => held.has(w.toString('latin1')))
    }
    default:
      return false
  }
}
