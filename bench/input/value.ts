/** Entries of the Get and Set loads. */
export const KEYS = 1_000
export const VALUE_BYTES = 1_024
/** Namespace of the loads' entries. */
export const NAMESPACE = 'bench'
/** What keys of Redis's own sides begin with: outside of the sidecars' prefix. */
const PLAIN = 'bench:'

const names = Array.from({ length: KEYS }, (_, i) => `key-${i}`)
const plainNames = names.map((name) => PLAIN + name)

/** The key of a call, through the sidecar. */
export function keyOf(n: number): string {
  return names[n % KEYS] as string
}

/** The key of a call, in Redis itself. */
export function plainKeyOf(n: number): string {
  return plainNames[n % KEYS] as string
}

/** The 1 KiB that belongs to a call's key: its number, then bytes that follow from it. */
export function valueFor(n: number): Buffer {
  const number = n % KEYS
  const value = Buffer.alloc(VALUE_BYTES, number & 0xff)
  value.writeUInt32LE(number, 0)
  return value
}

/** @throws unless it is the value of that call's key. Looks at length, head and end: all of it would cost more than the call. */
export function expectValue(value: Uint8Array | null | undefined, n: number): void {
  const number = n % KEYS
  const right =
    value?.length === VALUE_BYTES &&
    value[0] === (number & 0xff) &&
    value[1] === number >>> 8 &&
    value[VALUE_BYTES - 1] === (number & 0xff)
  if (!right) throw new Error(`${keyOf(n)} gave ${value ? `${value.length} other bytes` : 'nothing'}`)
}
