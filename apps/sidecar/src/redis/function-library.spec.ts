import { createHash } from 'node:crypto'
import { expect, it } from 'vitest'
import { LIBRARY_VERSION, librarySource } from './function-library.ts'

// A library of a version that is loaded somewhere is never loaded again, so a changed text needs a new version.
it('has the text that its version stands for', () => {
  const hash = createHash('sha256').update(librarySource()).digest('hex').slice(0, 16)
  expect({ version: LIBRARY_VERSION, hash }).toMatchInlineSnapshot(`
    {
      "hash": "13b215ec3db35cc2",
      "version": 1,
    }
  `)
})

it('keeps to functions of its version', () => {
  const names = [...librarySource().matchAll(/'(pg\d+_\w*)'/g)].map((match) => match[1])
  expect(names.length).toBeGreaterThan(0)
  for (const name of names) expect(name).toMatch(new RegExp(`^pg${LIBRARY_VERSION}_`))
})
