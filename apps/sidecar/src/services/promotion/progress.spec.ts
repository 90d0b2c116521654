import { expect, it } from 'vitest'
import { Progress } from './progress.ts'

async function* steps(done: () => void, ends?: Error) {
  yield 'one'
  await new Promise((resolve) => setImmediate(resolve))
  yield 'two'
  done()
  if (ends) throw ends
}

async function all<T>(progress: AsyncIterable<T>): Promise<T[]> {
  const told: T[] = []
  for await (const one of progress) told.push(one)
  return told
}

it('tells everything, also to who comes late', async () => {
  const { progress, done } = Progress.of(steps(() => {}))
  expect(await all(progress)).toEqual(['one', 'two'])
  await done
  expect(await all(progress)).toEqual(['one', 'two'])
})

it('goes to its end though nobody listens any more', async () => {
  let over = false
  const { progress, done } = Progress.of(steps(() => (over = true)))
  for await (const _ of progress) break
  expect(over).toBe(false)
  await done
  expect(over).toBe(true)
})

it('ends with what the work ended with', async () => {
  const { progress, done } = Progress.of(steps(() => {}, new Error('no way')))
  await expect(all(progress)).rejects.toThrow('no way')
  await done
})
