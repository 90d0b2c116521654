import { create } from '@bufbuild/protobuf'
import { GetStatusResponseSchema } from '@perigee/protocol'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
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
