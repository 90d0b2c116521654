import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ControlError, type Controllable, ControlServer, type LinkState } from './control-server.ts'
import { trueDns } from './dns-fault.ts'

const calls: string[] = []

/** Stands for a cluster, to see what the control port asks of it. */
const cluster: Controllable = {
  state: () => ({
    domain: 'rag.internal',
    primary: 'a',
    control: '',
    regions: [],
    credentials: '/tmp/credentials.json',
  }),
  links: () => [],
  setLink: async (from, to, changes) => {
    calls.push(`link ${from} ${to} ${JSON.stringify(changes)}`)
    return { from, to, delayMs: 0, mode: 'open', bytesPerSecond: 0, ...changes } satisfies LinkState
  },
  dnsFaults: () => [],
  setDns: async (from, to, changes) => {
    calls.push(`dns ${from} ${to} ${JSON.stringify(changes)}`)
    return { ...trueDns, from, to, ...changes }
  },
  setDnsView: async (from, changes) => {
    calls.push(`dns ${from} ${JSON.stringify(changes)}`)
    return []
  },
  startProcess: async (region, name) => {
    if (region === 'mars-1') throw new ControlError(404, 'There is no region mars-1; there are a, b.')
    calls.push(`start ${region} ${name}`)
  },
  stopProcess: async (region, name, signal) => void calls.push(`stop ${region} ${name} ${signal}`),
}

describe('the control port', () => {
  const control = new ControlServer({ host: '127.0.0.1', port: 0 })
  const post = (path: string, body?: string, headers: Record<string, string> = {}) =>
    fetch(`${control.url}${path}`, { method: 'POST', headers, ...(body === undefined ? {} : { body }) })

  beforeAll(async () => {
    await control.listen()
    expect((await fetch(`${control.url}/state`)).status).toBe(503)
    control.serve(cluster)
  })
  afterAll(() => control.close())

  it('gives the state with the links', async () => {
    const answer = await fetch(`${control.url}/state`)
    expect(answer.headers.get('content-type')).toBe('application/json')
    expect(await answer.json()).toEqual({ ...cluster.state(), links: [], dnsFaults: [] })
  })

  it('changes a link, and what is not given not', async () => {
    const answer = await post('/links/a/b', '{"delayMs": 35, "mode": "stall", "bytesPerSecond": 0}')
    expect(await answer.json()).toMatchObject({ from: 'a', to: 'b', mode: 'stall', delayMs: 35 })
    await post('/links/a/b', '{"mode": "cut"}')
    expect(calls.splice(0)).toEqual([
      'link a b {"delayMs":35,"bytesPerSecond":0,"mode":"stall"}',
      'link a b {"mode":"cut"}',
    ])
  })

  it('changes how a name is answered, in one region or for all names', async () => {
    const answer = await post('/dns/a/b', '{"mode": "nxdomain", "addresses": ["127.0.0.9", "::1"]}')
    expect(await answer.json()).toMatchObject({ from: 'a', to: 'b', mode: 'nxdomain', delayMs: 0 })
    await post('/dns/a', '{"services": [{"port": 1, "target": "x"}], "delayMs": 5}')
    await post('/dns/a/b', '{"addresses": null, "services": null}')
    expect(calls.splice(0)).toEqual([
      'dns a b {"mode":"nxdomain","addresses":["127.0.0.9","::1"]}',
      'dns a {"services":[{"port":1,"target":"x"}],"delayMs":5}',
      'dns a b {"addresses":null,"services":null}',
    ])
  })

  it('starts and stops processes', async () => {
    expect((await post('/processes/a/sidecar/stop', '{"signal": "SIGKILL"}')).status).toBe(200)
    expect((await post('/processes/a/sidecar/start')).status).toBe(200)
    expect(calls.splice(0)).toEqual(['stop a sidecar SIGKILL', 'start a sidecar'])
  })

  it.each([
    ['/links/a/b', '{"mode": "closed"}', 400, 'mode must be one of open, cut, stall'],
    ['/links/a/b', '{"delayMs": -1}', 400, 'delayMs must be a number from 0'],
    ['/links/a/b', '{"delayMs": "35"}', 400, 'delayMs must be a number'],
    ['/links/a/b', '{"bytesPerSecond": null}', 400, 'bytesPerSecond must be a number'],
    ['/links/a/b', '{"delay": 1}', 400, 'There is no field delay'],
    ['/links/a/b', '[]', 400, 'must be a JSON object'],
    ['/links/a/b', '{', 400, 'must be a JSON object'],
    ['/links/a/%zz', '{}', 400, "isn't a part of a URL"],
    ['/processes/a/sidecar/stop', '{"signal": "SIGFOO"}', 400, 'signal must be one of'],
    ['/processes/mars-1/sidecar/start', '', 404, 'There is no region mars-1'],
    ['/processes/a/sidecar/explode', '', 404, 'There is GET /state'],
    ['/dns/a/b', '{"mode": "broken"}', 400, 'mode must be one of answer, nxdomain'],
    ['/dns/a/b', '{"addresses": ["localhost"]}', 400, '"localhost" isn\'t an IP address'],
    ['/dns/a/b', '{"addresses": "127.0.0.1"}', 400, 'must be lists'],
    ['/dns/a/b', '{"services": [{"port": 65536}]}', 400, 'port must be a whole number'],
    ['/dns/a/b', '{"services": [null]}', 400, 'port must be a whole number'],
    ['/dns/a/b', '{"delayMs": 0.5}', 400, 'delayMs must be a whole number'],
    ['/dns/a/b', '{"toString": 1}', 400, 'There is no field toString'],
    ['/links/a', '{}', 404, 'There is GET /state'],
  ])('refuses POST %s %s', async (path, body, status, message) => {
    const answer = await post(path, body)
    expect(answer.status).toBe(status)
    expect(((await answer.json()) as { error: string }).error).toContain(message)
    expect(calls).toEqual([])
  })

  it('refuses web pages', async () => {
    expect((await post('/links/a/b', '{}', { origin: 'https://example.com' })).status).toBe(403)
  })

  it('refuses a body that is too large', async () => {
    expect((await post('/links/a/b', ' '.repeat(70_000))).status).toBe(413)
  })
})
