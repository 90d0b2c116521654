import { create } from '@bufbuild/protobuf'
import { ExchangeClockResponseSchema } from '@perigee/protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { timestampOf } from '../wire-time.ts'
import { exchangeAnswer, type Offset, SkewEstimate } from './skew.ts'

/** A host whose clock is `skewMs` behind the primary's, at a distance that may differ there and back. */
class Host {
  trueMs = 1_763_848_912_345
  own: Offset | undefined
  skewMs: number
  readonly estimate: SkewEstimate
  ways: [there: number, back: number] = [0, 0]

  constructor(skewMs: number) {
    this.skewMs = skewMs
    this.estimate = new SkewEstimate({
      hostNowMs: () => this.trueMs - this.skewMs,
      own: () => this.own,
      exchange: async () => {
        this.trueMs += this.ways[0]
        const at = timestampOf(this.trueMs)
        this.trueMs += this.ways[1]
        return create(ExchangeClockResponseSchema, { receivedAt: at, answeredAt: at })
      },
    })
  }

  async measure(...ways: [number, number]) {
    this.ways = ways
    await this.estimate.measure()
  }
}

const ms = fc.double({ min: 0, max: 500, noNaN: true })

describe('the estimate of the primary’s clock', () => {
  it('is its own clock, wrong by anything, while nothing is known', () => {
    const host = new Host(250)
    expect(host.estimate.nowMs()).toBe(host.trueMs - 250)
    expect(host.estimate.uncertaintyMs()).toBe(Number.POSITIVE_INFINITY)
  })

  it('is exact when both ways take as long', async () => {
    const host = new Host(-4000)
    await host.measure(35, 35)
    expect(host.estimate.nowMs()).toBeCloseTo(host.trueMs, 2)
    expect(host.estimate.uncertaintyMs()).toBeCloseTo(35, 1)
  })

  it('is right again with the first exchange after the clock was set, however long that took', async () => {
    const host = new Host(250)
    for (let i = 0; i < 10; i++) await host.measure(10, 10)
    host.skewMs = -60_000
    await host.measure(150, 60)
    const error = Math.abs(host.estimate.nowMs() - host.trueMs)
    expect(error).toBeLessThanOrEqual(host.estimate.uncertaintyMs() + 0.01)
    expect(host.estimate.uncertaintyMs()).toBeLessThan(110)
  })

  it('is never wrong by more than it says, whatever the ways and the skew', async () => {
    const exchanges = fc.array(fc.tuple(ms, ms), { minLength: 1, maxLength: 50 })
    await fc.assert(
      fc.asyncProperty(fc.double({ min: -1e6, max: 1e6, noNaN: true }), exchanges, async (skewMs, list) => {
        const host = new Host(skewMs)
        for (const ways of list) await host.measure(...ways)
        const error = Math.abs(host.estimate.nowMs() - host.trueMs)
        expect(error).toBeLessThanOrEqual(host.estimate.uncertaintyMs() + 0.01)
      }),
      { numRuns: 200 },
    )
  })

  it('goes by the exchange with the shortest round trip', async () => {
    const host = new Host(100)
    await host.measure(35, 35)
    await host.measure(400, 35)
    expect(host.estimate.nowMs()).toBeCloseTo(host.trueMs, 1)
  })

  it('prefers a new exchange to one that drift has made worth less', async () => {
    const host = new Host(100)
    await host.measure(10, 10)
    host.trueMs += 3_600_000
    await host.measure(40, 40)
    expect(host.estimate.uncertaintyMs()).toBeLessThan(41)
  })

  it('is that of the region’s own Redis at the primary', async () => {
    const host = new Host(0)
    await host.measure(35, 35)
    host.own = { offsetMs: 7, uncertaintyMs: 0.2 }
    expect(host.estimate.nowMs()).toBe(host.trueMs + 7)
    expect(host.estimate.uncertaintyMs()).toBe(0.2)
    expect(exchangeAnswer(1000, host.estimate).receivedAt).toEqual(timestampOf(1000))
  })

  it('is forgotten with the primary it was of', async () => {
    const host = new Host(100)
    await host.measure(35, 35)
    host.estimate.forget()
    expect(host.estimate.uncertaintyMs()).toBe(Number.POSITIVE_INFINITY)
  })
})
