import { X509Certificate } from 'node:crypto'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { CertificateFolder } from './certificate-folder.ts'
import { sidecarCertificate } from './sidecar-certificate.ts'

function newFolder(): string {
  const dir = mkdtempSync(join(tmpdir(), 'perigee-certificates-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const open = (dir: string) => CertificateFolder.open(dir, { authorityName: 'Perigee of rag.internal' })
const request = sidecarCertificate({ region: 'eu-west-1', domain: 'rag.internal', also: ['10.0.0.5', '::1'] })
const read = (path: string) => new X509Certificate(readFileSync(path))

describe('a folder of certificates', () => {
  it('has an authority whose certificates are good for the names that were asked for', async () => {
    const folder = await open(newFolder())
    const { cert } = await folder.certificate('eu-west-1', request)
    const [ca, certificate] = [read(folder.ca), read(cert)]
    expect(certificate.verify(ca.publicKey) && certificate.checkIssued(ca)).toBe(true)
    expect(ca.ca).toBe(true)
    expect(certificate.ca).toBe(false)
    expect(certificate.checkHost('api.eu-west-1.rag.internal')).toBe('api.eu-west-1.rag.internal')
    expect(certificate.checkHost('sidecar.rag.internal')).toBe('sidecar.rag.internal')
    expect(certificate.checkHost('api.us-east-1.rag.internal')).toBeUndefined()
    expect([certificate.checkIP('10.0.0.5'), certificate.checkIP('10.0.0.6')]).toEqual([
      '10.0.0.5',
      undefined,
    ])
    expect(certificate.checkIP('::1')).toBe('::1')
  })

  it('lets servers be called and call, and clients call alone', async () => {
    const folder = await open(newFolder())
    const server = await folder.certificate('eu-west-1', request)
    const client = await folder.certificate('app', { name: 'app', use: 'client' })
    const [serverAuth, clientAuth] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']
    expect(new Set(read(server.cert).keyUsage)).toEqual(new Set([serverAuth, clientAuth]))
    expect(read(client.cert).keyUsage).toEqual([clientAuth])
  })

  it('keeps what is there, and makes the rest with the same authority', async () => {
    const dir = newFolder()
    const first = await open(dir)
    const { cert } = await first.certificate('eu-west-1', request)
    const before = readFileSync(cert, 'utf8')
    const again = await open(dir)
    expect(again.authorityMade).toBe(false)
    expect(await again.certificate('eu-west-1', request)).toMatchObject({ made: false })
    expect(readFileSync(cert, 'utf8')).toBe(before)
    const other = await again.certificate('app', { name: 'app', use: 'client' })
    expect(other.made).toBe(true)
    expect(read(other.cert).verify(read(first.ca).publicKey)).toBe(true)
  })

  it('refuses half a pair, and writes nothing then', async () => {
    const dir = newFolder()
    const folder = await open(dir)
    writeFileSync(join(dir, 'app.pem'), 'mine')
    await expect(folder.certificate('app', { name: 'app', use: 'client' })).rejects.toThrow(
      "app-key.pem isn't",
    )
    expect(readdirSync(dir).sort()).toEqual(['app.pem', 'ca-key.pem', 'ca.pem'])
    expect(readFileSync(join(dir, 'app.pem'), 'utf8')).toBe('mine')
  })

  it('lets nobody else read a key', async () => {
    const folder = await open(newFolder())
    const { key } = await folder.certificate('app', { name: 'app', use: 'client' })
    for (const path of [key, join(folder.dir, 'ca-key.pem')]) expect(statSync(path).mode & 0o777).toBe(0o600)
  })
})
