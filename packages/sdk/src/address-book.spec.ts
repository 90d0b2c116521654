import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { AddressBook } from './address-book.ts'
import type { Discovery, FoundAddress, Resolution } from './discovery.ts'
import type { PerigeeEvent } from './event.ts'
import { PerigeeError } from './perigee-error.ts'

/** Names whose answers a test sets; counts the questions. */
class Names implements Discovery {
  asked = 0
  answer: () => Promise<readonly FoundAddress[]> = async () => []

  say(...addresses: string[]): void {
    this.answer = async () => addresses.map((address) => ({ address }))
  }

  fail(message: string): void {
    this.answer = async () => {
      throw new PerigeeError(message, { code: 'UNAVAILABLE' })
    }
  }

  async resolve(): Promise<Resolution> {
    this.asked++
    const addresses = await this.answer()
    const error = addresses.length ? undefined : new PerigeeError('nothing', { code: 'UNAVAILABLE' })
    return { addresses, questions: [], ignored: [], error }
  }

  close(): void {}
}

const REGION = 'eu-west-1'

async function book(names: Names) {
  const events: PerigeeEvent[] = []
  const changes: string[] = []
  const made = new AddressBook({
    regions: [REGION],
    discovery: names,
    onEvent: (event) => events.push(event),
    onChange: (region) => changes.push(region),
  })
  onTestFinished(() => made.close())
  await made.start()
  const current = () => made.endpoints(REGION).map(({ address }) => address)
  const former = () => made.former(REGION).map(({ address }) => address)
  const answers = (address: string) => made.answered({ region: REGION, address })
  return { book: made, current, former, answers, events, changes }
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

describe('known addresses', () => {
  it.each<[string, (names: Names) => void]>([
    ['fails', (names) => names.fail('SERVFAIL')],
    ['is empty', (names) => names.say()],
    [
      'never comes',
      (names) => {
        names.answer = () => new Promise(() => {})
      },
    ],
  ])('stay when an answer %s', async (_, spoil) => {
    const names = new Names()
    names.say('10.0.0.1:7700', '10.0.0.2:7700')
    const { current } = await book(names)
    spoil(names)
    await vi.advanceTimersByTimeAsync(60_000)
    expect(current()).toEqual(['10.0.0.1:7700', '10.0.0.2:7700'])
    names.say('10.0.0.3:7700')
  })

  it('keep their order, whatever that of the answers', async () => {
    const names = new Names()
    names.say('a:1', 'b:1', 'c:1')
    const { current, changes } = await book(names)
    names.say('c:1', 'a:1', 'b:1')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(current()).toEqual(['a:1', 'b:1', 'c:1'])
    expect(changes).toEqual([REGION])
    names.say('d:1', 'c:1', 'a:1')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(current()).toEqual(['a:1', 'c:1', 'd:1'])
  })

  it('that DNS no longer names are kept until a newer one has answered', async () => {
    const names = new Names()
    names.say('old:1')
    const { book: made, current, former, answers } = await book(names)
    names.say('new:1')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(current()).toEqual(['new:1'])
    expect(former()).toEqual(['old:1'])
    expect(made.all.map(({ address }) => address)).toEqual(['new:1', 'old:1'])
    answers('old:1')
    expect(former()).toEqual(['old:1'])
    answers('new:1')
    expect(former()).toEqual([])
    expect(made.all.map(({ address }) => address)).toEqual(['new:1'])
  })

  it('that DNS names again are current ones', async () => {
    const names = new Names()
    names.say('a:1')
    const { current, former } = await book(names)
    names.say('b:1')
    await vi.advanceTimersByTimeAsync(4_000)
    names.say('a:1')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(current()).toEqual(['a:1'])
    expect(former()).toEqual(['b:1'])
  })

  it('of former days are forgotten after a while, and are never many', async () => {
    const names = new Names()
    names.say('0:1')
    const { former } = await book(names)
    for (let i = 1; i <= 20; i++) {
      names.say(`${i}:1`)
      await vi.advanceTimersByTimeAsync(4_000)
    }
    expect(former()).toEqual(['19:1', '18:1', '17:1', '16:1', '15:1', '14:1', '13:1', '12:1'])
    await vi.advanceTimersByTimeAsync(61 * 60_000)
    expect(former()).toEqual([])
  })

  it('are at most 64 of one region, and stay the same ones', async () => {
    const names = new Names()
    const all = Array.from({ length: 1_000 }, (_, i) => `10.0.${i >> 8}.${i & 255}:7700`)
    names.say(...all)
    const { current } = await book(names)
    const first = current()
    expect(first).toHaveLength(64)
    names.say(...all.toReversed())
    await vi.advanceTimersByTimeAsync(4_000)
    expect(current()).toEqual(first)
  })
})

describe('looking up', () => {
  it('happens every three to four seconds, though an answer is slow', async () => {
    const names = new Names()
    names.say('a:1')
    const { current } = await book(names)
    names.answer = () =>
      new Promise((resolve) => setTimeout(resolve, 900, [{ address: 'a:1' }, { address: 'b:1' }]))
    await vi.advanceTimersByTimeAsync(4_900)
    expect(current()).toEqual(['a:1', 'b:1'])
    const before = names.asked
    await vi.advanceTimersByTimeAsync(60_000)
    expect(names.asked - before).toBeGreaterThanOrEqual(14)
    expect(names.asked - before).toBeLessThanOrEqual(21)
  })

  it('happens when a sidecar failed, at most once a second', async () => {
    const names = new Names()
    names.say('a:1')
    const { book: made } = await book(names)
    await vi.advanceTimersByTimeAsync(1_001)
    const before = names.asked
    for (let i = 0; i < 100; i++) void made.refresh(REGION)
    await vi.advanceTimersByTimeAsync(999)
    for (let i = 0; i < 100; i++) void made.refresh()
    expect(names.asked - before).toBe(1)
    await vi.advanceTimersByTimeAsync(2)
    void made.refresh()
    expect(names.asked - before).toBe(2)
  })

  it('ends with the client', async () => {
    const names = new Names()
    names.say('a:1')
    const { book: made } = await book(names)
    made.close()
    const before = names.asked
    await vi.advanceTimersByTimeAsync(60_000)
    expect(names.asked).toBe(before)
  })

  it('tells of a failure once, and again after it went well', async () => {
    const names = new Names()
    names.fail('NXDOMAIN')
    const { book: made, events } = await book(names)
    await vi.advanceTimersByTimeAsync(20_000)
    expect(events).toMatchObject([
      { type: 'discovery-failed', region: REGION, error: { message: 'NXDOMAIN' } },
    ])
    expect(made.problem(REGION)?.message).toBe('NXDOMAIN')
    names.say('a:1')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(made.problem(REGION)).toBeUndefined()
    names.fail('NXDOMAIN')
    await vi.advanceTimersByTimeAsync(4_000)
    expect(events).toHaveLength(2)
  })
})
