import { expect, it } from 'vitest'
import { writeUnderKills } from './kills.ts'

// The long form is a command: npm run acceptance:replicated
it('no REPLICATED write that was acknowledged is lost when the primary Redis dies, nor when it comes back at once with less', async () => {
  const { kills, replicated, issuedTwice } = await writeUnderKills({ writes: 1000, kills: 2 })
  expect(kills.map(({ how }) => how)).toEqual([
    'a replica takes over',
    'restarted at once without the last second',
  ])
  expect(replicated.acknowledged).toBeGreaterThanOrEqual(1000)
  expect(replicated.lost).toEqual([])
  expect(issuedTwice).toEqual([])
}, 240_000)
