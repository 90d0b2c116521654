import { create, toJson } from '@bufbuild/protobuf'
import { FilterSchema } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { all, any, type Filter, filterToWire, not } from './filter.ts'

function wire(filter: Filter) {
  const written = filterToWire(filter)
  return written && toJson(FilterSchema, create(FilterSchema, written))
}

const en = { tagIn: { attribute: 'lang', values: ['en'] } }

describe('a filter', () => {
  it('takes strings as tags, lists as any of them, numbers and bounds as ranges', () => {
    expect(
      wire({ lang: 'en', team: ['a', 'b'], year: { min: 2024, maxExclusive: true, max: 2026 }, n: 3 }),
    ).toEqual({
      all: {
        filters: [
          en,
          { tagIn: { attribute: 'team', values: ['a', 'b'] } },
          { numberRange: { attribute: 'year', min: 2024, max: 2026, maxExclusive: true } },
          { numberRange: { attribute: 'n', min: 3, max: 3 } },
        ],
      },
    })
  })

  it('takes words, and a string for the text of the chunk', () => {
    const words = { textMatch: { attribute: 'text', words: 'near earth' } }
    expect(wire({ text: { words: 'near earth' } })).toEqual(words)
    expect(wire({ text: 'near earth' })).toEqual(words)
  })

  it('takes numbers of a list as any of them', () => {
    const is = (n: number) => ({ numberRange: { attribute: 'n', min: n, max: n } })
    expect(wire({ n: [1, 2] })).toEqual({ any: { filters: [is(1), is(2)] } })
    expect(wire({ n: [1] })).toEqual(is(1))
  })

  it('makes trees', () => {
    expect(wire(any({ lang: 'en' }, not(all({ lang: 'en' }, { n: { max: 0 } }))))).toEqual({
      any: {
        filters: [en, { not: { all: { filters: [en, { numberRange: { attribute: 'n', max: 0 } }] } } }],
      },
    })
  })

  it('without conditions is none', () => {
    expect(wire({})).toBeUndefined()
  })

  it.each<[string, () => unknown]>([
    ['a condition that is undefined', () => wire({ tenant: undefined } as never)],
    ['a condition that is null', () => wire({ tenant: null } as never)],
    ['true', () => wire({ tenant: true } as never)],
    ['an empty list', () => wire({ tenant: [] })],
    ['a range without bounds', () => wire({ year: {} })],
    ['an unknown bound', () => wire({ year: { from: 1 } as never })],
    ['all() of nothing', () => all()],
    ['not() of no conditions', () => not({})],
  ])('never takes %s for no condition', (_, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }))
  })
})
