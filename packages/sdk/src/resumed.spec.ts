import { describe, expect, it } from 'vitest'
import { PerigeeError } from './perigee-error.ts'
import { resumed } from './resumed.ts'

describe('a stream that breaks off', () => {
  it('is opened anew, with pauses when it does so again and again', async () => {
    let opened = 0
    const stop = new AbortController()
    const answers: number[] = []
    setTimeout(() => stop.abort('enough'), 1_000)
    const reading = (async () => {
      const stream = resumed(stop.signal, async function* () {
        opened += 1
        yield opened
        throw new PerigeeError('it goes away', { code: 'UNAVAILABLE' })
      })
      for await (const answer of stream) answers.push(answer)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'CANCELLED', cause: 'enough' })
    expect(opened).toBeGreaterThan(1)
    expect(opened).toBeLessThan(7)
    expect(answers).toHaveLength(opened)
  })
})
