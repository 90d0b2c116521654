import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { removeTemporaryFolder, temporaryFolder } from '@perigee/embedded-redis'
import type { ClusterState } from '@perigee/local-cluster'
import { LocalCluster } from '@perigee/local-cluster'
import { afterEach, describe, expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'
import { lives, pidsOf } from './processes.ts'

const program = `
  import { LocalCluster } from '@perigee/local-cluster'
  const cluster = await LocalCluster.start({ sidecar: false })
  console.log(JSON.stringify({ state: cluster.state(), dir: cluster.dir, stateFile: cluster.stateFile }))
  process.once('SIGTERM', () => cluster.stop().then(() => process.exit(0)))
`

interface Told {
  readonly state: ClusterState
  readonly dir: string
  readonly stateFile: string
}

describe('a local cluster', () => {
  const started: ChildProcess[] = []
  afterEach(() => {
    for (const child of started.splice(0)) child.kill('SIGKILL')
  })

  async function startElsewhere(): Promise<{ child: ChildProcess; told: Told }> {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    started.push(child)
    const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
    return { child, told: JSON.parse(line) as Told }
  }

  it.each(['SIGKILL', 'SIGTERM'] as const)(
    'leaves no process and no folder within 2 s when its process ends by %s',
    async (signal) => {
      const { child, told } = await startElsewhere()
      const pids = pidsOf(told.state)
      expect(pids).toHaveLength(9)
      expect(pids.filter(lives)).toEqual(pids)
      expect(JSON.parse(readFileSync(told.stateFile, 'utf8'))).toEqual(told.state)
      child.kill(signal)
      await waitFor('all to be gone', () => !pids.some(lives) && !existsSync(told.dir), {
        explain: () => ({ alive: pids.filter(lives), folder: existsSync(told.dir) }),
        timeoutMs: 2_000,
      })
    },
  )

  it('is not disturbed by another beside it', async () => {
    const [one, other] = await Promise.all([LocalCluster.start({ sidecar: false }), startElsewhere()])
    try {
      await one.dataRedis('us-east-1').command('SET', 'mine', 'v')
      const [host, port] = (other.told.state.regions[0]?.dataRedis ?? '').split(':')
      expect(host).not.toBe(one.dataRedis('us-east-1').host)
      expect(Number(port)).toBe(7710)
      other.child.kill('SIGKILL')
      await waitFor('the other cluster to be gone', () => !pidsOf(other.told.state).some(lives))
      expect(await one.dataRedis('us-east-1').command('GET', 'mine')).toBe('v')
      expect(pidsOf(one.state()).every(lives)).toBe(true)
    } finally {
      await one.stop()
    }
  })

  it('leaves a killed process dead until it is told otherwise, and says so in its state file', async () => {
    await using cluster = await LocalCluster.start({
      sidecar: false,
      regions: ['a', 'b'],
      distances: 'none',
      sentinel: false,
    })
    const pid = cluster.state().regions[1]?.pids.indexRedis ?? 0
    const filed = () =>
      (JSON.parse(readFileSync(cluster.stateFile, 'utf8')) as ClusterState).regions[1]?.pids.indexRedis
    expect(filed()).toBe(pid)
    process.kill(pid, 'SIGKILL')
    await waitFor('its pid to leave the state file', () => filed() === null)
    const start = `${cluster.state().control}/processes/b/indexRedis/start`
    const answer = await fetch(start, { method: 'POST' })
    expect(answer.status).toBe(200)
    expect(filed()).not.toBe(pid)
    expect(lives(filed() ?? 0)).toBe(true)
    expect((await fetch(start.replace('/b/', '/c/'), { method: 'POST' })).status).toBe(404)
    expect((await fetch(`${cluster.state().control}/links/a/a`, { method: 'POST', body: '{}' })).status).toBe(
      404,
    )
  })

  it('ends though the end and the reset of a connection arrived together', async () => {
    const cluster = await LocalCluster.start({
      sidecar: false,
      regions: ['a', 'b'],
      distances: 'none',
      sentinel: false,
    })
    const socket = connect({ ...cluster.layout.dataRedis('a'), localAddress: cluster.layout.host('b') })
    socket.write(`AUTH admin ${cluster.credentials.admin}\r\nSUBSCRIBE channel\r\n`)
    let answers = ''
    socket.on('data', (data) => {
      answers += data
    })
    await waitFor('the subscription', () => answers.includes('subscribe'))

    // Held: first the end, which must be taken before the reset wipes it out, then the reset, which is heard of when there
    // is something to send.
    await cluster.setLink('b', 'a', { mode: 'stall' })
    await new Promise<void>((resolve) => socket.end(resolve))
    await pause(100)
    socket.resetAndDestroy()
    expect(await cluster.dataRedis('a').command('PUBLISH', 'channel', 'x')).toBe(1)
    await pause(100)
    await cluster.setLink('b', 'a', { mode: 'open' })
    await waitFor('Redis to be rid of it', async () => {
      const [, subscribers] = (await cluster
        .dataRedis('a')
        .command('PUBSUB', 'NUMSUB', 'channel')) as unknown[]
      return subscribers === 0
    })
    await cluster.stop()
  })

  it('says who has its addresses when they are taken', async () => {
    await using cluster = await LocalCluster.start({ sidecar: false, regions: ['a'], sentinel: false })
    const subnet = Number(cluster.layout.host('a').split('.')[1])
    await expect(LocalCluster.start({ sidecar: false, regions: ['a'], subnet })).rejects.toThrow(
      /is taken.*--port/,
    )
    expect(await cluster.dataRedis('a').command('PING')).toBe('PONG')
  })

  it('keeps the data of a folder that it is given, and shares it with nobody', async () => {
    const dir = temporaryFolder()
    const options = { sidecar: false, regions: ['a', 'b'], distances: 'none' as const, sentinel: false, dir }
    {
      await using cluster = await LocalCluster.start(options)
      await cluster.dataRedis('a').command('SET', 'k', 'v')
      await expect(LocalCluster.start(options)).rejects.toThrow('is in use by the cluster')
    }
    {
      await using cluster = await LocalCluster.start(options)
      expect(await cluster.dataRedis('a').command('GET', 'k')).toBe('v')
    }
    await removeTemporaryFolder(dir)
  })
})
