import fc from 'fast-check'
import { expect, it } from 'vitest'
import { CommandBytes } from './command-bytes.ts'
import type { Argument } from './connection.ts'

/** A command in the Redis protocol, by its definition. */
function encoded(args: readonly Argument[]): Buffer {
  const words = args.flatMap((argument) => {
    const bytes = Buffer.isBuffer(argument) ? argument : Buffer.from(String(argument))
    return [Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n')]
  })
  return Buffer.concat([Buffer.from(`*${args.length}\r\n`), ...words])
}

it('encodes any commands, of any bytes and characters', () => {
  const bytes = fc.uint8Array({ maxLength: 3_000 }).map((array) => Buffer.from(array))
  const text = fc.string({ unit: 'binary', maxLength: 3_000 })
  const command = fc.array(fc.oneof(text, bytes, fc.integer()), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(command, { maxLength: 8 }), (commands) => {
      const all = new CommandBytes()
      for (const args of commands) all.add(...args)
      for (const args of commands) {
        all.begin(args.length)
        for (const argument of args) all.word(argument)
      }
      expect(all.count).toBe(2 * commands.length)
      expect(all.bytes.equals(Buffer.concat([...commands, ...commands].map(encoded)))).toBe(true)
    }),
  )
})
