import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { Resolver } from 'node:dns/promises'
import { once } from 'node:events'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { createInterface, type Interface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { redisCall } from '@perigee/embedded-redis'
import type { ClusterState } from '@perigee/local-cluster'
import { afterEach, describe, expect, it } from 'vitest'
import { perigee } from '../cli/run-perigee.ts'
import { waitFor } from '../support/wait-for.ts'
import { lives, pidsOf } from './processes.ts'

const program = fileURLToPath(new URL('../../apps/cli/bin/perigee.js', import.meta.url))

interface Dev {
  readonly child: ChildProcess
  readonly lines: readonly string[]
  readonly state: ClusterState
  readonly stateFile: string
  readonly dir: string
}

describe('perigee dev', () => {
  const started: ChildProcess[] = []
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
  })

  /** Starts it at ports of its own, so that nobody's usual one is in the way, and waits for the line `ready`. */
  async function startDev(args: readonly string[], command: readonly string[] = []): Promise<Dev> {
    const dev = [process.execPath, program, 'dev', '--port', String(randomInt(100, 300) * 100), ...args]
    const [file = '', ...rest] = [...command, ...dev]
    const child = spawn(file, rest, { stdio: ['pipe', 'pipe', 'inherit'] })
    started.push(child)
    // Nobody types into it: that must not end it.
    child.stdin.end()
    const lines = await untilReady(createInterface({ input: child.stdout }))
    const stateFile = named(lines, 'state file')
    const state = JSON.parse(readFileSync(stateFile, 'utf8')) as ClusterState
    return { child, lines, state, stateFile, dir: named(lines, 'data, logs') }
  }

  async function untilReady(output: Interface): Promise<string[]> {
    const lines: string[] = []
    for await (const line of output) {
      if (line === 'ready') return lines
      lines.push(line)
    }
    throw new Error(`it ended before it was ready:\n${lines.join('\n')}`)
  }

  function named(lines: readonly string[], name: string): string {
    const line = lines.find((one) => one.startsWith(name))
    if (line === undefined) throw new Error(`no line "${name}" in:\n${lines.join('\n')}`)
    return line.slice(name.length).trim()
  }

  /** A call that isn't answered says so, rather than the whole test. */
  const soon = () => ({ signal: AbortSignal.timeout(20_000) })

  /** Waits for its end, and says what it was at if that doesn't come. */
  async function ended({ child, dir }: Dev): Promise<number | null> {
    const [code] = (await once(child, 'exit', soon()).catch((error: unknown) => {
      throw new Error(`perigee dev (${child.pid}, ${dir}) doesn't end`, { cause: error })
    })) as [number | null]
    return code
  }

  async function gone({ state, dir, stateFile }: Dev): Promise<void> {
    const pids = pidsOf(state)
    await waitFor('all to be gone', () => !pids.some(lives) && !existsSync(dir) && !existsSync(stateFile), {
      explain: () => ({ alive: pids.filter(lives), folder: existsSync(dir) }),
      timeoutMs: 2_000,
    })
  }

  it('tells every address, answers at them, and ends with exit code 0 and nothing left on SIGINT', async () => {
    const dev = await startDev(['--sidecars', '2'])
    const { state, lines } = dev
    expect(state.regions.map(({ name }) => name)).toEqual(['us-east-1', 'eu-west-1', 'ap-southeast-1'])
    expect(pidsOf(state)).toHaveLength(15)
    expect(pidsOf(state).every(lives)).toBe(true)
    for (const region of state.regions) {
      const line = lines.find((one) => one.startsWith(region.name)) ?? ''
      for (const { grpc, http } of region.sidecars) {
        expect(line).toContain(grpc)
        expect((await fetch(`http://${http}/readyz`, soon())).status).toBe(200)
      }
      const resolver = new Resolver()
      resolver.setServers([region.dns])
      for (const { name } of state.regions) {
        expect(await resolver.resolve4(`api.${name}.${state.domain}`)).toHaveLength(2)
      }
    }
    expect(((await (await fetch(`${state.control}/state`, soon())).json()) as ClusterState).regions).toEqual(
      state.regions,
    )
    expect(state.credentials).toBe(named(lines, 'passwords'))
    expect(statSync(state.credentials).mode & 0o777).toBe(0o600)
    // The Sentinels choose the primary, and replicas follow it through the gate.
    const { control } = JSON.parse(readFileSync(state.credentials, 'utf8')) as Record<string, string>
    const [host = '', port] = (state.regions[2]?.sentinel ?? '').split(':')
    const sentinel = { host, port: Number(port), user: { name: 'control', password: control ?? '' } }
    expect((await redisCall(sentinel, ['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'pg'])) as string[]).toEqual(
      state.regions[0]?.dataRedis.split(':'),
    )
    dev.child.kill('SIGINT')
    expect(await ended(dev)).toBe(0)
    await gone(dev)
  })

  it('speaks TLS when told to, and its state file has what clients need for that', async () => {
    const dev = await startDev(['--regions', 'a,b', '--sidecars', '2', '--distances', 'none', '--tls'])
    const { regions, tls } = dev.state
    const state = ['--state', dev.stateFile]
    expect(await perigee(['set', 'k', 'v', ...state, '--region', 'b'])).toMatchObject({ exitCode: 0 })
    for (const { grpc, http } of regions.flatMap(({ sidecars }) => sidecars)) {
      const files = ['--ca', tls?.ca ?? '', '--cert', tls?.cert ?? '', '--key', tls?.key ?? '']
      expect(await perigee(['get', 'k', '--address', grpc, ...files])).toMatchObject({ stdout: 'v' })
      await expect(fetch(`http://${http}/readyz`, soon())).rejects.toThrow()
    }
    for (const line of dev.lines.filter((one) => one.includes('grpcurl')))
      expect(line).toContain(`-cacert ${tls?.ca}`)
    dev.child.kill('SIGTERM')
    expect(await ended(dev)).toBe(0)
    await gone(dev)
  })

  it('ends when its parent is killed', async () => {
    const wrapper = ['/bin/sh', '-c', '"$@"; exit', 'wrapper']
    const dev = await startDev(['--regions', 'a,b', '--distances', 'none', '--no-sentinel'], wrapper)
    expect(dev.state.regions[0]).not.toHaveProperty('sentinel')
    dev.child.kill('SIGKILL')
    await gone(dev)
  })

  it('ends with exit code 0 on SIGTERM, and fails with a hint where another runs', async () => {
    const dev = await startDev(['--regions', 'a', '--no-sentinel'])
    const port = String(Number(new URL(dev.state.control).port) - 99)
    const second = spawn(process.execPath, [program, 'dev', '--port', port], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let told = ''
    second.stderr.on('data', (chunk) => {
      told += chunk
    })
    const [failed] = (await once(second, 'close')) as [number | null]
    expect(failed).toBe(1)
    expect(told).toMatch(/is taken.*another `perigee dev`.*--port/)
    dev.child.kill('SIGTERM')
    expect(await ended(dev)).toBe(0)
    await gone(dev)
  })
})
