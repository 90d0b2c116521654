import { expect, it } from 'vitest'
import { SystemLookup } from './system-lookup.ts'

it('asks the hosts file too', async () => {
  expect(await new SystemLookup().hosts('localhost', 1_000)).toEqual(
    expect.arrayContaining([expect.any(String)]),
  )
})

it('tells that there is no such name', async () => {
  await expect(new SystemLookup().hosts('nowhere.invalid', 5_000)).rejects.toMatchObject({
    code: expect.stringMatching(/ENOTFOUND|EAI_AGAIN/),
  })
})

it('never holds up more than one thread, nor anyone for longer than they wait', async () => {
  let under = 0
  let most = 0
  const answers: (() => void)[] = []
  const system = new SystemLookup((name) => {
    most = Math.max(most, ++under)
    return new Promise((resolve) =>
      answers.push(() => {
        under--
        resolve([{ address: name }])
      }),
    )
  })
  // The first one hangs: all others go without, and are not asked for later.
  const all = await Promise.all(Array.from({ length: 20 }, (_, i) => system.hosts(`10.0.0.${i}`, 50)))
  expect(all.every((hosts) => hosts === undefined)).toBe(true)
  expect(answers).toHaveLength(1)
  answers.shift()?.()
  const next = system.hosts('10.0.0.99', 1_000)
  await expect.poll(() => answers.length).toBe(1)
  answers.shift()?.()
  expect(await next).toEqual(['10.0.0.99'])
  expect(most).toBe(1)
})
