import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { waitFor } from '../support/wait-for.ts'

const program = fileURLToPath(new URL('../../apps/demo/dist/main.js', import.meta.url))

/** The parent of every process that is alive. */
function parents(): Map<number, number> {
  const found = new Map<number, number>()
  for (const name of readdirSync('/proc').filter((entry) => /^\d+$/.test(entry))) {
    try {
      const status = readFileSync(`/proc/${name}/status`, 'utf8')
      const parent = /^PPid:\s+(\d+)/m.exec(status)?.[1]
      if (parent && !/^State:\s+Z/m.test(status)) found.set(Number(name), Number(parent))
    } catch {
      // It ended meanwhile.
    }
  }
  return found
}

/** What a process has started, and what those have. */
function descendantsOf(pid: number): number[] {
  const alive = parents()
  const found = [pid]
  for (const ancestor of found) {
    for (const [child, parent] of alive) if (parent === ancestor) found.push(child)
  }
  return found.slice(1)
}

it('the demo, interrupted by Ctrl-C once its regions run, ends at once and leaves no process', async () => {
  // A group of its own, which gets the signal as a whole, as a terminal's does.
  const demo = spawn(process.execPath, [program], {
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(demo, 'exit')
  try {
    const said: string[] = []
    const lines = createInterface({ input: demo.stdout })
    lines.on('line', (line) => said.push(line))
    await waitFor('the regions to be ready', () => said.some((line) => line.includes('ready in')), {
      timeoutMs: 90_000,
      explain: () => said,
    })
    // Two Redis, a Sentinel and a sidecar in each of three regions.
    const started = descendantsOf(demo.pid ?? 0)
    expect(started.length).toBeGreaterThanOrEqual(12)
    process.kill(-(demo.pid ?? 0), 'SIGINT')
    const [code] = await exited
    expect(code, said.join('\n')).toBe(130)
    expect(said.join('\n')).toContain('Nothing is left running')
    const left = () => started.filter((pid) => parents().has(pid))
    await waitFor('all processes to be gone', () => left().length === 0, { timeoutMs: 2_000, explain: left })
  } finally {
    if (demo.exitCode === null) demo.kill('SIGKILL')
  }
})
