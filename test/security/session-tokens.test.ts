import { decodeToken, encodeToken, type SessionToken } from '@perigee/core'
import { WhenBehind } from '@perigee/protocol'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { CallError, RawClient } from '../support/clients.ts'
import { MultiplexClient, type ReplyError } from '../support/multiplex-client.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'

const KEY = { namespace: 'warm', key: 'up' }
const NEVER = 2 ** 53 - 1
const MAX_WAIT_MS = 300
/** What a machine that is busy may add to it. */
const SLACK_MS = 3000

let regions: TwoRegions
let own: SessionToken

beforeAll(async () => {
  regions = await startTwoRegions()
  const { receipt } = await regions.us.cache.get(KEY)
  own = decodeToken(receipt?.sessionToken ?? new Uint8Array())
})

afterAll(() => regions?.[Symbol.asyncDispose]())

const later = (epoch: number, seq: number): Uint8Array =>
  encodeToken({ clusterId: own.clusterId, position: { epoch: own.position.epoch + epoch, seq } })
const random = (length: number) => Uint8Array.from({ length }, (_, i) => (i * 89 + 41) % 256)

/** How many calls the primary's sidecar has had from the other region's on behalf of a client. */
async function forwarded(): Promise<number> {
  const http = regions.cluster.state().regions[0]?.http
  const text = await (await fetch(`http://${http}/metrics`)).text()
  const counts = text
    .split('\n')
    .filter((line) => line.includes('_count{') && line.includes('PeerService/Forward'))
  return counts.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
}

type Outcome = { readonly told: string; readonly tookMs: number; readonly forwarded: number }

/** What a read with such a token comes to, unary or on a stream: its status and reason, its time, and calls to the primary. */
async function outcomeOf(read: () => Promise<unknown>): Promise<Outcome> {
  const before = await forwarded()
  const startedMs = performance.now()
  const told = await read().then(
    () => 'answered',
    (error: CallError | ReplyError) => `${error.status} ${error.details.reason}`,
  )
  const tookMs = performance.now() - startedMs
  return { told, tookMs, forwarded: (await forwarded()) - before }
}

function readOf(client: RawClient, token: Uint8Array, whenBehind: WhenBehind = WhenBehind.FORWARD) {
  const options = { sessionToken: token, maxWait: { seconds: 0n, nanos: MAX_WAIT_MS * 1e6 }, whenBehind }
  return { unary: () => client.cache.get({ ...KEY, options }), request: { ...KEY, options } }
}

describe('a session token that is none', () => {
  it.each([
    ['empty but for its format', () => Uint8Array.of(1)],
    ['garbage', () => random(25)],
    ['truncated', () => later(0, 1).subarray(0, 24)],
    ['longer than any', () => random(9 + 16 * 17)],
    ['a mebibyte', () => random(1024 * 1024)],
    ['numbers over 2⁵³', () => later(0, 1).fill(0xff, 17)],
    ["another cluster's", () => encodeToken({ ...own, clusterId: '00000000000000aa' })],
    [
      'positions out of order',
      () => {
        const { epoch } = own.position
        return encodeToken({ ...own, older: [{ epoch: epoch + 5, seq: 1 }] })
      },
    ],
  ])('%s is refused at once in every region, and nobody is asked', async (_, token) => {
    for (const [i, client] of [regions.us, regions.eu].entries()) {
      const { unary, request } = readOf(client, token())
      using stream = new MultiplexClient(regions.cluster.state().regions[i]?.grpc ?? '')
      for (const read of [unary, () => stream.call({ request: { case: 'get', value: request } })]) {
        const { told, tookMs, forwarded } = await outcomeOf(read)
        expect([told, forwarded]).toEqual(['INVALID_ARGUMENT INVALID_TOKEN', 0])
        expect(tookMs).toBeLessThan(SLACK_MS)
      }
    }
  })
})

describe('a session token of what was never written', () => {
  it('is refused by the primary: within its epoch as invalid, of a later one as lost', async () => {
    const within = await outcomeOf(readOf(regions.us, later(0, NEVER)).unary)
    expect([within.told, within.forwarded]).toEqual(['INVALID_ARGUMENT INVALID_TOKEN', 0])
    const beyond = await outcomeOf(readOf(regions.us, later(1000, 1)).unary)
    expect([beyond.told, beyond.forwarded]).toEqual(['DATA_LOSS LOST_HISTORY', 0])
  })

  it.each([
    ['within the epoch', () => later(0, NEVER), 'INVALID_ARGUMENT INVALID_TOKEN'],
    [
      'of the farthest epoch there can be',
      () => later(NEVER - own.position.epoch, NEVER),
      'DATA_LOSS LOST_HISTORY',
    ],
  ])('%s makes a replica wait as long as it may, and ask the primary once', async (_, token, told) => {
    const outcome = await outcomeOf(readOf(regions.eu, token()).unary)
    expect(outcome.told).toBe(told)
    expect(outcome.forwarded).toBe(1)
    expect(outcome.tookMs).toBeLessThan(MAX_WAIT_MS + SLACK_MS)
  })

  it('makes a replica ask nobody when it is told to fail', async () => {
    const read = readOf(regions.eu, later(0, NEVER), WhenBehind.FAIL).unary
    const outcome = await outcomeOf(read)
    expect([outcome.told, outcome.forwarded]).toEqual(['UNAVAILABLE BEHIND_SESSION', 0])
    expect(outcome.tookMs).toBeLessThan(MAX_WAIT_MS + SLACK_MS)
  })

  it('sent a hundred times at once makes a hundred calls to the primary at most', async () => {
    const before = await forwarded()
    const read = readOf(regions.eu, later(0, NEVER)).unary
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, read))
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toEqual([])
    expect((await forwarded()) - before).toBeLessThanOrEqual(100)
  })
})
