import { afterEach, expect, it } from 'vitest'
import { EmbeddingCommand, type EmbeddingCommandOptions } from './embedding-command.ts'

const node = `'${process.execPath}' -e`
const DIMENSIONS = 2
const opened: EmbeddingCommand[] = []

afterEach(async () => {
  for (const command of opened.splice(0)) await command[Symbol.asyncDispose]()
})

/** A command whose program gets each line's object as `line` and gives answers by `answer`; `end` is called at the end. */
function command(program: string, more: Partial<EmbeddingCommandOptions> & { end?: string } = {}) {
  const { end = '', ...options } = more
  const script = `
    const answer = (o) => process.stdout.write((typeof o === "string" ? o : JSON.stringify(o)) + "\\n");
    const lines = require("node:readline").createInterface({ input: process.stdin });
    lines.on("line", (text) => { const line = JSON.parse(text); ${program} });
    lines.on("close", () => { ${end} });`
  const opening = new EmbeddingCommand({
    ...{ command: `${node} '${script}'`, dimensions: DIMENSIONS, timeoutMs: 10_000, onStderr: () => {} },
    ...options,
  })
  opened.push(opening)
  return opening
}

const texts = (count: number) => Array.from({ length: count }, (_, i) => ({ id: `${i}`, text: `${i}` }))
const ECHO = 'answer({ id: line.id, vector: [Number(line.text), 1] })'

it('gives vectors in the order of the texts, whatever the order of the answers, to several callers', async () => {
  const reversing = command(
    'global.held = [...(global.held ?? []), line]; if (held.length === 4) for (const line of held.splice(0).reverse()) answer({ id: line.id, vector: [Number(line.text), 1] })',
  )
  const [first, second] = await Promise.all([
    reversing.embed(texts(2)),
    reversing.embed([
      { id: 'b', text: '8' },
      { id: 'a', text: '9' },
    ]),
  ])
  expect(first.map(([x]) => x)).toEqual([0, 1])
  expect(second.map(([x]) => x)).toEqual([8, 9])
})

it('takes text as it is: line breaks, quotes, whatever', async () => {
  const text = 'two\nlines, "quotes" and \u2028 more'
  const lengths = command('answer({ id: line.id, vector: [line.text.length, 1] })')
  expect(await lengths.embed([{ id: 'é\n"', text }])).toEqual([[text.length, 1]])
})

it('takes in no more than a pipe holds while the command is busy', async () => {
  const slow = command(ECHO.replace('answer', 'setTimeout(() => lines.resume(), 2); lines.pause(); answer'))
  const large = texts(200).map(({ id, text }) => ({ id, text: text.padStart(50_000, '0') }))
  const embedding = slow.embed(large)
  expect(await embedding).toHaveLength(200)
})

it('starts the command again when it ends in order after its answers', async () => {
  const once = command(`${ECHO}; lines.close(); process.stdin.destroy()`)
  expect(await once.embed(texts(1))).toEqual([[0, 1]])
  expect(await once.embed([{ id: 'x', text: '5' }])).toEqual([[5, 1]])
})

it('helps a command that answers at the end of its input: closes that, and starts it again for the next', async () => {
  const atEnd = command('global.held = [...(global.held ?? []), line]', {
    end: 'for (const line of global.held ?? []) answer({ id: line.id, vector: [Number(line.text), 1] })',
    silentMs: 300,
  })
  expect(await atEnd.embed(texts(3))).toEqual([
    [0, 1],
    [1, 1],
    [2, 1],
  ])
  expect(await atEnd.embed([{ id: 'x', text: '5' }])).toEqual([[5, 1]])
})

it.each<[string, string, RegExp]>([
  ['a line that is no JSON', 'answer("Loading model")', /no JSON: Loading model/],
  ['a line without vector', 'answer({ id: line.id })', /without id or vector/],
  ['a vector of another length', 'answer({ id: line.id, vector: [1] })', /gave 1 numbers for id 0.*says 2/],
  ['a vector with more than numbers', 'answer({ id: line.id, vector: [1, null] })', /more than numbers/],
  [
    'an answer for an id it was not asked',
    'answer({ id: "other", vector: [1, 2] })',
    /id other.*owes no answer/,
  ],
  ['an answer twice', `${ECHO}; ${ECHO}; process.stdin.destroy()`, /owes no answer|exit code/],
  ['an exit code', 'process.exit(3)', /exit code 3 and owes 2 answers, the first for id 0/],
  ['an end with answers owed', 'process.exit(0)', /exit code 0 and owes 2 answers/],
])('%s ends it with an error that says so', async (_, program, message) => {
  const failing = command(program)
  await expect(failing.embed(texts(2))).rejects.toMatchObject({
    ...{ exitCode: 7, message: expect.stringMatching(message), hint: expect.stringMatching(/\w/) },
  })
  await expect(failing.embed([{ id: 'next', text: '' }])).rejects.toMatchObject({ exitCode: 7 })
})

it('a command that does not exist ends it with what the shell says', async () => {
  const said: string[] = []
  const missing = command('', { command: 'no-such-program-here', onStderr: (text) => said.push(text) })
  await expect(missing.embed(texts(1))).rejects.toMatchObject({ message: expect.stringContaining('127') })
  expect(said.join('')).toContain('no-such-program-here')
})

it('a command that owes answers and stays silent is given up', async () => {
  const silent = command('', { timeoutMs: 500, end: 'setInterval(() => {}, 1000)', silentMs: 200 })
  await expect(silent.embed(texts(1))).rejects.toMatchObject({ message: expect.stringContaining('silent') })
})
