import { expect, it } from 'vitest'
import { CallToken, metadataWith } from './call-token.ts'
import { Deadline } from './deadline.ts'
import { PerigeeError } from './perigee-error.ts'

const refusal = () => new PerigeeError('no', { code: 'UNAUTHENTICATED', reason: 'UNAUTHENTICATED' })
const attempt = () => ({ deadline: Deadline.in(100), connectTimeoutMs: 100 })

/** A sidecar that takes one token. */
function sidecar(good: string) {
  const shown: string[] = []
  const call = async (token: string) => {
    shown.push(token)
    await new Promise((resolve) => setTimeout(resolve, 5))
    if (token !== good) throw refusal()
    return 'answer'
  }
  return { shown, call }
}

it('is asked for once by many calls, and once more by all that were refused', async () => {
  let asked = 0
  const token = new CallToken(async () => {
    asked += 1
    await new Promise((resolve) => setTimeout(resolve, 5))
    return `t${asked}`
  })
  const { shown, call } = sidecar('t2')
  const answers = await Promise.all(Array.from({ length: 50 }, () => token.call(call, attempt())))
  expect(new Set(answers)).toEqual(new Set(['answer']))
  expect(asked).toBe(2)
  expect(shown).toEqual([...Array(50).fill('t1'), ...Array(50).fill('t2')])
  await token.call(call, attempt())
  expect(asked).toBe(2)
})

it('that is refused once more fails the call; the same one isn’t shown again', async () => {
  let asked = 0
  const changing = new CallToken(() => {
    asked += 1
    return `bad-${asked}`
  })
  const { shown, call } = sidecar('good')
  await expect(changing.call(call, attempt())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(shown).toEqual(['bad-1', 'bad-2'])
  const same = new CallToken(() => 'bad')
  await expect(same.call(call, attempt())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  const given = new CallToken('given')
  await expect(given.call(call, attempt())).rejects.toMatchObject({ code: 'UNAUTHENTICATED' })
  expect(shown).toEqual(['bad-1', 'bad-2', 'bad', 'given'])
})

it('isn’t asked for again by other failures', async () => {
  let asked = 0
  const token = new CallToken(() => {
    asked += 1
    return 'good'
  })
  const denied = () => Promise.reject(new PerigeeError('no', { code: 'PERMISSION_DENIED' }))
  await expect(token.call(denied, attempt())).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })
  expect(asked).toBe(1)
})

it.each([
  ['throws', () => Promise.reject(new Error('out of order')), 'out of order'],
  ['gives nothing', () => undefined as never, 'must return one'],
  ['gives what no header holds', () => 'a\r\nb', 'must return one'],
])('is told of when its function %s', async (_, make, why) => {
  const error = await new CallToken(make).call(sidecar('x').call, attempt()).catch((thrown) => thrown)
  expect(error).toMatchObject({ code: 'UNAUTHENTICATED', message: expect.stringContaining(why) })
})

it('is waited for no longer than its call has', async () => {
  const token = new CallToken(() => new Promise(() => {}))
  await expect(token.call(sidecar('x').call, attempt())).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' })
})

it('is a header, or refused at once', () => {
  expect(metadataWith('t').get('authorization')).toEqual(['Bearer t'])
  expect(metadataWith(undefined).get('authorization')).toEqual([])
  for (const text of ['', 'two words', 'a\nb', 'é', 'x'.repeat(9000)]) {
    expect(() => new CallToken(text)).toThrow(PerigeeError)
  }
})
