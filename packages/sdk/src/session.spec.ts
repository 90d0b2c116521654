import { encodeToken, tokenToString } from '@perigee/core'
import type { GetRequest } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { text } from './codec.ts'
import { PerigeeError } from './perigee-error.ts'
import { Seen } from './seen.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal } from './spec/small-sidecar.ts'

const CLUSTER = '00000000000000aa'
const tokenAt = (seq: number, clusterId = CLUSTER) => encodeToken({ clusterId, position: { epoch: 1, seq } })
const tokenSent = (request: unknown) => (request as GetRequest).options?.sessionToken

describe('a session', () => {
  it('has an empty token until it has seen something', async () => {
    const { perigee } = await smallRegions()
    const session = perigee.session()
    expect(session.token).toBe('')
    await session.cache('answers', { codec: text }).set('a', '1')
    expect(session.token).toBe(tokenToString(tokenAt(1)))
  })

  it('sends what it has seen with reads and writes, over caches and indexes', async () => {
    const { perigee, near } = await smallRegions()
    const session = perigee.session()
    const cache = session.cache('answers', { codec: text })
    await cache.set('a', '1')
    await cache.get('a')
    await cache.set('b', '2')
    await session.index('docs', { model: { id: 'm', revision: '1' } }).search([1, 2])
    const [get] = near.calls('Get').map(tokenSent)
    const [, set] = near.calls('Set').map(tokenSent)
    const [search] = near.calls('Search').map(tokenSent)
    expect([get, set, search]).toEqual([1, 1, 2].map((seq) => Buffer.from(tokenAt(seq))))
  })

  it('goes on from its token elsewhere', async () => {
    const { perigee, connect, near } = await smallRegions()
    const here = perigee.session()
    await here.cache('answers', { codec: text }).set('a', '1')
    const there = (await connect()).session(here.token)
    await there.cache('answers', { codec: text }).get('a')
    expect(near.calls('Get').map(tokenSent)).toEqual([Buffer.from(tokenAt(1))])
    expect(there.token).toBe(here.token)
  })

  it('never goes back when answers arrive out of order', () => {
    const seen = new Seen()
    for (const seq of [5, 3, 9, 9, 1]) seen.include(tokenAt(seq))
    expect(seen.text).toBe(tokenToString(tokenAt(9)))
  })

  it('sends in a second attempt what it has come to know since the first', async () => {
    const { perigee, near, far } = await smallRegions()
    const session = perigee.session()
    near.intercept = () => {
      session.include(tokenToString(tokenAt(7)))
      throw new Refusal('DATA_UNAVAILABLE')
    }
    await session.cache('answers', { codec: text }).get('a')
    expect(far.calls('Get').map(tokenSent)).toEqual([Buffer.from(tokenAt(7))])
  })

  it.each(['garbage', '!', 'AAAA', `${tokenToString(tokenAt(1))}AAAA`])(
    'refuses the token %j',
    async (token) => {
      const { perigee } = await smallRegions()
      expect(() => perigee.session(token)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT', reason: 'INVALID_TOKEN' }),
      )
    },
  )

  it("refuses another cluster's token once it has seen this one", async () => {
    const { perigee } = await smallRegions()
    const session = perigee.session(tokenToString(tokenAt(1)))
    expect(() => session.include(tokenToString(tokenAt(1, '00000000000000bb')))).toThrow(PerigeeError)
  })

  it('is told of lost history', async () => {
    const { perigee, near } = await smallRegions()
    near.intercept = () => {
      throw new Refusal('LOST_HISTORY')
    }
    const cache = perigee.session(tokenToString(tokenAt(1))).cache('answers')
    expect(await failure(cache.get('a'))).toMatchObject({ code: 'DATA_LOSS', reason: 'LOST_HISTORY' })
    expect(await failure(cache.getOrCompute('a', () => 1))).toMatchObject({ reason: 'LOST_HISTORY' })
  })
})

it('Without a session no token is sent', async () => {
  const { perigee, near } = await smallRegions()
  const cache = perigee.cache('answers', { codec: text })
  await cache.set('a', '1')
  await cache.get('a')
  expect(near.received.map(({ request }) => tokenSent(request)?.length)).toEqual([0, 0])
})
