import { describe, expect, it } from 'vitest'
import { Computations } from './computations.ts'

/** Something that ends when it is told to. */
function ending<T>() {
  let end: (value: T) => void = () => {}
  let fail: (error: Error) => void = () => {}
  const promise = new Promise<T>((resolve, reject) => {
    end = resolve
    fail = reject
  })
  return { promise, end, fail }
}

describe('computations of one slot', () => {
  it('are one while it is under way', async () => {
    const computations = new Computations()
    const value = ending<string>()
    let begun = 0
    const look = () =>
      computations.visit<string, string>('a', (join) =>
        join(undefined, () => {
          begun += 1
          return value.promise
        }),
      )
    const all = [look(), look()]
    value.end('value')
    expect(await Promise.all(all)).toEqual(['value', 'value'])
    expect(begun).toBe(1)
  })

  it('are one for whoever began to look before it was over, however late the value is said to be missing', async () => {
    const computations = new Computations()
    const miss = ending<void>()
    const late = computations.visit<string, string>('a', async (join) => {
      await miss.promise
      return join(undefined, async () => 'computed again')
    })
    const first = computations.visit<string, string>('a', (join) => join(undefined, async () => 'computed'))
    expect(await first).toBe('computed')
    miss.end()
    expect(await late).toBe('computed')
  })

  it('begin anew for whoever looks later, and after a failure', async () => {
    const computations = new Computations()
    const staying = ending<void>()
    const stays = computations.visit('a', () => staying.promise)
    const look = (what: () => Promise<string>) =>
      computations.visit<string, string>('a', (join) => join(undefined, what))
    expect(await look(async () => 'first')).toBe('first')
    expect(await look(async () => 'second')).toBe('second')
    const failing = ending<string>()
    const waiting = [look(() => failing.promise), look(async () => 'not begun')]
    failing.fail(new Error('broken'))
    for (const one of waiting) await expect(one).rejects.toThrow('broken')
    expect(await look(async () => 'third')).toBe('third')
    staying.end()
    await stays
  })

  it('go on for others when one gives up', async () => {
    const computations = new Computations()
    const value = ending<string>()
    const given = new AbortController()
    const look = (signal?: AbortSignal) =>
      computations.visit<string, string>('a', (join) => join(signal, () => value.promise))
    const [first, second] = [look(given.signal), look()]
    given.abort()
    await expect(first).rejects.toMatchObject({ code: 'CANCELLED' })
    value.end('value')
    expect(await second).toBe('value')
  })
})
