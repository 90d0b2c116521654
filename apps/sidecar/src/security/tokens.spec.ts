import { expect, it } from 'vitest'
import { digestOf, parsePeerTokens, Tokens } from './tokens.ts'

const [A, B] = ['pgt_a', 'pgt_b'].map((token) => digestOf(token).toString('hex'))

it('finds a token by its digest, with its name and end, among comments and several of one name', () => {
  const tokens = Tokens.parse(
    `# shop\n\nshop sha256:${A}\r\n  shop sha256:${B} expires:2030-01-31T00:00:00Z\n`,
  )
  expect(tokens.find(digestOf('pgt_a'))).toMatchObject({ name: 'shop', expiresMs: undefined })
  expect(tokens.find(digestOf('pgt_b'))).toMatchObject({ name: 'shop', expiresMs: Date.UTC(2030, 0, 31) })
  expect(tokens.find(digestOf('pgt_c'))).toBeUndefined()
})

it.each([
  ['a token itself', 'shop pgt_secret'],
  ['a digest that is too short', 'shop sha256:abcd'],
  ['a digest in capitals', `shop sha256:${A?.toUpperCase()}`],
  ['no name', `sha256:${A}`],
  ['an end that is no time', `shop sha256:${A} expires:soon`],
  ['more than that', `shop sha256:${A} admin`],
  ['a name with an escape', `a\u001bb sha256:${A}`],
])('refuses %s, and names the line and nothing of it', (_, line) => {
  const parse = () => Tokens.parse(`good sha256:${B}\n${line}`)
  expect(parse).toThrow(/^line 2 must be/)
  expect(parse).not.toThrow(/secret/)
})

it('shows the first token of a peer file, and takes all of them', () => {
  const [first, second] = ['x'.repeat(40), 'y'.repeat(40)]
  const { shown, taken } = parsePeerTokens(`# ours\n${first}\n${second}\n`)
  expect(shown).toBe(first)
  expect([first, second].map((token) => taken.find(digestOf(token as string))?.name)).toEqual([
    'peer',
    'peer',
  ])
  expect(() => parsePeerTokens('# nothing\n')).toThrow('must hold a token')
  expect(() => parsePeerTokens('secret')).toThrow(/^token 1 must have 32/)
})
