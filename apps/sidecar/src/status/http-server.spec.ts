import { get, type RequestOptions } from 'node:https'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import { create } from '@bufbuild/protobuf'
import { GetStatusResponseSchema } from '@perigee/protocol'
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { authorities, certificateFiles, LOCAL } from '../tls/certificates.spec-support.ts'
import { HttpServer } from './http-server.ts'

let ready: boolean
let server: HttpServer
let base: string

beforeEach(async () => {
  ready = true
  server = new HttpServer({
    listen: '127.0.0.1:0',
    ready: () => ready,
    status: () => create(GetStatusResponseSchema, { region: 'r', regions: [{ region: 'r', epoch: 7n }] }),
    metrics: (_, response) => response.end('metrics'),
  })
  base = `http://127.0.0.1:${await server.start()}`
})

afterEach(() => server.stop())

const answer = async (path: string, init?: RequestInit) => {
  const response = await fetch(base + path, init)
  return [response.status, await response.text()] as const
}

describe('the HTTP port', () => {
  it('is live, ready only while the sidecar serves', async () => {
    expect(await answer('/livez')).toEqual([200, 'live\n'])
    expect(await answer('/readyz')).toEqual([200, 'ready\n'])
    ready = false
    expect((await answer('/readyz'))[0]).toBe(503)
    expect((await answer('/livez'))[0]).toBe(200)
  })

  it('shows the status as JSON, metrics as text', async () => {
    const [, json] = await answer('/status.json?pretty')
    expect(JSON.parse(json)).toEqual({ region: 'r', regions: [{ region: 'r', epoch: '7' }] })
    expect(await answer('/metrics')).toEqual([200, 'metrics'])
  })

  it('answers HEAD without a body', async () => {
    expect(await answer('/livez', { method: 'HEAD' })).toEqual([200, ''])
  })

  it.each(['/', '/nothing', '/livez/', '//livez'])('has no page %s', async (path) => {
    expect((await answer(path))[0]).toBe(404)
  })

  it.each(['POST', 'PUT', 'DELETE', 'PATCH'])('takes no %s', async (method) => {
    const response = await fetch(`${base}/livez`, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })
})

describe('the HTTP port with TLS', () => {
  /** Asks for a path, trusting a CA. @returns the answer's text and whether its certificate is for a name. */
  const ask = (port: number, options: RequestOptions) =>
    new Promise<{ readonly text: string; readonly cert: PeerCertificate }>((resolve, reject) => {
      const request = get(
        { host: '127.0.0.1', port, path: '/livez', agent: false, ...options },
        (response) => {
          const cert = (response.socket as TLSSocket).getPeerCertificate()
          let text = ''
          response.on('data', (part) => (text += part)).on('end', () => resolve({ text, cert }))
        },
      )
      request.on('error', reject)
    })

  it('speaks nothing else, needs no certificate of probes, and takes new ones of its own', async () => {
    const { trusted, other } = await authorities()
    const { files, replace } = certificateFiles(await trusted.issue(LOCAL), trusted.cert)
    const secure = new HttpServer({
      ...{ listen: '127.0.0.1:0', tls: files, ready: () => true },
      status: () => create(GetStatusResponseSchema),
      metrics: (_, response) => response.end(),
    })
    const port = await secure.start()
    onTestFinished(() => secure.stop())
    const first = await ask(port, { ca: trusted.cert })
    expect(first.text).toBe('live\n')
    await expect(ask(port, { ca: other.cert })).rejects.toThrow('certificate')
    await expect(fetch(`http://127.0.0.1:${port}/livez`)).rejects.toThrow()
    await replace(await trusted.issue(LOCAL))
    const second = await ask(port, { ca: trusted.cert })
    expect(second.cert.serialNumber).not.toBe(first.cert.serialNumber)
  })
})
