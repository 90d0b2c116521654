import type { Draw } from './draw.ts'

const EDGE_BYTES = [0x00, 0x01, 0x7f, 0x80, 0xff]

/** Bytes with some damage done to them: flipped, cut, repeated, moved, a length that lies. */
export function mutated(bytes: Uint8Array, draw: Draw): Uint8Array {
  let now = bytes
  for (let times = 1 + draw.below(4); times > 0; times--) now = mutatedOnce(now, draw)
  return now
}

function mutatedOnce(bytes: Uint8Array, draw: Draw): Uint8Array {
  const at = draw.below(bytes.length + 1)
  const to = Math.min(bytes.length, at + 1 + draw.below(16))
  switch (draw.below(8)) {
    case 0:
      return with_(bytes, at, (byte) => byte ^ (1 << draw.below(8)))
    case 1:
      return with_(bytes, at, () => draw.pick(EDGE_BYTES))
    case 2:
      return bytes.subarray(0, at)
    case 3:
      return joined(bytes.subarray(0, at), bytes.subarray(to))
    case 4:
      return joined(bytes.subarray(0, to), bytes.subarray(at))
    case 5:
      return joined(bytes.subarray(0, at), draw.bytes(draw.below(9)), bytes.subarray(at))
    case 6:
      // Another field of any number and wire type.
      return joined(bytes.subarray(0, at), varint(draw.below(2 ** 20)), bytes.subarray(at))
    default:
      return joined(bytes.subarray(to), bytes.subarray(0, at))
  }
}

function with_(bytes: Uint8Array, at: number, change: (byte: number) => number): Uint8Array {
  return bytes.map((byte, i) => (i === at ? change(byte) : byte))
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function varint(number: number): Uint8Array {
  const bytes: number[] = []
  let rest = number
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Uint8Array.from([...bytes, rest])
}
