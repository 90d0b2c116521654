/** How many bytes a number below 2⁴² takes. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  if (value < 0x1000_0000) return 4
  return value < 2 ** 35 ? 5 : 6
}

/** Writes a length, below 2³². @returns where it ends. */
export function writeLength(bytes: Buffer, from: number, length: number): number {
  let at = from
  let rest = length
  for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80
  bytes[at++] = rest
  return at
}
