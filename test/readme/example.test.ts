import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { tokenFromString } from '@perigee/core'
import { LocalCluster } from '@perigee/local-cluster'
import { expect, it } from 'vitest'

const example = fileURLToPath(new URL('./example.ts', import.meta.url))
const readme = fileURLToPath(new URL('../../README.md', import.meta.url))

it("the README's example is the file that runs here, and it prints what it says", async () => {
  const code = await readFile(example, 'utf8')
  expect(await readFile(readme, 'utf8')).toContain(`\`\`\`ts\n${code}\`\`\`\n`)

  await using cluster = await LocalCluster.start()
  const dns = cluster.state().regions.find((region) => region.name === 'eu-west-1')?.dns ?? ''
  const { stdout } = await promisify(execFile)(process.execPath, [example], {
    env: { ...process.env, PERIGEE_DNS: dns, REGION: 'eu-west-1' },
    timeout: 30_000,
  })
  const [answers, token] = stdout.trim().split('\n')
  expect(answers).toMatch(/^what is six by nine\? \| The nearest point \| answered by (eu-west-1|us-east-1)$/)
  expect(tokenFromString(token ?? '')).toHaveLength(25)
})
