import fc from 'fast-check'
import { expect, it } from 'vitest'
import { decodeText, encodeText, wordsOf } from './words.ts'

const text = fc.string({
  unit: fc.constantFrom('a', ' ', '\n', '\\', '\0', '\x1c', '\x1d', '\x1e', '“', '\u00a0', '。', 'é'),
})

it('gives back every text exactly', () => {
  fc.assert(
    fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (t) => decodeText(encodeText(t)) === t),
  )
})

it('splits at line breaks, backslashes and typographic marks', () => {
  const words = wordsOf('One\ntwo\\three “four”\0five_six,seven-eight')
  expect(words.map(String)).toEqual(['one', 'two', 'three', 'four', 'five_six', 'seven', 'eight'])
})

it('has no words in punctuation', () => {
  expect(wordsOf(' -—“”\n\0$')).toEqual([])
})
