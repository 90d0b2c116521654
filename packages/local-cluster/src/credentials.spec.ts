import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { readOrMakeCredentials, userNames } from './credentials.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-credentials-'))
  path = join(dir, 'credentials.json')
})
afterEach(() => rmSync(dir, { recursive: true }))

it('passwords are random, each another, and the same when the file is read again', () => {
  const made = readOrMakeCredentials(path)
  expect(Object.keys(made)).toEqual([...userNames])
  expect(new Set(Object.values(made)).size).toBe(userNames.length)
  expect(readOrMakeCredentials(path)).toEqual(made)
})

it('a file that lacks a user gets one, keeps the others, and is closed to all but its owner', () => {
  writeFileSync(path, '{"admin": "known-to-me"}')
  chmodSync(path, 0o644)
  const credentials = readOrMakeCredentials(path)
  expect(credentials.admin).toBe('known-to-me')
  expect(credentials.sidecar).toMatch(/^[0-9a-f]{48}$/)
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

it.each(['', '[', 'null', '{"admin": ""}', '{"admin": 12345678}', '{"replica": "on >other ~* +@all"}'])(
  'a file with %j in it is refused, and left as it is',
  (text) => {
    writeFileSync(path, text)
    expect(() => readOrMakeCredentials(path)).toThrow(/isn't a credentials file. Remove it/)
    expect(statSync(path).size).toBe(text.length)
  },
)
