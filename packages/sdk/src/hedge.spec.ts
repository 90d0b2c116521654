import { describe, expect, it } from 'vitest'
import { hedged, type Leg } from './hedge.ts'

interface Outcome {
  readonly answer: string
  readonly good: boolean
}

/** A way whose outcome the test brings. */
class Way implements Leg<Outcome> {
  readonly outcome: Promise<Outcome>
  givenUp = false
  begun = false
  readonly #resolve: (outcome: Outcome) => void

  constructor() {
    let resolve: (outcome: Outcome) => void = () => {}
    this.outcome = new Promise((settle) => {
      resolve = settle
    })
    this.#resolve = resolve
  }

  brings(answer: string, good = true): void {
    this.#resolve({ answer, good })
  }

  giveUp(): void {
    this.givenUp = true
  }
}

function race(afterMs = 5, allowed = Promise.resolve(true)) {
  const first = new Way()
  const second = new Way()
  const outcome = hedged<Outcome>(first, {
    afterMs,
    decides: ({ good }) => good,
    allowed: () => allowed,
    second: () => {
      second.begun = true
      return second
    },
  })
  const begun = () => expect.poll(() => second.begun).toBe(true)
  return { first, second, outcome, begun }
}

describe('a hedged read', () => {
  it('goes one way only when that is soon', async () => {
    const { first, second, outcome } = race(1_000)
    first.brings('first')
    expect((await outcome).answer).toBe('first')
    expect(second.begun).toBe(false)
  })

  it('does not wait to know whether the second way may be gone when the first brings something', async () => {
    const { first, second, outcome } = race(1, new Promise(() => {}))
    await new Promise((resolve) => setTimeout(resolve, 20))
    first.brings('first')
    expect((await outcome).answer).toBe('first')
    expect(second.begun).toBe(false)
  })

  it('goes no second way that may not be gone', async () => {
    const { first, second, outcome } = race(1, Promise.resolve(false))
    await new Promise((resolve) => setTimeout(resolve, 20))
    first.brings('first')
    expect((await outcome).answer).toBe('first')
    expect(second.begun).toBe(false)
  })

  it('takes the second way’s answer when that comes first, and gives the first up', async () => {
    const { first, second, outcome, begun } = race()
    await begun()
    second.brings('second')
    expect((await outcome).answer).toBe('second')
    expect([first.givenUp, second.givenUp]).toEqual([true, false])
  })

  it('takes the first way’s answer when that comes first after all', async () => {
    const { first, second, outcome, begun } = race()
    await begun()
    first.brings('first')
    expect((await outcome).answer).toBe('first')
    expect(second.givenUp).toBe(true)
  })

  it('waits for the other when one brings nothing good', async () => {
    const { first, second, outcome, begun } = race()
    await begun()
    second.brings('failed', false)
    await new Promise((resolve) => setImmediate(resolve))
    expect(first.givenUp).toBe(false)
    first.brings('first')
    expect((await outcome).answer).toBe('first')
  })

  it('fails when both do', async () => {
    const { first, second, outcome, begun } = race()
    await begun()
    second.brings('second failed', false)
    first.brings('first failed', false)
    expect(await outcome).toEqual({ answer: 'first failed', good: false })
  })
})
