import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { OnceATurn } from './once-a-turn.ts'

it('asks once for those of one turn, after the last of them, and anew for those of the next', async () => {
  let asked = 0
  let begun = 0
  const seen: number[] = []
  const once = new OnceATurn(async () => {
    asked += 1
    seen.push(begun)
    return asked
  })
  const call = async () => {
    begun += 1
    return once.get()
  }
  const chained = Promise.resolve().then(() => Promise.resolve().then(call))
  expect(await Promise.all([call(), call(), chained])).toEqual([1, 1, 1])
  expect(seen).toEqual([3])
  await nextTurn()
  const late = call()
  expect(await late).toBe(2)
  expect(seen).toEqual([3, 4])
})

it('fails all of a turn alike, and the next may succeed', async () => {
  let fails = true
  const once = new OnceATurn(async () => {
    if (fails) throw new Error('down')
    return 'up'
  })
  const both = [once.get(), once.get()]
  expect((await Promise.allSettled(both)).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  fails = false
  expect(await once.get()).toBe('up')
})
