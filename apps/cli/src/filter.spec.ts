import { all, any, not } from '@perigee/sdk'
import { describe, expect, it } from 'vitest'
import { Failure } from './failure.ts'
import { parseFilter } from './filter.ts'

const attributes = { lang: 'tag', year: 'numeric', title: 'text' } as const
const parse = (text: string) => parseFilter(text, attributes)

describe('the filter language', () => {
  it.each([
    ['lang=en', { lang: ['en'] }],
    ['lang=en|de', { lang: ['en', 'de'] }],
    [' lang = en , year >= 2024 ', all({ lang: ['en'] }, { year: { min: 2024 } })],
    ['year>2024', { year: { min: 2024, minExclusive: true } }],
    ['year<-1.5', { year: { max: -1.5, maxExclusive: true } }],
    ['year<=1e3', { year: { max: 1000 } }],
    ['year=2024', { year: { min: 2024, max: 2024 } }],
    ['year=2020..2024', { year: { min: 2020, max: 2024 } }],
    ['year=2020..', { year: { min: 2020 } }],
    ['year=..2024', { year: { max: 2024 } }],
    ['year=1|3', any({ year: { min: 1, max: 1 } }, { year: { min: 3, max: 3 } })],
    ['year!=1|3', not(any({ year: { min: 1, max: 1 } }, { year: { min: 3, max: 3 } }))],
    ['lang!=en', not({ lang: ['en'] })],
    ['title~"vector search"', { title: { words: 'vector search' } }],
    ['text~redis', { text: { words: 'redis' } }],
    ['text!~redis', not({ text: { words: 'redis' } })],
    ['lang="a,b|c \\"d\\" \\\\"', { lang: ['a,b|c "d" \\'] }],
    ['lang=""', { lang: [''] }],
    ['lang=two words', { lang: ['two words'] }],
  ])('%s', (text, filter) => {
    expect(parse(text)).toEqual(filter)
  })

  it.each([
    ['', 'the name of an attribute'],
    ['lang', 'one of = != < <= > >= ~ !~'],
    ['lang=', 'a value at its end'],
    ['lang=en,', 'the name of an attribute'],
    ['lang=en||de', 'a value'],
    ['lang="en', 'a value'],
    ['lang="en"x', 'a comma'],
    ['year=abc', '"abc" in the filter is not a number'],
    ['year>=', 'a value'],
    ['year=..', 'not a number'],
    ['lang>en', '"lang" is a tag attribute, which ">" does not fit'],
    ['lang~en', '"lang" is a tag attribute'],
    ['title=x', '"title" is a text attribute'],
    ['town=x', 'no attribute "town"'],
    ['constructor=x', 'no attribute "constructor"'],
  ])('refuses %j, naming what is wrong', (text, message) => {
    const failed = attempt(() => parse(text))
    expect(failed.message).toContain(message)
    expect(failed.hint).not.toBe('')
    expect(failed.exitCode).toBe(2)
  })

  it('lists the attributes there are when one is unknown', () => {
    expect(attempt(() => parse('town=x')).hint).toContain(
      'lang (tag), year (numeric), title (text), text (text)',
    )
  })
})

function attempt(work: () => unknown): Failure {
  try {
    work()
  } catch (error) {
    if (error instanceof Failure) return error
    throw error
  }
  throw new Error('it did not fail')
}
