import { mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { UnreadableFile, WatchedFile } from './watched-file.ts'

let dir: string
let path: string
let lines: string[]
let file: WatchedFile<number> | undefined

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-watched-'))
  path = join(dir, 'number')
  lines = []
})
afterEach(() => {
  file?.stop()
  rmSync(dir, { recursive: true })
})

function watched(): WatchedFile<number> {
  const parse = (text: string) => {
    if (!/^\d+$/.test(text)) throw new UnreadableFile('must be a number')
    return Number(text)
  }
  const log = pino({ level: 'error' }, { write: (line: string) => lines.push(line) })
  file = new WatchedFile({ path, setting: 'PERIGEE_NUMBER', parse, log })
  file.start()
  return file
}

it('is read again when it changes, also when a link in its way leads elsewhere', async () => {
  writeFileSync(join(dir, 'one'), '1')
  writeFileSync(join(dir, 'two'), '2')
  symlinkSync('one', path)
  const number = watched()
  let changes = 0
  number.onChange(() => {
    changes += 1
  })
  expect(number.value).toBe(1)
  symlinkSync('two', join(dir, 'next'))
  renameSync(join(dir, 'next'), path)
  await vi.waitFor(() => expect(number.value).toBe(2), 4000)
  expect(changes).toBe(1)
})

it('stays as it was while it can’t be understood or isn’t there, which is told once', async () => {
  writeFileSync(path, '1')
  const number = watched()
  writeFileSync(path, 'secret')
  await vi.waitFor(() => expect(lines).toHaveLength(1), 4000)
  expect(lines[0]).toContain('must be a number')
  expect(lines[0]).not.toContain('secret')
  rmSync(path)
  await vi.waitFor(() => expect(lines).toHaveLength(2), 4000)
  expect(number.value).toBe(1)
  writeFileSync(path, '3')
  await vi.waitFor(() => expect(number.value).toBe(3), 4000)
  expect(lines).toHaveLength(2)
})

it('has to be there, and to be understood, at first', () => {
  expect(watched).toThrow(/^PERIGEE_NUMBER: .*number ENOENT/)
  writeFileSync(path, 'secret')
  expect(watched).toThrow(/^PERIGEE_NUMBER: .*number must be a number$/)
})
