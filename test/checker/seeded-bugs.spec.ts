import { expect, it } from 'vitest'
import { checkReplacement } from '../support/sidecar-variant.ts'
import { SEEDED_BUGS } from './seeded-bugs.ts'

it.each(SEEDED_BUGS)('the seeded bug $name still fits the source', ({ replacements }) => {
  for (const replacement of replacements) checkReplacement(replacement)
})

it('a change whose place is gone, or is there twice, is refused', () => {
  const change = (from: string) => () => checkReplacement({ package: 'core', file: 'forks.ts', from, to: '' })
  expect(change('no such text')).toThrow('has this 0 times, not once')
  expect(change('return')).toThrow(/has this \d+ times, not once/)
})
