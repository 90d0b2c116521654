import { encodeToken, tokenToString } from '@perigee/core'
import type { GetRequest } from '@perigee/protocol'
import { describe, expect, it } from 'vitest'
import { text } from './codec.ts'
import { PerigeeError } from './perigee-error.ts'
import { runWithSession } from './session.ts'
import { failure, smallRegions } from './spec/small-regions.ts'
import { Refusal } from './spec/small-sidecar.ts'

const CLUSTER = '00000000000000aa'
const tokenAt = (seq: number, clusterId = CLUSTER) => encodeToken({ clusterId, position: { epoch: 1, seq } })
const tokenSent = (request: unknown) => (request as GetRequest).options?.sessionToken ?? Buffer.alloc(0)

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

  it('never goes back when answers arrive out of order, or twice', async () => {
    const { perigee, near } = await smallRegions()
    const session = perigee.session()
    const cache = session.cache('answers', { codec: text })
    const waiting: (() => void)[] = []
    const seqs = [5, 3, 9, 9, 1]
    near.intercept = async (_, request) => {
      const seq = seqs[Number((request as GetRequest).key)] as number
      await new Promise<void>((resolve) => waiting.push(resolve))
      return { receipt: { region: 'eu-west-1', sessionToken: tokenAt(seq) } }
    }
    const calls = seqs.map((_, i) => cache.get(`${i}`))
    await expect.poll(() => waiting.length).toBe(seqs.length)
    let newest = 0
    for (const [i, go] of waiting.entries()) {
      go()
      await calls[i]
      newest = Math.max(newest, seqs[i] as number)
      expect(session.token).toBe(tokenToString(tokenAt(newest)))
    }
  })

  it('sends what it has seen by the time a connection is there, not by the time of the call', async () => {
    const { connect, near } = await smallRegions()
    const session = (await connect()).session()
    const reading = session.cache('answers', { codec: text }).get('a')
    session.include(tokenToString(tokenAt(7)))
    await reading
    expect(near.calls('Get').map(tokenSent)).toEqual([Buffer.from(tokenAt(7))])
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

  it('goes on with what survives once the loss is accepted, and answers in flight do not bring it back', async () => {
    const { perigee, near } = await smallRegions()
    const surviving = encodeToken({ clusterId: CLUSTER, position: { epoch: 2, seq: 3 } })
    const session = perigee.session(tokenToString(tokenAt(9)))
    const cache = session.cache('answers', { codec: text })
    let finish = () => {}
    near.intercept = async (_, request) => {
      if (!Buffer.from(tokenSent(request) ?? []).equals(Buffer.from(tokenAt(9)))) return undefined
      if ((request as GetRequest).key !== 'slow') {
        const metadata = { position: '2-3', session_token: tokenToString(surviving) }
        throw new Refusal('LOST_HISTORY', 'lost', metadata)
      }
      await new Promise<void>((resolve) => (finish = resolve))
      return { receipt: { region: 'eu-west-1', sessionToken: tokenAt(10) } }
    }
    const inFlight = cache.get('slow')
    await expect.poll(() => near.calls('Get').length).toBe(1)
    const told = await failure(cache.set('a', '1'))
    expect(told).toMatchObject({ reason: 'LOST_HISTORY', metadata: { position: '2-3' } })
    expect(session.token).toBe(tokenToString(tokenAt(9)))

    session.acceptLoss()
    expect(session.token).toBe(tokenToString(surviving))
    finish()
    await inFlight
    expect(session.token).toBe(tokenToString(surviving))
    near.intercept = () => undefined
    await cache.get('a')
    expect(near.calls('Get').map(tokenSent).at(-1)).toEqual(Buffer.from(surviving))
  })

  it('shares no loss with those who share its computation', async () => {
    const { perigee, near, events } = await smallRegions()
    near.intercept = (method) => {
      if (method === 'Set') throw new Refusal('LOST_HISTORY')
      return undefined
    }
    const cache = perigee.session().cache('answers', { codec: text })
    expect(await cache.getOrCompute('a', () => '1')).toBe('1')
    expect(events.at(-1)).toMatchObject({ type: 'cache-bypassed', error: { reason: 'LOST_HISTORY' } })
  })
})

describe('runWithSession', () => {
  it('gives its session to every call within, also of caches opened before, and to none outside', async () => {
    const { perigee, near } = await smallRegions()
    const answers = perigee.cache('answers', { codec: text })
    const docs = perigee.index('docs', { model: { id: 'm', revision: '1' } })
    const session = perigee.session(tokenToString(tokenAt(7)))
    const result = await runWithSession(session, async () => {
      expect(perigee.currentSession).toBe(session)
      await answers.get('a')
      await Promise.resolve()
      await docs.search([1, 2])
      await perigee.cache('more', { codec: text }).set('b', '2')
      return 'done'
    })
    expect(result).toBe('done')
    expect(perigee.currentSession).toBeUndefined()
    await answers.get('a')
    const [first, second] = near.calls('Get').map(tokenSent)
    expect(first).toEqual(Buffer.from(tokenAt(7)))
    expect(second).toHaveLength(0)
    for (const method of ['Search', 'Set']) {
      expect(near.calls(method).map(tokenSent)).toEqual([Buffer.from(tokenAt(7))])
    }
  })

  it('keeps requests that run at the same time apart', async () => {
    const { perigee } = await smallRegions()
    const answers = perigee.cache('answers', { codec: text })
    const tokens = await Promise.all(
      [1, 2, 3].map((seq) => {
        const session = perigee.session(tokenToString(tokenAt(seq * 100)))
        return runWithSession(session, async () => {
          await answers.get('a')
          return perigee.currentSession?.token
        })
      }),
    )
    expect(tokens).toEqual([1, 2, 3].map((seq) => tokenToString(tokenAt(seq * 100))))
  })

  it('leaves caches of a session of their own to that one, and other clients alone', async () => {
    const { perigee, near, connect } = await smallRegions()
    const other = await connect()
    const own = perigee.session(tokenToString(tokenAt(3))).cache('answers', { codec: text })
    await runWithSession(perigee.session(tokenToString(tokenAt(7))), async () => {
      await own.get('a')
      await other.cache('answers', { codec: text }).get('a')
      expect(other.currentSession).toBeUndefined()
    })
    const [first, second] = near.calls('Get').map(tokenSent)
    expect(first).toEqual(Buffer.from(tokenAt(3)))
    expect(second).toHaveLength(0)
  })
})

it('Without a session no token is sent', async () => {
  const { perigee, near } = await smallRegions()
  const cache = perigee.cache('answers', { codec: text })
  await cache.set('a', '1')
  await cache.get('a')
  expect(near.received.map(({ request }) => tokenSent(request)?.length)).toEqual([0, 0])
})
