import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { describe, expect, it } from 'vitest'
import { guardPid, removeTemporaryFolder, spawnGuarded, temporaryFolder } from './process-guard.ts'

/** A process that starts three guarded children, one in a stopped state, and tells about them; then it waits. */
const parentProgram = `
  import { readFileSync, writeFileSync } from 'node:fs'
  import { setTimeout } from 'node:timers/promises'
  import { guardPid, spawnGuarded, temporaryFolder } from ${JSON.stringify(new URL('./process-guard.ts', import.meta.url).href)}
  const folder = temporaryFolder()
  writeFileSync(folder + '/data', 'x')
  const children = [1, 2, 3].map(() => spawnGuarded('sleep', ['300'], {}))
  while (!readFileSync('/proc/' + children[2].pid + '/cmdline', 'utf8').startsWith('sleep')) await setTimeout(1)
  process.kill(children[2].pid, 'SIGSTOP')
  console.log(JSON.stringify({ pids: children.map((child) => child.pid), folder, guard: await guardPid() }))
  process.on('message', () => {})
  process.on('SIGUSR2', () => spawnGuarded('sleep', ['300'], {}) && console.log('more'))
  setInterval(() => {}, 1000)
`

async function startParent() {
  const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', parentProgram], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: parent.stdout })
  const [line] = (await once(lines, 'line')) as [string]
  return { parent, lines, told: JSON.parse(line) as { pids: number[]; folder: string; guard: number } }
}

/** False for a process that is gone, or dead and not yet reaped. */
function lives(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

async function waitFor(condition: () => boolean, explain: () => string, timeoutMs = 2_000): Promise<void> {
  const deadline = Date.now() + timeoutMs
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`after ${timeoutMs} ms: ${explain()}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

describe('the process guard', () => {
  it.each(['SIGKILL', 'SIGTERM', 'SIGINT', 'SIGSEGV'] as const)(
    'ends all children and removes temporary folders when the process ends by %s',
    async (signal) => {
      const { parent, told } = await startParent()
      expect(told.pids.filter(lives)).toEqual(told.pids)
      expect(existsSync(`${told.folder}/data`)).toBe(true)
      parent.kill(signal)
      await waitFor(
        () => !told.pids.some(lives) && !existsSync(told.folder) && !lives(told.guard),
        () => `alive: ${told.pids.filter(lives)}; folder there: ${existsSync(told.folder)}`,
      )
    },
  )

  it('is replaced when it dies itself, and its successor knows the children that there were', async () => {
    const { parent, lines, told } = await startParent()
    process.kill(told.guard, 'SIGKILL')
    // Reaped, so that the parent knows.
    await waitFor(
      () => !existsSync(`/proc/${told.guard}`),
      () => 'the guard is there',
    )
    const more = once(lines, 'line')
    parent.kill('SIGUSR2')
    await more
    expect(told.pids.filter(lives)).toEqual(told.pids)
    parent.kill('SIGKILL')
    await waitFor(
      () => !told.pids.some(lives) && !existsSync(told.folder),
      () => `alive: ${told.pids.filter(lives)}`,
    )
  })

  it("doesn't leave a child that was being started when the process was killed", async () => {
    const program = `
      import { spawnGuarded } from ${JSON.stringify(new URL('./process-guard.ts', import.meta.url).href)}
      console.log('go')
      for (;;) spawnGuarded('sleep', ['299.125'], {})
    `
    const parent = spawn(process.execPath, ['--input-type=module-typescript', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(parent.stdout, 'data')
    await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 50))
    parent.kill('SIGKILL')
    const left = () =>
      readdirSync('/proc')
        .filter((entry) => /^\d+$/.test(entry))
        .filter((pid) => {
          try {
            return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('299.125') && lives(Number(pid))
          } catch {
            return false
          }
        })
    await waitFor(
      () => left().length === 0,
      () => `alive: ${left()}`,
    )
  })

  it('gives children a session of their own, and no pipe of its own', async () => {
    const child = spawnGuarded('sh', ['-c', '[ -e /proc/$$/fd/3 ] && echo pipe; ps -o sid= -p $$'], {
      stdio: ['ignore', 'pipe', 'ignore'],
    })
    let output = ''
    child.stdout?.on('data', (chunk) => {
      output += chunk
    })
    await once(child, 'close')
    expect(output.trim()).toBe(String(child.pid))
  })

  it('removes folders on request, and only its own', async () => {
    const folder = temporaryFolder()
    await removeTemporaryFolder(folder)
    expect(existsSync(folder)).toBe(false)
    await expect(removeTemporaryFolder('/tmp')).rejects.toThrow("isn't a temporary folder")
    expect(await guardPid()).toBeGreaterThan(0)
  })
})
