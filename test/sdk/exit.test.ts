import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { LocalCluster } from '@perigee/local-cluster'
import { expect, it, onTestFinished } from 'vitest'

const program = fileURLToPath(new URL('./exit-program.ts', import.meta.url))
const idle = fileURLToPath(new URL('./idle-program.ts', import.meta.url))

/** Accepts connections and never says a word. */
async function silent(): Promise<string> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => sockets.add(socket.on('error', () => {})))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

/** A stopped process whose queue of connections is full: packets to it vanish, as those to a machine that is gone. */
async function vanishing(): Promise<string> {
  const code = `require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    console.log(this.address().port) })`
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await once(child.stdout, 'data')
  const port = Number(String(line))
  child.kill('SIGSTOP')
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}))
  onTestFinished(() => {
    for (const filler of fillers) filler.destroy()
    child.kill('SIGKILL')
  })
  await Promise.race(fillers.map((filler) => once(filler, 'connect')))
  return `127.0.0.1:${port}`
}

const REFUSED = '127.0.0.1:1'

it.each([
  ['refuses connections', async () => REFUSED, 'null'],
  ['accepts connections and says nothing', silent, 'null'],
  ['accepts connections and says nothing, though it should speak TLS', silent, '{}'],
  ['swallows every packet', vanishing, 'null'],
])(
  'a process that closed its client ends by itself, also in the middle of calls to an address that %s',
  async (_, address, tls) => {
    const start = performance.now()
    const { stdout } = await promisify(execFile)(process.execPath, [program, await address(), tls], {
      timeout: 20_000,
    })
    const lines = stdout.trim().split('\n')
    expect(lines[0]).toMatch(/^(UNAVAILABLE|DEADLINE_EXCEEDED)$/)
    expect(lines[1]).toBe('CANCELLED')
    // What is left after close() would hold the process; TCP alone gives up after two minutes.
    expect(Number(lines[2])).toBeLessThan(1_000)
    expect(performance.now() - start).toBeLessThan(10_000)
  },
)

it.each([false, true])(
  'a process that forgot to close its client ends by itself, though the sidecar’s health is watched; with TLS: %s',
  async (tls) => {
    await using cluster = await LocalCluster.start({
      regions: ['eu-west-1'],
      distances: 'none',
      sentinel: false,
      tls,
    })
    const [address = ''] = cluster.state().regions.map(({ grpc }) => grpc)
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [idle, address, JSON.stringify(cluster.state().tls ?? null)],
      { timeout: 20_000 },
    )
    const [region, endedAfterMs] = stdout.trim().split('\n')
    expect(region).toBe('eu-west-1')
    expect(Number(endedAfterMs)).toBeLessThan(1_000)
  },
)
