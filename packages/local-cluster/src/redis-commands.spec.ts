import { readdirSync, readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { controlCommands, functionCommands, indexCommands, requestCommands } from './redis-commands.ts'

const FOLDER = new URL('../../../apps/sidecar/src/redis/functions/', import.meta.url)

/** What the functions call in Redis, as ACL rules name it. */
function calledByFunctions(): string[] {
  const lua = readdirSync(FOLDER).filter((file) => file.endsWith('.lua'))
  const text = lua.map((file) => readFileSync(new URL(file, FOLDER), 'utf8')).join('\n')
  const calls = [...text.matchAll(/redis\.p?call\(\s*'([A-Z]+)'(?:,\s*'([A-Z]+)')?/g)]
  expect(calls.length).toBe([...text.matchAll(/redis\.p?call\(/g)].length)
  return calls.map(([, command = '', first = '']) =>
    (command === 'XINFO' ? `${command}|${first}` : command).toLowerCase(),
  )
}

it('users may do what the functions do, and nothing that they don’t', () => {
  const allowed = functionCommands.split(' ').map((rule) => rule.slice(1))
  expect(allowed.sort()).toEqual([...new Set(calledByFunctions())].sort())
})

it.each(Object.entries({ controlCommands, indexCommands, requestCommands }))(
  '%s names each command once, and no category of them',
  (_, rules) => {
    const each = rules.split(' ')
    expect(new Set(each).size).toBe(each.length)
    for (const rule of each) expect(rule).toMatch(/^\+[a-z_.]+(\|[a-z-]+)?$/)
  },
)
