import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { removeTemporaryFolder, temporaryFolder } from './process-guard.ts'
import { fetchWheelFile, type WheelFile } from './wheel-file.ts'

/** A real wheel in a folder that stands for the package index, so that pip does its work without a network. */
function makeWheel(folder: string): string {
  const content = join(folder, 'content')
  const info = join(content, 'perigee_sample-1.2.3.dist-info')
  mkdirSync(join(content, 'perigee_sample-1.2.3.data/purelib/perigee_sample/bin'), { recursive: true })
  mkdirSync(info)
  writeFileSync(
    join(content, 'perigee_sample-1.2.3.data/purelib/perigee_sample/bin/tool'),
    '#!/bin/sh\necho tool\n',
  )
  writeFileSync(join(info, 'METADATA'), 'Metadata-Version: 2.1\nName: perigee-sample\nVersion: 1.2.3\n')
  writeFileSync(join(info, 'WHEEL'), 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n')
  writeFileSync(join(info, 'RECORD'), '')
  const wheel = join(folder, 'perigee_sample-1.2.3-py3-none-any.whl')
  execFileSync('python3', [
    '-m',
    'zipfile',
    '-c',
    wheel,
    ...readdirSync(content).map((name) => join(content, name)),
  ])
  return createHash('sha256').update(readFileSync(wheel)).digest('hex')
}

// Each fetch starts Python a few times, which takes long on a busy machine.
describe('a file from a wheel', { timeout: 120_000 }, () => {
  let index: string
  let file: WheelFile
  const folders: string[] = []
  const cache = () => {
    const folder = temporaryFolder()
    folders.push(folder)
    return folder
  }

  beforeAll(() => {
    index = cache()
    file = {
      title: 'a tool',
      package: 'perigee-sample',
      version: '1.2.3',
      wheelSha256: makeWheel(index),
      member: 'perigee_sample/bin/tool',
      cacheName: 'tool-1.2.3',
      executable: true,
    }
    vi.stubEnv('PIP_NO_INDEX', '1')
    vi.stubEnv('PIP_FIND_LINKS', index)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    for (const folder of folders) await removeTemporaryFolder(folder)
  })

  it('is fetched once, and then there', async () => {
    const folder = cache()
    const told: string[] = []
    const options = { folder, onProgress: (message: string) => told.push(message) }
    const path = await fetchWheelFile(file, options)
    expect(execFileSync(path, { encoding: 'utf8' })).toBe('tool\n')
    expect(told[0]).toContain('fetching a tool')
    const before = statSync(path)
    told.length = 0
    expect(await fetchWheelFile(file, options)).toBe(path)
    expect(told).toEqual([])
    expect(statSync(path).ino).toBe(before.ino)
    expect(readdirSync(folder)).toEqual(['tool-1.2.3'])
  })

  it('is whole whoever fetches it at the same time', async () => {
    const folder = cache()
    const program = `
      import { fetchWheelFile } from ${JSON.stringify(new URL('./wheel-file.ts', import.meta.url).href)}
      console.log(await fetchWheelFile(${JSON.stringify(file)}, { folder: ${JSON.stringify(folder)} }))
    `
    const { execFile } = await import('node:child_process')
    const run = () =>
      new Promise<string>((resolve, reject) => {
        execFile(process.execPath, ['--input-type=module-typescript', '-e', program], (error, stdout) =>
          error ? reject(error) : resolve(stdout.trim()),
        )
      })
    const paths = await Promise.all([run(), run(), run()])
    expect(new Set(paths)).toEqual(new Set([join(folder, 'tool-1.2.3')]))
    expect(readdirSync(folder)).toEqual(['tool-1.2.3'])
  })

  it('is refused, and nothing of it kept, when the wheel is another than the known one', async () => {
    const folder = cache()
    await expect(fetchWheelFile({ ...file, wheelSha256: '0'.repeat(64) }, { folder })).rejects.toThrow(
      /should be 0000/,
    )
    expect(readdirSync(folder)).toEqual([])
  })

  it('is refused when the file itself is another than the known one', async () => {
    const folder = cache()
    await expect(fetchWheelFile({ ...file, memberSha256: '0'.repeat(64) }, { folder })).rejects.toThrow(
      /should be 0000/,
    )
    expect(readdirSync(folder)).toEqual([])
  })

  it("fails with pip's own words and what to do when it isn't to be had", async () => {
    const folder = cache()
    const fetching = fetchWheelFile({ ...file, version: '9.9.9' }, { folder })
    await expect(fetching).rejects.toThrow(
      /Check the network and pip's settings[\s\S]*perigee-sample==9\.9\.9/,
    )
  })

  it('says what to install when there is no pip', async () => {
    const path = process.env.PATH
    process.env.PATH = cache()
    try {
      await expect(fetchWheelFile(file, { folder: cache() })).rejects.toThrow(
        "needs Python's pip, and there is none",
      )
    } finally {
      process.env.PATH = path
    }
  })
})
