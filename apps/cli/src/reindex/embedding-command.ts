/*
 * The user's embedding command: a process that reads JSON lines {"id","text"} and writes JSON lines {"id","vector"}, in
 * any order, for as long as its input is open.
 *
 * It takes in no more than a pipe holds. One that answers only at the end of its input, or keeps some answers back until
 * it has read more, is helped: when it has been silent for long, its input is closed, and the next text gets a new process.
 * When this process is killed, the command's input ends, and so should the command.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { EXIT } from '../exit-code.ts'
import { Failure } from '../failure.ts'
import { shorten } from '../output.ts'

/** A text to embed. */
export interface Text {
  readonly id: string
  readonly text: string
}

export interface EmbeddingCommandOptions {
  /** A command line for the shell. */
  readonly command: string
  /** Of every vector. */
  readonly dimensions: number
  /** Hears what the command writes to its standard error. */
  readonly onStderr: (text: string) => void
  /** How long it may be silent before its input is closed, milliseconds; longer once it has been seen to take its time. */
  readonly silentMs?: number
  /** How long it may be silent altogether while it owes answers, milliseconds. */
  readonly timeoutMs: number
}

interface Owed {
  readonly text: Text
  /** To the process that runs. */
  sent: boolean
  readonly resolve: (vector: readonly number[]) => void
  readonly reject: (error: Error) => void
}

type Child = ChildProcessByStdio<Writable, Readable, Readable>

const SILENT_MS = 5_000
const PATIENCE = 4
const CHECK_EVERY_MS = 100
const KILL_AFTER_MS = 2_000
const SHOWN = 80

export class EmbeddingCommand implements AsyncDisposable {
  readonly #options: EmbeddingCommandOptions
  readonly #owed = new Map<string, Owed>()
  #child: Child | undefined
  #closed: Promise<unknown> = Promise.resolve()
  /** Set while no more is sent to the process that runs. */
  #ending = false
  #writing: Promise<void> = Promise.resolve()
  /** How many answers the process that runs has given. */
  #answered = 0
  #lastSignMs = 0
  #longestSilenceMs = 0
  #failure: Failure | undefined

  constructor(options: EmbeddingCommandOptions) {
    this.#options = options
  }

