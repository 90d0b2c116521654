import { describe, expect, it } from 'vitest'
import { MessageMeter } from './message-meter.ts'

const BYTES_MAX = 4 * 1024 * 1024

function message(length: number, { compressed = false, claimed = length } = {}): Buffer {
  const bytes = Buffer.alloc(5 + length, 7)
  bytes[0] = compressed ? 1 : 0
  bytes.writeUInt32BE(claimed, 1)
  return bytes
}

const states = ({ partialBytes, unpackedBytes, since }: MessageMeter) => [
  partialBytes,
  unpackedBytes,
  since !== undefined,
]

describe('a meter of messages', () => {
  it('knows what of a message has come, however its bytes are cut', () => {
    const bytes = Buffer.concat([message(0), message(10), message(300)])
    for (let step = 1; step <= bytes.length; step++) {
      const meter = new MessageMeter(BYTES_MAX)
      for (let at = 0; at < bytes.length; at += step) {
        const end = Math.min(at + step, bytes.length)
        meter.read(bytes.subarray(at, end))
        const began = end <= 5 ? 0 : end <= 20 ? 5 : 20
        const partial = [5, 20, bytes.length].includes(end) ? 0 : end - began
        expect(states(meter), `${step} ${end}`).toEqual([partial, 0, partial > 0])
      }
    }
  })

  it('counts a compressed one as what it may become, until the next chunk comes', () => {
    const meter = new MessageMeter(BYTES_MAX)
    const bytes = message(100, { compressed: true })
    meter.read(bytes.subarray(0, 50))
    expect(states(meter)).toEqual([50, 103_200, true])
    meter.read(bytes.subarray(50))
    expect(states(meter)).toEqual([0, 103_200, false])
    meter.read(Buffer.concat([message(1_000_000, { compressed: true }), bytes]))
    expect(meter.unpackedBytes).toBe(BYTES_MAX + 103_200)
    meter.read(message(1))
    expect(states(meter)).toEqual([0, 0, false])
  })

  it('takes a claim of 4 GiB for what it is', () => {
    const meter = new MessageMeter(BYTES_MAX)
    meter.read(message(10, { claimed: 2 ** 32 - 1, compressed: true }))
    expect(states(meter)).toEqual([15, BYTES_MAX, true])
  })
})
