import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import { encodeToken, tokenToString } from '@perigee/core'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loseNewest } from '../support/lost-writes.ts'
import { startTwoRegions, type TwoRegions } from '../support/two-regions.ts'
import { waitFor } from '../support/wait-for.ts'

const example = fileURLToPath(new URL('./web-session.ts', import.meta.url))
const page = fileURLToPath(new URL('../../docs/sessions.md', import.meta.url))

/** A web service in one region, and how a browser asks it. */
interface Service {
  readonly process: ChildProcess
  readonly url: string
}

let regions: TwoRegions
let us: Service
let eu: Service

beforeAll(async () => {
  regions = await startTwoRegions()
  // So far apart that a read in eu-west-1 right after a write in us-east-1 is behind.
  for (const [from, to] of [
    ['us-east-1', 'eu-west-1'],
    ['eu-west-1', 'us-east-1'],
  ] as const) {
    await regions.cluster.setLink(from, to, { delayMs: 30 })
  }
  ;[us, eu] = await Promise.all([serve('us-east-1'), serve('eu-west-1')])
})

afterAll(async () => {
  for (const service of [us, eu]) {
    if (!service) continue
    const ended = once(service.process, 'exit')
    service.process.kill('SIGTERM')
    expect(await ended).toEqual([0, null])
  }
  await regions?.[Symbol.asyncDispose]()
})

async function serve(region: string): Promise<Service> {
  const port = await freePort()
  const dns = regions.cluster.state().regions.find(({ name }) => name === region)?.dns
  const env = { ...process.env, PORT: `${port}`, PERIGEE_DNS: dns, REGION: region }
  const child = spawn(process.execPath, [example], { env, stdio: ['ignore', 'inherit', 'inherit'] })
  const url = `http://127.0.0.1:${port}`
  await waitFor(`the service in ${region}`, async () => (await fetch(`${url}/up`)).ok)
  return { process: child, url }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** One request of a browser, with the cookie it has, and the cookie it then has. */
async function browse(service: Service, cookie: string, init: RequestInit = {}) {
  const response = await fetch(`${service.url}/note`, { ...init, headers: { cookie } })
  const set = response.headers.get('set-cookie')
  return { status: response.status, body: await response.text(), set, cookie: set?.split(';')[0] ?? cookie }
}

it("docs/sessions.md's example is the file that runs here", async () => {
  const code = await readFile(example, 'utf8')
  expect(await readFile(page, 'utf8')).toContain(`\`\`\`ts\n${code}\`\`\`\n`)
})

it('a browser sees what it has written, whichever region its next request goes to', async () => {
  let cookie = ''
  for (let i = 0; i < 10; i++) {
    const written = await browse(us, cookie, { method: 'PUT', body: `${i}` })
    expect(written).toMatchObject({ status: 200, body: `${i}` })
    expect(written.set).toMatch(
      /^perigee-session=\S+; Path=\/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax$/,
    )
    const read = await browse(eu, written.cookie)
    expect(read).toMatchObject({ status: 200, body: `${i}` })
    cookie = read.cookie
  }
})

it('a browser whose changes were lost is told so once, and goes on', async () => {
  const { cookie } = await browse(us, '', { method: 'PUT', body: 'lost' })
  await loseNewest(regions, 1)
  // eu-west-1 learns of it by replication; until then it is behind the cookie or still includes it.
  const told = await waitFor('eu-west-1 to tell', async () => {
    const answer = await browse(eu, cookie)
    return answer.status === 409 && answer
  })
  expect(told.cookie).not.toBe(cookie)
  expect(await browse(us, told.cookie)).toMatchObject({ status: 200 })
  expect(await browse(eu, told.cookie)).toMatchObject({ status: 200 })
})

it("garbage in the cookie is no session, and another cluster's is cleared", async () => {
  expect(await browse(us, 'perigee-session=garbage')).toMatchObject({ status: 200 })
  const position = { epoch: 1, seq: 1 }
  const foreign = tokenToString(encodeToken({ clusterId: '00000000000000aa', position }))
  const refused = await browse(us, `perigee-session=${foreign}`)
  expect(refused).toMatchObject({ status: 400 })
  expect(refused.set).toContain('Max-Age=0')
})
