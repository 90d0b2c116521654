import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { IndexDefinition } from './index-definition.ts'
import { KnownIndexes } from './known-indexes.ts'

const index = { namespace: 'default', name: 'docs' }
const definition = (name: string) => ({ name }) as IndexDefinition

describe('the definition of an index', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('is known for thirty seconds, and asked for anew in the background after half of them', async () => {
    const known = new KnownIndexes()
    known.learn(index, definition('first'))
    const ask = vi.fn(async () => definition('second'))
    vi.advanceTimersByTime(14_000)
    known.learnSoon(index, ask)
    expect(ask).not.toHaveBeenCalled()
    vi.advanceTimersByTime(2_000)
    known.learnSoon(index, ask)
    expect(known.get(index)?.name).toBe('first')
    await expect.poll(() => known.get(index)?.name).toBe('second')
    vi.advanceTimersByTime(29_000)
    expect(known.get(index)?.name).toBe('second')
  })

  it('is still told as the last one afterwards, unless it was forgotten', () => {
    const known = new KnownIndexes()
    known.learn(index, definition('first'))
    vi.advanceTimersByTime(31_000)
    expect(known.get(index)).toBeUndefined()
    expect(known.last(index)?.name).toBe('first')
    known.forget(index)
    expect(known.last(index)).toBeUndefined()
  })
})
