import { cpSync, existsSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { join } from 'node:path'

const folder = 'appendonlydir'
const manifest = 'appendonly.aof.manifest'

/** The append-only files of one Redis, for tests that take some of them away. */
export class AofFiles {
  readonly #dir: string

  /** @param dir the Redis's folder */
  constructor(dir: string) {
    this.#dir = dir
  }

  /** Bytes of the file that is being appended to. */
  bytes(): number {
    return statSync(this.#tail()).size
  }

  /** Cuts the file that is being appended to. Redis must not run. */
  cutTo(bytes: number): void {
    const size = this.bytes()
    if (bytes < 0 || bytes > size)
      throw new Error(`the AOF's last file has ${size} bytes: it can't be cut to ${bytes}`)
    truncateSync(this.#tail(), bytes)
  }

  /**
   * Copies all of them, also while Redis runs.
   *
   * @returns false when Redis began another file meanwhile, and the copy is none.
   */
  copyTo(target: string): boolean {
    const before = this.#manifest()
    rmSync(target, { recursive: true, force: true })
    cpSync(join(this.#dir, folder), target, { recursive: true })
    return this.#manifest() === before
  }

  /** Puts a copy in their place. Redis must not run. */
  replaceBy(copy: string): void {
    this.remove()
    cpSync(copy, join(this.#dir, folder), { recursive: true })
  }

  /** Removes all data. Redis must not run. */
  remove(): void {
    rmSync(join(this.#dir, folder), { recursive: true, force: true })
    rmSync(join(this.#dir, 'dump.rdb'), { force: true })
  }

  #manifest(): string {
    const path = join(this.#dir, folder, manifest)
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  /** Lines of the manifest are `file <name> seq <n> type <b|i|h>`; the last incremental file is appended to. */
  #tail(): string {
    const name = [...this.#manifest().matchAll(/^file (\S+) seq \d+ type i/gm)].at(-1)?.[1]
    if (name === undefined) throw new Error(`there is no append-only file in ${this.#dir}`)
    return join(this.#dir, folder, name)
  }
}
