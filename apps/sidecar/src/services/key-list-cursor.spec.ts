import { expect, it } from 'vitest'
import { keyListCursor, keyListPlace } from './key-list-cursor.ts'

it('is read back as it was, and as long for a small store as for a large one', () => {
  const places = ['1', '4096', '18446744073709551615'].map((cursor) => ({ cursor, left: ['a'] }))
  const texts = places.map(keyListCursor)
  expect(texts.map(keyListPlace)).toEqual(places)
  expect(new Set(texts.map(({ length }) => length)).size).toBe(1)
  const complete = { cursor: '', left: ['a', 'b'] }
  expect(keyListPlace(keyListCursor(complete))).toEqual(complete)
})
