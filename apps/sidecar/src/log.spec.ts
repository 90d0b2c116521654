import { expect, it } from 'vitest'
import { createLog } from './log.ts'

it('logs what an error says and why, and nothing that it carries', () => {
  const lines: string[] = []
  const log = createLog({ logLevel: 'trace', region: 'r' }, { write: (line) => lines.push(line) })
  const cause = Object.assign(new Error('why'), { command: { name: 'auth', args: ['sidecar', 'secret-1'] } })
  const error = Object.assign(new TypeError('what', { cause }), {
    code: 'E1',
    command: { name: 'set', args: ['key', 'secret-2'] },
  })
  log.error({ err: error }, 'unexpected error')
  expect(JSON.parse(lines.join(''))).toMatchObject({
    err: { type: 'TypeError', message: 'what: why', code: 'E1', stack: expect.stringContaining('log.spec') },
  })
  expect(lines.join('')).not.toContain('secret')
})
