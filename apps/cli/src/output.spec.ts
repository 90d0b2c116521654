import { describe, expect, it } from 'vitest'
import { Output, type OutputFormat, shorten, visible } from './output.ts'

const ESCAPE = '\u001b'

function outputTo(options: { terminal?: boolean; format?: OutputFormat; env?: NodeJS.ProcessEnv } = {}) {
  const written = { out: '', err: '' }
  const sink = (name: 'out' | 'err') => ({
    write: (data: string | Uint8Array) => {
      written[name] += typeof data === 'string' ? data : Buffer.from(data).toString('latin1')
      return true
    },
    isTTY: options.terminal ?? false,
    columns: 80,
  })
  const format = options.format ?? 'table'
  return {
    output: new Output({ out: sink('out'), err: sink('err'), format, env: options.env ?? {} }),
    written,
  }
}

const failure = { message: 'it broke', hint: 'mend it', code: 'UNAVAILABLE', reason: 'NO_PRIMARY' }

describe('output', () => {
  it('tells a failure in two lines for people', () => {
    const { output, written } = outputTo()
    output.fail(failure)
    expect(written).toEqual({ out: '', err: 'error: it broke\nhint: mend it\n' })
  })

  it('tells a failure as one JSON object for machines', () => {
    const { output, written } = outputTo({ format: 'json' })
    output.fail(failure)
    expect(JSON.parse(written.err)).toEqual({
      error: { code: 'UNAVAILABLE', reason: 'NO_PRIMARY', message: 'it broke', hint: 'mend it' },
    })
  })

  it('colours a terminal only, and not with NO_COLOR', () => {
    const colored = (options: Parameters<typeof outputTo>[0]) =>
      outputTo(options).output.colors.red('x') !== 'x'
    expect(colored({ terminal: true })).toBe(true)
    expect(colored({ terminal: false })).toBe(false)
    expect(colored({ terminal: true, env: { NO_COLOR: '1' } })).toBe(false)
    expect(colored({ terminal: true, env: { TERM: 'dumb' } })).toBe(false)
    expect(colored({ terminal: true, format: 'json' })).toBe(false)
  })

  it('shows progress on a terminal alone, and wipes it before anything else', () => {
    const quiet = outputTo()
    quiet.output.progress('half')
    expect(quiet.written.err).toBe('')
    const { output, written } = outputTo({ terminal: true })
    output.progress('half')
    output.print('done')
    expect(written.err).toContain('half')
    expect(written.err.endsWith(`\r${ESCAPE}[K`)).toBe(true)
    expect(written.out).toBe('done\n')
  })

  it('writes bytes as they are', () => {
    const { output, written } = outputTo()
    output.printBytes(Uint8Array.of(0, 0xff, 0x0a))
    expect(written.out).toBe('\u0000\u00ff\n')
  })

  it('writes counts of 64 bits as numbers, and as text where a number would round them', () => {
    const { output, written } = outputTo({ format: 'json' })
    output.printJson({ small: 5n, large: 2n ** 60n })
    expect(written.out).toBe('{"small":5,"large":"1152921504606846976"}\n')
  })
})

describe('texts from the cluster', () => {
  it('cannot move the cursor or reverse the line', () => {
    expect(visible(`a${ESCAPE}[2Jb\u009b\u202ec\n`)).toBe('a\\u001b[2Jb\\u009b\\u202ec\\u000a')
    expect(visible('grüße 漢字')).toBe('grüße 漢字')
  })

  it('are cut to one line of the width', () => {
    expect(shorten('one\n  two', 20)).toBe('one two')
    expect(shorten('one two three', 8)).toBe('one two…')
  })
})
