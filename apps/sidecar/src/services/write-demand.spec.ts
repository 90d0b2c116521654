import { create } from '@bufbuild/protobuf'
import { DeleteRequestSchema, SetRequestSchema } from '@perigee/protocol'
import { expect, it } from 'vitest'
import { ANONYMOUS } from '../security/principal.ts'
import { bodyHash, inOrder, writeDemand } from './write-demand.ts'

const set = (more = {}) =>
  create(SetRequestSchema, { namespace: 'n', key: 'k', value: Buffer.from('v'), ...more })
const hash = (more = {}) => bodyHash(SetRequestSchema, set(more))

it('tells bodies apart, and none by their options', () => {
  expect(hash()).toMatch(/^[0-9a-f]{16}$/)
  expect(hash({ options: { requestId: 'r', sessionToken: Buffer.from('t'), durability: 2 } })).toBe(hash())
  const others = [
    { key: 'k2' },
    { value: Buffer.from('w') },
    { namespace: 'm' },
    { contentType: 'x' },
    { ttl: { seconds: 1n } },
  ]
  expect(new Set([hash(), ...others.map((other) => hash(other))]).size).toBe(others.length + 1)
  expect(bodyHash(DeleteRequestSchema, create(DeleteRequestSchema, { namespace: 'n' }))).not.toBe(hash())
})

it('puts the names of JSON objects in order, however deep, and leaves lists as they are', () => {
  const [one, other] = [
    { b: [{ d: 1, c: 2 }, 'x'], a: null },
    { a: null, b: [{ c: 2, d: 1 }, 'x'] },
  ]
  expect(JSON.stringify(inOrder(one))).toBe(JSON.stringify(inOrder(other)))
  expect(JSON.stringify(inOrder({ a: [2, 1] }))).toBe('{"a":[2,1]}')
})

it('ends a write earlier by as long as its call may have waited in a paused process', () => {
  const call = {
    deadlineMs: 1_000_000,
    signal: new AbortController().signal,
    waitedMsMax: 300,
    principal: ANONYMOUS,
  }
  const asked = {
    schema: SetRequestSchema,
    request: set(),
    choice: { durability: 'REPLICATED' } as const,
    call,
  }
  expect(writeDemand(asked, 7)).toEqual({ deadlineMs: 999_700, epoch: 7, durability: 'REPLICATED' })
  const repeatable = { ...asked, choice: { ...asked.choice, requestId: 'r' } }
  expect(writeDemand(repeatable, 7)).toMatchObject({ requestId: 'r', bodyHash: hash() })
})
