import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { SEALED_ELSEWHERE, SealedPageTokens } from './sealed-page-token.ts'

describe('a sealed page token', () => {
  const list = ['keys', 'a', 'pre']
  const cursor = '{"cursor":"123456"}'
  const tokens = new SealedPageTokens('secret')
  const token = tokens.write(list, cursor)

  it('is read by who has the secret, for the same list', () => {
    expect(new SealedPageTokens('secret').read(list, token)).toBe(cursor)
    expect(tokens.read(list, '')).toBeUndefined()
    expect(new SealedPageTokens('another').read(list, token)).toBe(SEALED_ELSEWHERE)
  })

  it('tells nothing of its cursor, nor is the same twice', () => {
    expect(Buffer.from(token, 'base64url').toString('latin1')).not.toMatch(/cursor|123456/)
    const tails = [token, tokens.write(list, cursor)].map((one) => one.slice(-20))
    expect(new Set(tails).size).toBe(2)
  })

  it('is refused when a bit of it was changed, but for who sealed it', () => {
    const bytes = Buffer.from(token, 'base64url')
    for (let at = 4; at < bytes.length; at++) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ 1
      expect(refusedAs(() => tokens.read(list, changed.toString('base64url')))).toBe(
        'INVALID_FIELD page_token',
      )
    }
  })

  it.each([
    ['of another list', ['keys', 'b', 'pre'], token],
    ['of a longer list', ['keys', 'a', 'pre', cursor], token],
    ['that is cut', list, token.slice(0, 30)],
    ['that is a word', list, 'made-up'],
    ['with characters that none has', list, `${token}=`],
    ['without end', list, 'A'.repeat(1024 * 1024 + 1)],
  ])('is refused %s', (_, asked, text) => {
    expect(refusedAs(() => tokens.read(asked, text))).toBe('INVALID_FIELD page_token')
  })
})
