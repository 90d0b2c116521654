import { expect, it } from 'vitest'
import { Policy } from './policy.ts'

const parse = (principals: object) => Policy.parse(JSON.stringify({ principals }))

it('gives what it says, and nobody anything else', () => {
  const policy = parse({
    shop: [
      { namespaces: ['shop', 'shop-*'], actions: ['read', 'write'] },
      { namespaces: ['other'], actions: ['read'] },
    ],
    operator: [{ namespaces: ['*'], actions: ['admin'] }],
    nobody: [],
  })
  const shop = policy.rightsOf('shop')
  expect(
    ['shop', 'shop-', 'shop-1', 'shopping', 'sho', '', 'other'].map((n) => shop.may('write', n)),
  ).toEqual([...[true, true, true, false, false, false, false]])
  expect([shop.may('read', 'other'), shop.may('admin', 'shop'), shop.mayEverywhere('read')]).toEqual([
    true,
    false,
    false,
  ])
  expect(['shop-1', 'other', 'third'].map((n) => shop.sees(n))).toEqual([true, true, false])
  const operator = policy.rightsOf('operator')
  expect([
    operator.mayEverywhere('admin'),
    operator.mayEverywhere('read'),
    operator.may('read', 'shop'),
  ]).toEqual([...[true, false, false]])
  for (const name of ['nobody', 'unknown', 'toString', '__proto__', 'constructor', '']) {
    const rights = policy.rightsOf(name)
    expect([rights.may('read', 'shop'), rights.mayEverywhere('read'), rights.sees('shop')], name).toEqual([
      ...[false, false, false],
    ])
  }
})

it.each([
  ['no JSON', '{', 'must be JSON'],
  ['another shape', '{}', 'principals'],
  [
    'an action there isn’t',
    '{"principals":{"a":[{"namespaces":["n"],"actions":["delete"]}]}}',
    'principals.a.0.actions.0',
  ],
  [
    'a star in the middle',
    '{"principals":{"a":[{"namespaces":["a*b"],"actions":["read"]}]}}',
    'must be a namespace',
  ],
  [
    'no namespace that can be',
    '{"principals":{"a":[{"namespaces":["A B"],"actions":["read"]}]}}',
    'must be a namespace',
  ],
  [
    'an empty grant',
    '{"principals":{"a":[{"namespaces":[],"actions":["read"]}]}}',
    'principals.a.0.namespaces',
  ],
  ['a word it doesn’t know', '{"principals":{},"defaults":"allow"}', 'defaults'],
  [
    'a grant with more than that',
    '{"principals":{"a":[{"namespaces":["n"],"actions":["read"],"not":1}]}}',
    'not',
  ],
])('refuses %s', (_, text, why) => {
  expect(() => Policy.parse(text)).toThrow(why)
})
