import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { expect, it } from 'vitest'
import { type ClusterState, writeStateFile } from './cluster-state.ts'

it('a state file is replaced in one step: who reads it while it is written sees a whole one', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'perigee-state-'))
  const path = join(folder, 'perigee.json')
  const state = (size: number): ClusterState => ({
    domain: 'x'.repeat(size),
    primary: 'a',
    control: 'http://127.0.0.1:1',
    regions: [],
    credentials: '/tmp/credentials.json',
  })
  writeStateFile(path, state(10))
  const reader = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const { readFileSync } = require('node:fs')
     let reads = 0
     try { while (reads < 2000) { JSON.parse(readFileSync(${JSON.stringify(path)}, 'utf8')); reads++ } } catch (error) { reads = String(error) }
     parentPort.postMessage(reads)`,
    { eval: true },
  )
  const reads = new Promise((resolve) => reader.once('message', resolve))
  let done = false
  void reads.then(() => {
    done = true
  })
  for (let i = 0; !done; i++) {
    writeStateFile(path, state(i % 2 === 0 ? 100_000 : 10))
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(await reads).toBe(2000)
  expect(readdirSync(folder)).toEqual(['perigee.json'])
  expect(readFileSync(path, 'utf8').endsWith('}\n')).toBe(true)
  rmSync(folder, { recursive: true })
})
