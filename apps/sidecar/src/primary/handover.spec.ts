import { expect, it, vi } from 'vitest'
import { Handover } from './handover.ts'
import type { OwnLook } from './own-redis.ts'

const NOW_US = 1_000_000_000

function look(leftMs: number, live: boolean): OwnLook {
  const handedUntilUs = NOW_US + leftMs * 1000
  const makesWay = { region: 'there', handedUntilUs, untilUs: handedUntilUs }
  return { makesWay, nowUs: NOW_US, live } as OwnLook
}

it('lasts as long as the Redis makes way, and is over at once where the claim was kept', () => {
  const handover = new Handover()
  handover.note(look(0, true))
  expect(handover.to).toBeUndefined()
  handover.note(look(60_000, true))
  expect(handover.to).toBe('there')
  handover.note(look(-1, true))
  expect(handover.to).toBeUndefined()
})

it('lasts a moment longer where the claim is gone: who has it is about to be heard', async () => {
  const handover = new Handover()
  handover.note(look(60_000, false))
  handover.note(look(-1, false))
  expect(handover.to).toBe('there')
  await vi.waitFor(() => {
    handover.note(look(-1, false))
    expect(handover.to).toBeUndefined()
  }, 3000)
})

it('is over by itself, whatever is heard', async () => {
  const handover = new Handover()
  handover.note(look(50, false))
  expect(handover.to).toBe('there')
  await vi.waitFor(() => expect(handover.to).toBeUndefined(), 3000)
})
