import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { perigee } from './run-perigee.ts'

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'perigee-certs-'))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const certs = (...args: string[]) => perigee(['certs', '--dir', dir, ...args])
const read = (name: string) => new X509Certificate(readFileSync(join(dir, `${name}.pem`)))
const REGIONS = ['--domain', 'rag.internal', '--regions', 'us-east-1,eu-west-1']

describe('perigee certs', () => {
  it('makes a CA and what sidecars, clients and other servers show', async () => {
    const made = await certs(
      ...[...REGIONS, '--also', 'eu-west-1=10.0.0.5,sidecar-eu', '--client', 'app', '--days', '30'],
      ...['--server', 'redis=redis.internal,10.0.0.9'],
    )
    expect(made).toMatchObject({ exitCode: 0 })
    const names = ['ca', 'client-app', 'eu-west-1', 'redis', 'us-east-1']
    expect(readdirSync(dir).sort()).toEqual(names.flatMap((name) => [`${name}-key.pem`, `${name}.pem`]))
    for (const name of names) expect(read(name).verify(read('ca').publicKey), name).toBe(true)
    const europe = read('eu-west-1')
    for (const host of ['api.eu-west-1.rag.internal', 'sidecar.rag.internal', 'sidecar-eu'])
      expect(europe.checkHost(host)).toBe(host)
    expect(europe.checkIP('10.0.0.5')).toBe('10.0.0.5')
    expect(read('redis').checkHost('redis.internal')).toBe('redis.internal')
    const days = (europe.validToDate.getTime() - Date.now()) / 86_400_000
    expect(Math.round(days)).toBe(30)
  })

  it('writes over nothing, and adds what is missing', async () => {
    const before = readFileSync(join(dir, 'us-east-1.pem'), 'utf8')
    const again = await certs(...REGIONS, '--client', 'operator', '-o', 'json')
    expect(JSON.parse(again.stdout)).toMatchObject({
      caMade: false,
      certificates: [
        { name: 'us-east-1', made: false },
        { name: 'eu-west-1', made: false },
        { name: 'client-operator', made: true },
      ],
    })
    expect(readFileSync(join(dir, 'us-east-1.pem'), 'utf8')).toBe(before)
    writeFileSync(join(dir, 'client-half.pem'), 'mine')
    expect(await certs('--client', 'half')).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("client-half-key.pem isn't"),
    })
    expect(readFileSync(join(dir, 'client-half.pem'), 'utf8')).toBe('mine')
  })

  it.each([
    ['nothing to make', []],
    ['regions without a domain', ['--regions', 'a']],
    ['hosts of no region', [...REGIONS, '--also', 'mars=10.0.0.1']],
    ['a host that is none', ['--server', 'x=a b']],
    ['a client whose name leads elsewhere', ['--client', '../x']],
    ['a server that would be the CA', ['--server', 'ca=x']],
    ['no days', ['--client', 'a', '--days', '0']],
  ])('refuses %s', async (_, args) => {
    expect(await certs(...args)).toMatchObject({ exitCode: 2, stderr: expect.stringContaining('hint: ') })
  })
})
