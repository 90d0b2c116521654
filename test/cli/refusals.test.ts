import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { perigee, startPerigee } from './run-perigee.ts'

const TWO_LINES = /^error: .+\nhint: .+\n$/

let folder: string
/** Accepts connections and says nothing. */
const silent = createServer()
let silentAddress: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'perigee-cli-'))
  silent.listen(0, '127.0.0.1')
  await once(silent, 'listening')
  const address = silent.address()
  if (typeof address !== 'object' || !address) throw new Error('no port')
  silentAddress = `127.0.0.1:${address.port}`
})

afterAll(async () => {
  silent.close()
  await rm(folder, { recursive: true, force: true })
})

describe('a command line that is wrong', () => {
  it.each([
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['status', '--frobnicate']],
    ['a missing argument', ['get']],
    ['one argument too many', ['get', 'a', 'b']],
    ['a duration without a unit', ['set', 'a', 'b', '--ttl', '60']],
    ['conditions that exclude each other', ['set', 'a', 'b', '--if-absent', '--if-exists']],
    ['two ways to the cluster', ['status', '--address', '127.0.0.1:1', '--state', 'x']],
    ['an address without a port', ['status', '--address', 'localhost']],
    ['a domain without regions', ['status', '--domain', 'rag.internal']],
    ['a region that is not one of them', ['status', '--domain', 'd', '--regions', 'a,b', '--region', 'c']],
    ['a state file that is not there', ['status', '--state', '/nowhere/perigee.json']],
    ['all regions of one address', ['lag', '--all', '--address', '127.0.0.1:1']],
    ['a version for several keys', ['delete', 'a', 'b', '--if-version', 'v', '--address', '127.0.0.1:1']],
  ])('ends with exit code 2, an error and a hint: %s', async (_, args) => {
    const ended = await perigee(args)
    expect(ended).toMatchObject({ exitCode: 2, stdout: '' })
    expect(ended.stderr).toMatch(TWO_LINES)
  })

  it('shows the help on stderr when no command is named', async () => {
    const ended = await perigee([])
    expect(ended).toMatchObject({ exitCode: 2, stdout: '' })
    expect(ended.stderr).toContain('Usage: perigee')
  })

  it('is told as one JSON object with -o json, wherever that stands', async () => {
    for (const args of [
      ['-o', 'json', 'get'],
      ['get', '--output=json'],
      ['get', '-ojson'],
    ]) {
      const ended = await perigee(args)
      expect(ended.exitCode).toBe(2)
      expect(JSON.parse(ended.stderr)).toEqual({
        error: {
          code: 'USAGE',
          message: expect.stringContaining('key'),
          hint: expect.stringContaining('perigee get --help'),
        },
      })
    }
  })

  it('is a state file of something else', async () => {
    const file = join(folder, 'other.json')
    await writeFile(file, '{"regions": []}')
    const ended = await perigee(['status', '--state', file])
    expect(ended.exitCode).toBe(2)
    expect(ended.stderr).toContain('is not a state file of perigee dev')
  })
})

describe('help', () => {
  it('goes to stdout with exit code 0, for every command', async () => {
    const { stdout, exitCode } = await perigee(['--help'])
    expect(exitCode).toBe(0)
    const commands = ['dev', 'init', 'status', 'lag', 'get', 'set', 'delete', 'keys', 'search', 'index']
    for (const command of commands) expect(stdout).toMatch(new RegExp(`^ {2}${command} `, 'm'))
    const helps = await Promise.all(commands.map((command) => perigee([command, '--help'])))
    for (const [i, help] of helps.entries()) {
      expect(help).toMatchObject({ exitCode: 0, stderr: '' })
      expect(help.stdout).toContain(`Usage: perigee ${commands[i]}`)
    }
  })
})

describe('a cluster that is not there', () => {
  it('ends with exit code 5 and a hint how to start or find one', async () => {
    const ended = await perigee(['get', 'a', '--address', '127.0.0.1:1'])
    expect(ended).toMatchObject({ exitCode: 5, stdout: '' })
    expect(ended.stderr).toMatch(TWO_LINES)
    expect(ended.stderr).toContain('perigee dev')
    expect(ended.stderr).toContain('--address')
  })

  it('can be named by the environment, over which a flag wins', async () => {
    const env = { PERIGEE_ADDRESS: '127.0.0.1:1' }
    expect((await perigee(['get', 'a'], { env })).stderr).toContain('127.0.0.1:1')
    expect((await perigee(['get', 'a', '--address', '127.0.0.1:2'], { env })).stderr).toContain('127.0.0.1:2')
  })

  it('that accepts connections and says nothing is given up within the timeout', async () => {
    const began = performance.now()
    const ended = await perigee(['get', 'a', '--address', silentAddress, '--timeout', '500ms', '-o', 'json'])
    expect(ended.exitCode).toBe(5)
    expect(['UNAVAILABLE', 'DEADLINE_EXCEEDED']).toContain(JSON.parse(ended.stderr).error.code)
    expect(performance.now() - began).toBeLessThan(8_000)
  })

  it('can be interrupted: exit code 130', async () => {
    const child = startPerigee(['get', 'a', '--address', silentAddress, '--timeout', '60s'])
    try {
      await once(silent, 'connection')
      child.kill('SIGINT')
      const [code] = await once(child, 'exit')
      expect(code).toBe(130)
    } finally {
      child.kill('SIGKILL')
    }
  })
})
