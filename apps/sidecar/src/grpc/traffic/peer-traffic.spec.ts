import { describe, expect, it } from 'vitest'
import { refusedAs } from '../../refused-as.spec-support.ts'
import { AllTraffic } from './peer-traffic.ts'

const all = () => new AllTraffic({ bytesInFlightMax: 1000, bytesPerPeerMax: 800 })

describe('what the callers at an address have', () => {
  it('is counted together for one host, and apart for others', () => {
    const traffic = all()
    const same = (...addresses: string[]) =>
      new Set(addresses.map((address) => traffic.of(address))).size === 1
    expect(same('10.0.0.1', '::ffff:10.0.0.1')).toBe(true)
    expect(same('10.0.0.1', '10.0.0.2')).toBe(false)
    expect(same('2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2:ffff::')).toBe(true)
    expect(same('2001:db8:1:2::1', '2001:db8:1:3::1')).toBe(false)
    expect(same('2001:db8::1', '2001:db8:0:0:9::1')).toBe(true)
    expect(same('::1', '::2')).toBe(true)
  })

  it('is bounded, by itself and in all', () => {
    const traffic = all()
    const [one, other] = [traffic.of('10.0.0.1'), traffic.of('10.0.0.2')]
    one.hold(700)
    expect([one.hasRoom(100), one.hasRoom(101)]).toEqual([true, false])
    expect([other.hasRoom(300), other.hasRoom(301)]).toEqual([true, false])
    expect(refusedAs(() => one.checkRoom(101))).toBe('OVERLOADED')
    // An eighth is left to answers.
    expect(refusedAs(() => one.checkRoomForCall(0))).toBe('taken')
    one.hold(1)
    expect(refusedAs(() => one.checkRoomForCall(0))).toBe('OVERLOADED')
    one.release(701)
    expect(traffic.bytes).toBe(0)
    expect(one.hasRoom(800)).toBe(true)
  })

  it('has some more for what sidecars ask each other, whoever else has all, and that is bounded too', () => {
    const traffic = all()
    const [one, other] = [traffic.of('10.0.0.1'), traffic.of('10.0.0.2')]
    one.hold(800)
    other.hold(200)
    expect([one.hasRoom(1), other.hasRoom(1)]).toEqual([false, false])
    expect([one.hasEssentialRoom(8 * 1024 * 1024), other.hasEssentialRoom(8 * 1024 * 1024)]).toEqual([
      true,
      true,
    ])
    expect(one.hasEssentialRoom(8 * 1024 * 1024 + 1)).toBe(false)
  })

  it('is forgotten with the last of it', () => {
    const traffic = all()
    const busy = traffic.of('10.0.0.1')
    const idle = traffic.of('10.0.0.2')
    busy.calls = 1
    traffic.sweep()
    expect(traffic.of('10.0.0.1')).toBe(busy)
    expect(traffic.of('10.0.0.2')).not.toBe(idle)
  })
})