  /**
   * The vectors of texts, in their order. Several calls may be under way, of different ids.
   *
   * @throws Failure when the command ends, is silent for too long, or writes anything but what it was asked for.
   */
  async embed(texts: readonly Text[]): Promise<(readonly number[])[]> {
    if (this.#failure) throw this.#failure
    const vectors = texts.map(
      (text) =>
        new Promise<readonly number[]>((resolve, reject) =>
          this.#owed.set(text.id, { text, sent: false, resolve, reject }),
        ),
    )
    for (const { id } of texts) this.#send(id)
    return Promise.all(vectors)
  }

  /** Ends the command. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#fail(this.#failure ?? Failure.interrupted())
    const child = this.#child
    if (!child) return
    child.stdin.end()
    const timer = setTimeout(() => kill(child, 'SIGKILL'), KILL_AFTER_MS)
    await this.#closed
    clearTimeout(timer)
  }

  #send(id: string): void {
    this.#writing = this.#writing.then(() => this.#write(id))
  }

  async #write(id: string): Promise<void> {
    if (this.#ending) await this.#closed
    const owed = this.#owed.get(id)
    if (!owed) return
    const { stdin } = this.#running()
    owed.sent = true
    if (stdin.write(lineOf(owed.text))) return
    await Promise.race([once(stdin, 'drain').catch(() => {}), this.#closed])
    this.#lastSignMs = performance.now()
  }

  #running(): Child {
    if (this.#child) return this.#child
    // In a group of its own, so that what the shell started ends with it.
    const child = spawn(this.#options.command, {
      shell: true,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe'],
    })
    this.#child = child
    this.#ending = false
    this.#answered = 0
    this.#lastSignMs = performance.now()
    child.stdin.on('error', () => {})
    child.stderr.setEncoding('utf8').on('data', this.#options.onStderr)
    let rest = ''
    child.stdout.setEncoding('utf8').on('data', (data: string) => {
      // Not by readline, to which some characters within a JSON text end a line.
      const lines = (rest + data).split('\n')
      rest = lines.pop() ?? ''
      for (const line of lines) this.#line(line)
    })
    child.stdout.on('end', () => this.#line(rest))
    const watch = setInterval(() => this.#check(child), CHECK_EVERY_MS)
    this.#closed = new Promise<void>((resolve) => {
      const ended = (how: string, inOrder: boolean) => {
        clearInterval(watch)
        this.#child = undefined
        this.#ending = false
        this.#hasEnded(how, inOrder)
        resolve()
      }
      child.once('error', (error) => ended(`could not be started: ${error.message}`, false))
      child.once('close', (code, signal) =>
        ended(signal ? `was ended by ${signal}` : `ended with exit code ${code}`, code === 0),
      )
    })
    return child
  }

  /** Closes the input of a command that is silent, and gives one up that stays so. */
  #check(child: Child): void {
    if (this.#owed.size === 0) {
      this.#lastSignMs = performance.now()
      return
    }
    const silentMs = performance.now() - this.#lastSignMs
    const { timeoutMs, silentMs: leastMs = SILENT_MS } = this.#options
    if (silentMs > timeoutMs) {
      const text = `the embedding command was silent for ${Math.round(timeoutMs / 1000)} s and owes ${this.#owed.size} answers`
      this.#fail(failure(text, 'it must write one line {"id":…,"vector":[…]} for each line it reads'))
      kill(child, 'SIGKILL')
      return
    }
    // A pipe that is full says that it is busy, or stuck for want of a reader: it is read here all the time.
    if (silentMs < Math.max(leastMs, this.#longestSilenceMs * PATIENCE) || this.#ending) return
    this.#ending = true
    child.stdin.end()
  }

  #line(line: string): void {
    if (line.trim() === '' || this.#failure) return
    const now = performance.now()
    this.#longestSilenceMs = Math.max(this.#longestSilenceMs, now - this.#lastSignMs)
    this.#lastSignMs = now
    try {
      const { id, vector } = answerFrom(line, this.#options.dimensions)
      const owed = this.#owed.get(id)
      if (!owed)
        throw failure(
          `the embedding command answered for id ${shorten(id, SHOWN)}, which it owes no answer`,
          'it must answer each line once, by the id it was given',
        )
      this.#owed.delete(id)
      this.#answered += 1
      owed.resolve(vector)
    } catch (error) {
      this.#fail(error as Failure)
      if (this.#child) kill(this.#child, 'SIGTERM')
    }
  }

  /** One that ends in order after some answers is started again for the rest; any other end is the last one. */
  #hasEnded(how: string, inOrder: boolean): void {
    const unanswered = [...this.#owed.values()].filter(({ sent }) => sent)
    if (inOrder && (unanswered.length === 0 || this.#answered > 0)) {
      for (const owed of unanswered) {
        owed.sent = false
        this.#send(owed.text.id)
      }
      return
    }
    const first = shorten(unanswered[0]?.text.id ?? '', SHOWN)
    const owes =
      unanswered.length > 0 ? ` and owes ${unanswered.length} answers, the first for id ${first}` : ''
    const hint = `what it wrote to stderr stands above; try it alone: echo '{"id":"1","text":"hello"}' | <command>`
    this.#fail(failure(`the embedding command ${how}${owes}`, hint))
  }

  #fail(error: Failure): void {
    this.#failure ??= error
    for (const { reject } of this.#owed.values()) reject(this.#failure)
    this.#owed.clear()
  }
}

/** With those characters escaped that end a line to some readers. */
function lineOf({ id, text }: Text): string {
  const json = JSON.stringify({ id, text })
  return `${json.replace(/[\u0085\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
}

/** @throws Failure */
function answerFrom(line: string, dimensions: number): { id: string; vector: number[] } {
  const shown = shorten(line, SHOWN)
  let answer: unknown
  try {
    answer = JSON.parse(line)
  } catch {
    throw failure(
      `the embedding command wrote a line that is no JSON: ${shown}`,
      'it must write nothing but answers to its standard output; anything else to stderr',
    )
  }
  const { id, vector } = (answer ?? {}) as { id?: unknown; vector?: unknown }
  if (typeof id !== 'string' || !Array.isArray(vector)) {
    throw failure(
      `the embedding command wrote a line without id or vector: ${shown}`,
      'an answer is one line {"id":"…","vector":[…]}',
    )
  }
  if (vector.length !== dimensions) {
    throw failure(
      `the embedding command gave ${vector.length} numbers for id ${shorten(id, SHOWN)}, and --dimensions says ${dimensions}`,
      'give the dimensions of the model that the command runs',
    )
  }
  if (!vector.every((x) => Number.isFinite(x))) {
    throw failure(
      `the embedding command gave a vector for id ${shorten(id, SHOWN)} that holds more than numbers`,
      'every member must be a finite number',
    )
  }
  return { id, vector }
}

function failure(message: string, hint: string): Failure {
  return new Failure({ message, hint, code: 'EMBEDDING', exitCode: EXIT.EMBEDDING })
}

function kill(child: Child, signal: NodeJS.Signals): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, signal)
  } catch {
    // It has ended by itself.
  }
}
