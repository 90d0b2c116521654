import pc from 'picocolors'

/** A stream that commands write to: the process's own, or a test's. */
export interface Sink {
  write(data: string | Uint8Array): boolean
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

/** How answers are written: tables and text for people, or JSON for machines. */
export type OutputFormat = 'table' | 'json'

/** The colours that may be used, all of them the identity where there are none. */
export type Colors = ReturnType<typeof pc.createColors>

/**
 * Where a command's answer and its progress go.
 *
 * Answers go to stdout, everything else to stderr, so that a pipe holds answers only. Colour needs a terminal, and
 * `NO_COLOR` turns it off.
 */
export class Output {
  readonly json: boolean
  /** Whether a person reads stdout on a terminal. */
  readonly isTerminal: boolean
  readonly columns: number
  readonly colors: Colors
  readonly #out: Sink
  readonly #err: Sink
  readonly #errColors: Colors
  #transient = false

  constructor(options: { out: Sink; err: Sink; format: OutputFormat; env: NodeJS.ProcessEnv }) {
    const { out, err, env } = options
    this.#out = out
    this.#err = err
    this.json = options.format === 'json'
    this.isTerminal = out.isTTY === true
    this.columns = out.columns || 100
    this.colors = pc.createColors(mayColor(out, env) && !this.json)
    this.#errColors = pc.createColors(mayColor(err, env))
  }

  /** Writes lines of the answer. */
  print(text: string): void {
    this.#settle()
    this.#out.write(`${text}\n`)
  }

  /** Writes a part of the answer as it is. */
  printBytes(bytes: Uint8Array): void {
    this.#settle()
    this.#out.write(bytes)
  }

  /** Writes the answer as one JSON document: indented on a terminal, else one line. */
  printJson(value: unknown): void {
    this.print(JSON.stringify(value, jsonReplacer, this.isTerminal ? 2 : 0))
  }

  /** Writes one JSON document of several, always one line. */
  printJsonLine(value: unknown): void {
    this.print(JSON.stringify(value, jsonReplacer))
  }

  /** Draws over what was drawn before, from the terminal's top left corner; what doesn't fit on it is left out. */
  redraw(text: string): void {
    const rows = (this.#out.rows || Number.POSITIVE_INFINITY) - 1
    const lines = text
      .split('\n')
      .slice(0, rows)
      .map((line) => `${line}\u001b[K`)
    this.#out.write(`\u001b[H${lines.join('\n')}\n\u001b[J`)
  }

  /** Clears the terminal, for {@link redraw}. */
  clear(): void {
    this.#out.write('\u001b[2J')
  }

  /** Tells how far it is, in one line of stderr that the next one replaces; only on a terminal. */
  progress(text: string): void {
    if (!this.#err.isTTY) return
    const width = (this.#err.columns || 80) - 1
    this.#err.write(`\r${this.#errColors.dim(text.slice(0, width))}\u001b[K`)
    this.#transient = true
  }

  /** Tells something on stderr that stays. */
  note(text: string): void {
    this.#settle()
    this.#err.write(`${this.#errColors.dim(text)}\n`)
  }

  /** Warns on stderr. */
  warn(text: string): void {
    this.#settle()
    this.#err.write(`${this.#errColors.yellow('warning:')} ${text}\n`)
  }

  /** Tells why the command failed: two lines, or one JSON object. */
  fail(failure: { message: string; hint: string; code: string; reason?: string | undefined }): void {
    this.#settle()
    const { code, reason, message, hint } = failure
    if (this.json) {
      this.#err.write(`${JSON.stringify({ error: { code, ...(reason && { reason }), message, hint } })}\n`)
      return
    }
    const label = this.#errColors.red('error:')
    this.#err.write(`${label} ${visible(message)}\n${this.#errColors.dim('hint:')} ${visible(hint)}\n`)
  }

  #settle(): void {
    if (!this.#transient) return
    this.#transient = false
    this.#err.write('\r\u001b[K')
  }
}

/**
 * A text that can't move the cursor or recolour the terminal that shows it: control characters become `\u001b` and
 * the like.
 */
export function visible(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Bidi_Control}\u2028\u2029]/gu,
    (c) => `\\u${(c.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`,
  )
}

/** A text on one line of at most `width` characters, with an ellipsis where it was cut. */
export function shorten(text: string, width: number): string {
  const line = visible(text.replace(/\s+/g, ' ').trim())
  const characters = [...line]
  return characters.length <= width ? line : `${characters.slice(0, Math.max(0, width - 1)).join('')}…`
}

function mayColor(sink: Sink, env: NodeJS.ProcessEnv): boolean {
  return sink.isTTY === true && !env.NO_COLOR && env.TERM !== 'dumb'
}

/** 64-bit counts are numbers in JSON where they fit, else text. */
function jsonReplacer(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value
  const number = Number(value)
  return Number.isSafeInteger(number) ? number : value.toString()
}
