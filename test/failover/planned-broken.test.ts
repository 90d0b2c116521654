import { createInterface } from 'node:readline'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { startPerigee } from '../cli/run-perigee.ts'
import { waitFor } from '../support/wait-for.ts'
import { accountFor } from './account.ts'
import { primaryIs, promote } from './promoting.ts'
import { type SentinelRegions, settled, startSentinelRegions, Writers } from './sentinel-regions.ts'

const RAISED = 'waiting until a Sentinel knows'
const HOLDS = 'holds its writes'
const HANDS_OVER = 'asking a Sentinel to hand over'
const NAMED = 'waiting for a majority'
const CLAIMED = 'takes writes'
/** Longer than a raised priority lasts at the most. */
const RESTORED = { timeoutMs: 30_000, everyMs: 250 }
/** For so long writes are held by a promotion that died, and what it takes to notice. */
const HELD_MS = 4000 + 2000

let regions: SentinelRegions

beforeAll(async () => {
  regions = await startSentinelRegions()
}, 180_000)

afterAll(() => regions?.[Symbol.asyncDispose]())

/** The primary now, and the next region after it. */
async function primaryAndNext(): Promise<[string, string]> {
  const old = await waitFor('one primary', () => regions.cluster.primary)
  const all = regions.regions
  return [old, all[(all.indexOf(old) + 1) % all.length] ?? '']
}

/** Begins to promote a region, and waits until a step is told. */
async function promoteUpTo(region: string, step: string) {
  const running = startPerigee(['promote', region, '--yes', '--state', regions.cluster.stateFile])
  const told: string[] = []
  for await (const line of createInterface({ input: running.stderr })) {
    told.push(line)
    if (line.includes(step)) return running
  }
  throw new Error(`it ended before "${step}": ${told.join('; ')}`)
}

async function writing(prefix: string): Promise<Writers> {
  const writers = new Writers(regions, { prefix })
  await waitFor('writes', () => writers.acknowledged.length > 30)
  return writers
}

async function priorityOf(region: string): Promise<string> {
  const reply = await regions.cluster.dataRedis(region).command('CONFIG', 'GET', 'replica-priority')
  return String((reply as string[])[1])
}

/** Ends the writes: none that was acknowledged is lost, and every priority is what it was. */
async function nothingIsLeft(writers: Writers): Promise<void> {
  await settled(regions)
  await writers.stop()
  const { lost, violations } = await accountFor(regions, writers.acknowledged)
  expect({ lost, violations }).toEqual({ lost: [], violations: [] })
  const priorities = () => Promise.all(regions.regions.map(priorityOf))
  await waitFor(
    'the priorities to be what they were',
    async () => (await priorities()).every((priority) => priority === '100'),
    { ...RESTORED, explain: priorities },
  )
}

it.each([RAISED, HOLDS, HANDS_OVER, NAMED, CLAIMED])(
  "a planned promotion whose sidecar is killed after the step '%s' is finished by the same command, and loses nothing",
  async (step) => {
    const { cluster } = regions
    const [, next] = await primaryAndNext()
    const writers = await writing(`killed-${step.split(' ')[0]}-${step.length}`)
    const running = await promoteUpTo(next, step)
    await cluster.stopProcess(next, 'sidecar', 'SIGKILL')
    running.kill('SIGKILL')
    await cluster.startProcess(next, 'sidecar')
    const again = await waitFor(
      'the same command to finish it',
      async () => {
        const ended = await promote(regions, next)
        // Who is the primary may just be changing.
        return ended.exitCode !== 5 && ended
      },
      { timeoutMs: 60_000, everyMs: 500 },
    )
    expect(again, again.stderr).toMatchObject({ exitCode: 0 })
    await primaryIs(regions, next)
    await nothingIsLeft(writers)
  },
  180_000,
)

it.each([
  ['sidecar', HOLDS],
  ['dataRedis', HOLDS],
  ['dataRedis', HANDS_OVER],
])(
  "a planned promotion during which the primary's %s is killed after the step '%s' ends with one primary, and loses nothing but what only that Redis had",
  async (name, step) => {
    const { cluster } = regions
    const [old, next] = await primaryAndNext()
    const writers = await writing(`primary-${name}-${step.length}`)
    const running = await promoteUpTo(next, step)
    await cluster.stopProcess(old, name, 'SIGKILL')
    const killedMs = performance.now()
    await writers.firstAfter(killedMs)
    await cluster.startProcess(old, name)
    running.kill('SIGKILL')
    await settled(regions)
    await writers.stop()
    const { lost, violations } = await accountFor(regions, writers.acknowledged)
    expect(violations).toEqual([])
    // Held writes have arrived at the others before anything is handed over.
    if (step === HANDS_OVER || name === 'sidecar') expect(lost).toEqual([])
    await primaryIs(regions, await waitFor('one primary', () => cluster.primary))
    await waitFor('the priority to be what it was', async () => (await priorityOf(next)) === '100', RESTORED)
  },
  180_000,
)

it.each([HOLDS, NAMED])(
  "a planned promotion is finished without its caller, who is gone after the step '%s'",
  async (step) => {
    const [, next] = await primaryAndNext()
    const writers = await writing(`caller-${step.length}`)
    const running = await promoteUpTo(next, step)
    running.kill('SIGKILL')
    await primaryIs(regions, next)
    await nothingIsLeft(writers)
  },
  120_000,
)

it('a planned promotion whose caller is gone before anything was handed over is undone', async () => {
  const [old, next] = await primaryAndNext()
  const writers = await writing('undone')
  const running = await promoteUpTo(next, RAISED)
  running.kill('SIGINT')
  await waitFor('its priority to be what it was', async () => (await priorityOf(next)) === '100', {
    timeoutMs: 5000,
  })
  await nothingIsLeft(writers)
  expect(regions.cluster.primary).toBe(old)
}, 120_000)

it('a planned promotion that dies while the primary holds its writes is undone by itself: writes go on, and the priority is restored', async () => {
  const { cluster } = regions
  const [old, next] = await primaryAndNext()
  const writers = await writing('left')
  const running = await promoteUpTo(next, HOLDS)
  await cluster.stopProcess(next, 'sidecar', 'SIGKILL')
  running.kill('SIGKILL')
  const killedMs = performance.now()
  const { tookMs } = await writers.firstAfter(killedMs, { region: old })
  expect(tookMs).toBeLessThan(HELD_MS)
  await cluster.startProcess(next, 'sidecar')
  await nothingIsLeft(writers)
}, 180_000)
