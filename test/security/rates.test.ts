import { setTimeout as pause } from 'node:timers/promises'
import { Perigee, text } from '@perigee/sdk'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type CallError, RawClient } from '../support/clients.ts'
import { answerOf, MultiplexClient, type ReplyError } from '../support/multiplex-client.ts'
import { Siege } from './siege.ts'

const BURST = 10
const KEPT = { namespace: 'siege', key: 'kept' }

let siege: Siege

beforeAll(async () => {
  siege = await Siege.start({
    PERIGEE_CALLS_PER_SECOND_MAX: '2',
    PERIGEE_CALLS_BURST_MAX: String(BURST),
  })
})

afterAll(() => siege?.[Symbol.asyncDispose]())

/** Waits until the whole burst may be made again. */
const rest = () => pause((BURST / 2) * 1000 + 200)

/** Of calls at once, how many were answered; the others must have been told to come back, and when. */
async function answered(calls: readonly Promise<unknown>[]): Promise<number> {
  const outcomes = await Promise.allSettled(calls)
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') continue
    const { status, details } = outcome.reason as CallError | ReplyError
    expect([status, details.reason]).toEqual(['RESOURCE_EXHAUSTED', 'OVERLOADED'])
    expect(details.retryDelayMs).toBeGreaterThan(0)
    expect(details.retryDelayMs).toBeLessThanOrEqual(500)
  }
  return outcomes.filter(({ status }) => status === 'fulfilled').length
}

describe('a principal who makes too many calls a second', () => {
  it('has a burst answered, and the rest turned away, by unary calls', async () => {
    await rest()
    using client = new RawClient(siege.address)
    const count = await answered(Array.from({ length: 50 }, () => client.cache.get(KEPT)))
    expect(count).toBeGreaterThanOrEqual(BURST)
    expect(count).toBeLessThan(40)
  })

  it('and over one stream, whatever shares a frame', async () => {
    await rest()
    using client = new MultiplexClient(siege.address)
    const calls = Array.from({ length: 50 }, () => ({ request: { case: 'get' as const, value: KEPT } }))
    const count = await answered(client.send({ calls }).map(async (reply) => answerOf(await reply)))
    expect(count).toBeGreaterThanOrEqual(BURST)
    expect(count).toBeLessThan(40)
  })

  it('has a call answered all the same by way of the SDK, which comes back when it was told to', async () => {
    using client = new RawClient(siege.address)
    await Promise.allSettled(Array.from({ length: 50 }, () => client.cache.get(KEPT)))
    await using perigee = await Perigee.connect({
      region: 'us-east-1',
      addresses: { 'us-east-1': siege.address },
    })
    const cache = perigee.cache('siege', { codec: text })
    for (let i = 0; i < 4; i++) expect(await cache.getEntry('kept', { timeoutMs: 10_000 })).toBeDefined()
  })
})
