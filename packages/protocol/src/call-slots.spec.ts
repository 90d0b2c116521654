import { describe, expect, it } from 'vitest'
import { CallSlots } from './call-slots.ts'

describe('the id of a call', () => {
  it('is free again once its reply has come', () => {
    const slots = new CallSlots<{ name: string }>()
    const [a, b] = [{ name: 'a' }, { name: 'b' }]
    expect([slots.place(a), slots.place(b)]).toEqual([1, 2])
    expect(slots.take(1)).toBe(a)
    expect(slots.place(a)).toBe(1)
  })

  it('is not free when the call is given up, as its reply is still to come', () => {
    const slots = new CallSlots<{ name: string }>()
    const [a, b] = [{ name: 'a' }, { name: 'b' }]
    slots.giveUp(slots.place(a))
    expect(slots.place(b)).toBe(2)
    expect([...slots]).toEqual([b])
    expect(slots.take(1)).toBeUndefined()
    expect(slots.place(a)).toBe(1)
  })

  it('that nobody has been given belongs to no call', () => {
    const slots = new CallSlots<{ name: string }>()
    expect([slots.take(0), slots.take(1), slots.take(2 ** 32 - 1)]).toEqual([undefined, undefined, undefined])
    expect(slots.place({ name: 'a' })).toBe(1)
  })
})
