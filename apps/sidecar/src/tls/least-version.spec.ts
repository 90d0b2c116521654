import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Authority } from '@perigee/certificates'
import { beforeAll, describe, expect, it } from 'vitest'
import { authorities, LOCAL } from './certificates.spec-support.ts'

const run = promisify(execFile)
/** As far down as Node lets itself be started. */
const LAX = ['--tls-min-v1.0', '--tls-cipher-list=ALL@SECLEVEL=0', '--no-warnings', '--input-type=module']

let trusted: Authority
beforeAll(async () => {
  trusted = (await authorities()).trusted
})

/** The version that a server and a client of at most `version` agree on in a process that imports `module`; else why not. */
async function agreed(version: string, module: string): Promise<string> {
  const own = await trusted.issue(LOCAL)
  const program = `
    import tls from 'node:tls'
    await import(${JSON.stringify(module)})
    const server = tls.createServer(${JSON.stringify(own)})
    server.on('tlsClientError', (error) => end(error.message))
    const end = (text) => { console.log(text); process.exit() }
    server.listen(0, '127.0.0.1', () => {
      const context = { ca: ${JSON.stringify(trusted.cert)}, minVersion: 'TLSv1', maxVersion: ${JSON.stringify(version)} }
      const socket = tls.connect({ port: server.address().port, host: '127.0.0.1', ...context })
      socket.on('secureConnect', () => end(socket.getProtocol()))
      socket.on('error', () => {})
    })`
  return (await run(process.execPath, [...LAX, '-e', program])).stdout.trim()
}

describe('the least version of TLS', () => {
  const module = new URL('./least-version.ts', import.meta.url).href

  it('is 1.2, also where Node was started to take less', async () => {
    expect(await agreed('TLSv1.1', 'node:tls')).toBe('TLSv1.1')
    expect(await agreed('TLSv1.1', module)).toContain('unsupported protocol')
    expect(await agreed('TLSv1.2', module)).toBe('TLSv1.2')
  })
})
