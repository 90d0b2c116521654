import { mkdtempSync, renameSync, rmSync, symlinkSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority } from '@perigee/certificates'
import { pino } from 'pino'
import { beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { TlsFiles } from './tls-files.ts'

let authority: Authority
beforeAll(async () => {
  authority = await Authority.create({ name: 'spec' })
})

let dir: string
const paths = () => ({ cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), ca: join(dir, 'ca.pem') })
const issue = (notAfter?: Date) =>
  authority.issue({ name: 'a', names: ['localhost'], use: 'server', ...(notAfter && { notAfter }) })

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-tls-'))
  const { cert, key } = await issue()
  writeFileSync(paths().cert, cert)
  writeFileSync(paths().key, key)
  writeFileSync(paths().ca, authority.cert)
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
})

/** Files that are read again every few milliseconds, and what they log. */
function watched() {
  const lines: { msg: string; problem?: string; validTo?: string }[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => lines.push(JSON.parse(line)) })
  const files = new TlsFiles({ title: 'the server', paths: paths(), log, intervalMs: 5 })
  files.start()
  onTestFinished(() => files.stop())
  const changes: string[] = []
  files.onChange(({ cert }) => changes.push(String(cert)))
  return { files, changes, lines }
}

describe('the files of TLS', () => {
  it('are taken again when they change, also by a link that is renamed, as mounted secrets do', async () => {
    const { files, changes } = watched()
    const { cert, key } = await issue()
    writeFileSync(join(dir, 'new-cert.pem'), cert)
    writeFileSync(join(dir, 'new-key.pem'), key)
    for (const name of ['cert', 'key'] as const) {
      symlinkSync(join(dir, `new-${name}.pem`), join(dir, `link-${name}`))
      renameSync(join(dir, `link-${name}`), paths()[name])
    }
    await vi.waitFor(() => expect(changes).toEqual([cert]))
    expect(String(files.current.key)).toBe(key)
  })

  it('stay in use while a new certificate and its key are not both there', async () => {
    const { files, changes, lines } = watched()
    const before = files.current
    const { cert, key } = await issue()
    writeFileSync(paths().cert, cert)
    await vi.waitFor(() => expect(lines.at(-1)?.problem).toContain("key.pem isn't the key of"))
    expect(files.current).toBe(before)
    writeFileSync(paths().key, key)
    await vi.waitFor(() => expect(changes).toEqual([cert]))
  })

  it('stay in use when they are gone or no PEM, which is logged once', async () => {
    const { files, changes, lines } = watched()
    const before = files.current
    unlinkSync(paths().ca)
    await vi.waitFor(() => expect(lines.at(-1)?.problem).toContain('ENOENT'))
    writeFileSync(paths().ca, 'nonsense')
    await vi.waitFor(() => expect(lines.at(-1)?.problem).toContain('ca.pem holds no certificate as PEM'))
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(lines).toHaveLength(2)
    expect(files.current).toBe(before)
    expect(changes).toEqual([])
  })

  it.each([
    ['cut off', (pem: string) => pem.slice(0, pem.length / 2)],
    ['broken', (pem: string) => pem.replace(/\n(\w{20})/, '\nAAAA$1')],
  ])('stay in use when the second of two CAs is %s', async (_, spoil) => {
    const { files, lines } = watched()
    const before = files.current
    writeFileSync(paths().ca, authority.cert + spoil(authority.cert))
    await vi.waitFor(() => expect(lines.at(-1)?.problem).toContain('ca.pem holds no certificate as PEM'))
    expect(files.current).toBe(before)
    writeFileSync(paths().ca, authority.cert + authority.cert)
    await vi.waitFor(() => expect(files.current).not.toBe(before))
  })

  it('are told of when they run out soon', async () => {
    const { cert, key } = await issue(new Date(Date.now() + 86_400_000))
    writeFileSync(paths().cert, cert)
    writeFileSync(paths().key, key)
    expect(watched().lines).toEqual([
      expect.objectContaining({ msg: expect.stringContaining('runs out soon') }),
    ])
  })

  it.each([
    ['cert', 'nonsense', 'cert.pem holds no certificate as PEM'],
    ['key', 'nonsense', 'key.pem holds no private key as PEM'],
    ['ca', '', 'ca.pem holds no certificate as PEM'],
    ['cert', undefined, "cert.pem can't be read: ENOENT"],
  ] as const)('whose %s is %j are refused at the start', (name, text, problem) => {
    if (text === undefined) unlinkSync(paths()[name])
    else writeFileSync(paths()[name], text)
    const log = pino({ level: 'silent' })
    expect(() => new TlsFiles({ title: 'the server', paths: paths(), log })).toThrow(problem)
  })

  it('never put a key into an error', async () => {
    const { key } = await issue()
    writeFileSync(paths().key, key)
    const log = pino({ level: 'silent' })
    const secret = key.split('\n')[1] as string
    expect(() => new TlsFiles({ title: 'the server', paths: paths(), log })).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) }),
    )
  })
})
