import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { readPageToken, writePageToken } from './page-token.ts'

describe('a page token', () => {
  const token = writePageToken(['keys', 'a', 'pre'], '42')

  it('reads back its cursor', () => {
    expect(readPageToken(['keys', 'a', 'pre'], token)).toBe('42')
    expect(readPageToken(['keys', 'a', 'pre'], '')).toBeUndefined()
  })

  it.each([
    ['another list', ['keys', 'a', 'other'], token],
    ['a longer list', ['keys', 'a', 'pre', '42'], token],
    ['garbage', ['keys', 'a', 'pre'], 'garbage'],
    ['characters that no token has', ['keys', 'a', 'pre'], `${token}=`],
    ['JSON of another shape', ['x'], Buffer.from('{"a":1}').toString('base64url')],
    ['a token of endless length', ['x'], 'A'.repeat(10_000)],
  ])('is refused with %s', (_, list, text) => {
    expect(refusedAs(() => readPageToken(list, text))).toBe('INVALID_FIELD page_token')
  })
})
