import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, type Certificate, type CertificateRequest } from '@perigee/certificates'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { TlsFiles } from './tls-files.ts'

/** Files of certificates that are read again every few milliseconds, until the test is finished. */
export interface CertificateFiles {
  readonly files: TlsFiles
  /** Writes another certificate over them, and waits until it is in use. */
  replace(certificate: Certificate): Promise<void>
}

/** Writes a certificate and the CA to trust into files. */
export function certificateFiles(certificate: Certificate, ca?: string): CertificateFiles {
  const dir = mkdtempSync(join(tmpdir(), 'perigee-tls-'))
  const paths = { cert: join(dir, 'cert.pem'), key: join(dir, 'key.pem'), ca: ca && join(dir, 'ca.pem') }
  const write = ({ cert, key }: Certificate) => {
    writeFileSync(paths.cert, cert)
    writeFileSync(paths.key, key)
  }
  write(certificate)
  if (paths.ca) writeFileSync(paths.ca, ca ?? '')
  const files = new TlsFiles({ title: 'a spec', paths, log: pino({ level: 'silent' }), intervalMs: 5 })
  files.start()
  onTestFinished(() => {
    files.stop()
    rmSync(dir, { recursive: true, force: true })
  })
  const replace = async (next: Certificate) => {
    const changed = new Promise<void>((resolve) => {
      const end = files.onChange(() => {
        end()
        resolve()
      })
    })
    write(next)
    await changed
  }
  return { files, replace }
}

/** A CA of the spec's own, and another one that nobody trusts. */
export async function authorities(): Promise<{ readonly trusted: Authority; readonly other: Authority }> {
  const [trusted, other] = await Promise.all(['trusted', 'other'].map((name) => Authority.create({ name })))
  return { trusted: trusted as Authority, other: other as Authority }
}

/** What the certificate of a server on this machine says. */
export const LOCAL: CertificateRequest = { name: 'local', names: ['localhost', '127.0.0.1'], use: 'server' }
