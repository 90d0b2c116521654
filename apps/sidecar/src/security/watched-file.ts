import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import type { Logger } from 'pino'

/** How often a file is looked at. Its contents are compared: what a mounted secret's links point at changes in silence. */
const LOOK_MS = 1000

/** A new content is taken once it has stayed the same for so long. */
const SETTLE_MS = 100

/** A text that isn't what it should be; the message names the place, never what stands there. */
export class UnreadableFile extends Error {
  override name = 'UnreadableFile'
}

/** What a file says, read again when it has changed. A new content that can't be understood changes nothing. */
export class WatchedFile<T> {
  readonly #path: string
  readonly #setting: string
  readonly #parse: (text: string) => T
  readonly #log: Logger
  readonly #listeners = new Set<() => void>()
  #value: T
  #text: string
  /** What was said last of a content that can't be understood. */
  #complaint = ''
  #timer: NodeJS.Timeout | undefined

  /**
   * Reads it for the first time.
   *
   * @param options.setting the variable that names it, for errors.
   * @param options.parse throws UnreadableFile.
   * @throws UnreadableFile
   */
  constructor(options: { path: string; setting: string; parse: (text: string) => T; log: Logger }) {
    this.#path = options.path
    this.#setting = options.setting
    this.#parse = options.parse
    this.#log = options.log
    try {
      this.#text = readFileSync(this.#path, 'utf8')
      this.#value = this.#parse(this.#text)
    } catch (error) {
      throw new UnreadableFile(`${this.#setting}: ${this.#path} ${(error as Error).message}`, {
        cause: error,
      })
    }
  }

  get value(): T {
    return this.#value
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  start(): void {
    this.#timer = setTimeout(() => void this.#look(), LOOK_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  async #look(): Promise<void> {
    try {
      let text = await readFile(this.#path, 'utf8')
      // It may be in the middle of being written.
      for (let before = this.#text; text !== this.#text && text !== before; ) {
        before = text
        await delay(SETTLE_MS)
        text = await readFile(this.#path, 'utf8')
      }
      if (text !== this.#text) this.#take(text)
      this.#complaint = ''
    } catch (error) {
      this.#complain((error as Error).message)
    }
    if (this.#timer) this.start()
  }

  #take(text: string): void {
    this.#value = this.#parse(text)
    this.#text = text
    this.#log.info({ file: this.#path }, `${this.#setting} has changed and was read again`)
    for (const listener of this.#listeners) listener()
  }

  #complain(why: string): void {
    if (why === this.#complaint) return
    this.#complaint = why
    this.#log.error(
      { file: this.#path, why },
      `${this.#setting} can't be read; what it said before still holds`,
    )
  }
}
